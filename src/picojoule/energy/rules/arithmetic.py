"""Rules of operations on elements: additions and multiplications outside synapses."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from picojoule.energy.counts import OpCounts
from picojoule.energy.events import events_of
from picojoule.energy.kinds import NOTHING, Kind, product, summed
from picojoule.energy.rules.base import DERIVED, Before, Call, Outcome, analog


def constant(value: Any) -> bool:
    """Tells whether a factor is the same for every element, learned or not."""
    return value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, (int, float))


def _elements(*values: Any) -> int:
    shapes = [value.shape for value in values if isinstance(value, Tensor)]
    return torch.broadcast_shapes(*shapes).numel()


def _additions(call: Call, input: Any, other: Any) -> list[OpCounts]:
    """Counts an addition for each event that joins; for anything else one for each element."""
    terms = [(value, call.kind(value)) for value in (input, other)]
    if all(kind is not None and kind.counted for _, kind in terms):
        elements = _elements(input, other)
        return [
            call.sparse("add", value, kind, copies=elements // max(1, value.numel()))
            for value, kind in terms
            if kind is not None
        ]
    if any(not isinstance(value, Tensor) and value == 0 for value, _ in terms):
        return []  # sum([...]) in Python starts from 0
    return [call.dense(add=_elements(input, other))]


def _multiplications(call: Call, input: Any, other: Any) -> list[OpCounts]:
    """Counts factors: one of all events folds into the next weights, analog ones multiply."""
    factors = [(value, call.kind(value)) for value in (input, other)]
    sparses = [(value, kind) for value, kind in factors if kind is not None and kind.sparse]
    rest = [value for value, kind in factors if kind is None or not kind.sparse]
    gates = not rest or (isinstance(rest[0], Tensor) and rest[0].dtype == torch.bool)
    if sparses and (gates or (call.kind(rest[0]) is None and constant(rest[0]))):
        return []
    if sparses:
        value, kind = sparses[0]
        copies = _elements(input, other) // max(1, value.numel())
        return [call.sparse("multiply", value, kind, copies=copies, once=kind.counted)]
    masks = [v for v in rest if isinstance(v, Tensor) and v.dtype == torch.bool]
    return [] if masks else [call.dense(multiply=_elements(input, other))]


@Before
def add(call: Call, input: Any, other: Any, *, alpha: float = 1) -> Outcome:
    """Adds: events worth the same become levels."""
    first, second = call.kind(input), call.kind(other)
    if first is None and second is None:
        return DERIVED
    kind = analog(first, second)
    if alpha == 1 and first is not None and second is not None:
        kind = summed(first, second)
    elif alpha == 1:
        rest = other if first is not None else input
        if isinstance(rest, (int, float)) and rest == 0:  # sum([...]) in Python starts from 0
            kind = first or second or kind
    return Outcome(kind, _additions(call, input, other))


@Before
def subtract(call: Call, input: Any, other: Any, *, alpha: float = 1) -> Outcome:
    """Subtracts: events worth the same become signed levels, and 1 - events are events."""
    first, second = call.kind(input), call.kind(other)
    if first is None and second is None:
        return DERIVED
    kind = analog(first, second)
    if alpha == 1 and first is not None and second is not None:
        kind = summed(first, second, minus=True)
    elif first is None:
        kind = _complement(call, other, input, alpha) or kind
    return Outcome(kind, _additions(call, input, other))


@Before
def subtract_from(call: Call, input: Any, other: Any, *, alpha: float = 1) -> Outcome:
    """Subtracts the first from the second; ``1 - events`` asks for the opposite line, for free."""
    kind = call.kind(input)
    if kind is None and call.kind(other) is None:
        return DERIVED
    free = kind is not None and kind.counted and not isinstance(other, Tensor)
    counts = [] if free else _additions(call, input, other)
    # The opposite of what comes after the end of a sequence would be events.
    after = _complement(call, input, other, alpha) or analog(kind, call.kind(other))
    return Outcome(replace(after, within=call.within), counts)


def _complement(call: Call, input: Any, other: Any, alpha: float) -> Kind | None:
    kind = call.kind(input)
    is_complement = isinstance(other, (int, float)) and other == 1 and alpha == 1
    if kind is None or not is_complement or kind.name != "events" or kind.signed:
        return None
    return kind if not isinstance(kind.scale, Tensor) and kind.scale == 1 else None


@Before
def multiply(call: Call, input: Any, other: Any, **_: Any) -> Outcome:
    """Multiplies: by a constant the kind stays; events times values are a value at each event."""
    first, second = call.kind(input), call.kind(other)
    gates = call.mask(input), call.mask(other)
    if first is None and second is None:
        return _masks(gates[0], gates[1], input, other)
    known, gate = (first, gates[1]) if first is not None else (second, gates[0])
    if known is not None and gate is not None:
        return Outcome(known if known is NOTHING or not known.sparse else product(known, gate))
    kind = _gated(call, input, other) or _gated(call, other, input)
    if kind is None and first is not None and second is not None:
        kind = product(first, second)
    elif kind is None:
        known, factor = (first, other) if first is not None else (second, input)
        assert known is not None
        kind = _times(known, factor)
    return Outcome(kind, _multiplications(call, input, other))


def _masks(first: Kind | None, second: Kind | None, input: Any, other: Any) -> Outcome:
    """Multiplies constants: masks stay masks, whatever number they are multiplied by."""
    if first is not None and second is not None:
        return Outcome(replace(product(first, second), mask=True))
    mask, factor = (first, other) if first is not None else (second, input)
    if mask is None or not isinstance(factor, (int, float)) or not factor:
        return DERIVED
    return Outcome(mask.scaled(factor))


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
    if not isinstance(factor, Tensor) or factor.numel() == 1 or factor.dtype == torch.bool:
        return None
    shape = torch.broadcast_shapes(values.shape, factor.shape)
    number = events_of(values, kind, multiplied=True).expand(shape)
    return replace(kind.graded(), number=number)


@Before
def divide(call: Call, input: Any, other: Any, *, rounding_mode: str | None = None) -> Outcome:
    """Divides: by a constant the kind stays, by anything else events become graded."""
    first, second = call.kind(input), call.kind(other)
    if first is None and second is None:
        mask = None if rounding_mode else call.mask(input)
        if mask is None or not isinstance(other, (int, float)) or not other:
            return DERIVED
        return Outcome(mask.scaled(1 / other))
    kind = analog(first, second)
    if first is not None and not rounding_mode:
        if second is None and constant(other):
            zero = isinstance(other, (int, float)) and not other
            kind = kind if zero else first.scaled(1 / other)
        elif isinstance(other, Tensor) and first.sparse:
            kind = _gated(call, input, other) or first.graded()
    return Outcome(kind, _multiplications(call, input, other))


def negate(call: Call, input: Tensor) -> Outcome:
    """Turns the sign, which counts by magnitude."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    return Outcome(Kind(kind.name, kind.scale, True, kind.hidden, kind.steps))


def _reduction(call: Call, input: Tensor, kind: Kind) -> list[OpCounts]:
    """Counts an addition for each event; for analog values one less than they are."""
    if kind.counted:
        return [call.sparse("add", input, kind)]
    return [call.dense(add=input.numel() - call.out.numel())]


def total(call: Call, input: Tensor, *_: Any, **__: Any) -> Outcome:
    """Sums over axes: events become levels."""
    kind = call.kind(input)
    return DERIVED if kind is None else Outcome(kind.levels(), _reduction(call, input, kind))


def mean(call: Call, input: Tensor, *_: Any, **__: Any) -> Outcome:
    """Takes means over axes: levels worth less."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    share = call.out.numel() / max(1, input.numel())
    after = kind.levels(share) if share and kind.counted else kind.analog()
    return Outcome(after, _reduction(call, input, kind))


def dropout(
    call: Call,
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    train: bool = True,
) -> Outcome:
    """Drops values and scales the rest; of a constant it makes a mask, as random numbers do."""
    kind = call.kind(input)
    if kind is None and call.learned(input):
        return DERIVED
    kind = kind or Kind("events")
    return Outcome(kind.scaled(1 / (1 - p) if p < 1 else 1.0) if training and train else kind)


def draw(call: Call, input: Tensor, *_: Any, **__: Any) -> Outcome:
    """Draws events from rates."""
    kind = call.kind(input)
    if kind is None:
        return Outcome(Kind("events", mask=True))
    return Outcome(Kind("events", steps=kind.steps))


def zero(call: Call, input: Tensor) -> Outcome:
    """Overwrites values with zeros."""
    return Outcome(NOTHING)
