"""Files that are whole or not there, each with its sum beside it.

The sum of ``NAME`` is in ``.NAME.sha256``, a line as ``sha256sum`` writes it. It is written first:
while a file is replaced there are two, its own and that of the next, so that a process that is
killed leaves a file that one of them fits.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from picojoule import _files


def put(file: Path, content: bytes, mode: int = 0o666) -> None:
    """Writes a file whole or not at all, also if the process is killed or power is lost.

    Args:
        file: Replaced if it is there.
        content: What it holds then.
        mode: Its permissions, less those that the process gives to no file.

    Raises:
        OSError: If it cannot be written, or is no file; what was there is unharmed.
    """
    _files.check_replaceable(file)
    _replace(file, content, mode, os.fsync)
    if os.name == "posix":
        descriptor = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # so that the rename outlasts a loss of power
        finally:
            os.close(descriptor)


def write(file: Path, content: bytes, mode: int = 0o666) -> None:
    """Writes a file as ``put`` does, and before it its sum."""
    before, line = _known(file) or [], _line(file, content)
    put(beside(file), b"".join([*before, line]), mode)
    put(file, content, mode)
    _replace(beside(file), line, mode)  # if power is lost two sums are there, one of them right


def _replace(
    file: Path, content: bytes, mode: int, sync: Callable[[int], None] = lambda _: None
) -> None:
    making = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(making, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as target:
            target.write(content)
            target.flush()
            sync(target.fileno())
        os.replace(making, file)
    finally:
        with suppress(OSError):
            making.unlink()


def read(file: Path) -> bytes:
    """Returns what a file holds; it is compared with its sum if that is beside it.

    Raises:
        ValueError: If it is not what was written; the message names the file.
    """
    content = _files.read(file)
    while (known := _known(file)) is not None and _line(file, content) not in known:
        before, content = content, _files.read(file)
        if content == before:  # and was not being replaced just now
            raise ValueError(
                f"{file} is damaged or was changed (its sum is not the one in {beside(file).name})"
            )
    return content


def has_sum(file: Path) -> bool:
    """Returns whether there is a sum beside a file, be it right or wrong."""
    return _known(file) is not None


def beside(file: Path) -> Path:
    """Returns the file that holds the sum of another."""
    return file.with_name(f".{file.name}.sha256")


def _known(file: Path) -> list[bytes] | None:
    try:
        return _files.read(beside(file), _files.MIB).splitlines(keepends=True)
    except FileNotFoundError:
        return None


def _line(file: Path, content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {file.name}\n".encode()
