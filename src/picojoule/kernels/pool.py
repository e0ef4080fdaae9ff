"""A pool of large memory blocks that training steps borrow and give back.

By default the system takes a large block back as soon as it is freed, and the next step faults
every page of it in anew, which can take longer than all arithmetic on it. The pool is one for the
process, because blocks that one layer gives back serve the next.
"""

import math
import threading
import weakref
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

_LARGE = 1 << 20  # bytes from which on a block comes from the pool
_MOST_READY = 1 << 30  # bytes that the pool keeps ready at most
_LINE = 64  # bytes of a cache line; a block starts at one
_WASTE = 1.25  # the size of a block over the size asked for, at most


def borrow(shape: Sequence[int], like: Tensor) -> Tensor:
    """Returns an uninitialised contiguous tensor of the type and device of ``like``.

    A large one on the CPU comes from the pool, and its memory goes back when nothing refers to it.
    """
    size = math.prod(shape) * like.itemsize
    if like.device.type != "cpu" or size < _LARGE:
        return like.new_empty(*shape)
    return torch.from_numpy(_pool().take(size)).view(like.dtype).view(*shape)


class _Pool:
    """Free blocks, the one given back last at the end."""

    def __init__(self) -> None:
        self._ready: list[np.ndarray] = []
        self._lock = threading.Lock()

    def take(self, size: int) -> np.ndarray:
        """Returns bytes, [size], that come back when nothing refers to them any more."""
        block = self._pop(size + _LINE)
        block = np.empty(size + _LINE, np.uint8) if block is None else block
        start = -block.ctypes.data % _LINE
        part = block[start : start + size]
        weakref.finalize(part, self._give_back, block).atexit = False
        return part

    def _pop(self, needed: int) -> np.ndarray | None:
        with self._lock:
            for k in reversed(range(len(self._ready))):
                if needed <= len(self._ready[k]) <= needed * _WASTE:
                    return self._ready.pop(k)
            if self._ready:
                self._ready.pop(0)  # of a size that was asked for longest ago
            return None

    def _give_back(self, block: np.ndarray) -> None:
        # No lock: the garbage collector may call this from within another call. Nothing that goes
        # on there minds one more block at the end.
        if sum(map(len, self._ready)) + len(block) <= _MOST_READY:
            self._ready.append(block)


@cache
def _pool() -> _Pool:
    return _Pool()
