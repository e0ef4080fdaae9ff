"""Compiled code on disk: kept where nobody but this user may write, each file with its sum.

What lies there is run. So a file is taken only if it and its folder are this user's, no other may
write to them or put others in their place, and its sum is right. Else code is compiled again. A
folder that others may write to, as one of shared data, is left for that of the user's own cache, or
for one of this process.
"""

import logging
import os
import stat
from collections.abc import Callable
from functools import cache
from pathlib import Path

from picojoule import _cache, _sums

_log = logging.getLogger(__name__)


def find(name: str) -> Path | None:
    """Returns a file that was kept, None if there is none or it is not to be trusted."""
    folder = _folder()
    if folder is None:
        return None
    file = folder / name
    try:
        for one in (file, _sums.beside(file)):
            if why := _open_to_others(one, stat.S_ISREG):
                raise ValueError(f"{why}, and could be anything")
        _sums.read(file)
        return file
    except FileNotFoundError:  # or it has no sum
        return None
    except (ValueError, OSError) as error:
        _log.warning("%s: it is compiled again", error)
        return None


def keep(name: str, content: bytes) -> Path | None:
    """Keeps a file for other processes; returns where it is, None if it cannot be kept."""
    folder = _folder()
    if folder is not None:
        try:
            _sums.write(folder / name, content, 0o600)
            return folder / name
        except OSError as error:
            _say_not_kept(folder, f"it cannot be written ({error.strerror})")
    return None


def lend(name: str, content: bytes) -> Path:
    """Writes a file that only this process loads, and that goes with it."""
    file = _cache.process_folder("kernels") / name
    _sums.put(file, content, 0o600)
    return file


def _folder() -> Path | None:
    """Returns the folder of compiled code, None if there is none that is this user's alone."""
    chosen, own = _cache.cache_folder("kernels"), _cache.own_cache_folder("kernels")
    return _kept_in(chosen) or (_kept_in(own) if own != chosen else None)


@cache
def _kept_in(folder: Path) -> Path | None:
    """Returns the real path of a folder, made if it is missing; None if it is not private."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve(strict=True)
        why = _open_to_others(folder, stat.S_ISDIR)
        for parent in folder.parents:
            why = why or _open_to_others(parent, stat.S_ISDIR, shared=True)
    except OSError as error:
        why = f"it cannot be made ({error.strerror})"
    if why:
        _say_not_kept(folder, why)
    return None if why else folder


@cache
def _say_not_kept(folder: Path, why: str) -> None:
    _log.warning(
        "compiled code is not kept in %s: %s; %s names another folder", folder, why, _cache.VARIABLE
    )


def _open_to_others(
    path: Path, of_kind: Callable[[int], bool], *, shared: bool = False
) -> str | None:
    """Returns why others decide what is in a file or folder, None if only this user and root do.

    Args:
        path: A file or folder.
        of_kind: Tells from its mode whether it is one, and no link.
        shared: Whether others may write there if they cannot rename what is this user's.
    """
    found = path.lstat()
    if os.name != "posix":
        return None
    if not of_kind(found.st_mode):
        return f"{path} is a link, or neither file nor folder"
    if found.st_uid not in (os.geteuid(), 0):
        return f"{path} belongs to another user"
    if found.st_mode & 0o022 and not (shared and found.st_mode & stat.S_ISVTX):
        return f"others may write to {path}"
    return None
