"""Entry of the cache: a folder that holds splits.

Each array is an ``.npy`` file, mapped into memory when it is read. ``index.json`` has the sha256 of
each file, and its own beside it. The sums are compared when an entry is opened for the first time,
and whenever a file of it has changed since: ``checked`` notes the state of the files when they were
right.
"""

import contextlib
import hashlib
import io
import json
import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from picojoule import _sums
from picojoule._files import parsed_json
from picojoule.data.recordings import EventLists
from picojoule.data.split import Split
from picojoule.data.waves import Waves

logger = logging.getLogger(__name__)

# Of the layout here and of what the readers give; each release of picojoule is another anyway.
VERSION = 7
_CHUNK_BYTES = 1 << 24
_BLOCK_BYTES = 1 << 16
_INDEX = "index.json"
_CHECKED = "checked"


class Selection(NamedTuple):
    """The items of a split at ``index``, or all if that is None."""

    split: Split
    index: Tensor | None = None

    @property
    def labels(self) -> Tensor:
        """The labels of each item, see ``Split``."""
        return self.split.y if self.index is None else self.split.y[self.index]


class Content(NamedTuple):
    """Content to keep: splits by name, and plain facts."""

    splits: Mapping[str, Selection]
    facts: Mapping[str, Any] | None = None


class Kept(NamedTuple):
    """Content from the cache, and what was said while it was made."""

    splits: dict[str, Split]
    facts: dict[str, Any]
    said: list[str]


def version() -> str:
    """Returns the version of the layout, which is part of an entry's name."""
    return f"picojoule {metadata.version('picojoule')}, {VERSION}"


def digest(text: str) -> str:
    """Returns the sha256 of a text."""
    # Names of files need not be texts.
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def stamp(paths: Iterable[Path]) -> str:
    """Returns a text that changes with the name, size or time of one of the files."""
    total = hashlib.sha256()
    for path in paths:
        try:
            found = path.stat()
            facts = (str(path), found.st_size, found.st_mtime_ns, found.st_ino)
        except OSError as error:
            facts = (str(path), "missing", error.errno)
        total.update(repr(facts).encode())
    return total.hexdigest()


class _Pieces(NamedTuple):
    """An array piece by piece, as it need not fit into memory."""

    dtype: np.dtype
    shape: tuple[int, ...]
    pieces: Iterable[np.ndarray]


def _arrays(split: Split, index: Tensor | None) -> dict[str, _Pieces]:
    """Returns every array of the items at ``index``, or of all if that is None, by its name."""
    rows = None if index is None else index.numpy()
    found = {"y": split.y} | ({} if split.lengths is None else {"lengths": split.lengths})
    ragged = {}
    if isinstance(split.x, EventLists):
        ragged = {"times": split.x.times_us, "address": split.x.address}
    elif isinstance(split.x, Waves):
        ragged = {"samples": split.x.samples}
    else:
        found["x"] = split.x
    whole = {name: _rows(tensor.numpy(), rows) for name, tensor in found.items()}
    if not ragged:
        return whole
    each = np.arange(len(split)) if rows is None else rows
    return whole | _lists(split.x.offsets.numpy(), each, ragged)


def _rows(array: np.ndarray, rows: np.ndarray | None) -> _Pieces:
    shape = (len(array) if rows is None else len(rows), *array.shape[1:])
    stride = max(1, _CHUNK_BYTES // max(1, array.dtype.itemsize * math.prod(shape[1:])))
    some = (slice(first, first + stride) for first in range(0, shape[0], stride))
    return _Pieces(array.dtype, shape, (array[one if rows is None else rows[one]] for one in some))


def _lists(ends: np.ndarray, rows: np.ndarray, arrays: Mapping[str, Tensor]) -> dict[str, _Pieces]:
    """Returns the lists at ``rows`` of arrays of lists that end at ``ends``, one piece each."""
    offsets = np.concatenate([[0], np.cumsum((ends[1:] - ends[:-1])[rows])])

    def lists(array: np.ndarray) -> _Pieces:
        pieces = (array[ends[row] : ends[row + 1]] for row in rows)
        return _Pieces(array.dtype, (int(offsets[-1]),), pieces)

    found = {name: lists(tensor.numpy()) for name, tensor in arrays.items()}
    return found | {"offsets": _rows(offsets, None)}


def write(making: Path, key: str, content: Content, said: Sequence[str]) -> None:
    """Fills a new folder."""
    entry = {
        "key": key,
        "said": list(said),
        "facts": dict(content.facts or {}),
        "splits": {name: _written(making, name, one) for name, one in content.splits.items()},
    }
    _sums.write(making / _INDEX, json.dumps(entry).encode())


def _written(making: Path, name: str, selection: Selection) -> dict[str, Any]:
    """Writes the arrays of a split; returns its entry in the index."""
    split, files, numbers = selection.split, {}, {}
    for array, pieces in _arrays(*selection).items():
        files[array], numbers[array] = _save(_file(making, name, array), pieces)
    return {
        "shape": list(split.x.shape) if isinstance(split.x, EventLists) else None,
        # The sum of the numbers alone, whatever the layout of the files.
        "fingerprint": digest(" ".join(numbers[array] for array in sorted(numbers))),
        "files": files,
    }


def _file(where: Path, split: str, array: str) -> Path:
    return where / f"{split}.{array}.npy"


def _save(file: Path, array: _Pieces) -> tuple[str, str]:
    """Writes an array; returns the sha256 of its file, and of its numbers."""
    header = io.BytesIO()
    facts = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, facts)
    whole, numbers = hashlib.sha256(header.getvalue()), hashlib.sha256()
    # Not through a map: a full disk would end the process.
    with file.open("wb") as target:
        target.write(header.getvalue())
        for piece in array.pieces:
            plain = np.ascontiguousarray(piece).data
            whole.update(plain)
            numbers.update(plain)
            _write(target, np.frombuffer(plain, np.uint8))
        target.truncate()  # a hole at the end counts, too
        target.flush()
        os.fsync(target.fileno())
    return whole.hexdigest(), numbers.hexdigest()


def _write(target: BinaryIO, raw: np.ndarray) -> None:
    """Writes bytes; blocks of zeros, as after the ends of most items, become holes in the file."""
    for first in range(0, len(raw), _BLOCK_BYTES):
        block = raw[first : first + _BLOCK_BYTES]
        words = block[: len(block) // 8 * 8].view(np.uint64)  # an eighth of the numbers to look at
        if words.any() or block[8 * len(words) :].any():
            target.write(block.data)
        else:
            target.seek(len(block), os.SEEK_CUR)


def read(where: Path, key: str) -> Kept | None:
    """Returns the entry, or None if it is missing, of another key, or damaged."""
    try:
        entry = parsed_json(_sums.read(where / _INDEX))
        if not _sums.has_sum(where / _INDEX):
            raise ValueError(f"{_INDEX} has no sum")
        if entry["key"] != key:
            return None
        _check(where, entry)
        splits = {name: _split(where, name, facts) for name, facts in entry["splits"].items()}
        return Kept(splits, dict(entry["facts"]), list(entry["said"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        logger.warning("%s is damaged (%s): it is made anew", where, error)
        return None


def _check(where: Path, entry: Mapping[str, Any]) -> None:
    """Compares the sha256 of every file, unless none has changed since the last time.

    Raises:
        ValueError: If a file is not what was written.
    """
    sums = {
        _file(where, name, array): known
        for name, facts in entry["splits"].items()
        for array, known in facts["files"].items()
    }
    now = stamp([where / _INDEX, *sums])
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
        if (where / _CHECKED).read_text(encoding="utf-8") == now:
            return
    for file, known in sums.items():
        if _sum_of(file) != known:
            raise ValueError(f"{file.name} is not what was written")
    # Another user's cache may be there to be read only: it is then checked each time.
    with contextlib.suppress(OSError):
        (where / _CHECKED).write_text(now, encoding="utf-8")


def _sum_of(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _split(where: Path, name: str, facts: Mapping[str, Any]) -> Split:
    # Copy on write: a tensor must be writable, and the file must not change.
    arrays = {
        array: torch.from_numpy(np.load(_file(where, name, array), mmap_mode="c"))
        for array in facts["files"]
    }
    if facts["shape"] is not None:
        lists = (arrays["times"], arrays["address"], arrays["offsets"])
        x = EventLists(*lists, shape=tuple(facts["shape"]), check=False)
    else:
        x = Waves(arrays["samples"], arrays["offsets"]) if "samples" in arrays else arrays["x"]
    return Split(x, arrays["y"], arrays.get("lengths"), fingerprint=facts["fingerprint"])
