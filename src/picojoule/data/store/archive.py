"""Archives, unpacked so that nothing in them can reach out of their folder or fill the disk."""

import errno
import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

# Errors that are the disk's fault, not the archive's.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)
_FAULTS = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError),
    *(ValueError, IndexError, OverflowError, RuntimeError, OSError),
)
# A data set's archive holds some ten bytes for each of its own, and a bomb a thousand.
_MOST_PER_BYTE = 200
_SMALL_BYTES = 1 << 20
_ENTRY_BYTES = 512


class _EntryError(ValueError):
    """An entry that no data set should have."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a ``.zip`` or ``.tar.gz`` into an empty folder.

    Args:
        archive: The file.
        folder: Where to; if an error is raised, what lies in it is of no use.

    Raises:
        ValueError: If the archive is damaged, holds more than 200 times its own size, or has an
            entry that is a link or a device or lies outside of the folder.
        OSError: If the folder cannot be written.
    """
    kind, extract = ("zip", _zip) if archive.suffix == ".zip" else ("tar", _tar)
    room = _MOST_PER_BYTE * archive.stat().st_size + _SMALL_BYTES
    try:
        for size in extract(archive, folder):
            # An archive whose entries follow each other in a circle has an end, too.
            room -= max(size, 0) + _ENTRY_BYTES
            if room < 0:
                raise _EntryError(f"it holds more than {_MOST_PER_BYTE} times its own size")
    except (_EntryError, tarfile.FilterError) as error:
        raise ValueError(
            f"{archive.name} is refused: {error}; nothing of it was kept; fetch it from its "
            "publisher"
        ) from error
    except _FAULTS as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        raise ValueError(
            f"{archive.name} is no whole {kind} archive ({error}); nothing of it was kept. Try "
            "again"
        ) from error


def _tar(archive: Path, folder: Path) -> Iterator[int]:
    """Yields the size of each entry before it is extracted."""
    with tarfile.open(archive, "r:*") as source:
        for entry in source:
            # The filter lets links pass that stay within; moved afterwards, they might not.
            if entry.issym() or entry.islnk():
                raise _EntryError(f"its entry {entry.name!r} is a link")
            yield entry.size
            source.extract(entry, folder, filter="data")


def _zip(archive: Path, folder: Path) -> Iterator[int]:
    """Yields the size of each entry before it is extracted."""
    with zipfile.ZipFile(archive) as source:
        for entry in source.infolist():
            if entry.external_attr >> 28 == 0o12:
                raise _EntryError(f"its entry {entry.filename!r} is a link")
            yield entry.file_size
            # The library leaves out of a name what would lead outside.
            if Path(source.extract(entry, folder)) != folder / entry.filename:
                raise _EntryError(f"its entry {entry.filename!r} lies outside of its folder")
