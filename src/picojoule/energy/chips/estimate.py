"""Energy: what a network's counts cost on a chip."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from picojoule._plain_table import PlainTable, place
from picojoule.energy.chips.precision import priced_for
from picojoule.units import format_energy

_MOST = 20  # layers that a table has room for


class Sums(Mapping[str, Tensor]):
    """Sums by name without a graph; one that nobody looks at costs a training step no addition."""

    def __init__(self) -> None:
        self._terms: dict[str, list[Tensor]] = {}

    def add(self, name: str, value: Tensor) -> None:
        """Adds to the sum of a name."""
        self._terms.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> Tensor:
        first, *others = (value.detach() for value in self._terms[name])
        return sum(others, start=first)

    def __iter__(self) -> Iterator[str]:
        return iter(self._terms)

    def __len__(self) -> int:
        return len(self._terms)

    def __repr__(self) -> str:
        return repr(dict(self))


@dataclass(frozen=True, eq=False)
class Energy:
    """Energy per sample in pJ, 0-d float64 tensors with the graph of the spikes that cause it.

    Attributes:
        total: The sum of all that the chip prices.
        floor: The part that no hidden spike can change: analog layers, input events, updates.
        low: The total at the low end of every price's range.
        high: The total at the high end.
        by_layer: The total by layer.
        by_kind: The total by count.
        excluded: Counts that the chip file says it leaves out.
        unpriced: Counts that the chip has no price for; never taken as zero in silence. If it
            has one for other types of neuron, the type is named: ``"spike.LIF"``.
        chip: Name of the chip.
        precision: Precision of its prices, as the chip file says.
        network_precision: The type of the network's weights, such as ``"float32"``; empty if no
            layer says it.
    """

    total: Tensor
    floor: Tensor
    low: Tensor
    high: Tensor
    by_layer: dict[str, Tensor] = field(default_factory=dict)
    by_kind: dict[str, Tensor] = field(default_factory=dict)
    excluded: Mapping[str, Tensor] = field(default_factory=dict)
    unpriced: Mapping[str, Tensor] = field(default_factory=dict)
    chip: str = ""
    precision: str = ""
    network_precision: str = ""

    def __repr__(self) -> str:
        on = f" on {self.chip}" if self.chip else ""
        return (
            f"Energy({format_energy(float(self.total.detach()))}{on}, {len(self.by_layer)} layers)"
        )

    def __str__(self) -> str:
        """Returns a short table: energy and share of each layer, the floor, and kinds of count."""
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table().html()

    def _table(self) -> PlainTable:
        priced = priced_for(self.precision, self.network_precision)
        title = f"energy per sample on {self.chip}" if self.chip else "energy per sample"
        total_pj = float(self.total.detach())
        low_pj, high_pj = float(self.low.detach()), float(self.high.detach())
        layers = _largest(_floats(self.by_layer))
        rows = [_row(name, pj, total_pj) for name, pj in layers.items()]
        rows += [(), ("total", format_energy(total_pj), "")]
        rows.append(_row("floor", float(self.floor.detach()), total_pj))
        if low_pj != high_pj:
            rows += [("low", format_energy(low_pj), ""), ("high", format_energy(high_pj), "")]
        kinds = sorted(_floats(self.by_kind).items(), key=lambda kind: -kind[1])
        lines = {
            "by kind": [f"{name} {format_energy(pj)}" for name, pj in kinds],
            "left out by the chip": self.excluded,
            "without a price": self.unpriced,
        }
        below = [f"{head}: {', '.join(parts)}" for head, parts in lines.items() if parts]
        title += f" ({priced})" if priced else ""
        return PlainTable(title, ("layer", "energy", "share"), rows, below)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Energy":
        """Returns the same record with ``total``, ``floor``, ``low`` and ``high`` changed."""
        names = ("total", "floor", "low", "high")
        return replace(self, **{name: change(getattr(self, name)) for name in names})


def _floats(values: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in values.items()}


def _row(name: str, pj: float, total_pj: float) -> tuple[str, str, str]:
    return name, format_energy(pj), f"{pj / total_pj:.0%}" if total_pj else ""


def _largest(layers: Mapping[str, float]) -> dict[str, float]:
    """Returns layers in their order; of many only those that cost most, and the rest as one."""
    kept = sorted(layers, key=lambda name: -layers[name])[: _MOST if len(layers) > _MOST else None]
    found = {name: layers[name] for name in sorted(layers, key=place) if name in kept}
    rest = [pj for name, pj in layers.items() if name not in found]
    return found | ({f"{len(rest)} others": sum(rest)} if rest else {})
