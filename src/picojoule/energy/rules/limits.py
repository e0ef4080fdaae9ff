"""Rules of functions that limit, round or compare values: events stay events.

Of analog values they are named and not counted.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from picojoule.energy.kinds import NOTHING, Kind, product, within
from picojoule.energy.rules.call import Call
from picojoule.energy.rules.outcome import DERIVED, Outcome, Rule


def _kinds(call: Call, *values: Any) -> list[Kind]:
    return [kind for value in values if (kind := call.kind(value)) is not None]


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


def clamp_min(call: Call, input: Tensor, min: Any) -> Outcome:
    """Limits values from below."""
    return _limited(call, input, min, None)


def clamp_max(call: Call, input: Tensor, max: Any) -> Outcome:
    """Limits values from above."""
    return _limited(call, input, None, max)


def rectified(call: Call, input: Tensor, *_: Any, **__: Any) -> Outcome:
    """Keeps what is above zero, and makes something else of the rest."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    above = kind.counted and not kind.signed and not isinstance(kind.scale, Tensor)
    return Outcome(kind) if above and kind.scale > 0 else call.unknown(kind)


def threshold(
    call: Call, input: Tensor, threshold: float, value: float, inplace: bool = False
) -> Outcome:
    """Keeps what is above a threshold, and puts a number in place of the rest."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    return Outcome(kind) if kind.sparse and not value else call.unknown(kind)


def heaviside(call: Call, input: Tensor, values: Tensor) -> Outcome:
    """Takes a one where a value is above zero; what it makes of zero is a number of its own."""
    kind, mask = call.kind(input), call.mask(values)
    if kind is None:
        return DERIVED if call.kind(values) is None else call.unknown(call.kind(values))
    if kind.sparse and call.kind(values) is NOTHING:
        return Outcome(kind if kind is NOTHING else kind.fired())
    one = mask is not None and mask.is_worth(1)
    return call.chosen(call.out) if one or call.kind(values) is NOTHING else call.unknown(kind)


def rounded(call: Call, input: Tensor, *_: Any, decimals: int = 0, **__: Any) -> Outcome:
    """Rounds; whole numbers stay what they are."""
    kind = call.kind(input)
    if kind is None:
        least = call.drawn(input)  # a share of ones, as paths are dropped by hand
        dropped = call.name == "floor" and least is not None and 0 <= least <= 1
        return Outcome(Kind("events", mask=True)) if dropped else DERIVED
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
        scale = kind.scale if kind.is_worth(1) else kind.scale**exponent
        return Outcome(replace(kind, scale=scale, factors=()))
    return call.unknown(kind)


def square(call: Call, input: Tensor) -> Outcome:
    """Multiplies values by themselves."""
    return power(call, input, 2)


def _compared(silent: Any) -> Rule:
    """Returns the rule of a comparison, of which ``silent`` says what it makes of two zeros.

    Events are compared with events or with constants: what is true is an event.
    """

    def rule(call: Call, input: Any, other: Any) -> Outcome:
        kinds = _kinds(call, input, other)
        if not kinds or not all(kind.sparse for kind in kinds):
            if kinds and any(call.drawn(value) == 0 for value in (input, other)):
                return Outcome(Kind("events", steps=kinds[0].steps))  # drawn from rates
            return DERIVED
        constant = 0 if len(kinds) == 2 else input if call.kind(input) is None else other
        if isinstance(constant, Tensor) and not call.constant(constant):
            return DERIVED
        fired = _fired(kinds)
        # What is true of silence is the opposite line, which is none after a sequence's end.
        quiet = isinstance(constant, (int, float)) and not silent(0, constant)
        return Outcome(fired if quiet else replace(fired, within=call.within))

    return rule


def _fired(kinds: Sequence[Kind]) -> Kind:
    hidden = any(kind.hidden for kind in kinds)
    return replace(kinds[0].fired(), hidden=hidden, within=within(kinds))


greater = _compared(lambda zero, other: zero > other)
greater_equal = _compared(lambda zero, other: zero >= other)
less = _compared(lambda zero, other: zero < other)
less_equal = _compared(lambda zero, other: zero <= other)
equal = _compared(lambda zero, other: zero == other)
unequal = _compared(lambda zero, other: zero != other)


def _is_true(call: Call, kind: Kind) -> bool:
    """Tells whether logic makes events of a kind: of truth values, or of zeros and ones."""
    if call.out.dtype == torch.bool:
        return kind.sparse
    return kind.name == "events" and kind.is_worth(1) and not kind.signed


def invert(call: Call, input: Tensor) -> Outcome:
    """Turns true and false: the opposite line."""
    kind = call.kind(input)
    truth = call.out.dtype == torch.bool or call.name == "logical_not"
    if kind is None:
        return DERIVED
    if not kind.sparse or not truth:
        return Outcome(replace(kind.analog(), gate=kind.gate and truth))
    return Outcome(replace(kind.fired(), within=call.within))


def both(call: Call, input: Any, other: Any) -> Outcome:
    """Keeps what is true twice."""
    kinds = _kinds(call, input, other)
    if not kinds:
        return DERIVED
    if not all(_is_true(call, kind) for kind in kinds):
        return call.unknown(*kinds)
    return Outcome(product(*kinds).fired() if len(kinds) == 2 else kinds[0].fired())


def either(call: Call, input: Any, other: Any) -> Outcome:
    """Keeps what is true at least once, or just once."""
    kinds = _kinds(call, input, other)
    if not kinds:
        return DERIVED
    constant = input if call.kind(input) is None else other
    fixed = len(kinds) == 2 or (call.constant(constant) and call.out.dtype == torch.bool)
    if not fixed or not all(_is_true(call, kind) for kind in kinds):
        return call.unknown(*kinds)
    return Outcome(_fired(kinds))


def any_of(call: Call, input: Tensor, *_: Any, **__: Any) -> Outcome:
    """Asks along axes whether one is true, or all: an event if so."""
    kind = call.kind(input)
    if kind is None or not kind.sparse:
        return DERIVED
    return Outcome(kind if kind is NOTHING else kind.fired())
