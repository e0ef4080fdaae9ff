"""Energy: what a network's counts cost on a chip."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor


class Sums(Mapping[str, Tensor]):
    """Sums by name without a graph; one that nobody looks at costs a training step no addition."""

    def __init__(self) -> None:
        self._terms: dict[str, list[Tensor]] = {}

    def add(self, name: str, value: Tensor) -> None:
        """Adds to the sum of a name."""
        self._terms.setdefault(name, []).append(value.detach())

    def __getitem__(self, name: str) -> Tensor:
        first, *others = self._terms[name]
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

    def map(self, change: Callable[[Tensor], Tensor]) -> "Energy":
        """Returns the same record with ``total``, ``floor``, ``low`` and ``high`` changed."""
        names = ("total", "floor", "low", "high")
        return replace(self, **{name: change(getattr(self, name)) for name in names})
