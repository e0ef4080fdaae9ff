"""Norms whose statistics come from the values, which no weights before them can take in.

Counted per element; the root and the division of each group of elements are named and not counted.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from picojoule.energy.rules.call import Call, analog
from picojoule.energy.rules.outcome import DERIVED, Outcome


def _normed(
    call: Call,
    input: Tensor,
    elements: int,
    groups: int,
    adds: int,
    multiplies: int,
    weight: Any,
    bias: Any,
) -> Outcome:
    kind = call.arriving(input)
    if kind is None:
        return DERIVED
    adds, multiplies = adds + (bias is not None), multiplies + (weight is not None)
    counts = call.dense(add=adds * elements, multiply=multiplies * elements)
    reached = [given for given in (weight, bias) if given is not None]
    missed = {"inverse root": groups} if groups else {}
    return Outcome(analog(kind), [counts], missed=missed, reached=reached)


def batch_norm(call: Call, input: Tensor, *_: Any, **__: Any) -> Outcome:
    """Folds into the synapses before it; else a multiply and an addition for each element."""
    kind = call.arriving(input)
    if kind is None:
        return DERIVED
    folds = kind.folds and call.convention.fold_batch_norm
    elements = call.out.numel()
    counts = [] if folds else [call.dense(add=elements), call.dense(multiply=elements)]
    return Outcome(replace(kind.analog(), folds=folds), counts)


def layer_norm(
    call: Call,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Outcome:
    """Takes mean (an addition), deviation (an addition), square (a multiply, an addition), scale.

    That is 3 additions and 2 multiplications per element, and one more of each for an affine map.
    """
    del eps, cudnn_enable
    size = 1
    for axis in normalized_shape:
        size *= axis
    return _normed(
        call, input, call.out.numel(), call.out.numel() // max(1, size), 3, 2, weight, bias
    )


def group_norm(
    call: Call,
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Outcome:
    """Counts as layer norm, over groups of channels."""
    del eps, cudnn_enabled
    return _normed(call, input, call.out.numel(), input.shape[0] * num_groups, 3, 2, weight, bias)


def instance_norm(
    call: Call,
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Outcome:
    """Counts as layer norm, over each channel; by running statistics a multiply and an addition."""
    del running_mean, running_var, momentum, eps
    if not use_input_stats:  # all four numbers of a channel become two
        return _normed(call, input, call.out.numel(), 0, 1, 1, None, None)
    return _normed(
        call, input, call.out.numel(), input.shape[0] * input.shape[1], 3, 2, weight, bias
    )


def rms_norm(
    call: Call,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Outcome:
    """Takes square (a multiply, an addition), scale (a multiply), and a multiply for weights."""
    del eps
    size = 1
    for axis in normalized_shape:
        size *= axis
    return _normed(
        call, input, call.out.numel(), call.out.numel() // max(1, size), 1, 2, weight, None
    )


def local_response_norm(
    call: Call,
    input: Tensor,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
) -> Outcome:
    """Takes squares, ``size`` additions over channels and to ``k``, times ``alpha`` and the power.

    The window is of ``size`` channels at the border too, as torch fills it with zeros.
    """
    del alpha, beta, k
    kind, elements = call.arriving(input), call.out.numel()
    if kind is None:
        return DERIVED
    counts = call.dense(add=size * elements, multiply=3 * elements)
    return Outcome(analog(kind), [counts], missed={"power": elements})
