"""Products of two tensors that say themselves which index of the one meets which of the other."""

import string
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from picojoule.energy.rules.call import Call, analog, moved
from picojoule.energy.rules.outcome import DERIVED, Outcome
from picojoule.energy.rules.products import Labels, product


def einsum(call: Call, equation: str, *operands: Any) -> Outcome:
    """Counts two operands in any notation; ellipses are aligned from the right.

    One operand is rearranged or summed. Three or more operands, and an index that one operand has
    twice, are named and not counted: in which order they meet is torch's choice.
    """
    given = list(operands[0] if isinstance(operands[0], (list, tuple)) else operands)
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    labels = [_labels(term, value.dim()) for term, value in zip(terms, given, strict=True)]
    twice = any(len(set(own)) < len(own) for own in labels)
    kinds = [call.operand(value) for value in given]
    if len(given) > 2 or twice:
        missed = {"einsum": call.out.numel()}
        return Outcome(analog(*kinds), missed=missed, reached=given) if any(kinds) else DERIVED
    if len(given) == 1:
        summed = call.out.numel() < given[0].numel()
        return Outcome(kinds[0].levels() if kinds[0] is not None and summed else moved(kinds[0]))
    pair, both = (given[0], given[1]), (labels[0], labels[1])
    return product(call, pair, both)


def _labels(term: str, axes: int) -> Labels:
    """Numbers the axes: letters above zero, those of an ellipsis below, from the right."""
    before, dots, after = term.partition("...")
    free = range(len(before + after) - axes, 0) if dots else ()
    places = [[string.ascii_letters.index(letter) for letter in part] for part in (before, after)]
    return [*places[0], *free, *places[1]]


def tensordot(
    call: Call,
    a: Tensor,
    b: Tensor,
    dims: int | Sequence[Any] | Tensor = 2,
) -> Outcome:
    """Lets the axes named of the one meet those of the other, in their order."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        dims = [list(range(a.dim() - dims, a.dim())), list(range(dims))]
    first, second = ([one] if isinstance(one, int) else one for one in dims)
    left, right = list(range(a.dim())), list(range(a.dim(), a.dim() + b.dim()))
    for one, other in zip(first, second, strict=True):
        right[other] = left[one]
    return product(call, (a, b), (left, right))


def inner(call: Call, input: Tensor, other: Tensor) -> Outcome:
    """Lets the last axes meet; with a scalar, everything meets it."""
    axes = 1 if input.dim() and other.dim() else 0
    dims = [[-1] * axes, [-1] * axes]
    return tensordot(call, input, other, dims)


def outer(
    call: Call,
    input: Tensor,
    other: Tensor,
) -> Outcome:
    """Lets every element of the one meet every element of the other (``outer``, ``kron``)."""
    return tensordot(call, input, other, 0)


def dot(
    call: Call,
    input: Tensor,
    other: Tensor,
) -> Outcome:
    """Counts ``dot`` and ``vdot``."""
    return tensordot(call, input, other, 1)


def vecdot(
    call: Call,
    x: Tensor,
    y: Tensor,
    *,
    dim: int = -1,
) -> Outcome:
    """Lets one axis meet itself; all others stand side by side."""
    del dim
    labels = [list(range(-value.dim(), 0)) for value in (x, y)]
    pair = labels[0], labels[1]
    return product(call, (x, y), pair)


def addr(
    call: Call,
    input: Tensor,
    vec1: Tensor,
    vec2: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
) -> Outcome:
    """Counts an outer product and what is added to it."""
    del alpha
    return product(call, (vec1, vec2), ([0], [1]), bias=input if beta else None)
