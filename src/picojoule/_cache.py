"""The one cache folder: decoded data and compiled kernels, which may be deleted at any time."""

import os
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
