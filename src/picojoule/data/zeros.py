"""Arrays of zeros, in memory or in files."""

import errno
import math
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# As ``np.zeros`` does: shape and type to an array.
Zeros = Callable[[tuple[int, ...], Any], np.ndarray]


def in_files(folder: Path) -> Zeros:
    """Makes arrays that need not fit into memory.

    Each is mapped from a file in the folder that has no name: it goes when nobody holds the array
    any more, whatever becomes of the process. What was never written takes no space.

    Raises:
        OSError: If there is too little space. (Without this, writing to the array would end the
            process.)
    """

    def zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        if not math.prod(shape):
            return np.zeros(shape, dtype)
        size, free = np.dtype(dtype).itemsize * math.prod(shape), shutil.disk_usage(folder).free
        if size > free:
            raise OSError(
                errno.ENOSPC,
                f"{size:,} bytes are needed, and {free:,} are free: set PICOJOULE_CACHE to a "
                "folder with more",
                str(folder),
            )
        with tempfile.TemporaryFile(dir=folder) as file:
            return np.memmap(file, dtype, "w+", shape=shape)

    return zeros


class GrowingRow:
    """A row of numbers that grows to twice its size whenever it is full.

    Args:
        dtype: The type of its numbers.
        zeros: Makes the arrays.
    """

    def __init__(self, dtype: type[np.generic], zeros: Zeros) -> None:
        self._array = zeros((1 << 16,), dtype)
        self._zeros = zeros
        self.size = 0

    def add(self, values: np.ndarray) -> None:
        """Appends numbers."""
        end = self.size + len(values)
        if end > len(self._array):
            larger = self._zeros((max(end, 2 * len(self._array)),), self._array.dtype)
            larger[: self.size] = self._array[: self.size]
            self._array = larger
        self._array[self.size : end] = values
        self.size = end

    def done(self) -> Tensor:
        """Returns the row as a tensor."""
        return torch.from_numpy(self._array[: self.size])
