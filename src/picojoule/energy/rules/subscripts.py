"""Products of two tensors that say themselves which index of the one meets which of the other."""

import string
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from picojoule.energy.rules.base import Composite, analog, moved
from picojoule.energy.rules.products import Labels, product
from picojoule.energy.rules.provenance import KindOf


def einsum(
    of: KindOf, out: Tensor, equation: str, *operands: Any, skip_zero_weights: bool = False
) -> Composite:
    """Two operands in any notation; ellipses are aligned from the right.

    One operand is rearranged or summed. Three or more operands, and an index that one operand has
    twice, are named and not counted: in which order they meet is torch's choice.
    """
    given = list(operands[0] if isinstance(operands[0], (list, tuple)) else operands)
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    labels = [_labels(term, value.dim()) for term, value in zip(terms, given, strict=True)]
    twice = any(len(set(own)) < len(own) for own in labels)
    if len(given) > 2 or twice:
        return Composite((), {}, {"einsum": out.numel()}, analog(*map(of, given)), given)
    if len(given) == 1:
        kind = of(given[0])
        summed = out.numel() < given[0].numel()
        return Composite(kind=kind.levels() if kind is not None and summed else moved(kind))
    pair, both = (given[0], given[1]), (labels[0], labels[1])
    return product(of, out, pair, both, skip_zero_weights=skip_zero_weights)


def _labels(term: str, axes: int) -> Labels:
    """A number for each axis: letters above zero, those of an ellipsis below, from the right."""
    before, dots, after = term.partition("...")
    free = range(len(before + after) - axes, 0) if dots else ()
    places = [[string.ascii_letters.index(letter) for letter in part] for part in (before, after)]
    return [*places[0], *free, *places[1]]


def tensordot(
    of: KindOf,
    out: Tensor,
    a: Tensor,
    b: Tensor,
    dims: int | Sequence[Any] | Tensor = 2,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """The axes named of the one meet those of the other, in their order."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        dims = [list(range(a.dim() - dims, a.dim())), list(range(dims))]
    first, second = ([one] if isinstance(one, int) else one for one in dims)
    left, right = list(range(a.dim())), list(range(a.dim(), a.dim() + b.dim()))
    for one, other in zip(first, second, strict=True):
        right[other] = left[one]
    return product(of, out, (a, b), (left, right), skip_zero_weights=skip_zero_weights)


def inner(
    of: KindOf, out: Tensor, input: Tensor, other: Tensor, *, skip_zero_weights: bool = False
) -> Composite:
    """The last axes meet; with a scalar, everything meets it."""
    axes = 1 if input.dim() and other.dim() else 0
    dims = [[-1] * axes, [-1] * axes]
    return tensordot(of, out, input, other, dims, skip_zero_weights=skip_zero_weights)


def outer(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    other: Tensor,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """``outer`` and ``kron``: every element of the one meets every one of the other."""
    return tensordot(of, out, input, other, 0, skip_zero_weights=skip_zero_weights)


def dot(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    other: Tensor,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """``dot`` and ``vdot``."""
    return tensordot(of, out, input, other, 1, skip_zero_weights=skip_zero_weights)


def vecdot(
    of: KindOf,
    out: Tensor,
    x: Tensor,
    y: Tensor,
    *,
    dim: int = -1,
    skip_zero_weights: bool = False,
) -> Composite:
    """One axis meets itself; all others stand side by side."""
    del dim
    labels = [list(range(-value.dim(), 0)) for value in (x, y)]
    pair = labels[0], labels[1]
    return product(of, out, (x, y), pair, skip_zero_weights=skip_zero_weights)


def addr(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    vec1: Tensor,
    vec2: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
    skip_zero_weights: bool = False,
) -> Composite:
    """An outer product and what is added to it."""
    del alpha
    options: Any = {"bias": input if beta else None, "skip_zero_weights": skip_zero_weights}
    return product(of, out, (vec1, vec2), ([0], [1]), **options)
