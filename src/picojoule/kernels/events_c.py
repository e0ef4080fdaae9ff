"""Functions of ``events.c`` and ``recurrence.c``: event-driven products by pointers."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from picojoule.kernels.cc import functions_of, source_of
from picojoule.kernels.pool import borrow

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_int64
_NO_MEMORY = -2  # as events.c has it
REALS = {torch.float32: "float", torch.float64: "double"}
_FUNCTIONS = {
    "events_count": [_POINTER, _SIZE, _SIZE, _SIZE, ctypes.c_int],
    "events_row": [_POINTER, _SIZE, _POINTER, _SIZE, _POINTER, _POINTER, _SIZE],
    "events_rows": [
        *(_POINTER, _SIZE, _SIZE, _POINTER, _SIZE, _POINTER, _SIZE, _POINTER, ctypes.c_int)
    ],
    "events_outer": [_POINTER, _SIZE, _SIZE, _POINTER, _SIZE, _POINTER, ctypes.c_int],
    "rows_dense": [_POINTER, _SIZE, _SIZE, _POINTER, _SIZE, _POINTER, ctypes.c_int],
    "recurrence_forward": [_POINTER] * 4,
    "recurrence_backward": [_POINTER] * 3,
}


@cache
def library(dtype: torch.dtype) -> Any:
    """Compiles the functions of ``events.c`` and ``recurrence.c``."""
    return functions_of(source(REALS[dtype]), _FUNCTIONS)


def source(real: str) -> str:
    """Returns the C of products and recurrent layers for ``"float"`` or ``"double"``."""
    return source_of(["events.c", "recurrence.c"], real)


def done(code: int) -> int:
    """Returns what a function gave back.

    Raises:
        MemoryError: It found too little memory.
    """
    if code == _NO_MEMORY:
        raise MemoryError("too little memory for events or weights: use smaller batches or layers")
    return code


def count(x: Tensor, step: int) -> int:
    """Counts the events of every ``step``-th row of x [R, K]."""
    function = library(x.dtype).events_count
    return function(x.data_ptr(), *x.shape, step, torch.get_num_threads())


def row(x: Tensor, weight_t: Tensor, base: Tensor | None, limit: int) -> Tensor | None:
    """Returns base [N] + x [1, K] weight_t [K, N]; None if x has more events than ``limit``."""
    columns, outputs = weight_t.shape
    out = x.new_empty(1, outputs)
    start = None if base is None else base.data_ptr()
    events = library(x.dtype).events_row(
        x.data_ptr(), columns, weight_t.data_ptr(), outputs, start, out.data_ptr(), limit
    )
    return None if done(events) < 0 else out


def rows(
    x: Tensor,
    weight_t: Tensor,
    base: Tensor | None,
    out: Tensor | None,
    told: Callable[[int], None] | None = None,
) -> Tensor:
    """Returns base [N] or [R, N] + x [R, K] weight_t [K, N], in ``out`` if that is given.

    ``told`` is called with the number of events if all are 1.
    """
    outputs = weight_t.shape[1]
    out = borrow((x.shape[0], outputs), x) if out is None else out
    start = None if base is None else base.data_ptr()
    stride = outputs if base is not None and base.dim() == 2 else 0
    pointers = (weight_t.data_ptr(), outputs, start, stride, out.data_ptr())
    threads = torch.get_num_threads()
    ones = done(library(x.dtype).events_rows(x.data_ptr(), *x.shape, *pointers, threads))
    if told is not None and ones >= 0:
        told(ones)
    return out


def outer(x: Tensor, grads: Tensor) -> Tensor:
    """Returns the sum over rows of x [R, K] times grads [R, N], as [K, N]."""
    outputs = grads.shape[1]
    out = x.new_empty(x.shape[1], outputs)
    pointers = (grads.data_ptr(), outputs, out.data_ptr())
    threads = torch.get_num_threads()
    done(library(x.dtype).events_outer(x.data_ptr(), *x.shape, *pointers, threads))
    return out


def dense(x: Tensor, weight_t: Tensor) -> Tensor:
    """Returns x [R, K] weight_t [K, N]; rows of zeros take no time."""
    out = borrow((len(x), weight_t.shape[1]), x)
    threads = torch.get_num_threads()
    pointers = weight_t.data_ptr(), weight_t.shape[1], out.data_ptr()
    done(library(x.dtype).rows_dense(x.data_ptr(), *x.shape, *pointers, threads))
    return out
