"""Kinds: what a tensor carries, known from where it comes from and never read off its values."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

KINDS = ("events", "levels", "graded", "analog")


@dataclass(frozen=True, eq=False)
class Kind:
    """Kind of the values in a tensor.

    Attributes:
        name: ``"events"`` (0 or 1), ``"levels"`` (whole numbers of events), ``"graded"`` (an analog
            value at each event, else 0) or ``"analog"``.
        scale: Value of one event or level in the tensor; one for each position if it varies.
        signed: Whether events count by magnitude.
        hidden: Whether the events come from neurons of the network.
        given: Whether the values are inputs of the network, which have passed no neuron.
        steps: Number of steps in the tensor, None if that is not known.
        number: Number of events at each element of graded values, with a gradient.
        folds: Whether the values come directly from synapses, so that a norm folds into them.
        within: Mask [T, B] of the steps that lie within their sequences, if events may lie outside.
        factors: Factors of a scale that is a product of learned numbers: these and the number that
            they multiply, each with its power.
        mask: Whether the values are constant zeros and ones, which no part of the network made.
        gate: Whether analog values are all zeros and ones, such as the results of comparisons.
        rounding: By what part of itself a scaled event may be off, since it was once of a type of
            few digits; 0 if it was of none coarser than its own.
    """

    name: str
    scale: float | Tensor = 1.0
    signed: bool = False
    hidden: bool = False
    steps: int | None = None
    given: bool = False
    number: Tensor | None = None
    folds: bool = False
    within: Tensor | None = None
    factors: tuple[tuple[float | Tensor, int], ...] = ()
    mask: bool = False
    gate: bool = False
    rounding: float = 0.0

    @property
    def sparse(self) -> bool:
        """True if zeros cost nothing."""
        return self.name != "analog"

    @property
    def counted(self) -> bool:
        """True if values divided by ``scale`` are numbers of events."""
        return self.name in ("events", "levels")

    def analog(self) -> "Kind":
        """Returns the analog kind over the same steps."""
        return Kind("analog", steps=self.steps)

    def scaled(self, factor: float | Tensor, power: int = 1) -> "Kind":
        """Returns the kind after a multiplication by a constant, or a division if power is -1."""
        if not self.counted or self is NOTHING:
            return self
        if isinstance(factor, (int, float)) and not (math.isfinite(factor) and factor):
            return self.analog()
        known: tuple[tuple[float | Tensor, int], ...] = self.factors
        if not isinstance(self.scale, Tensor):
            known = ((self.scale, 1),) if isinstance(factor, Tensor) else ()
        known = (*known, (factor, power)) if known else ()
        scale = self.scale * factor if power == 1 else self.scale / factor
        if self.is_worth(1) and power == 1:
            scale = factor
        return replace(self, scale=scale, factors=known)

    @property
    def uneven(self) -> bool:
        """True if an event has another value in some places than in others."""
        return isinstance(self.scale, Tensor) and self.scale.numel() > 1

    def is_worth(self, number: float) -> bool:
        """Tells whether one event is known to be worth a number."""
        return not isinstance(self.scale, Tensor) and self.scale == number

    def graded(self) -> "Kind":
        """Returns the graded kind over the same steps."""
        return Kind("graded", hidden=self.hidden, steps=self.steps, within=self.within)

    def rounded_as(self, dtype: torch.dtype) -> "Kind":
        """Returns the kind of the same values as they are in a type of number."""
        if not self.counted or self.is_worth(1) or not dtype.is_floating_point:
            return self
        eps = torch.finfo(dtype).eps
        return replace(self, rounding=eps) if eps > max(self.rounding, 1e-6) else self

    def fired(self) -> "Kind":
        """Returns the kind of ones at the events, and zeros elsewhere."""
        return replace(self, name="events", scale=1.0, signed=False, number=None, folds=False)

    def masked(self) -> "Kind":
        """Returns the kind of constants like these."""
        return replace(self, mask=True)

    def limited(self, low: float | None, high: float | None) -> "Kind":
        """Returns the kind after a clamp; numbers of events stay whole if the limits are whole."""
        if not self.sparse or (low or 0) > 0 or (high is not None and high < 0):
            return self.analog()
        if not self.counted or self is NOTHING:
            return self
        if isinstance(self.scale, Tensor) or self.scale < 0:
            return self if (low or 0) == 0 and high is None else self.graded()
        most = math.inf if high is None else high / self.scale
        least = -math.inf if low is None else low / self.scale
        events = self.name == "events"
        if not (most >= 1 if events else math.isinf(most) or most == round(most)):
            return self.graded()
        signed = self.signed and least < 0
        if signed and not (least <= -1 if events else math.isinf(least) or least == round(least)):
            return self.graded()
        name = "events" if most <= 1 and (least >= -1 or not signed) else self.name
        return replace(self, name=name, signed=signed)

    def whole(self) -> "Kind":
        """Returns the kind after values were rounded to whole numbers."""
        if not self.counted or self is NOTHING:
            return self
        if isinstance(self.scale, Tensor):
            return self.graded()
        return self if self.scale == round(self.scale) else replace(self, name="levels", scale=1.0)

    def levels(self, share: float | Tensor = 1.0) -> "Kind":
        """Returns the kind of sums of ``share`` of what this kind carries."""
        if not self.counted:
            return self.analog()
        if self.uneven:
            return self.graded()
        if isinstance(share, Tensor):
            return replace(self, name="levels", scale=self.scale * share, factors=())
        return replace(self.scaled(share), name="levels")


class Segments(NamedTuple):
    """Several kinds side by side in one tensor, which as a whole is analog.

    Attributes:
        axis: The axis, counted from the end.
        parts: Elements along it, and the kind of each stretch.
    """

    axis: int
    parts: tuple[tuple[int, Kind], ...]

    def mapped(self, change: Callable[[Kind], Kind]) -> "Segments":
        """Returns the same parts after a change of the kind of each."""
        return Segments(self.axis, tuple((size, change(kind)) for size, kind in self.parts))

    def cut(self, first: int, size: int) -> tuple[tuple[int, Kind], ...]:
        """Returns the parts of a stretch of the axis."""
        found, at = [], 0
        for length, kind in self.parts:
            inside = min(at + length, first + size) - max(at, first)
            at += length
            if inside > 0:
                found.append((inside, kind))
        return tuple(found)

    def reshaped(self, before: Sequence[int], after: Sequence[int]) -> "Segments | None":
        """Returns the kinds of the same values in order in another shape, None if they mix."""
        unit, size = prod(before[self.axis :]) // before[self.axis], before[self.axis]
        rows = prod(before[: self.axis])
        for axis in range(-len(after), 0):
            place = prod(after[axis:]) // max(1, after[axis])
            fits = prod(after[:axis]) == rows and after[axis] * place == size * unit
            if fits and all(length * unit % place == 0 for length, _ in self.parts):
                parts = tuple((length * unit // place, kind) for length, kind in self.parts)
                return Segments(axis, parts)
        return None


# Zeros, before anything is put into them: they take on the kind of whatever they are joined with.
NOTHING = Kind("events")


def everywhere(number: float) -> Kind:
    """Returns the kind of values that are all the same number."""
    if not number:
        return NOTHING
    return Kind("events", scale=number) if math.isfinite(number) else Kind("analog")


def joined(kinds: Sequence[Kind]) -> Kind:
    """Returns the kind of tensors side by side: theirs if all are equal, else what covers all."""
    kinds = [kind for kind in kinds if kind is not NOTHING] or [NOTHING]
    if len(kinds) == 1:
        return kinds[0]
    first = kinds[0]
    hidden = any(kind.hidden for kind in kinds)
    if not all(_same_scale(first, kind) for kind in kinds):
        return first.analog()
    names = {kind.name for kind in kinds}
    if len(names) > 1 and not names <= {"events", "levels"}:
        return first.analog()
    name = first.name if len(names) == 1 else "levels"
    signed = any(kind.signed for kind in kinds)
    return replace(first, name=name, hidden=hidden, signed=signed, within=within(kinds))


def within(kinds: Iterable[Kind]) -> Tensor | None:
    """Returns the steps within sequences, if any of these has events outside of them."""
    return next((kind.within for kind in kinds if kind.within is not None), None)


def summed(first: Kind, second: Kind, *, minus: bool = False) -> Kind:
    """Returns the kind of a sum or difference of two tensors."""
    if second is NOTHING:
        return first
    if first is NOTHING and not minus:
        return second
    if not (first.counted and second.counted):
        return first.analog()
    hidden = first.hidden or second.hidden
    if not _same_scale(first, second):
        return Kind("graded", hidden=hidden, steps=first.steps, within=within((first, second)))
    signed = minus or first.signed or second.signed
    both = within((first, second))
    return replace(first, name="levels", hidden=hidden, signed=signed, within=both)


def product(first: Kind, second: Kind) -> Kind:
    """Returns the kind of an element-wise product of two tensors."""
    if not (first.sparse or second.sparse):
        return replace(first.analog(), gate=first.gate and second.gate)
    hidden = first.hidden or second.hidden
    if (first.counted or first.gate) and (second.counted or second.gate):
        name = "levels" if "levels" in (first.name, second.name) else "events"
        signed = first.signed or second.signed
        both = within((first, second))
        events, other = (first, second) if first.counted else (second, first)
        scaled = events if other.is_worth(1) else events.scaled(other.scale)
        kind = Kind(name, scaled.scale, signed, hidden, first.steps, within=both)
        return replace(kind, factors=scaled.factors, rounding=scaled.rounding)
    return Kind("graded", hidden=hidden, steps=first.steps, within=within((first, second)))


def _same_scale(first: Kind, second: Kind) -> bool:
    if not (isinstance(first.scale, Tensor) or isinstance(second.scale, Tensor)):
        return math.isclose(first.scale, second.scale)
    if first.scale is second.scale:
        return True
    numbers, learned = zip(*map(_apart, (first.factors, second.factors)), strict=True)
    return bool(learned[0]) and learned[0] == learned[1] and math.isclose(*numbers)


def _apart(factors: Iterable[tuple[float | Tensor, int]]) -> tuple[float, dict[int, int]]:
    """Takes a product apart into its number, and the power of each learned factor."""
    number, learned = 1.0, dict[int, int]()
    for factor, power in factors:
        if isinstance(factor, Tensor):
            learned[id(factor)] = learned.get(id(factor), 0) + power
        else:
            number *= factor**power
    return number, {factor: power for factor, power in learned.items() if power}
