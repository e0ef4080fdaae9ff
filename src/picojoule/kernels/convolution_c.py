"""Event-driven convolution in C; ``convolution.c`` says how."""

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from picojoule.kernels.cc import functions_of
from picojoule.kernels.events_c import REALS, done

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_int64
_SHAPE = _SIZE * 14  # as convolution.c has it
_FUNCTIONS = {
    "convolution_forward": [_SHAPE, _POINTER, _POINTER, _POINTER, _POINTER, ctypes.c_int],
    "convolution_gradient": [_SHAPE, _POINTER, _POINTER, _POINTER, _SIZE, ctypes.c_int],
}
_PARTS, _SUMS = 16, 1 << 20  # of a gradient: parts at most, and values in all of them


@cache
def _library(dtype: torch.dtype) -> Any:
    return functions_of(("convolution.c",), REALS[dtype], _FUNCTIONS)


def _memory(last: bool) -> torch.memory_format:
    return torch.channels_last if last else torch.contiguous_format


def _shape(
    x: Tensor, weight: Sequence[int], stride: Sequence[int], padding: Sequence[int], last: bool
) -> tuple[list[int], ctypes.Array[ctypes.c_int64]]:
    """The shape of the output, and what the C functions go by."""
    images, channels, height, width = x.shape
    outputs, _, *kernel = weight
    size = [
        (length + 2 * pad - taps) // step + 1
        for length, pad, taps, step in zip((height, width), padding, kernel, stride, strict=True)
    ]
    sizes = (images, channels, height, width, outputs, *size, *kernel, *stride, *padding, last)
    return [images, outputs, *size], _SHAPE(*sizes)


def forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    last: bool,
) -> Tensor:
    """The convolution [B, O, H', W'] of x [B, C, H, W] with weight [O, C, KH, KW] and bias [O].

    With ``last``, channels are the last in memory, of x as it comes and of the output.
    """
    size, shape = _shape(x, weight.shape, stride, padding, last)
    x, weight = x.contiguous(memory_format=_memory(last)), weight.contiguous()
    images, outputs, rows, cols = size
    out = x.new_empty((images, rows, cols, outputs) if last else size)
    out = out.permute(0, 3, 1, 2) if last else out
    start = None if bias is None else (bias := bias.contiguous()).data_ptr()
    pointers = (x.data_ptr(), weight.data_ptr(), start, out.data_ptr())
    done(_library(x.dtype).convolution_forward(shape, *pointers, torch.get_num_threads()))
    return out


def gradient(
    x: Tensor,
    grads: Tensor,
    weight: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    last: bool,
) -> Tensor:
    """The gradient [O, C, KH, KW] of weights from x [B, C, H, W] and that of the output."""
    size, shape = _shape(x, weight, stride, padding, last)
    assert list(grads.shape) == size
    x, grads = (t.contiguous(memory_format=_memory(last)) for t in (x, grads))
    out = x.new_empty(*weight)
    # Not by the number of threads: how images are grouped is how their sums are rounded.
    parts = min(len(x), _PARTS)
    while parts > 1 and parts * out.numel() > _SUMS:
        parts //= 2
    pointers = (x.data_ptr(), grads.data_ptr(), out.data_ptr())
    done(_library(x.dtype).convolution_gradient(shape, *pointers, parts, torch.get_num_threads()))
    return out
