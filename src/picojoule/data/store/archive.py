"""Archives, unpacked so that nothing in them can reach out of their folder."""

import errno
import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

# What is the disk's fault, not the archive's.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)
_FAULTS = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError),
    *(ValueError, IndexError, OverflowError, RuntimeError, OSError),
)


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a ``.zip`` or ``.tar.gz`` into an empty folder; nothing where an entry is refused.

    Args:
        archive: The file.
        folder: Where to.

    Raises:
        ValueError: For an archive that is damaged, or has an entry that is a link, a device, or
            lies outside of the folder; the message names archive and entry.
        OSError: Where the folder cannot be written.
    """
    if archive.suffix == ".zip":
        with _whole(archive), zipfile.ZipFile(archive) as source:
            entries = source.infolist()
            for entry in entries:
                is_link = entry.external_attr >> 28 == 0o12
                _check(archive, entry.filename, not is_link)
            for entry in entries:
                if not entry.is_dir():
                    with source.open(entry) as content:
                        _write(content, folder / entry.filename)
        return
    with _whole(archive), tarfile.open(archive, "r:*") as source:
        entries = source.getmembers()
        for entry in entries:
            _check(archive, entry.name, entry.isreg() or entry.isdir())
        for entry in entries:
            content = source.extractfile(entry) if entry.isreg() else None
            if content is not None:
                _write(content, folder / entry.name)


@contextmanager
def _whole(archive: Path) -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        is_ours = isinstance(error, ValueError) and archive.name in str(error)
        if is_ours or (isinstance(error, OSError) and error.errno in _DISK):
            raise
        kind = "zip" if archive.suffix == ".zip" else "tar"
        raise ValueError(
            f"{archive.name} is no whole {kind} archive ({error}); nothing of it was kept. Try "
            "again"
        ) from error


def _check(archive: Path, name: str, is_plain: bool) -> None:
    paths = (PurePosixPath(name), PureWindowsPath(name))
    outside = any(path.anchor or ".." in path.parts for path in paths)
    if outside or "\0" in name:
        raise ValueError(
            f"{archive.name} has the entry {name!r}, which lies outside of its folder: nothing of "
            "it was kept; fetch it from its publisher"
        )
    if not is_plain:
        raise ValueError(
            f"{archive.name} has the entry {name!r}, which is neither a file nor a folder: nothing "
            "of it was kept; fetch it from its publisher"
        )


def _write(content: IO[bytes], place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as target:
        shutil.copyfileobj(content, target)
