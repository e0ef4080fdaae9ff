"""Files that people bring: only regular ones are opened, and no folder is walked without end."""

import errno
import json
import os
import stat
from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Any, BinaryIO

MIB = 1 << 20
# Most bytes of a file that is read as a whole: items and arrays; texts that people write; records.
_CONTENT_BYTES = 4096 * MIB
_TEXT_BYTES = MIB
RECORD_BYTES = 64 * MIB
# What is packed, or has holes, may hold this many times its own size. Data hold some ten times
# theirs, and a bomb a thousand times. Little is allowed in any case.
_TIMES = 200
_LITTLE_BYTES = 64 * MIB
# Folders within the one that is walked: of a split, and in it of a class.
_DEPTH = 2

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode), "a device"),
)


def opened(path: Path) -> BinaryIO:
    """Opens a regular file to read its bytes; a link to one counts as one.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: For anything else than a regular file, which might never end, for a file that
            cannot be opened, and for one that is nearly all hole; the message names it.
    """
    try:
        # Opened only after a look: some devices act on being opened.
        _check_kind(path, os.stat(path).st_mode)
        # A pipe that has taken the file's place meanwhile does not block, and is seen below.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(path, flags), "rb")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file {path}") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    try:
        facts = os.fstat(file.fileno())
        _check_kind(path, facts.st_mode)
        if _is_hollow(file, facts):
            raise ValueError(
                f"{path} consists almost only of holes: it announces {facts.st_size:,} bytes, and "
                f"the disk holds {512 * facts.st_blocks:,} of them; copy it again from its source"
            )
    except BaseException:
        file.close()
        raise
    return file


def read(path: Path, most: int = _CONTENT_BYTES) -> bytes:
    """Reads the bytes of a regular file.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: For a larger one, and as ``opened``.
    """
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise ValueError(f"{path} has {size:,} bytes: expected {most:,} at most")
        try:
            return file.read(size)
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from error


def content(path: Path, most: int = _CONTENT_BYTES) -> bytes:
    """Reads the bytes of a regular file that must not be empty; see ``read``.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: For an empty one, and as ``read``.
    """
    raw = read(path, most)
    if not raw:
        raise ValueError(f"{path} is empty")
    return raw


def text(path: Path, most: int = _TEXT_BYTES) -> str:
    """Reads a text in UTF-8, which may be empty.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: For other bytes, and as ``read``.
    """
    try:
        return read(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8 (byte {error.start})") from error


def parsed_json(raw: bytes | str) -> Any:
    """Parses JSON of whatever depth.

    Raises:
        ValueError: If it is none, or deeper than it could be read.
    """
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise ValueError("its brackets are nested too deep") from error


def check_unpacked(size: int, packed: int, what: str) -> None:
    """Refuses what would become far larger when unpacked than any data do.

    Args:
        size: Bytes that it announces.
        packed: Bytes that it has on disk.
        what: How the message begins, such as the path of the file.

    Raises:
        ValueError: If it announces more than 64 MiB and more than 200 times what it has.
    """
    if size > most_unpacked(packed):
        raise ValueError(
            f"{what} announces {size:,} bytes in {packed:,}, more than {_TIMES} times its own size"
        )


def read_unpacked(source: BufferedIOBase, packed: int, what: str) -> bytes:
    """Reads to its end a stream that unpacks what it reads.

    Args:
        source: Where to read.
        packed: Bytes on disk.
        what: How the message begins, such as the path of the file.

    Raises:
        ValueError: For more than ``most_unpacked(packed)``.
    """
    most, pieces, size = most_unpacked(packed), [], 0
    while piece := source.read(MIB):
        size += len(piece)
        if size > most:
            raise ValueError(f"{what} holds more than {_TIMES} times its {packed:,} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def most_unpacked(packed: int) -> int:
    """Returns the most bytes that so many bytes may become."""
    return max(_LITTLE_BYTES, _TIMES * packed)


def walk(root: Path) -> Iterator[Path]:
    """Yields the files in a folder, in those in it, and in those in them.

    Links to folders within it are followed, but no folder is entered twice; a folder that is not
    entered is yielded as if it were a file. Names that begin with a dot are passed over.

    Raises:
        ValueError: For a link to a folder outside of it; the message names it.
    """
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        facts, here = os.stat(folder), Path(folder)
        folders[:] = [name for name in folders if not name.startswith(".")]
        if (facts.st_dev, facts.st_ino) in seen:
            folders.clear()
            yield here
            continue
        check_links(root, (here / name for name in folders))
        seen.add((facts.st_dev, facts.st_ino))
        yield from (here / name for name in files if not name.startswith("."))
        if len(here.relative_to(root).parts) == _DEPTH:
            yield from (here / name for name in folders)
            folders.clear()


def check_links(root: Path, paths: Iterable[Path]) -> None:
    """Refuses links that lead out of a folder, whatever is there.

    Args:
        root: The folder, which may be reached by a link itself.
        paths: Files and folders in it.

    Raises:
        ValueError: For the first of them that does; the message names it.
    """
    for path in paths:
        if path.is_symlink():
            target = os.path.realpath(path)
            if not Path(target).is_relative_to(os.path.realpath(root)):
                raise ValueError(
                    f"{path} is a link to {target}, which is not in {root}: copy there what it "
                    "leads to, or take it out"
                )


def check_replaceable(path: Path) -> None:
    """Checks that a file may take the place of what is there, if anything is.

    Raises:
        OSError: For a folder, a device or a pipe; the message says which.
    """
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISLNK(mode) and (kind := _kind(mode)) is not None:
        raise OSError(errno.EEXIST, f"{kind} is in its place", str(path))


def _check_kind(path: Path, mode: int) -> None:
    if (kind := _kind(mode)) is not None:
        raise ValueError(f"{path} is {kind}: expected a file")


def _kind(mode: int) -> str | None:
    """Returns the kind of what is no regular file, None of one."""
    if stat.S_ISREG(mode):
        return None
    return next((kind for is_one, kind in _KINDS if is_one(mode)), "something else")


def _is_hollow(file: BinaryIO, facts: os.stat_result) -> bool:
    if not hasattr(os, "SEEK_HOLE") or facts.st_size <= most_unpacked(512 * facts.st_blocks):
        return False
    # Some file systems do not count their blocks; those have no holes either.
    hole = os.lseek(file.fileno(), 0, os.SEEK_HOLE)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return hole < facts.st_size
