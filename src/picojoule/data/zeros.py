"""Arrays of zeros, in memory or in files."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# As ``np.zeros`` does: shape and type to an array.
Zeros = Callable[[tuple[int, ...], Any], np.ndarray]


def in_files(folder: Path) -> Zeros:
    """Makes arrays that need not fit into memory.

    Each is mapped from a file in the folder that has no name: it goes when nobody holds the array
    any more, whatever becomes of the process. What was never written takes no space.
    """

    def zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        if not math.prod(shape):
            return np.zeros(shape, dtype)
        with tempfile.TemporaryFile(dir=folder) as file:
            return np.memmap(file, dtype, "w+", shape=shape)

    return zeros
