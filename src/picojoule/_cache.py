"""The one cache folder: decoded data and compiled kernels, which may be deleted at any time.

Where it cannot be used, as in a home folder that is read-only, a process has one of its own, which
goes with it.
"""

import os
import tempfile
from functools import cache
from pathlib import Path

import platformdirs

VARIABLE = "PICOJOULE_CACHE"


def cache_folder(room: str) -> Path:
    """Returns the folder that ``room`` caches in; it need not exist.

    It is below the folder that the environment variable ``PICOJOULE_CACHE`` names, or else below
    the user's own folder for caches.
    """
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser() / room if chosen else own_cache_folder(room)


def own_cache_folder(room: str) -> Path:
    """Returns the folder of this user's own for what others must not change; it need not exist."""
    return platformdirs.user_cache_path("picojoule") / room


def process_folder(room: str) -> Path:
    """Returns a folder of this process alone, made if it is missing, which goes with it.

    Raises:
        OSError: If it cannot be made.
    """
    folder = Path(_temporary().name) / room
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="picojoule-")
