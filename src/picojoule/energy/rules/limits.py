"""Rules of functions that limit, round or compare values: events stay events.

Of analog values they are named and not counted.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from picojoule.energy.kinds import NOTHING, Kind, product
from picojoule.energy.rules.base import DERIVED, Call, Outcome, Rule


def _limited(call: Call, input: Tensor, low: Any, high: Any) -> Outcome:
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    numbers = all(limit is None or isinstance(limit, (int, float)) for limit in (low, high))
    after = kind.limited(low, high) if numbers else kind.analog()
    return Outcome(after) if after.sparse else call.unknown(kind)


def relu(call: Call, input: Tensor, inplace: bool = False) -> Outcome:
    """Keeps what is above zero."""
    return _limited(call, input, 0, None)


def relu6(call: Call, input: Tensor, inplace: bool = False) -> Outcome:
    """Keeps what lies between 0 and 6."""
    return _limited(call, input, 0, 6)


def hardtanh(
    call: Call,
    input: Tensor,
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,
) -> Outcome:
    """Limits values, to -1 and 1 unless told otherwise."""
    return _limited(call, input, min_val, max_val)


def clamp(call: Call, input: Tensor, min: Any = None, max: Any = None) -> Outcome:
    """Limits values; a range that holds 0 and 1 changes no event."""
    return _limited(call, input, min, max)


def rounded(call: Call, input: Tensor, *_: Any, decimals: int = 0, **__: Any) -> Outcome:
    """Rounds; whole numbers stay what they are."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    return Outcome(kind.whole()) if kind.sparse and decimals == 0 else call.unknown(kind)


def sign(call: Call, input: Tensor) -> Outcome:
    """Takes signs: a one for each event, or minus one."""
    kind = call.kind(input)
    if kind is None or kind is NOTHING:
        return DERIVED if kind is None else Outcome(kind)
    if not kind.sparse:
        return call.unknown(kind)
    even = kind.counted and not kind.signed
    positive = even and not isinstance(kind.scale, Tensor) and kind.scale > 0
    return Outcome(kind.fired() if positive else replace(kind.fired(), signed=True))


def power(call: Call, input: Any, exponent: Any) -> Outcome:
    """Raises to a power; the first changes nothing, and ones stay ones."""
    kind = call.kind(input)
    if kind is None or isinstance(exponent, Tensor) or exponent <= 0:
        known = kind or call.kind(exponent)
        return DERIVED if known is None else call.unknown(known)
    if exponent == 1 or kind is NOTHING:
        return Outcome(kind)
    if kind.name == "events" and not kind.signed:
        scale = kind.scale
        return Outcome(replace(kind, scale=scale if _is_one(scale) else scale**exponent))
    return call.unknown(kind)


def _is_one(scale: float | Tensor) -> bool:
    return not isinstance(scale, Tensor) and scale == 1


def _compared(silent: Any) -> Rule:
    """Returns the rule of a comparison, of which ``silent`` says what it makes of zero."""

    def rule(call: Call, input: Any, other: Any) -> Outcome:
        kind = call.kind(input)
        if kind is None or not kind.sparse or not isinstance(other, (int, float)):
            return DERIVED
        fired = kind.fired()
        # What is true of silence is the opposite line, which is none after a sequence's end.
        return Outcome(replace(fired, within=call.within) if silent(0, other) else fired)

    return rule


greater = _compared(lambda zero, other: zero > other)
greater_equal = _compared(lambda zero, other: zero >= other)
less = _compared(lambda zero, other: zero < other)
less_equal = _compared(lambda zero, other: zero <= other)
equal = _compared(lambda zero, other: zero == other)
unequal = _compared(lambda zero, other: zero != other)


def invert(call: Call, input: Tensor) -> Outcome:
    """Turns true and false: the opposite line."""
    kind = call.kind(input)
    if kind is None or kind.name != "events" or call.out.dtype != torch.bool:
        return DERIVED if kind is None else Outcome(kind.analog())
    return Outcome(replace(kind, within=call.within))


def both(call: Call, input: Any, other: Any) -> Outcome:
    """Keeps what is true twice."""
    kinds = [kind for value in (input, other) if (kind := call.kind(value)) is not None]
    if not kinds:
        return DERIVED
    if call.out.dtype != torch.bool:
        return Outcome(kinds[0].analog())
    return Outcome(product(*kinds) if len(kinds) == 2 else kinds[0])


def either(call: Call, input: Any, other: Any) -> Outcome:
    """Keeps what is true at least once."""
    first, second = call.kind(input), call.kind(other)
    if first is None and second is None:
        return DERIVED
    if first is None or second is None or call.out.dtype != torch.bool:
        return Outcome(Kind("analog"))
    return Outcome(replace(first, hidden=first.hidden or second.hidden))
