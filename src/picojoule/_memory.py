"""Memory of a process that runs one command."""

import ctypes
import gc
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Makes glibc reuse freed blocks of every size, for the rest of this process.

    By default large tensors get fresh pages from the system at each allocation, and on a CPU the
    page faults can take most of a training step. The process then keeps the most it ever used.

    Returns:
        Whether that was possible; False where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28))
    return all([mallopt(name, value) == 1 for name, value in settings])


def collect_seldom() -> None:
    """Lets garbage collections wait for more objects, for the rest of this process.

    What torch and its like make while they are imported stays, and by default it is looked through
    for every 700 objects more, which is a fifth of the time to a first step.
    """
    gc.set_threshold(10_000)
