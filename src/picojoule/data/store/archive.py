"""Archives, unpacked so that nothing in them can reach out of their folder or fill the disk."""

import errno
import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from picojoule._files import MIB, opened

# Errors that are the disk's fault, not the archive's.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)
_FAULTS = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError),
    *(ValueError, IndexError, OverflowError, RuntimeError, OSError, MemoryError),
)
# A data set's archive holds some ten bytes for each of its own, and a bomb a thousand.
_MOST_PER_BYTE = 200
_SMALL_BYTES = MIB
# An entry takes a block of the disk and some time, however small it is.
_ENTRY_BYTES = 16 << 10
# Folders that an entry may lie in; the names of deeper ones become too long.
_DEPTH = 32
_GZIP = b"\x1f\x8b"


class _EntryError(ValueError):
    """An entry that no data set should have."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a ``.zip``, ``.tar`` or ``.tar.gz`` into an empty folder.

    Args:
        archive: The file.
        folder: Where to; if an error is raised, what lies in it is of no use.

    Raises:
        ValueError: If the archive is damaged, holds more than 200 times its own size, or has an
            entry that is a link or a device, lies outside of the folder or very deep in it.
        OSError: If the folder cannot be written.
    """
    kind, extract = ("zip", _zip) if archive.suffix == ".zip" else ("tar", _tar)
    most = _MOST_PER_BYTE * archive.stat().st_size + _SMALL_BYTES
    room = most
    try:
        with opened(archive) as source:
            for name, size in extract(source, folder, most):
                # An archive whose entries follow each other in a circle has an end, too.
                room -= max(size, 0) + _ENTRY_BYTES
                if room < 0:
                    raise _EntryError(f"it holds more than {_MOST_PER_BYTE} times its own size")
                if len(PurePosixPath(name).parts) > _DEPTH:
                    raise _EntryError(
                        f"its entry {name[:80]!r}... is {_DEPTH} folders deep or more"
                    )
    except (_EntryError, tarfile.FilterError) as error:
        why = error
        if isinstance(error, tarfile.FilterError):
            special = isinstance(error, tarfile.SpecialFileError)
            what = "is a special file" if special else "lies outside of its folder"
            why = f"its entry {error.tarinfo.name!r} {what}"
        raise ValueError(
            f"{archive.name} is refused: {why}; nothing of it was kept; fetch it from its publisher"
        ) from error
    except _FAULTS as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        raise ValueError(
            f"{archive.name} is not a complete {kind} archive: it is damaged or truncated; "
            "nothing of it was kept. Try again"
        ) from error


class _Unpacked:
    """The bytes of a tar archive, as ``tarfile`` asks for them, and not too many of them.

    Long names and the like are read as a whole, however long they say that they are.

    Args:
        source: The bytes, unpacked.
        most: How many there may be.
    """

    def __init__(self, source: BinaryIO | gzip.GzipFile, most: int) -> None:
        self._source = source
        self._most = most

    def read(self, size: int) -> bytes:
        """Reads so many bytes, or what is left."""
        if size > MIB:
            raise _EntryError(f"an entry has a name or a note of {size:,} bytes")
        return self._source.read(size)

    def seek(self, place: int) -> int:
        """Goes on to a place."""
        if place > self._most:
            raise _EntryError(f"it holds more than {_MOST_PER_BYTE} times its own size")
        return self._source.seek(place)

    def tell(self) -> int:
        """Returns the place."""
        return self._source.tell()


def _tar(archive: BinaryIO, folder: Path, most: int) -> Iterator[tuple[str, int]]:
    """Yields name and size of each entry before it is extracted."""
    is_packed = archive.read(2) == _GZIP
    archive.seek(0)
    plain: Any = _Unpacked(gzip.GzipFile(fileobj=archive) if is_packed else archive, most)
    with tarfile.open(fileobj=plain, mode="r:") as source:
        for entry in source:
            # The filter lets links pass that stay within; moved afterwards, they might not.
            if entry.issym() or entry.islnk():
                raise _EntryError(f"its entry {entry.name!r} is a link")
            yield entry.name, entry.size
            source.extract(entry, folder, filter="data")


def _zip(archive: BinaryIO, folder: Path, most: int) -> Iterator[tuple[str, int]]:
    """Yields name and size of each entry before it is extracted."""
    del most  # no entry of a zip archive unpacks to more than it says
    with zipfile.ZipFile(archive) as source:
        for entry in source.infolist():
            if entry.external_attr >> 28 == 0o12:
                raise _EntryError(f"its entry {entry.filename!r} is a link")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _EntryError(f"its entry {entry.filename!r} is packed in a rare way")
            yield entry.filename, entry.file_size
            # The library leaves out of a name what would lead outside.
            if Path(source.extract(entry, folder)) != folder / entry.filename:
                raise _EntryError(f"its entry {entry.filename!r} lies outside of its folder")
