"""Counting rules: one small pure function for each torch function that has synapses or windows.

A rule takes the function's result and the function's own arguments under their own names, and says
which values arrived at how many synapses. It looks at shapes only, unless it is asked to
``skip_zero_weights``: a weight of exactly zero is then no synapse.
"""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

from torch import Tensor

from picojoule.energy.rules.fanout import (
    Axes,
    axes_key,
    convolved_map,
    each,
    outer,
    place_map,
    present,
    share_map,
    transposed_map,
    window_lengths,
)


class Synapses(NamedTuple):
    """What arrived at which synapses in one call.

    Attributes:
        values: What arrived.
        fanout: Synapses of each element: one number, or a map over the last axes of ``values``.
        weight: The weights, None where the synapses have none.
        bias: The biases, None where there are none.
        output: Elements of the result, one potential each.
        located: Whether an event's position must be computed (convolutions).
        channels: Output channels of a convolution.
        dense: Pairs of a dense ANN, None where they are each of ``values`` with its fan-out. Where
            two tensors of events meet, the fan-out counts events.
    """

    values: Tensor
    fanout: int | Tensor
    weight: Tensor | None
    bias: Tensor | None
    output: int
    located: bool = False
    channels: int = 0
    dense: int | None = None


class Windows(NamedTuple):
    """What fell into which pooling windows in one call.

    Attributes:
        values: What arrived.
        fanout: In how many windows each element lies: a map over the last axes of ``values``.
        share: What one element contributes to its window's result; None where the largest wins.
    """

    values: Tensor
    fanout: Tensor
    share: float | Tensor | None


def linear(
    out: Tensor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    skip_zero_weights: bool = False,
) -> Synapses:
    """Each input element meets one weight per output."""
    fanout = present(weight).sum(0) if skip_zero_weights else weight.shape[0]
    return Synapses(input, fanout, weight, bias, out.numel())


def convolution(
    out: Tensor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Axes | str = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    skip_zero_weights: bool = False,
) -> Synapses:
    """Each input element meets the kernel positions whose output exists; padding is no synapse."""
    n = weight.dim() - 2
    kernel, dilations = tuple(weight.shape[2:]), each(dilation, n)
    if padding == "same":
        # torch puts the odd element of an uneven padding at the end.
        before = tuple(d * (k - 1) // 2 for d, k in zip(dilations, kernel, strict=True))
    else:
        before = (0,) * n if isinstance(padding, str) else each(padding, n)
    key = axes_key(input.shape[-n:], out.shape[-n:], kernel, each(stride, n), before, dilations)
    if skip_zero_weights:
        fanout = convolved_map(key, weight, groups)
    else:
        fanout = place_map(key, weight.shape[0] // groups, False, input.device)
    channels = weight.shape[0]
    return Synapses(input, fanout, weight, bias, out.numel(), located=True, channels=channels)


def transposed(
    out: Tensor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Axes = 0,
    output_padding: Axes = 0,
    groups: int = 1,
    dilation: Axes = 1,
    *,
    skip_zero_weights: bool = False,
) -> Synapses:
    """Each input element meets the kernel positions that fall inside the output."""
    del output_padding
    n = weight.dim() - 2
    # Seen from the output, a transposed convolution is the convolution it is the transpose of.
    sizes = (out.shape[-n:], input.shape[-n:], weight.shape[2:])
    key = axes_key(*sizes, each(stride, n), each(padding, n), each(dilation, n))
    if skip_zero_weights:
        fanout = transposed_map(key, weight, groups)
    else:
        fanout = place_map(key, weight.shape[1], True, input.device)
    channels = weight.shape[1] * groups
    return Synapses(input, fanout, weight, bias, out.numel(), located=True, channels=channels)


def average_pool(
    out: Tensor,
    input: Tensor,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Axes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    n: int,
) -> Windows:
    """The mean of each window; the divisor at the border is torch's."""
    kernel = each(kernel_size, n)
    strides, pads = each(kernel_size if stride in (None, []) else stride, n), each(padding, n)
    sizes, outs = input.shape[-n:], out.shape[-n:]
    key = axes_key(sizes, outs, kernel, strides, pads, (1,) * n)
    share: float | Tensor = 1 / (divisor_override or prod(kernel))
    uneven = ceil_mode or (any(pads) and not count_include_pad)
    if uneven and not divisor_override:
        share = share_map([window_lengths(axis, count_include_pad) for axis in key], input.device)
    return Windows(input, place_map(key, 1, False, input.device), share)


def max_pool(
    out: Tensor,
    input: Tensor,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Axes = 0,
    dilation: Axes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    n: int,
) -> Windows:
    """The largest of each window."""
    del ceil_mode, return_indices
    kernel = each(kernel_size, n)
    strides = each(kernel_size if stride in (None, []) else stride, n)
    sizes = (input.shape[-n:], out.shape[-n:], kernel)
    key = axes_key(*sizes, strides, each(padding, n), each(dilation, n))
    return Windows(input, place_map(key, 1, False, input.device), None)


def adaptive_pool(
    out: Tensor,
    input: Tensor,
    output_size: object,
    return_indices: bool = False,
    *,
    n: int,
    largest: bool,
) -> Windows:
    """Windows from floor(i * size / outputs) to ceil((i + 1) * size / outputs)."""
    del output_size, return_indices
    axes = list(zip(input.shape[-n:], out.shape[-n:], strict=True))
    bounds = [[(i * s // o, -((-(i + 1) * s) // o)) for i in range(o)] for s, o in axes]
    touched = [
        [sum(start <= i < end for start, end in axis) for i in range(size)]
        for axis, (size, _) in zip(bounds, axes, strict=True)
    ]
    share = share_map([[b - a for a, b in axis] for axis in bounds], input.device)
    return Windows(input, outer(touched, input.device), None if largest else share)


SYNAPSES: dict[str, Callable[..., Synapses]] = {
    "linear": linear,
    **{f"conv{n}d": convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": transposed for n in (1, 2, 3)},
}


def windows(name: str) -> Callable[..., Windows] | None:
    """The rule of a pooling function by its name, None for any other function."""
    for prefix, rule, extra in (
        ("adaptive_avg_pool", adaptive_pool, {"largest": False}),
        ("adaptive_max_pool", adaptive_pool, {"largest": True}),
        ("avg_pool", average_pool, {}),
        ("max_pool", max_pool, {}),
    ):
        if name.startswith(prefix) and name[len(prefix) : len(prefix) + 2] in ("1d", "2d", "3d"):
            n = int(name[len(prefix)])
            return lambda out, *args, **kwargs: rule(out, *args, n=n, **extra, **kwargs)
    return None
