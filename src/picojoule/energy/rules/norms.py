"""Norms whose statistics come from the values, which no weights before them can take in.

Counted per element; the root and the division of each group of elements are named and not counted.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from picojoule.energy.kinds import Kind
from picojoule.energy.rules.base import Composite, analog
from picojoule.energy.rules.provenance import KindOf


def _normed(
    kind: Kind | None,
    elements: int,
    groups: int,
    adds: int,
    multiplies: int,
    weight: Any,
    bias: Any,
) -> Composite:
    adds, multiplies = adds + (bias is not None), multiplies + (weight is not None)
    counts: dict[str, float | Tensor] = {"add": adds * elements, "multiply": multiplies * elements}
    reached = [given for given in (weight, bias) if given is not None]
    missed = {"inverse root": groups} if groups else {}
    return Composite((), counts, missed, analog(kind), reached)


def layer_norm(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """Mean (an addition), deviation (an addition), its square (a multiply and an addition), scale.

    That is 3 additions and 2 multiplications per element, and one more of each for an affine map.
    """
    del eps, cudnn_enable, skip_zero_weights
    size = 1
    for axis in normalized_shape:
        size *= axis
    return _normed(of(input), out.numel(), out.numel() // max(1, size), 3, 2, weight, bias)


def group_norm(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """As layer norm, over groups of channels."""
    del eps, cudnn_enabled, skip_zero_weights
    return _normed(of(input), out.numel(), input.shape[0] * num_groups, 3, 2, weight, bias)


def instance_norm(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """As layer norm, over each channel; with running statistics one multiply and one addition."""
    del running_mean, running_var, momentum, eps, skip_zero_weights
    if not use_input_stats:  # all four numbers of a channel become two
        return _normed(of(input), out.numel(), 0, 1, 1, None, None)
    return _normed(of(input), out.numel(), input.shape[0] * input.shape[1], 3, 2, weight, bias)


def rms_norm(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """Square (a multiply and an addition), scale (a multiply), and a multiply for weights."""
    del eps, skip_zero_weights
    size = 1
    for axis in normalized_shape:
        size *= axis
    return _normed(of(input), out.numel(), out.numel() // max(1, size), 1, 2, weight, None)


def local_response_norm(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """Square, ``size`` additions over channels and to ``k``, times ``alpha``, times the power.

    The window is of ``size`` channels at the border too, as torch fills it with zeros.
    """
    del alpha, beta, k, skip_zero_weights
    elements = out.numel()
    counts: dict[str, float | Tensor] = {"add": size * elements, "multiply": 3 * elements}
    return Composite((), counts, {"power": elements}, analog(of(input)))
