"""Rules of operations on elements: additions and multiplications outside synapses."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from picojoule.energy.counts import OpCounts
from picojoule.energy.events import events_of
from picojoule.energy.kinds import NOTHING, Kind, product, summed
from picojoule.energy.rules.beside import each_kind
from picojoule.energy.rules.call import Call, analog
from picojoule.energy.rules.origins import compared
from picojoule.energy.rules.outcome import DERIVED, Before, Outcome
from picojoule.energy.rules.straight import closed, is_same, rest_of


def constant(value: Any) -> bool:
    """Tells whether a factor is the same for every element, learned or not."""
    return value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, (int, float))


def _operands(call: Call, first: Any, second: Any) -> tuple[Kind | None, Kind | None]:
    """Returns the kinds of two operands.

    Beside values of the network, an array of which nothing was seen is analog, and listed.
    """
    kinds = call.kind(first), call.kind(second)
    if kinds == (None, None) or call.fires:  # of an update only what it puts out is counted
        return kinds
    first, second = (call.operand(value) if _is_array(value) else None for value in (first, second))
    return first or kinds[0], second or kinds[1]


def _is_array(value: Any) -> bool:
    """Tells whether a value is an array of numbers, since whole numbers may be indices."""
    array = isinstance(value, Tensor) and value.numel() != 1
    return array and (value.is_floating_point() or value.is_complex())


def element_count(*values: Any) -> int:
    """Returns the number of elements that values have together, after broadcasting."""
    shapes = [value.shape for value in values if isinstance(value, Tensor)]
    return torch.broadcast_shapes(*shapes).numel()


def additions(call: Call, input: Any, other: Any) -> list[OpCounts]:
    """Counts an addition for each event that joins; for anything else one for each element."""
    terms = [(value, call.kind(value)) for value in (input, other)]
    if all(kind is not None and kind.counted for _, kind in terms):
        elements = element_count(input, other)
        return [
            call.sparse("add", value, kind, copies=elements // max(1, value.numel()))
            for value, kind in terms
            if kind is not None
        ]
    if _is(0, input) or _is(0, other):
        return []
    return [call.dense(add=element_count(input, other))]


def _multiplications(call: Call, input: Any, other: Any) -> list[OpCounts]:
    """Counts factors: one of all events folds into the next weights, analog ones multiply."""
    factors = [(value, call.kind(value)) for value in (input, other)]
    sparses = [(value, kind) for value, kind in factors if kind is not None and kind.sparse]
    rest = [value for value, kind in factors if kind is None or not kind.sparse]
    gates = not rest or _gates(call, rest[0])
    if sparses and (gates or (call.kind(rest[0]) is None and constant(rest[0]))):
        return []
    if sparses:
        value, kind = sparses[0]
        copies = element_count(input, other) // max(1, value.numel())
        return [call.sparse("multiply", value, kind, copies=copies, once=kind.counted)]
    masks = any(_gates(call, value) for value in rest)
    return [] if masks else [call.dense(multiply=element_count(input, other))]


def _gates(call: Call, value: Any) -> bool:
    """Tells whether a factor is zero or one."""
    kind = call.kind(value)
    return isinstance(value, Tensor) and (value.dtype == torch.bool or bool(kind and kind.gate))


@Before
def add(call: Call, input: Any, other: Any, *, alpha: float = 1) -> Outcome:
    """Adds: events worth the same become levels."""
    return _added(call, input, other, alpha, minus=False)


@Before
def subtract(call: Call, input: Any, other: Any, *, alpha: float = 1) -> Outcome:
    """Subtracts: events worth the same become signed levels, and 1 - events are events."""
    return _added(call, input, other, alpha, minus=True)


def _added(call: Call, input: Any, other: Any, alpha: float, *, minus: bool) -> Outcome:
    first, second = _operands(call, input, other)
    if first is None and second is None:
        if minus:
            return Outcome(_complement(call, other, input, alpha))
        return Outcome(drawn=_shifted(call, input, other) if alpha == 1 else None)
    kind = analog(first, second)
    if first is not None and second is not None:
        if alpha == 1:
            return _of_both(call, (first, second), input, other, minus=minus)
        kind = summed(first, second.scaled(alpha), minus=minus)
    elif first is None and minus:
        kind = _complement(call, other, input, alpha) or kind
    elif _is(0, other if first is not None else input):  # sum([...]) in Python starts from 0
        kind = first or second or kind
    return Outcome(kind, additions(call, input, other))


def _of_both(
    call: Call, kinds: tuple[Kind, Kind], input: Any, other: Any, *, minus: bool
) -> Outcome:
    """Adds or subtracts two values of the network."""
    if minus and is_same(input, other):
        return Outcome(NOTHING)
    rests = call.rest(input), call.rest(other)
    counts = additions(call, input, other)
    if (kind := closed(rests, input, other, minus)) is not None:
        return Outcome(kind, counts)
    rest, (first, second) = None, kinds
    tensors = isinstance(input, Tensor) and isinstance(other, Tensor)
    if tensors and first.counted is not second.counted:
        rest = rest_of(kinds, call.source(input), call.source(other), minus)
    return Outcome(summed(*kinds, minus=minus), counts, rest=rest)


def _shifted(call: Call, input: Any, other: Any) -> float | None:
    """Returns from where constants are drawn after a number was added to them."""
    value, number = (input, other) if isinstance(input, Tensor) else (other, input)
    least = call.drawn(value)
    return least + number if least is not None and isinstance(number, (int, float)) else None


def _is(number: float, value: Any) -> bool:
    return isinstance(value, (int, float)) and value == number


@Before
def subtract_from(call: Call, input: Any, other: Any, *, alpha: float = 1) -> Outcome:
    """Subtracts the first from the second; ``1 - events`` asks for the opposite line, for free."""
    kind, second = _operands(call, input, other)
    if kind is None and second is None:
        return Outcome(_complement(call, input, other, alpha))
    free = kind is not None and kind.counted and not isinstance(other, Tensor)
    counts = [] if free else additions(call, input, other)
    # The opposite of what comes after the end of a sequence would be events.
    after = _complement(call, input, other, alpha) or analog(kind, second)
    return Outcome(replace(after, within=call.within), counts)


def _complement(call: Call, input: Any, other: Any, alpha: float) -> Kind | None:
    """Returns the kind of one minus events, None for another difference; of a mask if it is one."""
    kind, mask = call.kind(input) or call.mask(input), call.mask(other)
    one = mask.is_worth(1) if mask is not None else _is(1, other)
    if kind is None or not one or alpha != 1 or kind.signed:
        return None
    if kind.gate:
        return kind if mask is None else None
    if kind.name != "events" or not kind.is_worth(1):
        return None
    return kind if mask is None else replace(kind, signed=True, within=call.within)


@Before
@each_kind
def multiply(call: Call, input: Any, other: Any, **_: Any) -> Outcome:
    """Multiplies: by a constant the kind stays; events times values are a value at each event."""
    first, second = _operands(call, input, other)
    gates = call.mask(input), call.mask(other)
    if first is None and second is None:
        return _masks(call, gates[0], gates[1], input, other)
    known, gate = (first, gates[1]) if first is not None else (second, gates[0])
    if known is not None and gate is not None:
        return Outcome(known if known is NOTHING or not known.sparse else product(known, gate))
    if first is NOTHING or second is NOTHING:
        return Outcome(NOTHING)
    kind = _gated(call, input, other) or _gated(call, other, input)
    if kind is None and first is not None and second is not None:
        kind = product(first, second)
    elif kind is None:
        known, factor = (first, other) if first is not None else (second, input)
        assert known is not None
        kind = _times(known, factor)
    return Outcome(kind, _multiplications(call, input, other))


def _masks(call: Call, first: Kind | None, second: Kind | None, input: Any, other: Any) -> Outcome:
    """Multiplies constants: masks stay masks, whatever number they are multiplied by."""
    if first is not None and second is not None:
        return Outcome(product(first, second).masked())
    mask, value, factor = (first, input, other) if first is not None else (second, other, input)
    if not isinstance(factor, (int, float)):
        value, factor = factor, value
    if not isinstance(factor, (int, float)) or not factor:
        return DERIVED
    return compared(call, value, factor) if mask is None else Outcome(mask.scaled(factor))


def _times(kind: Kind, factor: Any) -> Kind:
    if isinstance(factor, Tensor) and factor.dtype == torch.bool:
        return kind
    if constant(factor):
        return kind.scaled(factor)
    return kind.graded() if kind.sparse else kind.analog()


def _gated(call: Call, values: Any, factor: Any) -> Kind | None:
    """Returns the kind of events times other values: a value at each event, charged once."""
    kind, other = call.kind(values), call.kind(factor)
    if kind is None or not kind.counted or kind.uneven or (other is not None and other.counted):
        return None
    if not isinstance(factor, Tensor) or factor.numel() == 1 or _gates(call, factor):
        return None
    shape = torch.broadcast_shapes(values.shape, factor.shape)
    number = events_of(values, kind, multiplied=True).expand(shape)
    return replace(kind.graded(), number=number)


@Before
@each_kind
def divide(call: Call, input: Any, other: Any, *, rounding_mode: str | None = None) -> Outcome:
    """Divides: by a constant the kind stays, by anything else events become graded."""
    first, second = _operands(call, input, other)
    if first is None and second is None:
        mask = None if rounding_mode else call.mask(input)
        if mask is None or not isinstance(other, (int, float)) or not other:
            return DERIVED
        return Outcome(mask.scaled(1 / other))
    kind = analog(first, second)
    if first is not None and second is None and constant(other) and not _is(0, other):
        kind = first.scaled(other, -1)
        kind = kind.whole() if rounding_mode else kind
    elif first is not None and not rounding_mode and isinstance(other, Tensor) and first.sparse:
        kind = _gated(call, input, other) or first.graded()
    return Outcome(kind, _multiplications(call, input, other))


def negate(call: Call, input: Tensor) -> Outcome:
    """Turns the sign, which counts by magnitude."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    negative = Kind(kind.name, kind.scale, True, kind.hidden, kind.steps, within=kind.within)
    return Outcome(negative)


def floor_divide(call: Call, input: Any, other: Any) -> Outcome:
    """Divides and rounds down: numbers of events stay whole."""
    return divide(call, input, other, rounding_mode="floor")


def remainder(call: Call, input: Any, other: Any) -> Outcome:
    """Divides by a whole number and keeps the rest: a number of events."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED if call.kind(other) is None else call.unknown(call.kind(other))
    whole = isinstance(other, (int, float)) and other == round(other) > 0
    if kind is NOTHING or not (kind.counted and whole):
        return Outcome(kind) if kind is NOTHING else call.unknown(kind)
    if not kind.is_worth(1):
        return call.unknown(kind)
    signed = kind.signed and call.name == "fmod"
    return Outcome(replace(kind, name="events" if other <= 2 else "levels", signed=signed))
