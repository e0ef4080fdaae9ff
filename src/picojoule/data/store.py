"""One entry of the cache: a folder that holds splits.

``index.json`` has the shape, type and sha256 of each array, which is a file of plain numbers.
"""

import hashlib
import json
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from picojoule import __version__
from picojoule.data.events import EventLists
from picojoule.data.split import Split

logger = logging.getLogger(__name__)

# Of the layout here and of what the readers give; each release of picojoule is another anyway.
VERSION = 1
_CHUNK_BYTES = 1 << 24
_INDEX = "index.json"


class Part(NamedTuple):
    """A split to keep: the items at ``index`` of it, all where that is None."""

    split: Split
    index: Tensor | None = None


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
    """Who made an entry."""
    return f"picojoule {__version__}, {VERSION}"


def digest(text: str) -> str:
    """The sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _arrays(split: Split) -> dict[str, np.ndarray]:
    """Every array of a split, by the name of its file."""
    if isinstance(split.x, EventLists):
        lists = split.x
        named = {"times": lists.times_us, "address": lists.address, "offsets": lists.offsets}
    else:
        named = {"x": split.x}
    named |= {"y": split.y} | ({} if split.lengths is None else {"lengths": split.lengths})
    return {name: tensor.numpy() for name, tensor in named.items()}


def write(making: Path, key: str, content: Content) -> None:
    """Fills a new folder."""
    splits = {}
    for part, (split, index) in content.parts.items():
        rows = None if index is None else index.numpy()
        if rows is not None and isinstance(split.x, EventLists):
            split, rows = split.at(torch.from_numpy(rows)), None
        splits[part] = {
            "shape": list(split.x.shape) if isinstance(split.x, EventLists) else None,
            "arrays": {
                name: _save(making / f"{part}.{name}", array, rows)
                for name, array in _arrays(split).items()
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


def _save(file: Path, array: np.ndarray, rows: np.ndarray | None) -> dict[str, Any]:
    """Writes an array, or some rows of it, piece by piece; gives its entry in the index."""
    shape = (len(array) if rows is None else len(rows), *array.shape[1:])
    row_bytes = max(1, array.dtype.itemsize * math.prod(array.shape[1:]))
    stride = max(1, _CHUNK_BYTES // row_bytes)
    total = hashlib.sha256()
    with file.open("wb") as target:
        for first in range(0, shape[0], stride):
            some = slice(first, first + stride)
            piece = np.ascontiguousarray(array[some] if rows is None else array[rows[some]])
            total.update(piece.data)
            target.write(piece.data)
        target.flush()
        os.fsync(target.fileno())
    return {"dtype": array.dtype.str, "shape": shape, "sha256": total.hexdigest()}


def read(where: Path, key: str) -> Kept | None:
    """The entry, or None where it is missing, of another version or key, or damaged."""
    try:
        entry = json.loads((where / _INDEX).read_bytes())
        if entry["version"] != version() or entry["key"] != key:
            return None
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
        x = EventLists(*lists, shape=tuple(entry["shape"]))
    return Split(x, arrays["y"], arrays.get("lengths"), fingerprint=digest(" ".join(digests)))


def _map(file: Path, entry: Mapping[str, Any]) -> Tensor:
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    size = dtype.itemsize * math.prod(shape)
    if file.stat().st_size != size:
        raise ValueError(f"{file.name} has {file.stat().st_size} of {size} bytes")
    if not size:
        return torch.from_numpy(np.zeros(shape, dtype))
    total = hashlib.sha256()
    for piece in _pieces(file):
        total.update(piece)
    if total.hexdigest() != entry["sha256"]:
        raise ValueError(f"{file.name} is not what was written")
    # Copy on write: a tensor must be writable, and the file must not change.
    return torch.from_numpy(np.memmap(file, dtype, "c", shape=shape))


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(_CHUNK_BYTES):
            yield piece
