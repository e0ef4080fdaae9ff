"""Rules of sums, means and products along axes, and of dropout."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from picojoule.energy.counts import OpCounts
from picojoule.energy.kinds import NOTHING, Kind
from picojoule.energy.rules.call import Call
from picojoule.energy.rules.outcome import DERIVED, Outcome


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


def running(call: Call, input: Tensor, *_: Any, **__: Any) -> Outcome:
    """Sums along an axis up to each place: events become levels, and each is added once."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    added = call.sparse("add", input, kind) if kind.counted else call.dense(add=input.numel())
    # Sums go on after a sequence's end.
    return Outcome(replace(kind.levels(), within=call.within), [added])


def number_of(call: Call, input: Tensor, *_: Any, **__: Any) -> Outcome:
    """Counts what is not zero: levels, of an addition for each event."""
    kind = call.kind(input)
    if kind is None or not kind.sparse:
        return DERIVED if kind is None else call.unknown(kind)
    return Outcome(kind.fired().levels(), [call.sparse("add", input, kind, once=True)])


def all_of(call: Call, input: Tensor, *_: Any, **__: Any) -> Outcome:
    """Multiplies along axes: of zeros and ones it is a one where all are."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    ones = kind.name == "events" and kind.is_worth(1)
    return Outcome(kind) if ones or kind is NOTHING else call.unknown(kind)


def dropout(
    call: Call,
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    train: bool = True,
) -> Outcome:
    """Drops values and scales the rest; dropped ones are a mask."""
    kind = call.kind(input) or call.mask(input)
    if kind is None or not (training and train):
        return DERIVED if kind is None else Outcome(kind)
    return Outcome(kind.scaled(1 / (1 - p) if p < 1 else 1.0))


def alpha_dropout(
    call: Call, input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Outcome:
    """Replaces values by a number that is no zero."""
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    return call.unknown(kind) if training else Outcome(kind)
