"""Event-driven products by numba, after ``events.c``."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

_ALONE = 1 << 16  # values that one thread goes through before another would have started


@numba.njit(cache=True, nogil=True)
def _count(x: Any, step: int) -> int:
    events = 0
    for r in range(0, x.shape[0], step):
        for k in range(x.shape[1]):
            events += x[r, k] != 0
    return events


@numba.njit(cache=True, nogil=True)
def _row(x: Any, weight: Any, out: Any) -> None:
    for k in range(x.shape[0]):
        value = x[k]
        if value != 0:
            for n in range(out.shape[0]):
                out[n] += value * weight[k, n]


@numba.njit(cache=True, nogil=True)
def _rows(x: Any, weight: Any, out: Any) -> None:
    for r in range(x.shape[0]):
        _row(x[r], weight, out[r])


@numba.njit(cache=True, nogil=True)
def _outer(x: Any, grads: Any, out: Any, start: int, stop: int) -> None:
    for r in range(x.shape[0]):
        grad = grads[r, start:stop]
        for k in range(x.shape[1]):
            value = x[r, k]
            if value != 0:
                row = out[k, start:stop]
                for n in range(grad.shape[0]):
                    row[n] += value * grad[n]


def count(x: Tensor, step: int) -> int:
    """Events of every ``step``-th row of x [R, K]."""
    return int(_count(_array(x), step))


def row(x: Tensor, weight_t: Tensor, base: Tensor | None, limit: int) -> Tensor | None:
    """Base [N] + x [1, K] weight_t [K, N]; None where x has more events than ``limit``."""
    if count(x, 1) > limit:
        return None
    out = _start(x.new_empty(1, weight_t.shape[1]), base)
    _row(_array(x)[0], _array(weight_t), _array(out)[0])
    return out


def rows(x: Tensor, weight_t: Tensor, base: Tensor | None, out: Tensor | None) -> Tensor:
    """Base [N] or [R, N] + x [R, K] weight_t [K, N], into ``out`` where that is given."""
    out = _start(x.new_empty(len(x), weight_t.shape[1]) if out is None else out, base)
    values, weights, results = _array(x), _array(weight_t), _array(out)
    _share(len(x), x.numel(), lambda a, b: _rows(values[a:b], weights, results[a:b]))
    return out


def outer(x: Tensor, grads: Tensor) -> Tensor:
    """The sum over rows of x [R, K] times grads [R, N], as [K, N]."""
    out = x.new_zeros(x.shape[1], grads.shape[1])
    values, given, results = _array(x), _array(grads), _array(out)
    _share(grads.shape[1], x.numel(), lambda a, b: _outer(values, given, results, a, b))
    return out


def _start(out: Tensor, base: Tensor | None) -> Tensor:
    return out.zero_() if base is None else out.copy_(base)


def _array(x: Tensor) -> np.ndarray:
    return x.detach().numpy()


def _share(length: int, work: int, do: Callable[[int, int], None]) -> None:
    """Does parts of a length side by side: numba's own threads would change how many torch has."""
    threads = torch.get_num_threads() if work > _ALONE else 1
    part = -(-length // threads)
    if part >= length:
        return do(0, length)
    starts = range(0, length, part)
    with ThreadPoolExecutor(len(starts)) as pool:
        list(pool.map(do, starts, [min(start + part, length) for start in starts]))
