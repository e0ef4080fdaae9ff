"""Straight-through estimators: the values of one tensor with the gradient of another.

``soft + (hard - soft).detach()`` is ``hard``, ``soft - soft.detach()`` is zero, and both pass the
gradient of ``soft``. Of which kind they are follows from that, in any order of the terms.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.weak import WeakIdRef

from picojoule._torch import version_of
from picojoule.energy.kinds import NOTHING, Kind


class Rest(NamedTuple):
    """Kind of a sum without one of its terms.

    Attributes:
        kind: Its kind.
        value: The term, which it does not keep alive.
        version: How often it had been changed in place.
        minus: True if it was subtracted, and is to be added.
    """

    kind: Kind
    value: WeakIdRef
    version: int | None
    minus: bool

    def fits(self, value: Any) -> bool:
        """Tells whether a tensor is the term that is to be taken away."""
        own = self.value()
        # A tensor and its `data` share memory, but each counts its own changes.
        if own is None or not is_same(own, value):
            return False
        return version_of(own) == version_of(value) == self.version


def is_same(first: Any, second: Any) -> bool:
    """Tells whether two tensors are one and the same memory, as a tensor and ``x.detach()`` are."""
    both = isinstance(first, Tensor) and isinstance(second, Tensor)
    return both and first.layout is second.layout is torch.strided and first.is_set_to(second)


def rest_of(kinds: tuple[Kind, Kind], first: Tensor, second: Tensor, minus: bool) -> Rest | None:
    """Returns what is left of a sum or difference of events and analog values without these.

    Args:
        kinds: The kinds of the two.
        first: The first, or what it was detached from.
        second: The second, likewise.
        minus: Whether the second is subtracted.
    """
    own, other = kinds
    if first.shape != second.shape or own is NOTHING or other is NOTHING:
        return None
    if own.counted and not other.sparse:
        return Rest(own, WeakIdRef(second), version_of(second), minus)
    if other.counted and not (own.sparse or minus):
        return Rest(other, WeakIdRef(first), version_of(first), False)
    return None


def closed(
    rests: tuple[Rest | None, Rest | None], first: Any, second: Any, minus: bool
) -> Kind | None:
    """Returns the kind of what is left after a sum or difference, None if more than that is."""
    of_first, of_second = rests
    if of_first is not None and of_first.minus is not minus and of_first.fits(second):
        kind = of_first.kind
    elif of_second is not None and of_second.minus and not minus and of_second.fits(first):
        kind = of_second.kind
    else:
        return None
    eps = torch.finfo(first.dtype).eps if first.is_floating_point() else 0
    return replace(kind, rounding=max(kind.rounding, eps))
