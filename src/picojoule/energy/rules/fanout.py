"""Synapses or windows that each input element meets: exact numbers from shapes and masks."""

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

Axes = int | Sequence[int]
Key = tuple[tuple[int, ...], ...]

_CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
_TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


def each(value: Axes, n: int) -> tuple[int, ...]:
    """Returns one value per axis; a value given once holds for all."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * n if len(values) == 1 else values


def axes_key(*properties: Sequence[int]) -> Key:
    """Returns for each axis its size, outputs, kernel, stride, padding before it and dilation."""
    return tuple(zip(*properties, strict=True))


@lru_cache(maxsize=4096)
def place_map(key: Key, factor: int, flip: bool, device: torch.device) -> Tensor:
    """Counts synapses of each input position, times ``factor``; of outputs if ``flip``."""
    with torch.inference_mode(False):
        return outer([_axis(axis, flip) for axis in key], device) * factor


def share_map(lengths: list[list[int]], device: torch.device) -> float | Tensor:
    """Returns an element's share of its window's mean: one number if windows are equal."""
    if all(len(set(axis)) == 1 for axis in lengths):
        return 1 / prod(axis[0] for axis in lengths)
    return 1 / outer(lengths, device)


def window_lengths(axis: tuple[int, ...], padded: bool) -> list[int]:
    """Returns what torch divides each window's sum by, along one axis."""
    size, outputs, kernel, stride, pad, _ = axis
    lengths = []
    for output in range(outputs):
        start = output * stride - pad
        end = min(start + kernel, size + pad)
        lengths.append(end - start if padded else min(end, size) - max(start, 0))
    return lengths


def outer(axes: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Multiplies one number per position of each axis, in float64."""
    # A map made in inference mode would stay out of every later graph.
    with torch.inference_mode(False):
        result = torch.ones((), dtype=torch.float64)
        for axis in axes:
            result = result.unsqueeze(-1) * torch.tensor(axis, dtype=torch.float64)
        return result.to(device)


def present(weight: Tensor) -> Tensor:
    """Returns 1 for each weight and 0 for one of exactly zero, in float64 and without a graph."""
    with torch.inference_mode(False), torch.no_grad():
        weight = weight.detach()
        return ((weight if weight.layout is torch.strided else weight.to_dense()) != 0).double()


def convolved_map(key: Key, mask: Tensor, groups: int) -> Tensor:
    """Counts synapses of a mask at each input element [C, ...] of a convolution."""
    sizes, outs, _, strides, before, dilations = zip(*key, strict=True)
    with torch.inference_mode(False):
        ones = mask.new_ones((1, mask.shape[0], *outs))
        back = _TRANSPOSED[len(key) - 1]
        reached = back(ones, mask, None, strides, 0, 0, groups, dilations)[0]
        # What no window reaches at the end, and the padding that is no input.
        reach = zip(sizes, before, reached.shape[1:], strict=True)
        missing = [max(0, size + first - there) for size, first, there in reach]
        reached = F.pad(reached, [end for length in reversed(missing) for end in (0, length)])
        for axis, (size, first) in enumerate(zip(sizes, before, strict=True), start=1):
            reached = reached.narrow(axis, first, size)
        return reached + (reached.round() - reached).detach()


def kernel_map(key: Key, factor: int, device: torch.device) -> Tensor:
    """Counts the inputs that each kernel position meets, times ``factor``."""
    return outer([_axis(axis, along_kernel=True) for axis in key], device) * factor


def transposed_map(key: Key, mask: Tensor, groups: int) -> Tensor:
    """Counts synapses of a mask at each input element [C, ...] of a transposed convolution."""
    # Its outputs are the inputs of the convolution that it is the transpose of.
    outs, sizes, _, strides, pads, dilations = zip(*key, strict=True)
    with torch.inference_mode(False):
        ones = mask.new_ones((1, mask.shape[1] * groups, *outs))
        reached = _CONVOLUTIONS[len(key) - 1](ones, mask, None, strides, pads, dilations, groups)[0]
        for axis, size in enumerate(sizes, start=1):
            reached = reached.narrow(axis, 0, size)
        return reached + (reached.round() - reached).detach()


def _axis(axis: tuple[int, ...], flip: bool = False, *, along_kernel: bool = False) -> list[int]:
    """Counts the pairs of an output and a kernel position that touch each input of an axis.

    Args:
        axis: Its properties, see ``axes_key``.
        flip: Whether to count the pairs of each output instead.
        along_kernel: Whether to count those of each kernel position.
    """
    size, outputs, kernel, stride, before, dilation = axis
    touched = [0] * (kernel if along_kernel else outputs if flip else size)
    for output in range(outputs):
        for position in range(kernel):
            index = output * stride + position * dilation - before
            if 0 <= index < size:
                touched[position if along_kernel else output if flip else index] += 1
    return touched
