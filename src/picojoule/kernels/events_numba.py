"""Event-driven products by numba, after ``events.c``."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from picojoule.kernels.launch import workers

_BLOCK = 256  # rows that are sorted together
_ALONE = 1 << 16  # values that one thread goes through before another would have started


@numba.njit(cache=True, nogil=True)
def _count(x: Any, step: int) -> int:
    events = 0
    for r in range(0, x.shape[0], step):
        for k in range(x.shape[1]):
            events += x[r, k] != 0
    return events


@numba.njit(cache=True, nogil=True)
def _add(order: Any, start: int, stop: int, x: Any, rows: Any, out: Any) -> None:
    """Adds x[k] rows[k] for k = order[start..stop], four at a time: out is read less often."""
    e = start
    while e + 4 <= stop:
        a, b, c, d = order[e], order[e + 1], order[e + 2], order[e + 3]
        first, second, third, fourth = rows[a], rows[b], rows[c], rows[d]
        for n in range(out.shape[0]):
            pair = x[a] * first[n] + x[b] * second[n]
            out[n] += pair + (x[c] * third[n] + x[d] * fourth[n])
        e += 4
    for k in order[e:stop]:
        row = rows[k]
        for n in range(out.shape[0]):
            out[n] += x[k] * row[n]


@numba.njit(cache=True, nogil=True)
def _row(x: Any, weight: Any, out: Any) -> None:
    order = np.empty(x.shape[0], np.int32)
    events = 0
    for k in range(x.shape[0]):
        order[events] = k
        events += x[k] != 0
    _add(order, 0, events, x, weight, out)


@numba.njit(cache=True, nogil=True)
def _rows(x: Any, weight: Any, out: Any) -> None:
    for r in range(x.shape[0]):
        _row(x[r], weight, out[r])


@numba.njit(cache=True, nogil=True)
def _outer(x: Any, grads: Any, out: Any, start: int, stop: int) -> None:
    order = np.empty(_BLOCK * x.shape[1], np.int32)
    for first in range(0, x.shape[0], _BLOCK):
        # The events of a block of rows, sorted by column: each meets a row of grads in cache.
        values = x[first : first + _BLOCK]
        ends = np.zeros(x.shape[1] + 1, np.int32)
        for r in range(values.shape[0]):
            for k in range(values.shape[1]):
                ends[k + 1] += values[r, k] != 0
        ends = np.cumsum(ends)
        place = ends.copy()
        for r in range(values.shape[0]):
            for k in range(values.shape[1]):
                if values[r, k] != 0:
                    order[place[k]] = r
                    place[k] += 1
        part = grads[first : first + _BLOCK, start:stop]
        for k in range(values.shape[1]):
            if ends[k + 1] > ends[k]:
                _add(order, ends[k], ends[k + 1], values[:, k], part, out[k, start:stop])


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
    """Does parts of a length side by side."""
    threads = torch.get_num_threads() if work > _ALONE else 1
    bounds = [k * length // threads for k in range(threads + 1)]
    others = [workers(threads - 1).submit(do, *bounds[k : k + 2]) for k in range(1, threads)]
    do(*bounds[:2])
    for one in others:
        one.result()
