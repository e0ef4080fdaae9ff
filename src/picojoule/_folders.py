"""Folders made for what is to come into them, and removed if nothing did."""

from collections.abc import Iterable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path


def make(folder: Path) -> tuple[Path, ...]:
    """Makes a folder and those above it.

    Returns:
        Those that were not there, the innermost first; for ``remove_empty``.

    Raises:
        OSError: If it cannot be made; nothing is left of it then.
    """
    missing = tuple(takewhile(lambda one: not one.exists(), (folder, *folder.parents)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        remove_empty(missing)
        raise
    return missing


def remove_empty(folders: Iterable[Path]) -> None:
    """Removes folders one by one, but for those that hold something."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
