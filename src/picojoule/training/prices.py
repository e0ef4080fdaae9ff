"""Prices of what a meter counted, in one product if the counts were known but for the events."""

from collections.abc import Sequence
from functools import cache
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from picojoule.energy import Chip, Energy, Meter

# The fields of an energy, in their order.
_TOTALS = ("total", "floor", "low", "high")
_TABLES = ("by_layer", "by_kind", "excluded", "unpriced")
_WITH_GRAPH = _TABLES[:2]
_MOST = 8  # chips, and numbers of samples, for which prices of a network are kept


def price(meter: Meter, chip: Chip) -> Energy:
    """Prices what a meter counted, as ``chip.price(meter.counts)`` does.

    As the counts are linear in the numbers that a forecast leaves open, so is the energy: a network
    that was known before it ran is priced by one product.
    """
    if (foreseen := meter.foreseen) is None:
        return chip.price(meter.counts)
    forecast, sums, samples = foreseen
    kept = _kept().setdefault(forecast, {})
    before, prices = kept.get((id(chip), samples), (None, None))
    if prices is None or before is not chip:
        if len(kept) >= _MOST:
            kept.clear()
        ones = [torch.ones((), dtype=torch.float64) for _ in sums]
        parts = (forecast.counts(ones, samples, product=k) for k in range(-1, len(sums)))
        whole = chip.price(forecast.counts(ones, samples))
        prices = _Prices(whole, [chip.price(part) for part in parts])
        kept[id(chip), samples] = chip, prices
    return prices.of(torch.stack(list(sums)))


@cache
def _kept() -> WeakKeyDictionary[object, dict[tuple[int, int], tuple[Chip, "_Prices"]]]:
    """Returns the prices of each forecast, while it lives."""
    return WeakKeyDictionary()


class _Prices:
    """Energies of a forecast on a chip, each a constant and so much for each of its sums.

    Args:
        whole: The energy if each sum is 1.
        parts: That of the constant counts, and of each sum alone.
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

    def of(self, sums: Tensor) -> Energy:
        """Returns the energy of these sums [products]."""
        row = torch.addmv(self._constant, self._each, sums)
        # Apart, so that its gradient does not go through all the others.
        total = torch.dot(self._each[0], sums) + self._constant[0]
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
