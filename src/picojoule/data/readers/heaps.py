"""Lists of varying length in an HDF5 file, each checked before it is read.

The HDF5 library trusts what a file says of such lists. Of 5,500 small files of spikes with one
damaged place each, h5py 3.16 with HDF5 2.0 did not come back from 10 within 15 seconds: from one
after 100 seconds and 8.6 GB of memory, from another not at all. Read as below, each of 1,500 was
read or refused at once. The library tells where a data set is, and the rest is done here.

A list is described by its length, and the address and number of an object of a global heap. A heap
is ``GCOL``, the version, its size, and objects: number (0: free space), length in bytes, and the
bytes, in eights. From the HDF5 file format specification, version 3.0, III.E and IV.A.2.d.
"""

import struct
from collections.abc import Iterator
from mmap import mmap
from typing import Any

import numpy as np

from picojoule.data.readers.columns import rows

_DESCRIPTOR = np.dtype([("size", "<u4"), ("heap", "<u8"), ("number", "<u4")])
_HEAP = struct.Struct("<4sBxxxQ")
_OBJECT = struct.Struct("<HxxxxxxQ")


def lists(raw: mmap, dataset: Any, dtype: np.dtype, base: int) -> Iterator[np.ndarray]:
    """Yields the lists of an h5py data set in their order, ``[E]`` each.

    Args:
        raw: The file it is in.
        dataset: Of one dimension.
        dtype: Of the numbers in a list.
        base: Bytes before the first address: of a user's block, if there is one.

    Raises:
        ValueError: For a list that is not there as a whole, and lists that lie on one another.
    """
    heap, objects, total = -1, {}, 0
    for number, described in enumerate(rows(raw, dataset, _DESCRIPTOR)):
        size = int(described["size"])
        if size and int(described["heap"]) != heap:
            heap = int(described["heap"])
            objects = _objects(raw, base + heap)
        start, length = objects.get(int(described["number"]), (0, 0)) if size else (0, 0)
        total += size * dtype.itemsize
        if size * dtype.itemsize > length or total > len(raw):
            raise ValueError(f"list {number} is not there as a whole")
        yield np.frombuffer(raw[start : start + size * dtype.itemsize], dtype)


def _objects(raw: mmap, heap: int) -> dict[int, tuple[int, int]]:
    """Returns start and length in bytes of each object of a heap, by number."""
    if heap + _HEAP.size > len(raw):
        raise ValueError("a heap is past the end of the file")
    mark, version, size = _HEAP.unpack_from(raw, heap)
    if (mark, version) != (b"GCOL", 1) or heap + size > len(raw):
        raise ValueError(f"there is no heap at byte {heap}")
    found = {}
    place, end = heap + _HEAP.size, heap + size
    while place + _OBJECT.size <= end:
        number, length = _OBJECT.unpack_from(raw, place)
        place += _OBJECT.size
        if not number:
            break  # free space, which comes last
        if place + length > end:
            raise ValueError(f"the heap at byte {heap} is damaged")
        found[number] = (place, length)
        place += -(-length // 8) * 8
    return found
