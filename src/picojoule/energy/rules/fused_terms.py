"""Rules of functions that add a product, a quotient or a share."""

from typing import Any

from torch import Tensor

from picojoule.energy.kinds import Kind, summed
from picojoule.energy.rules.arithmetic import additions, divide, element_count, multiply
from picojoule.energy.rules.call import Call, analog
from picojoule.energy.rules.outcome import DERIVED, Before, Outcome


@Before
def lerp(call: Call, input: Tensor, end: Tensor, weight: Any) -> Outcome:
    """Goes from one value to another by a share of the way."""
    first, second = call.kind(input), call.kind(end)
    if first is None and second is None:
        return DERIVED
    kind = analog(first, second)
    if first is not None and second is not None and isinstance(weight, (int, float)):
        kind = summed(first.scaled(1 - weight), second.scaled(weight))
    counts = additions(call, input, end)
    if not kind.sparse:
        counts = [
            call.dense(add=2 * element_count(input, end)),
            call.dense(multiply=element_count(input, end)),
        ]
    return Outcome(kind, counts)


def _with_term(
    call: Call, input: Tensor, term: Outcome, first: Tensor, second: Tensor, value: Any
) -> Outcome:
    kind, rest = call.kind(input), term.kind
    if kind is None and not isinstance(rest, Kind):
        return DERIVED
    after = analog(kind)
    if kind is not None and isinstance(rest, Kind) and not rest.mask:
        after = summed(kind, rest.scaled(value))
    return Outcome(after, [*term.counts, call.dense(add=element_count(input, first, second))])


@Before
def addcmul(
    call: Call, input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1
) -> Outcome:
    """Adds a product."""
    return _with_term(call, input, multiply(call, tensor1, tensor2), tensor1, tensor2, value)


@Before
def addcdiv(
    call: Call, input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1
) -> Outcome:
    """Adds a quotient."""
    return _with_term(call, input, divide(call, tensor1, tensor2), tensor1, tensor2, value)
