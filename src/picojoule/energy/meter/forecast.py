"""Forecasts: all that a meter will count in a network, but for the numbers of events."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import mul
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.energy.counts import OpCounts, Sizes

# From numbers in the place of the factors' own to the counts by layer.
Counting = Callable[[Sequence[Tensor]], Mapping[str, OpCounts]]


class Factor(NamedTuple):
    """Numbers on which counts depend: events, or ones for what training leaves and zeros else.

    Attributes:
        axes: The layers of places that they are of, by number: [K] of one, [N, K] of two. Of events
            of which only the sum is known [] it is none.
        values: The numbers, in float64.
    """

    axes: tuple[int, ...]
    values: Tensor


class _Foreseen(NamedTuple):
    """The counts of a layer: each a constant, or a sum of products and by how much it counts.

    Attributes:
        counts: All of them, by name.
        hidden: The names of those that hidden spikes, or training, caused.
        sizes: The layer's constant sizes.
    """

    counts: dict[str, float | tuple[int, float]]
    hidden: tuple[str, ...]
    sizes: Sizes


class Forecast:
    """All that a meter will count; each count is constant, or a sum of products times a number.

    The products are of the numbers of some factors, at all places. An event that arrives at a layer
    with gates, say, counts if its input is there, and once for each output that is.

    Args:
        layers: The layers.
        products: The factors of each product, by number, apart from those of other places: its sum
            is the product of theirs.
    """

    def __init__(
        self, layers: Mapping[str, _Foreseen], products: Sequence[Sequence[frozenset[int]]]
    ) -> None:
        self._layers, self._products = layers, products

    @classmethod
    def of(cls, counting: Counting, factors: Sequence[Factor]) -> "Forecast | None":
        """Asks for the counts of ones in the place of all numbers, and of none of each factor.

        Args:
            counting: Is asked. What it gives is linear in the numbers of each factor, and at least
                0 if they are.
            factors: All factors.

        Returns:
            The forecast; None if a count is a sum of several products.
        """
        ones = [torch.ones_like(one.values, dtype=torch.float64) for one in factors]
        numbers = [one._replace(values=number) for one, number in zip(factors, ones, strict=True)]
        with torch.no_grad():
            whole = counting(ones)
            without = [
                counting([number * (k != own) for k, number in enumerate(ones)])
                for own in range(len(ones))
            ]
        layers: dict[str, _Foreseen] = {}
        products: dict[frozenset[int], list[frozenset[int]]] = {}
        for layer, done in whole.items():
            counts: dict[str, float | tuple[int, float]] = {}
            for name, number in done.items():
                base = number.item()
                left = [getattr(one[layer], name).item() for one in without]
                if any(one not in (0, base) for one in left):
                    return None
                counts[name] = base
                if caused := frozenset(k for k, one in enumerate(left) if one != base):
                    parts = products.setdefault(caused, _apart(caused, factors))
                    unit = math.prod(_sum([numbers[k] for k in part]).item() for part in parts)
                    counts[name] = [*products].index(caused), base / unit
            hidden = () if done.hidden is None else tuple(name for name, _ in done.hidden.items())
            layers[layer] = _Foreseen(counts, hidden, done.sizes)
        return cls(layers, list(products.values()) or [[frozenset({0})]])

    def sums(self, factors: Sequence[Factor]) -> list[Tensor]:
        """Returns the sum of each product [], with its graph."""
        parts = dict.fromkeys(part for product in self._products for part in product)
        sums = {part: _sum([factors[k] for k in sorted(part)]) for part in parts}
        return [reduce(mul, (sums[part] for part in product)) for product in self._products]

    def counts(
        self, sums: Sequence[Tensor], samples: int, *, product: int | None = None
    ) -> dict[str, OpCounts]:
        """Returns the counts per sample of these sums of products.

        The numbers are whole before they are divided, so that they have the bits of any other way
        to add them up.

        Args:
            sums: Of each product, [].
            samples: Number of samples.
            product: The one whose counts alone are wanted, -1 for the constant ones; None for all.
        """
        made: dict[float | tuple[int, float], Tensor] = {}

        def number(count: float | tuple[int, float]) -> Tensor:
            if count not in made:
                if isinstance(count, tuple):
                    place, by = count
                    made[count] = (sums[place] if by == 1 else sums[place] * by) / samples
                else:
                    made[count] = torch.scalar_tensor(count / samples, dtype=torch.float64)
            return made[count]

        found = {}
        for layer, (counts, hidden, sizes) in self._layers.items():
            numbers = {
                name: number(count)
                for name, count in counts.items()
                if product is None or product == (count[0] if isinstance(count, tuple) else -1)
            }
            caused = {name: numbers[name] for name in hidden if name in numbers}
            found[layer] = OpCounts.of(numbers, caused, sizes)
        return found


class Foreseen(NamedTuple):
    """The counts of a run that were known but for the numbers of some factors.

    Attributes:
        forecast: All but these.
        sums: Of each product of them, [].
        samples: Number of samples.
    """

    forecast: Forecast
    sums: Sequence[Tensor]
    samples: int

    @property
    def counts(self) -> dict[str, OpCounts]:
        """The counts per sample, by layer."""
        return self.forecast.counts(self.sums, self.samples)


def _apart(product: frozenset[int], factors: Sequence[Factor]) -> list[frozenset[int]]:
    """Returns the factors of a product, those apart that share no layer of places."""
    parts: list[frozenset[int]] = []
    for one in sorted(product):
        near = [p for p in parts if any({*factors[k].axes} & {*factors[one].axes} for k in p)]
        parts = [p for p in parts if p not in near] + [frozenset({one}).union(*near)]
    return parts


def _sum(factors: Sequence[Factor]) -> Tensor:
    """Sums the products of the numbers of factors over all places."""
    (first, values), *others = factors
    if not others:
        return values.sum() if first else values
    if len(others) == 1 and others[0].axes == first and len(first) == 1:
        return torch.dot(values, others[0].values)
    pairs = [item for axes, numbers in factors for item in (numbers, [*axes])]
    return torch.einsum(*pairs, [])
