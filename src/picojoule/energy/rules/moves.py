"""Rules of functions that rearrange, copy, join or choose among values, and of those that make new.

Moves change no kind and cost nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from picojoule.energy.kinds import NOTHING, Beside, Kind, joined
from picojoule.energy.rules.base import (
    DERIVED,
    FRESH,
    OUTSIDE,
    Before,
    Call,
    Outcome,
    analog,
    moved,
    tensors,
)


def _first(call: Call) -> Tensor | None:
    values = (*call.args, *call.kwargs.values())
    return next(iter(tensors(values)), None)


def _kind(call: Call) -> Kind | None:
    first = _first(call)
    return call.kind(first) or call.mask(first)


def reordered(call: Call, *_: Any, **__: Any) -> Outcome:
    """Gives the results the kind of the first argument, whose values they hold in any order."""
    kind = _kind(call)
    if kind is None:
        return DERIVED
    if kind.uneven:
        return Outcome(call.moved(kind))
    return Outcome(kind if kind.number is None else replace(kind, number=None))


def in_order(call: Call, *_: Any, **__: Any) -> Outcome:
    """Gives the result the kind of the first argument, all of whose values it holds in order."""
    kind = _kind(call)
    if kind is None:
        return DERIVED
    return Outcome(call.moved(kind) if kind.uneven else kind, in_order=True)


def copies(call: Call, *args: Any, **kwargs: Any) -> Outcome:
    """Copies values along new or longer axes; copies along the first axis are steps."""
    outcome = reordered(call, *args, **kwargs)
    kind, value, out = outcome.kind, _first(call), call.out
    assert value is not None
    same = out.dim() == value.dim() and value.shape[0] if value.dim() else False
    if not isinstance(kind, Kind) or not kind.steps or not same:
        return outcome
    return Outcome(replace(kind, steps=kind.steps * out.shape[0] // value.shape[0]))


def cast(call: Call, *args: Any, **kwargs: Any) -> Outcome:
    """Changes the type of values; what a comparison gave is spikes, or a mask, or neither."""
    value, kind = _first(call), _kind(call)
    if value is None:
        return DERIVED
    if kind is None:
        if value.dtype != torch.bool or call.out.dtype == torch.bool:
            return DERIVED
        if call.constant(value):
            return Outcome(Kind("events", mask=True))
        return Outcome(Kind("analog"), missed={"values of a comparison": call.out.numel()})
    if call.out.dtype == torch.bool:
        return Outcome(kind.fired() if kind.sparse and kind is not NOTHING else kind)
    whole = kind if call.out.is_floating_point() else kind.whole()
    return in_order(call, *args, **kwargs) if whole is kind else Outcome(whole)


def outside(call: Call, *args: Any, **kwargs: Any) -> Outcome:
    """Brings values from outside of torch, of which nothing is known; one number is a constant."""
    if isinstance(_first(call), Tensor):
        return in_order(call, *args, **kwargs)
    return FRESH if call.out.numel() == 1 else OUTSIDE


def ones(call: Call, *_: Any, **__: Any) -> Outcome:
    """Makes a mask of ones."""
    return Outcome(Kind("events", mask=True), fresh=True)


def fresh(call: Call, *_: Any, **__: Any) -> Outcome:
    """Takes a shape or a type from its argument, but no value."""
    return FRESH


def zeros(call: Call, *_: Any, **__: Any) -> Outcome:
    """Makes zeros, which are no events until something is put into them."""
    return Outcome(NOTHING)


def filled(call: Call, input: Tensor, *_: Any, **__: Any) -> Outcome:
    """Overwrites values with numbers."""
    return DERIVED if call.kind(input) is None else Outcome(Kind("analog"))


def _known(call: Call, values: Iterable[Any]) -> list[Kind]:
    """Returns the kinds of all tensors among values, none if nothing of the network is there."""
    given = [value for value in values if isinstance(value, Tensor)]
    if not any(call.kind(value) is not None for value in given):
        return []
    return [kind for value in given if (kind := call.joining(value)) is not None]


def stack(call: Call, tensors: Sequence[Tensor], *_: Any, **__: Any) -> Outcome:
    """Puts values side by side along a new axis, or one that depends on their shape."""
    kinds = _known(call, tensors)
    if not kinds:
        return DERIVED
    kind = joined(kinds)
    return Outcome(call.moved(kind) if kind.uneven else kind)


def join(
    call: Call, tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None
) -> Outcome:
    """Puts values side by side along an axis; of several kinds each stays what it is there."""
    kinds = _known(call, tensors)
    if not kinds:
        return DERIVED
    kind = joined(kinds)
    if kind.sparse or not any(part.sparse for part in kinds):
        return Outcome(call.moved(kind) if kind.uneven else kind)
    axis = dim if axis is None else axis
    axis = axis if axis < 0 else axis - call.out.dim()
    sizes = [value.shape[axis] if value.dim() == call.out.dim() else 0 for value in tensors]
    parts = [moved(part) or part for part in kinds]
    return Outcome(kind.analog(), beside=Beside(axis, tuple(zip(sizes, parts, strict=True))))


def extreme(call: Call, input: Tensor, *others: Any, **named: Any) -> Outcome:
    """Takes the largest or smallest of values; of events worth unequal numbers a graded value."""
    kinds = _known(call, (input, *others, *named.values()))
    if not kinds:
        return DERIVED
    kind = joined(kinds)
    return Outcome(kind.graded() if kind.uneven else kind)


def pad(call: Call, input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Outcome:
    """Pads with zeros or with copies; any other number is no event."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    if mode == "constant" and value:
        return Outcome(kind.analog())
    return Outcome(call.moved(kind) if kind.uneven else kind)


def masked_fill(call: Call, input: Tensor, mask: Any, value: Any) -> Outcome:
    """Overwrites some values; with zeros they are no events."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED if call.kind(value) is None else Outcome(analog(call.kind(value)))
    zero = isinstance(value, (int, float)) and value == 0
    return Outcome(kind if zero else kind.analog())


@Before
def setitem(call: Call, input: Tensor, index: Any, value: Any) -> Outcome:
    """Writes values into others, which then hold both."""
    kinds = _known(call, (input, value))
    if not kinds:
        return DERIVED
    number = isinstance(value, (int, float)) and value
    if number or call.learned(*tensors([index])):
        return Outcome(kinds[0].analog())
    return Outcome(joined(kinds))


def where(call: Call, condition: Any, input: Any = None, other: Any = None) -> Outcome:
    """Chooses between two tensors, place by place."""
    chosen = [value for value in (input, other) if isinstance(value, Tensor) or value != 0]
    kinds = _known(call, chosen)
    if not kinds:
        return DERIVED if chosen else Outcome(NOTHING)
    return Outcome(joined(kinds) if len(kinds) == len(chosen) else analog(*kinds))


@Before
def copy(call: Call, input: Tensor, src: Tensor, non_blocking: bool = False) -> Outcome:
    """Overwrites values with others."""
    if not _known(call, (input, src)):
        return DERIVED
    return Outcome(call.joining(src) or Kind("analog"))
