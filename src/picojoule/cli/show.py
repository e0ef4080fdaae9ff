"""How results look in a terminal: everything here is given back, nothing is printed."""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from picojoule.data import DATASETS
from picojoule.energy import Chip, Price, load_chip
from picojoule.networks import NETWORKS
from picojoule.report import Report
from picojoule.run.trained import Prediction
from picojoule.units import format_energy


def listing(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of texts, the first column a name."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, no_wrap=index == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _entry(head: str, lines: Iterable[str]) -> Iterator[RenderableType]:
    """A paragraph, of which nothing is cut off however narrow the terminal."""
    yield Text(head, style="bold", overflow="fold")
    for line in lines:
        if line:
            yield Padding(Text(line, overflow="fold"), (0, 0, 0, 4), expand=False)


def chips(names: Iterable[str]) -> Table:
    """The chips of those names."""
    loaded = [load_chip(name) for name in names]
    rows = [(chip.name, chip.scope, chip.description) for chip in loaded]
    return listing("chips", ("name", "scope", "description"), rows)


def chip(one: Chip) -> Group:
    """A chip with every price and its source."""
    head = f"{one.name}: {one.description}\n{one.scope}, words of {one.word_bits} bits"
    left_out = f"left out on purpose: {', '.join(one.excluded) or 'nothing'}"
    prices = [
        line
        for name, price in _prices(one)
        for line in _entry(f"{name}: {_energy(price)}", (price.source, price.note))
    ]
    return Group(Text(head), *prices, Text(left_out))


def _prices(one: Chip) -> Iterator[tuple[str, Price]]:
    for count, entry in one.prices.items():
        by_type = {count: entry} if isinstance(entry, Price) else entry
        for kind, price in by_type.items():
            name = count if kind == count else f"{count} ({kind})"
            yield name, price


def _energy(price: Price) -> str:
    text = f"{price.pj:g} pJ"
    if price.low is not None or price.high is not None:
        low = price.pj if price.low is None else price.low
        high = price.pj if price.high is None else price.high
        text += f" ({low:g} to {high:g})"
    if price.pj_per_bit:
        where = f"{price.fifo} entries" if price.array is None else price.array
        text += f" + {price.pj_per_bit:g} pJ per bit of {where}"
    return text


def data_sets() -> Group:
    """What data sets there are, and whose they are."""
    lines: list[RenderableType] = []
    for one in DATASETS.values():
        items = f"{sum(one.sizes):,} items, licence: {one.licence}"
        lines += _entry(f"{one.name}: {one.description}", (items, one.citation))
    return Group(*lines)


def networks() -> Table:
    """What networks there are, and what each can be told."""
    rows = []
    for name, builder in NETWORKS.items():
        parameters = inspect.signature(builder).parameters.values()
        own = [p for p in parameters if p.name not in ("inputs", "classes", "neuron")]
        options = ", ".join(f"{p.name}={p.default}" for p in own)
        rows.append((name, options, (inspect.getdoc(builder) or "").split("\n")[0]))
    return listing("networks", ("name", "options", "description"), rows)


def prediction(found: Prediction, chip_name: str) -> str:
    """What a network says about one input."""
    spent = format_energy(found.energy_pj)
    return f"{found.label} · confidence {found.confidence:.3f} · {spent} on {chip_name}"


def energies(report: Report) -> RenderableType:
    """Where the energy goes, and what it does not hold."""
    lines: list[RenderableType] = [report.table()]
    for name, one in report.chips.items():
        if one.unpriced:
            lines.append(Text(f"{name} has no price for: {_counts(one.unpriced)}", style="yellow"))
    if report.uncounted:
        lines.append(Text(f"not counted: {', '.join(report.uncounted)}", style="yellow"))
    return Group(*lines)


def _counts(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} ({number:,.4g})" for name, number in counts.items())


def floor(report: Report) -> str:
    """What no hidden spike can change, beside what could be spent."""
    budget = report.budget
    if budget is None:
        (one,) = report.chips.values()
        share = one.floor_pj / one.total_pj if one.total_pj else 1.0
        return f"floor {format_energy(one.floor_pj)}, {share:.2f} of what it spends"
    text = f"floor {format_energy(budget.floor_pj)}, "
    if budget.unconstrained_pj is None:
        return text + f"{budget.floor_pj / budget.limit_pj:.2f} of the budget"
    share = budget.floor_pj / budget.unconstrained_pj
    free = format_energy(budget.unconstrained_pj)
    return text + f"{share:.2f} of what it spends without a budget ({free})"


def summary(report: Report, folder: Path) -> str:
    """The outcome of a run in one line."""
    spent = [
        f"{format_energy(one.total_pj)} per inference on {name}"
        for name, one in report.chips.items()
    ]
    accuracy = f"test accuracy {report.accuracy.test:.3f}"
    return " · ".join([accuracy, *spent, _budget(report), str(folder)])


def _budget(report: Report) -> str:
    budget = report.budget
    if budget is None:
        return "no budget"
    limit = format_energy(budget.limit_pj)
    if list(report.chips) != [budget.chip]:
        limit += f" on {budget.chip}"
    return f"budget {limit}: " + ("met" if budget.met else f"missed by {budget.ratio - 1:.1%}")
