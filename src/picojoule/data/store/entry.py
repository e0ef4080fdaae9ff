"""One entry of the cache: a folder that holds splits.

``index.json`` has the shape, type and sha256 of each array, which is a file of plain numbers. The
sums are compared when an entry is opened for the first time, and whenever a file of it has changed
since: ``checked`` notes the state of the files when they were right.
"""

import contextlib
import hashlib
import json
import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from picojoule.data.recordings import EventLists
from picojoule.data.split import Split

logger = logging.getLogger(__name__)

# Of the layout here and of what the readers give; each release of picojoule is another anyway.
VERSION = 1
_CHUNK_BYTES = 1 << 24
_INDEX = "index.json"
_CHECKED = "checked"


class Part(NamedTuple):
    """A split to keep: the items at ``index`` of it, all where that is None."""

    split: Split
    index: Tensor | None = None

    @property
    def labels(self) -> Tensor:
        """The class of each item, ``[N]`` int64."""
        return self.split.y if self.index is None else self.split.y[self.index]


class Content(NamedTuple):
    """What is kept together: splits by name, what was left out of them, and plain facts."""

    parts: Mapping[str, Part]
    skipped: Sequence[str] = ()
    facts: Mapping[str, Any] | None = None


class Kept(NamedTuple):
    """What came out of the cache."""

    splits: dict[str, Split]
    skipped: list[str]
    facts: dict[str, Any]


def version() -> str:
    """Returns what an entry of this layout is marked with."""
    return f"picojoule {metadata.version('picojoule')}, {VERSION}"


def digest(text: str) -> str:
    """The sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def stamp(paths: Iterable[Path]) -> str:
    """What changes when one of the files does: their names, sizes and times."""
    total = hashlib.sha256()
    for path in paths:
        try:
            found = path.stat()
            facts = (str(path), found.st_size, found.st_mtime_ns, found.st_ino)
        except FileNotFoundError:
            facts = (str(path), "missing")
        total.update(repr(facts).encode())
    return total.hexdigest()


class _Rows(NamedTuple):
    """An array, piece by piece: it need not fit into memory."""

    dtype: np.dtype
    shape: tuple[int, ...]
    pieces: Iterable[np.ndarray]


def _arrays(split: Split, index: Tensor | None) -> dict[str, _Rows]:
    """Every array of the items at ``index``, all where that is None, by the name of its file."""
    rows = None if index is None else index.numpy()
    named = {"y": split.y} | ({} if split.lengths is None else {"lengths": split.lengths})
    found = {} if isinstance(split.x, EventLists) else {"x": _rows(split.x.numpy(), rows)}
    found |= {name: _rows(tensor.numpy(), rows) for name, tensor in named.items()}
    if isinstance(split.x, EventLists):
        found |= _lists(split.x, np.arange(len(split)) if rows is None else rows)
    return found


def _rows(array: np.ndarray, rows: np.ndarray | None) -> _Rows:
    shape = (len(array) if rows is None else len(rows), *array.shape[1:])
    stride = max(1, _CHUNK_BYTES // max(1, array.dtype.itemsize * math.prod(shape[1:])))
    some = (slice(first, first + stride) for first in range(0, shape[0], stride))
    return _Rows(array.dtype, shape, (array[one if rows is None else rows[one]] for one in some))


def _lists(lists: EventLists, rows: np.ndarray) -> dict[str, _Rows]:
    """The events of the recordings at ``rows``: one piece each."""
    ends = lists.offsets.numpy()
    offsets = np.concatenate([[0], np.cumsum((ends[1:] - ends[:-1])[rows])])

    def events(array: np.ndarray) -> _Rows:
        pieces = (array[ends[row] : ends[row + 1]] for row in rows)
        return _Rows(array.dtype, (int(offsets[-1]),), pieces)

    times, address = events(lists.times_us.numpy()), events(lists.address.numpy())
    return {"times": times, "address": address, "offsets": _rows(offsets, None)}


def write(making: Path, key: str, content: Content) -> None:
    """Fills a new folder."""
    splits = {}
    for part, (split, index) in content.parts.items():
        splits[part] = {
            "shape": list(split.x.shape) if isinstance(split.x, EventLists) else None,
            "arrays": {
                name: _save(making / f"{part}.{name}", rows)
                for name, rows in _arrays(split, index).items()
            },
        }
    entry = {
        "version": version(),
        "key": key,
        "skipped": list(content.skipped),
        "facts": dict(content.facts or {}),
        "splits": splits,
    }
    (making / _INDEX).write_text(json.dumps(entry), encoding="utf-8")


def _save(file: Path, rows: _Rows) -> dict[str, Any]:
    """Writes an array; gives its entry in the index."""
    total = hashlib.sha256()
    with file.open("wb") as target:
        for piece in rows.pieces:
            plain = np.ascontiguousarray(piece)
            total.update(plain.data)
            target.write(plain.data)
        target.flush()
        os.fsync(target.fileno())
    return {"dtype": rows.dtype.str, "shape": rows.shape, "sha256": total.hexdigest()}


def read(where: Path, key: str) -> Kept | None:
    """The entry, or None where it is missing, of another version or key, or damaged."""
    try:
        entry = json.loads((where / _INDEX).read_bytes())
        if entry["version"] != version() or entry["key"] != key:
            return None
        known = {
            where / f"{part}.{name}": array
            for part, its in entry["splits"].items()
            for name, array in its["arrays"].items()
        }
        _check(where, known)
        splits = {
            part: _split({n: _map(where / f"{part}.{n}", a) for n, a in e["arrays"].items()}, e)
            for part, e in entry["splits"].items()
        }
        return Kept(splits, list(entry["skipped"]), dict(entry["facts"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        logger.warning("%s is damaged (%s): it is made anew", where, error)
        return None


def _split(arrays: dict[str, Tensor], entry: Mapping[str, Any]) -> Split:
    digests = [entry["arrays"][name]["sha256"] for name in sorted(entry["arrays"])]
    if entry["shape"] is None:
        x = arrays["x"]
    else:
        lists = (arrays["times"], arrays["address"], arrays["offsets"])
        x = EventLists(*lists, shape=tuple(entry["shape"]), check=False)
    return Split(x, arrays["y"], arrays.get("lengths"), fingerprint=digest(" ".join(digests)))


def _check(where: Path, known: Mapping[Path, Mapping[str, Any]]) -> None:
    """Compares the sha256 of every array, but where the files are as they were when it was right.

    Raises:
        ValueError: For an array that is not what was written.
    """
    now = stamp([where / _INDEX, *known])
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
        if (where / _CHECKED).read_text(encoding="utf-8") == now:
            return
    for file, entry in known.items():
        total = hashlib.sha256()
        for piece in _pieces(file):
            total.update(piece)
        if total.hexdigest() != entry["sha256"]:
            raise ValueError(f"{file.name} is not what was written")
    # Another user's cache may be there to be read only: it is then checked each time.
    with contextlib.suppress(OSError):
        (where / _CHECKED).write_text(now, encoding="utf-8")


def _map(file: Path, entry: Mapping[str, Any]) -> Tensor:
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    size = dtype.itemsize * math.prod(shape)
    if file.stat().st_size != size:
        raise ValueError(f"{file.name} has {file.stat().st_size} of {size} bytes")
    if not size:
        return torch.from_numpy(np.zeros(shape, dtype))
    # Copy on write: a tensor must be writable, and the file must not change.
    return torch.from_numpy(np.memmap(file, dtype, "c", shape=shape))


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(_CHUNK_BYTES):
            yield piece
