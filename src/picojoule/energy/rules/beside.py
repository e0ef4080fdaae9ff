"""Values of several kinds side by side along one axis, each of which stays what it is."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from picojoule._torch import viewed_by
from picojoule.energy.kinds import Kind, Segments, joined
from picojoule.energy.rules.arguments import tensors
from picojoule.energy.rules.call import Call
from picojoule.energy.rules.outcome import Outcome, Rule


def held_by(call: Call) -> tuple[Tensor, Segments] | None:
    """Returns the first argument of a call that holds several kinds, and these."""
    given = tensors((*call.args, *call.kwargs.values()))
    return next(((one, held) for one in given if (held := call.beside(one)) is not None), None)


def each_kind(rule: Rule) -> Rule:
    """Returns the rule of a function of elements, which each kind meets alone."""

    def apart(call: Call, *args: Any, **kwargs: Any) -> Outcome:
        outcome = rule(call, *args, **kwargs)
        if (found := held_by(call)) is None:
            return outcome
        value, held = found
        parts = []
        for size, kind in held.parts:
            after = rule(call.taking(value, kind), *args, **kwargs).kind
            parts.append((size, after if isinstance(after, Kind) else kind.analog()))
        return replace(outcome, beside=Segments(held.axis, tuple(parts)))

    return apart


def viewed(call: Call) -> Outcome | None:
    """Returns the outcome for a view of values of several kinds, None for anything else.

    The function runs once more, on memory that is not there: the axis is known by its stride, and
    the stretch of it by where the view begins.
    """
    if (found := held_by(call)) is None or call.function is None:
        return None
    value, held = found
    there = torch.empty(value.shape, device="meta")
    args = [there if one is value else one for one in call.args]
    named = {name: there if one is value else one for name, one in call.kwargs.items()}
    kinds: list[Kind] = []
    beside: list[Segments | None] = []
    for view in tensors([call.function(*args, **named)]):
        stride = there.stride(held.axis)
        long = [axis for axis, size in enumerate(view.shape) if size > 1]
        places = [axis for axis in long if view.stride(axis) == stride]
        strided = all(view.stride(axis) in (0, *there.stride()) for axis in long)
        if not (viewed_by(view) is not None and strided and len(places) < 2):
            return None
        first = int(view.storage_offset()) // stride % value.shape[held.axis]
        parts = held.cut(first, view.shape[places[0]] if places else 1)
        one = len(parts) == 1
        kinds.append(parts[0][1] if one else Kind("analog", steps=parts[0][1].steps))
        beside.append(None if one else Segments(places[0] - view.dim(), parts))
    return Outcome(kinds, beside=beside)


def padded(held: Segments, around: Any, fill: Kind | None) -> Segments | None:
    """Returns the kinds after padding, by numbers of a kind or, if there is none, by copies."""
    at = 2 * (-held.axis - 1)
    before, after = around[at : at + 2] if len(around) > at else (0, 0)
    if fill is None:
        return None if before or after else held
    if before < 0 or after < 0:
        return None
    others = any(around[:at]) or any(around[at + 2 :])
    parts = [(size, joined([kind, fill]) if others else kind) for size, kind in held.parts]
    return Segments(held.axis, ((before, fill), *parts, (after, fill)))


def layered(each: Sequence[Segments | None]) -> Segments | None:
    """Returns the kinds of tensors put beside one another along another axis, if they are alike."""
    known = [one for one in each if one is not None]
    sizes = {(one.axis, *(size for size, _ in one.parts)) for one in known}
    if len(known) < len(each) or len(sizes) != 1:
        return None
    parts = [
        (column[0][0], joined([kind for _, kind in column]))
        for column in zip(*(one.parts for one in known), strict=True)
    ]
    return Segments(known[0].axis, tuple(parts))
