"""Forecasts: all that a meter will count in a network, but for the numbers of events."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.energy.chips import Chip, Energy
from picojoule.energy.counts import OpCounts, Sizes

# The fields of an energy, in their order.
_TOTALS = ("total", "floor", "low", "high")
_TABLES = ("by_layer", "by_kind", "excluded", "unpriced")
_WITH_GRAPH = _TABLES[:2]
_MOST = 8  # chips, and numbers of samples, for which prices are kept

# From the events of each source to the counts by layer.
Counting = Callable[[Sequence[Tensor]], Mapping[str, OpCounts]]


class _Foreseen(NamedTuple):
    """The counts of a layer: each a constant, or a source and by how much its events count.

    Attributes:
        counts: All of them, by name.
        hidden: The names of those that hidden spikes caused.
        sizes: The layer's constant sizes.
    """

    counts: dict[str, float | tuple[int, float]]
    hidden: tuple[str, ...]
    sizes: Sizes


class Forecast:
    """All that a meter will count; each count is that of one source times a number, or constant.

    Args:
        layers: The layers.
    """

    def __init__(self, layers: Mapping[str, _Foreseen]) -> None:
        self._layers = layers
        self._prices: dict[tuple[int, int], tuple[Chip, _Prices]] = {}

    @classmethod
    def of(cls, counting: Counting, sources: int) -> "Forecast | None":
        """Asks for the counts of no event, and of one event of each source alone.

        Args:
            counting: Is asked. What it gives is linear in the events of each source.
            sources: How many.

        Returns:
            The forecast; None if a count is of several sources, or of one and a constant.
        """
        with torch.no_grad():
            nothing, *units = (
                counting(
                    [torch.tensor(float(k == one), dtype=torch.float64) for k in range(sources)]
                )
                for one in range(-1, sources)
            )
        layers: dict[str, _Foreseen] = {}
        for layer, still in nothing.items():
            counts: dict[str, float | tuple[int, float]] = {}
            for name, number in still.items():
                base = number.item()
                each = [getattr(one[layer], name).item() - base for one in units]
                caused = [(source, by) for source, by in enumerate(each) if by]
                if len(caused) > 1 or (caused and base):
                    return None
                counts[name] = caused[0] if caused else base
            hidden = () if still.hidden is None else tuple(name for name, _ in still.hidden.items())
            layers[layer] = _Foreseen(counts, hidden, still.sizes)
        return cls(layers)

    def counts(
        self, events: Sequence[Tensor], samples: int, *, source: int | None = None
    ) -> dict[str, OpCounts]:
        """Returns the counts per sample of these events of each source.

        The numbers are whole before they are divided, so that they have the bits of any other way
        to add them up.

        Args:
            events: Of each source, [].
            samples: Number of samples.
            source: The one whose counts alone are wanted, -1 for the constant ones; None for all.
        """
        made: dict[float | tuple[int, float], Tensor] = {}

        def number(count: float | tuple[int, float]) -> Tensor:
            if count not in made:
                if isinstance(count, tuple):
                    source, by = count
                    total = events[source] if by == 1 else events[source] * by
                else:
                    total = torch.scalar_tensor(count, dtype=torch.float64)
                made[count] = total / samples
            return made[count]

        found = {}
        for layer, (counts, hidden, sizes) in self._layers.items():
            numbers = {
                name: number(count)
                for name, count in counts.items()
                if source is None or source == (count[0] if isinstance(count, tuple) else -1)
            }
            caused = {name: numbers[name] for name in hidden if name in numbers}
            found[layer] = OpCounts.of(numbers, caused, sizes)
        return found

    def price(self, chip: Chip, events: Sequence[Tensor], samples: int) -> Energy:
        """Prices the counts of these events, as ``chip.price`` would, in one product."""
        chip_before, prices = self._prices.get((id(chip), samples), (None, None))
        if prices is None or chip_before is not chip:
            if len(self._prices) >= _MOST:
                self._prices.clear()
            ones = [torch.ones((), dtype=torch.float64) for _ in events]
            parts = [
                chip.price(self.counts(ones, samples, source=k)) for k in range(-1, len(events))
            ]
            whole = chip.price(self.counts(ones, samples))
            self._prices[id(chip), samples] = chip, (prices := _Prices(whole, parts))
        return prices.of(torch.stack(list(events)))


class _Prices:
    """Energies of a forecast on a chip, each a constant and so much for an event of each source.

    Args:
        whole: The energy of one event of each source.
        parts: That of the constant counts, and of one event of each source alone.
    """

    def __init__(self, whole: Energy, parts: Sequence[Energy]) -> None:
        self._whole = whole
        self._names = {name: tuple(getattr(whole, name)) for name in _TABLES}
        constant, *each = (self._row(part) for part in parts)
        self._constant, self._each = constant, torch.stack(each, 1)

    def _row(self, part: Energy) -> Tensor:
        """Returns all energies of a part in a row; what it has not is none."""
        none = torch.zeros((), dtype=torch.float64)
        row = [getattr(part, name) for name in _TOTALS]
        for table, names in self._names.items():
            own = getattr(part, table)
            row += [own.get(name, none) for name in names]
        return torch.stack(row)

    def of(self, events: Tensor) -> Energy:
        """Returns the energy of these events [sources]."""
        row = torch.addmv(self._constant, self._each, events)
        # Apart, so that its gradient does not go through all the others.
        total = torch.dot(self._each[0], events) + self._constant[0]
        graph, flat = row.unbind(), row.detach().unbind()
        (_, floor, low, high), at, tables = flat[: len(_TOTALS)], len(_TOTALS), []
        for table, names in self._names.items():
            some = graph if table in _WITH_GRAPH else flat
            tables.append(dict(zip(names, some[at : at + len(names)], strict=True)))
            at += len(names)
        by_layer, by_kind, excluded, unpriced = tables
        return Energy(
            total=total,
            floor=floor,
            low=low,
            high=high,
            by_layer=by_layer,
            by_kind=by_kind,
            excluded=excluded,
            unpriced=unpriced,
            chip=self._whole.chip,
            precision=self._whole.precision,
            network_precision=self._whole.network_precision,
        )
