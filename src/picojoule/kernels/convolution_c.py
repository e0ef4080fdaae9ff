"""Event-driven convolution in C; ``convolution.c`` says how."""

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from picojoule.kernels.cc import functions_of, source_of
from picojoule.kernels.events_c import REALS, done
from picojoule.kernels.sizes import ConvSizes, c_struct

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_int64
_FUNCTIONS = {
    "convolution_forward": [_POINTER] * 5 + [ctypes.c_int],
    "convolution_gradient": [_POINTER] * 4 + [_SIZE, ctypes.c_int],
}
_PARTS, _SUMS = 16, 1 << 20  # of a gradient: parts at most, and values in all of them


@cache
def _library(dtype: torch.dtype) -> Any:
    return functions_of(source(REALS[dtype]), _FUNCTIONS)


def source(real: str) -> str:
    """Returns the C of convolutions for ``"float"`` or ``"double"``."""
    return source_of(["convolution.c"], real, c_struct(ConvSizes))


def _memory(last: bool) -> torch.memory_format:
    return torch.channels_last if last else torch.contiguous_format


def _sizes(
    x: Tensor, weight: Sequence[int], stride: Sequence[int], padding: Sequence[int], last: bool
) -> ConvSizes:
    images, channels, height, width = x.shape
    outputs, _, kernel_y, kernel_x = weight
    (stride_y, stride_x), (pad_y, pad_x) = stride, padding
    return ConvSizes(
        images=images,
        channels=channels,
        height=height,
        width=width,
        outputs=outputs,
        rows=(height + 2 * pad_y - kernel_y) // stride_y + 1,
        cols=(width + 2 * pad_x - kernel_x) // stride_x + 1,
        kernel_y=kernel_y,
        kernel_x=kernel_x,
        stride_y=stride_y,
        stride_x=stride_x,
        pad_y=pad_y,
        pad_x=pad_x,
        last=last,
    )


def _in_c(sizes: ConvSizes) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(sizes))(*sizes)


def forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    last: bool,
) -> Tensor:
    """Returns the convolution [B, O, H', W'] of x with weight [O, C, KH, KW] and bias [O].

    With ``last``, channels are the last in memory, of x [B, C, H, W] and of the output.
    """
    sizes = _sizes(x, weight.shape, stride, padding, last)
    x, weight = x.contiguous(memory_format=_memory(last)), weight.contiguous()
    size = (sizes.images, sizes.outputs, sizes.rows, sizes.cols)
    out = torch.empty(size, dtype=x.dtype, memory_format=_memory(last))
    start = None if bias is None else (bias := bias.contiguous()).data_ptr()
    pointers = (x.data_ptr(), weight.data_ptr(), start, out.data_ptr())
    done(_library(x.dtype).convolution_forward(_in_c(sizes), *pointers, torch.get_num_threads()))
    return out


def gradient(
    x: Tensor,
    grads: Tensor,
    weight: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    last: bool,
) -> Tensor:
    """Returns the gradient [O, C, KH, KW] of weights from x [B, C, H, W] and that of the output."""
    sizes = _sizes(x, weight, stride, padding, last)
    assert grads.shape == (sizes.images, sizes.outputs, sizes.rows, sizes.cols)
    x, grads = (t.contiguous(memory_format=_memory(last)) for t in (x, grads))
    out = x.new_empty(*weight)
    # Not by the number of threads: how images are grouped is how their sums are rounded.
    parts = min(len(x), _PARTS)
    while parts > 1 and parts * out.numel() > _SUMS:
        parts //= 2
    pointers = (x.data_ptr(), grads.data_ptr(), out.data_ptr())
    threads = torch.get_num_threads()
    done(_library(x.dtype).convolution_gradient(_in_c(sizes), *pointers, parts, threads))
    return out
