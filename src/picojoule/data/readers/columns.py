"""Rows of numbers in an HDF5 file, read where the library says that they lie.

The library follows whatever a file says: to other files, to data sets that are views of others, and
to bytes that unpack to any size. Here the bytes come out of the file itself, and no more of them
than it can hold.
"""

import zlib
from collections.abc import Iterator, Sequence
from mmap import mmap
from typing import Any

import numpy as np

from picojoule._files import check_unpacked

# Layouts, links and filters by their numbers in the HDF5 library.
_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2
_HARD = 0
_DEFLATE, _SHUFFLE = 1, 2


def found(file: Any, name: str) -> Any:
    """Returns what lies at a path in an h5py file; None if there is nothing.

    Raises:
        ValueError: If a link leads there, which may lead to another file.
    """
    import h5py  # a tenth of a second: not at import

    here = file
    for part in name.split("/"):
        if not isinstance(here, h5py.Group) or not here.id.links.exists(part.encode()):
            return None
        if here.id.links.get_info(part.encode()).type != _HARD:
            raise ValueError(f"{name} is behind a link: expected the data themselves in this file")
        here = here[part]
    return here


def rows(raw: mmap, dataset: Any, dtype: np.dtype) -> np.ndarray:
    """Returns the rows of a data set.

    Args:
        raw: The file.
        dataset: An h5py data set of one dimension.
        dtype: Of its rows as they are stored.

    Shape:
        ``[N]``.

    Raises:
        ValueError: For rows that are not in this file as a whole, or packed otherwise than by gzip.
    """
    is_plain, count = dataset.dtype == dtype, len(dataset)
    if count > len(raw):
        raise ValueError(f"{count} rows are announced, more than the file can hold")
    if dataset.id.get_create_plist().get_layout() == _COMPACT and is_plain:
        return dataset[:]
    check_unpacked(count * dtype.itemsize, len(raw), "a data set")
    out = np.zeros(count, dtype)
    if is_plain:
        out[:] = dataset.fillvalue
    for first, piece in _pieces(raw, dataset, dtype.itemsize):
        rest = out[first : first + len(piece) // dtype.itemsize]
        rest[:] = np.frombuffer(piece, dtype, len(rest))
    return out


def _pieces(raw: mmap, dataset: Any, itemsize: int) -> Iterator[tuple[int, bytes]]:
    """Yields first row and bytes of each piece that was written."""
    facts = dataset.id.get_create_plist()
    if facts.get_external_count():
        raise ValueError("a data set lies in another file: expected the data in this one")
    if facts.get_layout() == _CONTIGUOUS:
        if dataset.id.get_offset() is not None:
            yield 0, _slice(raw, dataset.id.get_offset(), len(dataset) * itemsize)
        return
    if facts.get_layout() != _CHUNKED:
        raise ValueError("a data set is a view of others: expected the data themselves")
    filters = [facts.get_filter(number)[0] for number in range(facts.get_nfilters())]
    if not {_DEFLATE, _SHUFFLE}.issuperset(filters):
        raise ValueError(f"it is packed by the filters {filters} of HDF5: expected gzip, or none")
    step = dataset.chunks[0]
    check_unpacked(step * itemsize, len(raw), "a piece of a data set")
    infos, most = [], -(-len(dataset) // step)

    def note(info: Any) -> bool | None:
        infos.append(info)
        return len(infos) > most or None  # whatever is not None ends it

    dataset.id.chunk_iter(note)
    if len(infos) > most:
        raise ValueError(f"a data set has more than {most} pieces")
    for info in infos:
        packed = _slice(raw, info.byte_offset, info.size)
        kept = [one for number, one in enumerate(filters) if not info.filter_mask >> number & 1]
        yield info.chunk_offset[0], _unpacked(packed, kept, step * itemsize, itemsize)


def _slice(raw: mmap, start: int, size: int) -> bytes:
    if start + size > len(raw):
        raise ValueError("the file ends before its rows")
    return raw[start : start + size]


def _unpacked(piece: bytes, filters: Sequence[int], size: int, itemsize: int) -> bytes:
    for one in reversed(filters):
        if one == _DEFLATE:
            piece = zlib.decompressobj().decompress(piece, size + 1)
        else:
            piece = np.frombuffer(piece, np.uint8).reshape(itemsize, -1).T.tobytes()
    if len(piece) != size:
        raise ValueError(f"a piece of {size} bytes has {len(piece)}")
    return piece
