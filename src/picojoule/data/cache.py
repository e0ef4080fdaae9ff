"""Decoded data, kept on disk and mapped into memory.

An entry appears whole or not at all; one of another version, of changed files, or with a damaged
array is made anew.
"""

import hashlib
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from picojoule.data import store
from picojoule.data.encode import Encoder
from picojoule.data.split import Split
from picojoule.data.store import Content, Kept, Part

VARIABLE = "PICOJOULE_CACHE"

Empty = Callable[[tuple[int, ...], Any], np.ndarray]


def folder() -> Path:
    """Where decoded data are kept: ``PICOJOULE_CACHE``, or the user's own folder for caches.

    It may be deleted at any time.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "picojoule" / "data"


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


def kept(name: str, place: str, key: str, make: Callable[[Empty], Content]) -> Kept:
    """What ``make`` gives, made once for each key and mapped into memory.

    Two processes that start together each make it; one entry stays, and both use it.

    Args:
        name: What people call it.
        place: What tells it from all others; a new key takes the place of the old one.
        key: What it depends on.
        make: Gives the content; its argument makes arrays that need not fit into memory.

    Raises:
        OSError: Where the folder of the cache cannot be written.
    """
    where = folder() / f"{name}-{store.digest(place)[:16]}"
    found = store.read(where, key)
    if found is not None:
        return found
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{where.name}-", dir=where.parent))
    except OSError as error:
        raise OSError(
            error.errno, f"the cache cannot be written ({error.strerror}): set {VARIABLE}", where
        ) from error
    try:
        with tempfile.TemporaryDirectory(prefix=".scratch-", dir=making) as scratch:
            content = make(_Scratch(Path(scratch)))
            store.write(making, key, content)
        return _publish(making, where, key)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def prepared(split: Split, encoder: Encoder) -> Split:
    """What ``encoder.prepare`` gives, kept where the split is from the cache itself.

    What the encoder warned of (that it cut long recordings, say) is said again each time.
    """
    if not split.fingerprint or type(encoder).prepare is Encoder.prepare:
        return encoder.prepare(split)
    name = type(encoder).__name__.lower()
    key = f"{split.fingerprint} {encoder!r}"
    said = logging.getLogger(type(encoder).__module__)
    heard = _Heard()

    def make(_: Empty) -> Content:
        said.addHandler(heard)
        try:
            return Content({"all": Part(encoder.prepare(split))}, heard.lines)
        finally:
            said.removeHandler(heard)

    made = kept(name, key, key, make)
    for line in made.skipped if not heard.lines else ():
        said.warning("%s", line)
    return made.splits["all"]


class _Heard(logging.Handler):
    """Notes every warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Notes this one."""
        self.lines.append(record.getMessage())


class _Scratch:
    """Makes arrays in files of a folder that is deleted afterwards."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def __call__(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        if not math.prod(shape):
            return np.zeros(shape, dtype)
        self._count += 1
        return np.memmap(self._path / str(self._count), dtype, "w+", shape=shape)


def _publish(making: Path, where: Path, key: str) -> Kept:
    """Puts an entry in its place, or takes the one that another process put there meanwhile."""
    while True:
        try:
            os.rename(making, where)
        except OSError:
            if not where.exists():
                raise
            # Whoever has the old one mapped keeps it: its files live until they are let go.
            found = store.read(where, key)
            if found is not None:
                return found
            _remove(where)
        found = store.read(where, key)
        if found is not None:
            return found
        if not making.exists():
            raise OSError(f"{where} is not as it was written: is the disk in order?")


def _remove(where: Path) -> None:
    aside = Path(tempfile.mkdtemp(prefix=".old-", dir=where.parent))
    try:
        os.rename(where, aside / where.name)
    except FileNotFoundError:
        pass  # another process was first
    finally:
        shutil.rmtree(aside, ignore_errors=True)
