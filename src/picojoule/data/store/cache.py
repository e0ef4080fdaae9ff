"""Decoded data, kept on disk and mapped into memory.

An entry appears whole or not at all. Its name says what it depends on, the version too, so that
entries of two kinds stand side by side; of one place, the few that were used last stay.
"""

import contextlib
import functools
import logging
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from picojoule import _cache
from picojoule.data.encoders.base import Encoder
from picojoule.data.split import Split
from picojoule.data.store import entry as store
from picojoule.data.store.entry import Content, Kept, Selection
from picojoule.data.zeros import Zeros, in_files

logger = logging.getLogger(__name__)

# Entries of one place that stay, and the days after which one that nobody used goes. What a process
# that was killed has left goes after a day.
_KEPT = 4
_DAYS = 90
_DAY_S = 86_400
# Whatever else lies in the folder is none of ours.
_OURS = re.compile(r".+-[0-9a-f]{16}-[0-9a-f]{16}(-.{8})*")


def cache_folder() -> Path:
    """Returns the folder of decoded data; it may be deleted at any time."""
    return _cache.cache_folder("data")


def kept(name: str, place: str, key: str, make: Callable[[Zeros], Content]) -> Kept:
    """Returns the content that ``make`` gives, made once for each key and mapped into memory.

    What readers and encoders warned of meanwhile (what they left out, say) is said again each time.
    Two processes that start together each make it; one entry stays, and both use it.

    Args:
        name: What people call it.
        place: What it is made of, such as a folder.
        key: What else it depends on; another key is another entry.
        make: Gives the content; its argument makes arrays that need not fit into memory.

    If the folder of the cache cannot be written, the entry is kept for this process alone, which is
    said once.

    Raises:
        OSError: If there is too little space.
    """
    family = f"{name}-{store.digest(place)[:16]}-"
    entry = family + store.digest(f"{store.version()} {key}")[:16]
    where = cache_folder() / entry
    if (found := _found(where, key)) is not None:
        return found
    try:
        making = _making(where)
    except OSError as error:
        where = _elsewhere(error) / entry
        if (found := _found(where, key)) is not None:
            return found
        making = _making(where)
    try:
        with _heard() as said:
            content = make(in_files(making))
        store.write(making, key, content, said)
        found = _publish(making, where, key)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    _prune(where, family)
    return found


def _found(where: Path, key: str) -> Kept | None:
    """Returns the entry in a place, if there is one, and says again what was said of it."""
    found = store.read(where, key)
    if found is not None:
        with contextlib.suppress(OSError):
            os.utime(where)  # when it was last used
        for line in found.said:
            logger.warning("%s", line)
    return found


def _making(where: Path) -> Path:
    """Makes a folder that is to be moved to a place.

    Raises:
        OSError: If it cannot be made.
    """
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{where.name}-", dir=where.parent))
    except OSError as error:
        # Without its number: this one is of no missing file, whatever the system calls it.
        raise OSError(
            f"the cache {where.parent} cannot be written ({error.strerror}): set "
            f"{_cache.VARIABLE} to a folder where you may write"
        ) from error


def _elsewhere(error: OSError) -> Path:
    """Returns a folder of this process alone, where the one of the user cannot be written."""
    try:
        folder = _cache.process_folder("data")
    except OSError:
        raise error from None
    _say_once(f"{error}; until then each command decodes its data anew, below {folder.parent}")
    return folder


@functools.cache
def _say_once(line: str) -> None:
    logger.warning("%s", line)


def prepared(split: Split, encoder: Encoder) -> Split:
    """Returns ``encoder.prepare(split)``, kept in the cache if the split came from there."""
    if not split.fingerprint or type(encoder).prepare is Encoder.prepare:
        return encoder.prepare(split)
    name = type(encoder).__name__.lower()

    def make(zeros: Zeros) -> Content:
        return Content({"all": Selection(encoder.prepare(split, zeros))})

    return kept(name, split.fingerprint, repr(encoder), make).splits["all"]


class _Notes(logging.Handler):
    """A handler that notes every warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Notes a warning."""
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """Notes what readers and encoders warn of in the block."""
    room, notes = logging.getLogger("picojoule.data"), _Notes()
    room.addHandler(notes)
    try:
        yield notes.lines
    finally:
        room.removeHandler(notes)


def _publish(making: Path, where: Path, key: str) -> Kept:
    """Puts an entry in its place, or takes the one that another process put there meanwhile."""
    while making.exists():
        try:
            os.rename(making, where)
        except OSError:
            if not where.exists():
                raise
        found = store.read(where, key)
        if found is not None:
            return found
        _remove(where)
    raise OSError(f"{where} is not as it was written: is the disk in order?")


def _remove(where: Path) -> None:
    """Removes an entry all at once; whoever has it mapped keeps it."""
    aside = where.with_name(f".{where.name}-{secrets.token_hex(4)}")
    with contextlib.suppress(FileNotFoundError):  # another process was first
        os.rename(where, aside)
    shutil.rmtree(aside, ignore_errors=True)


def _prune(new: Path, family: str) -> None:
    """Removes entries that have not been used for long, and leftovers."""
    now, siblings = time.time(), []
    for path in new.parent.iterdir():
        # Another process may be first, or the entry another user's.
        with contextlib.suppress(OSError):
            if path != new and _OURS.fullmatch(path.name):
                used, is_left = path.stat().st_mtime, path.name.startswith(".")
                if now - used > (1 if is_left else _DAYS) * _DAY_S:
                    _remove(path)
                elif path.name.startswith(family):
                    siblings.append((used, path))
    for _, path in sorted(siblings)[: 1 - _KEPT]:
        with contextlib.suppress(OSError):
            _remove(path)
