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
    return (
        Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("picojoule")
    ) / room
