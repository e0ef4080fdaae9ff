"""Large blocks of memory that are lent, come back, and are lent again.

By default the system takes a large block back when it is freed, and the next step faults every
page of it in anew, which can take longer than all arithmetic on it.
"""

import threading
import weakref
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

_LARGE = 1 << 20  # bytes from which on a block comes from the pool
_KEPT = 1 << 30  # bytes that lie ready at most
_LINE = 64  # bytes of a cache line, at which a block starts
_WASTE = 1.25  # of what is asked for, at most, that a block may have


def lent(shape: Sequence[int], like: Tensor) -> Tensor:
    """A new contiguous tensor of the type and device of ``like``, with whatever lies in it."""
    size = int(np.prod(shape)) * like.itemsize
    if like.device.type != "cpu" or size < _LARGE:
        return like.new_empty(*shape)
    return torch.from_numpy(_pool().take(size)).view(like.dtype).view(*shape)


class _Pool:
    def __init__(self) -> None:
        self._ready: list[np.ndarray] = []  # what came back last is at the end
        self._lock = threading.Lock()

    def take(self, size: int) -> np.ndarray:
        """Bytes, [size], that come back when nothing refers to them any more."""
        block = self._found(size + _LINE)
        block = np.empty(size + _LINE, np.uint8) if block is None else block
        start = -block.ctypes.data % _LINE
        part = block[start : start + size]
        weakref.finalize(part, self._back, block).atexit = False
        return part

    def _found(self, needed: int) -> np.ndarray | None:
        with self._lock:
            for k in reversed(range(len(self._ready))):
                if needed <= len(self._ready[k]) <= needed * _WASTE:
                    return self._ready.pop(k)
            if self._ready:
                self._ready.pop(0)  # of a size that was asked for longest ago
            return None

    def _back(self, block: np.ndarray) -> None:
        # No lock: the garbage collector may call this from within another call. Nothing that goes
        # on there minds one more block at the end.
        if sum(map(len, self._ready)) + len(block) <= _KEPT:
            self._ready.append(block)


@cache
def _pool() -> _Pool:
    return _Pool()
