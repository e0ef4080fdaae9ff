"""Forecasts: all that a meter will count in a network, but for the numbers of events."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.energy.counts import OpCounts, Sizes

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


class Foreseen(NamedTuple):
    """The counts of a run that were known but for the numbers of events.

    Attributes:
        forecast: All but these.
        events: Of each source, [].
        samples: Number of samples.
    """

    forecast: Forecast
    events: Sequence[Tensor]
    samples: int

    @property
    def counts(self) -> dict[str, OpCounts]:
        """The counts per sample, by layer."""
        return self.forecast.counts(self.events, self.samples)
