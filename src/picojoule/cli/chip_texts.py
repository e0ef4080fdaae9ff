"""Texts and tables of chips for a terminal; they are returned, and printed elsewhere."""

import difflib
from collections.abc import Iterable, Iterator

from rich.console import Group
from rich.text import Text

from picojoule.cli.show import listing
from picojoule.energy import Chip, Price, load_chip
from picojoule.neurons import kinds
from picojoule.report.fitted_table import FittedTable, entry


def listed(names: Iterable[str]) -> FittedTable:
    """Tabulates the chips of those names."""
    loaded = [load_chip(name) for name in names]
    rows = [
        (one.name, one.node, one.precision, one.evidence, one.scope.replace("per-", "per "))
        for one in loaded
    ]
    return listing("chips", ("name", "node", "precision", "evidence", "scope"), rows)


def described(one: Chip) -> Group:
    """Describes a chip with every price and its source."""
    head = f"{one.name}: {one.description}\n{_kind(one)}"
    prices = [
        line
        for count, neuron, price in one.each_price()
        for line in entry(f"{_named(count, neuron)}: {_energy(price)}", (price.source, price.note))
    ]
    return Group(Text(head), *prices, *map(Text, _rest(one)))


def checked(one: Chip) -> list[str]:
    """Describes a valid chip file in a few lines."""
    priced = [_named(count, neuron) for count, neuron, _ in one.each_price()]
    return [f"ok: {one.name}, {_kind(one)}", f"priced: {', '.join(priced)}", *_rest(one)]


def doubts(one: Chip) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yields prices for unknown types of neuron, which may be misspelt or the user's own.

    Each is the key in the chip file, and a message.
    """
    known = kinds().keys() - {"Recurrent"}  # its neurons have the prices
    for count, neuron, _ in one.each_price():
        if neuron and neuron not in known:
            near = difflib.get_close_matches(neuron.upper(), known, n=1, cutoff=0.7)
            hint = f": did you mean '{near[0]}'?" if near else "; right if there is one elsewhere"
            yield ("price", count, neuron), f"picojoule has no neuron '{neuron}'{hint}"


def _kind(one: Chip) -> str:
    words = f"words of {one.word_bits} bits"
    return ", ".join((one.node, one.precision, one.evidence, one.scope, words))


def _rest(one: Chip) -> tuple[str, str]:
    """Lists the counts that a chip excludes, and those that it has no price for."""
    left_out = f"left out on purpose: {', '.join(one.excluded) or 'nothing'}"
    return left_out, f"no price for: {', '.join(one.unpriced) or 'nothing'}"


def _named(count: str, neuron: str) -> str:
    return f"{count} ({neuron})" if neuron else count


def _energy(price: Price) -> str:
    text = f"{price.pj:g} pJ"
    if price.low is not None or price.high is not None:
        _, low, high = price.ends
        text += f" ({low:g} to {high:g})"
    if price.pj_per_bit:
        queue = None if price.fifo is None else f"a queue of {price.fifo} words"
        where = " or ".join(part for part in (price.array, queue) if part)
        text += f" + {price.pj_per_bit:g} pJ per bit of {where}"
    return text
