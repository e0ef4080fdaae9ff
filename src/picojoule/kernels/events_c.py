"""Event-driven products in C; ``events.c`` says how."""

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from picojoule.kernels.cc import shared_object
from picojoule.kernels.pool import lent

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_int64
_NO_MEMORY = -2  # as events.c has it
_REALS = {torch.float32: "float", torch.float64: "double"}
_COUNT = [_POINTER, _SIZE, _SIZE, _SIZE, ctypes.c_int]
_ROW = [_POINTER, _SIZE, _POINTER, _SIZE, _POINTER, _POINTER, _SIZE]
_ROWS = [_POINTER, _SIZE, _SIZE, _POINTER, _SIZE, _POINTER, _SIZE, _POINTER, ctypes.c_int]
_OUTER = [_POINTER, _SIZE, _SIZE, _POINTER, _SIZE, _POINTER, ctypes.c_int]


@cache
def _library(dtype: torch.dtype) -> ctypes.CDLL:
    source = Path(__file__).with_name("events.c").read_text("utf-8")
    library = shared_object(f"#define REAL {_REALS[dtype]}\n{source}")
    assert library is not None
    for name, types in (("count", _COUNT), ("row", _ROW), ("rows", _ROWS), ("outer", _OUTER)):
        function = getattr(library, f"events_{name}")
        function.argtypes = types
        function.restype = _SIZE
    return library


def _done(code: int) -> int:
    if code == _NO_MEMORY:
        raise MemoryError("too little memory to list the events of a product: use smaller batches")
    return code


def count(x: Tensor, step: int) -> int:
    """Events of every ``step``-th row of x [R, K]."""
    function = _library(x.dtype).events_count
    return function(x.data_ptr(), *x.shape, step, torch.get_num_threads())


def row(x: Tensor, weight_t: Tensor, base: Tensor | None, limit: int) -> Tensor | None:
    """Base [N] + x [1, K] weight_t [K, N]; None where x has more events than ``limit``."""
    columns, outputs = weight_t.shape
    out = x.new_empty(1, outputs)
    start = None if base is None else base.data_ptr()
    events = _library(x.dtype).events_row(
        x.data_ptr(), columns, weight_t.data_ptr(), outputs, start, out.data_ptr(), limit
    )
    return None if _done(events) < 0 else out


def rows(x: Tensor, weight_t: Tensor, base: Tensor | None, out: Tensor | None) -> Tensor:
    """Base [N] or [R, N] + x [R, K] weight_t [K, N], into ``out`` where that is given."""
    outputs = weight_t.shape[1]
    out = lent((x.shape[0], outputs), x) if out is None else out
    start = None if base is None else base.data_ptr()
    stride = outputs if base is not None and base.dim() == 2 else 0
    pointers = (weight_t.data_ptr(), outputs, start, stride, out.data_ptr())
    threads = torch.get_num_threads()
    _done(_library(x.dtype).events_rows(x.data_ptr(), *x.shape, *pointers, threads))
    return out


def outer(x: Tensor, grads: Tensor) -> Tensor:
    """The sum over rows of x [R, K] times grads [R, N], as [K, N]."""
    outputs = grads.shape[1]
    out = x.new_empty(x.shape[1], outputs)
    pointers = (grads.data_ptr(), outputs, out.data_ptr())
    threads = torch.get_num_threads()
    _done(_library(x.dtype).events_outer(x.data_ptr(), *x.shape, *pointers, threads))
    return out
