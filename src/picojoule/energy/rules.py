"""Counting rules: one small pure function for each torch function that has synapses or windows.

A rule takes the function's result and the function's own arguments under their own names, and says
which values arrived at how many synapses. It looks at shapes only.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

Axes = int | Sequence[int]


class Synapses(NamedTuple):
    """What arrived at which synapses in one call.

    Attributes:
        values: What arrived.
        fanout: Synapses of each element: one number, or a map over the last axes of ``values``.
        weight: The weights, None where the synapses have none.
        bias: The biases, None where there are none.
        output: Elements of the result, one potential each.
        located: Whether an event's position must be computed (convolutions).
    """

    values: Tensor
    fanout: int | Tensor
    weight: Tensor | None
    bias: Tensor | None
    output: int
    located: bool = False


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


def linear(out: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Synapses:
    """Each input element meets one weight per output."""
    return Synapses(input, weight.shape[0], weight, bias, out.numel())


def convolution(
    out: Tensor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Axes | str = 0,
    dilation: Axes = 1,
    groups: int = 1,
) -> Synapses:
    """Each input element meets the kernel positions whose output exists; padding is no synapse."""
    n = weight.dim() - 2
    kernel, dilations = tuple(weight.shape[2:]), _each(dilation, n)
    if padding == "same":
        # torch puts the odd element of an uneven padding at the end.
        before = tuple(d * (k - 1) // 2 for d, k in zip(dilations, kernel, strict=True))
    else:
        before = (0,) * n if isinstance(padding, str) else _each(padding, n)
    key = _key(input.shape[-n:], out.shape[-n:], kernel, _each(stride, n), before, dilations)
    fanout = _map(key, weight.shape[0] // groups, False, input.device)
    return Synapses(input, fanout, weight, bias, out.numel(), located=True)


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
) -> Synapses:
    """Each input element meets the kernel positions that fall inside the output."""
    del output_padding, groups
    n = weight.dim() - 2
    # Seen from the output, a transposed convolution is the convolution it is the transpose of.
    sizes = (out.shape[-n:], input.shape[-n:], weight.shape[2:])
    key = _key(*sizes, _each(stride, n), _each(padding, n), _each(dilation, n))
    fanout = _map(key, weight.shape[1], True, input.device)
    return Synapses(input, fanout, weight, bias, out.numel(), located=True)


def matrix(
    out: Tensor, values: Tensor, other: Tensor, contracted: int, *, learned: bool
) -> Synapses:
    """Each element of one factor meets as many elements of the other, in every broadcast copy."""
    fanout = out.numel() * contracted // max(1, values.numel())
    return Synapses(values, fanout, other if learned else None, None, out.numel())


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
    kernel = _each(kernel_size, n)
    strides, pads = _each(kernel_size if stride in (None, []) else stride, n), _each(padding, n)
    sizes, outs = input.shape[-n:], out.shape[-n:]
    key = _key(sizes, outs, kernel, strides, pads, (1,) * n)
    share: float | Tensor = 1 / (divisor_override or prod(kernel))
    uneven = ceil_mode or (any(pads) and not count_include_pad)
    if uneven and not divisor_override:
        share = _share([_lengths(axis, count_include_pad) for axis in key], input.device)
    return Windows(input, _map(key, 1, False, input.device), share)


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
    kernel = _each(kernel_size, n)
    strides = _each(kernel_size if stride in (None, []) else stride, n)
    sizes = (input.shape[-n:], out.shape[-n:], kernel)
    key = _key(*sizes, strides, _each(padding, n), _each(dilation, n))
    return Windows(input, _map(key, 1, False, input.device), None)


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
    share = _share([[b - a for a, b in axis] for axis in bounds], input.device)
    return Windows(input, _outer(touched, input.device), None if largest else share)


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


def _each(value: Axes, n: int) -> tuple[int, ...]:
    """One value per axis; a value given once holds for all."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * n if len(values) == 1 else values


def _key(*properties: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """For each axis its size, outputs, kernel, stride, padding before it and dilation."""
    return tuple(zip(*properties, strict=True))


@lru_cache(maxsize=4096)
def _map(key: tuple[tuple[int, ...], ...], factor: int, flip: bool, device: torch.device) -> Tensor:
    """Synapses of each input position, times ``factor``; ``flip`` counts from the output side."""
    with torch.inference_mode(False):
        return _outer([_axis(axis, flip) for axis in key], device) * factor


def _axis(axis: tuple[int, ...], flip: bool) -> list[int]:
    """For each input position along an axis, the (output, kernel position) pairs that touch it."""
    size, outputs, kernel, stride, before, dilation = axis
    touched = [0] * (outputs if flip else size)
    for output in range(outputs):
        for position in range(kernel):
            index = output * stride + position * dilation - before
            if 0 <= index < size:
                touched[output if flip else index] += 1
    return touched


def _lengths(axis: tuple[int, ...], padded: bool) -> list[int]:
    """What torch divides each window's sum by, along one axis."""
    size, outputs, kernel, stride, pad, _ = axis
    lengths = []
    for output in range(outputs):
        start = output * stride - pad
        end = min(start + kernel, size + pad)
        lengths.append(end - start if padded else min(end, size) - max(start, 0))
    return lengths


def _share(lengths: list[list[int]], device: torch.device) -> float | Tensor:
    """What one element contributes to its window's mean: one number where windows are equal."""
    if all(len(set(axis)) == 1 for axis in lengths):
        return 1 / prod(axis[0] for axis in lengths)
    return 1 / _outer(lengths, device)


def _outer(axes: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    # A map made in inference mode would stay out of every later graph.
    with torch.inference_mode(False):
        result = torch.ones((), dtype=torch.float64)
        for axis in axes:
            result = result.unsqueeze(-1) * torch.tensor(axis, dtype=torch.float64)
        return result.to(device)
