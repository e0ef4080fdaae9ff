"""Event-driven products by numba, after ``events.c``."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from picojoule.kernels.launch import together
from picojoule.kernels.module import kept

_BLOCK = 256  # rows that are sorted together
_ALONE = 1 << 15  # values that one thread goes through before another would have started


@kept(nogil=True)
def _count(x: Any, step: int) -> int:
    events = 0
    for r in range(0, x.shape[0], step):
        for k in range(x.shape[1]):
            events += x[r, k] != 0
    return events


@kept(nogil=True)
def _add(places: Any, values: Any, rows: Any, out: Any, start: int, stop: int) -> None:
    """Adds values[e] rows[places[e]] for each event e to columns start..stop of out.

    Four at a time, so that out is read less often. Cut here, where slices are known to be dense.
    """
    goal, e = out[start:stop], 0
    while e + 4 <= len(places):
        first, second = rows[places[e], start:stop], rows[places[e + 1], start:stop]
        third, fourth = rows[places[e + 2], start:stop], rows[places[e + 3], start:stop]
        a, b, c, d = values[e], values[e + 1], values[e + 2], values[e + 3]
        for n in range(len(goal)):
            goal[n] += (a * first[n] + b * second[n]) + (c * third[n] + d * fourth[n])
        e += 4
    while e < len(places):
        row, a = rows[places[e], start:stop], values[e]
        for n in range(len(goal)):
            goal[n] += a * row[n]
        e += 1


@kept(nogil=True)
def _compact(x: Any, places: Any) -> int:
    """Writes where the events of a row are; gives how many there are."""
    events = 0
    for k in range(len(x)):
        places[events] = k
        events += x[k] != 0
    return events


@kept(nogil=True)
def _rows(x: Any, weight: Any, out: Any, first: int, last: int) -> None:
    places = np.empty(x.shape[1] + 1, np.int32)
    for r in range(first, last):
        there = places[: _compact(x[r], places)]
        _add(there, x[r][there], weight, out[r], 0, weight.shape[1])


@kept(nogil=True)
def _sorted(x: Any, first: int, last: int) -> Any:
    """Lists the events of some rows, block by block and in each by column, for the cache's sake.

    Their rows, their values, and where those of each block [blocks, K + 1] and column start.
    """
    events = _count(x[first:last], 1)
    rows, values = np.empty(events, np.int32), np.empty(events, x.dtype)
    starts = np.zeros((-(-(last - first) // _BLOCK), x.shape[1] + 1), np.int64)
    index, begin = np.empty(_BLOCK * x.shape[1] + 1, np.int32), np.zeros(_BLOCK + 1, np.int64)
    for b in range(len(starts)):
        top = first + b * _BLOCK
        block = min(_BLOCK, last - top)
        for r in range(block):
            begin[r + 1] = begin[r] + _compact(x[top + r], index[begin[r] :])
        ends = starts[b]
        ends[0] = starts[b - 1, -1] if b else 0
        for k in index[: begin[block]]:
            ends[k + 1] += 1
        ends[:] = np.cumsum(ends)
        place = ends.copy()
        for r in range(block):
            for k in index[begin[r] : begin[r + 1]]:
                rows[place[k]], values[place[k]] = top + r, x[top + r, k]
                place[k] += 1
    return rows, values, starts


@kept(nogil=True)
def _outer(events: Any, grads: Any, out: Any, start: int, stop: int) -> None:
    rows, values, starts = events
    for block in starts:
        for k in range(len(block) - 1):
            a, b = block[k], block[k + 1]
            if b > a:
                _add(rows[a:b], values[a:b], grads, out[k], start, stop)


def count(x: Tensor, step: int) -> int:
    """Counts the events of every ``step``-th row of x [R, K]."""
    return int(_count(_array(x), step))


def row(x: Tensor, weight_t: Tensor, base: Tensor | None, limit: int) -> Tensor | None:
    """Returns base [N] + x [1, K] weight_t [K, N]; None if x has more events than ``limit``."""
    if count(x, 1) > limit:
        return None
    out = _start(x.new_empty(1, weight_t.shape[1]), base)
    _rows(_array(x), _array(weight_t), _array(out), 0, 1)
    return out


def rows(
    x: Tensor, weight_t: Tensor, base: Tensor | None, out: Tensor | None, told: object = None
) -> Tensor:
    """Returns base [N] or [R, N] + x [R, K] weight_t [K, N], in ``out`` if that is given.

    It counts no events: nothing is ``told``.
    """
    del told
    out = _start(x.new_empty(len(x), weight_t.shape[1]) if out is None else out, base)
    values, weights, results = _array(x), _array(weight_t), _array(out)
    _share(len(x), x.numel(), lambda a, b: _rows(values, weights, results, a, b))
    return out


def outer(x: Tensor, grads: Tensor) -> Tensor:
    """Returns the sum over rows of x [R, K] times grads [R, N], as [K, N]."""
    out = x.new_zeros(x.shape[1], grads.shape[1])
    values, given, results = _array(x), _array(grads), _array(out)
    found: dict[tuple[int, int], Any] = {}

    def sort(start: int, stop: int) -> None:
        found[start, stop] = _sorted(values, start, stop)

    def add(start: int, stop: int) -> None:
        for _, events in sorted(found.items(), key=lambda one: one[0]):
            _outer(events, given, results, start, stop)

    _share(len(x), x.numel(), sort, _BLOCK)
    _share(grads.shape[1], x.numel(), add)
    return out


def _start(out: Tensor, base: Tensor | None) -> Tensor:
    return out.zero_() if base is None else out.copy_(base)


def _array(x: Tensor) -> np.ndarray:
    return x.detach().numpy()


def _share(length: int, work: int, do: Callable[[int, int], None], unit: int = 1) -> None:
    """Does parts of a length side by side, each of whole units but for the last."""
    threads = torch.get_num_threads() if work > _ALONE else 1
    units = -(-length // unit)
    bounds = [min(k * units // threads * unit, length) for k in range(threads + 1)]
    together([partial(do, *pair) for pair in pairwise(bounds)])
