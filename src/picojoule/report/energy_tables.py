"""Tables of energies, with the energies of dense ANNs beside them."""

import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.console import Group
from rich.text import Text

from picojoule._plain_table import place
from picojoule.energy import priced_for
from picojoule.report.fitted_table import FittedTable, Head
from picojoule.training import Cost
from picojoule.units import format_energy

_MEMORY = ("event_read", "weight_read", "state_read", "state_write", "output_write")
_NARROW = 20
_SHORT = 9  # about what an energy takes
_NOTABLE = 0.005  # of the total: what rounds to one percent


def by_layer_and_kind(
    chips: Mapping[str, Cost], spike_rate: float, silent: Collection[str]
) -> Group:
    """Tabulates energy by layer with totals and dense ANNs, and by kind: two columns per chip.

    Args:
        chips: Energy per sample by chip name.
        spike_rate: Mean spikes per neuron and step.
        silent: The layers of neurons that put out no spike.
    """
    costs = list(chips.values())
    layers = [*_parts(chips, {name: one.by_layer for name, one in chips.items()}), ()]
    layers.append(_row("total", [(format_energy(one.total_pj), "") for one in costs]))
    if any(_band(one) for one in costs):
        layers.append(_row("low to high", [(_band(one), "") for one in costs]))
    layers.append(_row("floor (test set)", [_part(one.floor_pj, one.total_pj) for one in costs]))
    quantised = quantised_name(costs)
    layers += [
        (),
        _row("dense ANN", [beside(one.ann_pj, one) for one in costs]),
        _row(quantised, [beside(one.quantised_ann_pj, one) for one in costs]),
    ]
    if spike_rate or silent:
        layers += [
            (),
            _row("silent layers", [(_named(silent), "")] * len(costs)),
            _row("spikes per neuron and step", [(f"{spike_rate:.3g}", "")] * len(costs)),
            _row("break-even rate, dense ANN", [(_even(one)[0], "") for one in costs]),
            _row(f"break-even rate, {quantised}", [(_even(one)[1], "") for one in costs]),
        ]
    kinds = _parts(chips, {name: one.by_kind for name, one in chips.items()})
    return Group(
        FittedTable("energy per inference by layer", _heads("layer", chips), layers),
        FittedTable("energy per inference by kind", _heads("kind", chips), kinds),
        *cheaper_levels(chips),
    )


def cheaper_levels(chips: Mapping[str, Cost]) -> Iterable[Text]:
    """Yields, for each chip, the layers at which multiplying levels is cheaper, and by how much."""
    for name, one in chips.items():
        saved = [f"{at} ({format_energy(pj)} less)" for at, pj in one.saved_by_multiplying.items()]
        if saved:
            told = f"on {name}, levels are cheaper as multiplications at: {', '.join(saved)}"
            yield Text(f'{told}; see Convention(levels="multiply") and --levels multiply')


def comparison(chips: Mapping[str, Cost], spike_rate: float) -> FittedTable:
    """Tabulates one row per chip: energy, dense ANNs, break-even rates, and the share by kind."""
    return FittedTable(
        f"energy per inference by chip, at {spike_rate:.3g} spikes per neuron and step",
        (
            Head("chip", whole=True),
            Head("energy", right=True),
            Head(f"dense ANN\n{quantised_name(chips.values())}", right=True, whole=True),
            Head("break-even\nrate", right=True, whole=True),
            Head("by kind"),
        ),
        [
            ["\n".join(filter(None, cell)) for cell in _cells(name, one)]
            for name, one in chips.items()
        ],
        below="break-even rate: spikes per neuron and step at which it costs as much as the ANN",
        ruled=True,
    )


def times(ratio: float) -> str:
    """Words a ratio in two digits.

    Example:
        >>> times(18.93), times(1.394), times(0.0712)
        ('19x', '1.4x', '0.071x')
    """
    return f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.2g}x"


def _cells(name: str, one: Cost) -> Iterable[Iterable[str]]:
    """Yields the lines of each cell of a row."""
    yield name, *_priced(one), "all-in" if one.scope == "all-in" else ""
    if one.by_kind:
        yield format_energy(one.total_pj), _band(one)
    else:
        yield ("no price",)
    yield (" ".join(beside(pj, one)).strip() for pj in (one.ann_pj, one.quantised_ann_pj))
    yield _even(one)
    missing = f"no price for {', '.join(one.unpriced)}" if one.unpriced else ""
    yield _shares(one) or "nothing here is priced", missing


def _priced(one: Cost) -> list[str]:
    """Words the precision of the prices in short lines, with that of the network if it differs."""
    lines = priced_for(one.precision, one.network_precision).replace(", ", ",\n").splitlines()
    return [short for line in lines for short in textwrap.wrap(line, _NARROW)]


def _shares(one: Cost) -> str:
    """Words the share of each kind of count, the largest first, with all memory accesses as one."""
    grouped: dict[str, float] = {}
    for count, pj in one.by_kind.items():
        kind = "memory" if count in _MEMORY else count
        grouped[kind] = grouped.get(kind, 0.0) + pj
    ordered = sorted(grouped.items(), key=lambda item: -item[1])
    return ", ".join(
        f"{kind} {pj / one.total_pj:.0%}" for kind, pj in ordered if pj > _NOTABLE * one.total_pj
    )


def quantised_name(costs: Iterable[Cost]) -> str:
    """Returns the name of the quantised ANN, by its bits, which are the same on all chips."""
    bits = {one.quantised_ann_bits for one in costs} - {None}
    return f"{bits.pop()}-bit ANN" if bits else "quantised ANN"


def _band(one: Cost) -> str:
    """Words the total at the low and high ends of its prices; empty if they are equal."""
    if one.low_pj == one.total_pj == one.high_pj:
        return ""
    return f"{format_energy(one.low_pj)} to {format_energy(one.high_pj)}"


def _named(layers: Collection[str]) -> str:
    """Words which layers, or how many if their names are long."""
    names = ", ".join(layers) or "none"
    return names if len(names) <= _SHORT else f"{len(layers)} layers"


def beside(pj: float | None, one: Cost) -> tuple[str, str]:
    """Words the energy of an ANN, and its ratio to that of the spiking network."""
    if pj is None:
        return "", ""
    return format_energy(pj), times(pj / one.total_pj) if one.total_pj else ""


def _even(one: Cost) -> tuple[str, str]:
    """Words the spike rates at which the network costs as much as the dense and quantised ANNs."""
    pairs = (
        (one.ann_pj, one.break_even_rate),
        (one.quantised_ann_pj, one.quantised_break_even_rate),
    )
    dense, quantised = (_rate(pj, rate, one) for pj, rate in pairs)
    return dense, quantised


def _rate(ann_pj: float | None, rate: float | None, one: Cost) -> str:
    if rate is not None:
        return f"{rate:.3g}"
    return "no rate" if ann_pj is not None and ann_pj < one.floor_pj else ""


def _part(pj: float | None, total_pj: float) -> tuple[str, str]:
    """Words an energy and its share of the total."""
    if pj is None:
        return "", ""
    return format_energy(pj), f"{pj / total_pj:.0%}" if total_pj else ""


def _heads(what: str, chips: Mapping[str, Cost]) -> list[Head]:
    """Returns the heads of a table with two columns for each chip."""
    heads = [Head(what)]
    for name, one in chips.items():
        heads += [Head("\n".join(filter(None, (name, *_priced(one)))), right=True)]
        heads += [Head("share", right=True)]
    return heads


def _parts(
    chips: Mapping[str, Cost], parts: Mapping[str, Mapping[str, float]]
) -> list[Sequence[str]]:
    """Returns a row for each part, with its energy and share of the total on each chip."""
    names = dict.fromkeys(name for split in parts.values() for name in split)
    return [
        _row(name, [_part(parts[chip].get(name), one.total_pj) for chip, one in chips.items()])
        for name in sorted(names, key=place)
    ]


def _row(label: str, cells: Iterable[tuple[str, str]]) -> Sequence[str]:
    """Returns a row with two cells for each chip."""
    return (label, *(text for pair in cells for text in pair))
