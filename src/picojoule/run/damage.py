"""Damage to files of a run that a command does not use, and yet says."""

import logging
from collections.abc import Collection

from picojoule import _sums
from picojoule.run.folder import RECIPE, REMEDIES, UNCONSTRAINED, Folder

logger = logging.getLogger(__name__)


def warn_of_damage(folder: Folder, read: Collection[str], free: Collection[str] = ()) -> None:
    """Warns of each file that is damaged or was removed, those of ``unconstrained/`` too.

    Args:
        folder: The run.
        read: Names of files that are read anyway, and so compared with their sums.
        free: Names of those in ``unconstrained/`` that are.
    """
    for name in REMEDIES:
        file = folder.path / name
        if not _sums.has_sum(file):
            continue
        if not file.is_file():
            if folder.finished:  # else it may be about to be written
                told = folder.damaged(name, "it was removed")
                logger.warning("%s; nothing of it is used here", told)
        elif name not in read:
            try:
                folder.read(name)
            except (ValueError, OSError) as error:
                logger.warning("%s; nothing of it is used here", error)
    recipe = folder.path / UNCONSTRAINED / RECIPE
    if (unconstrained := folder.unconstrained) is not None:
        warn_of_damage(unconstrained, free)
    elif _sums.has_sum(recipe):
        logger.warning("%s is damaged (it was removed); nothing of it is used here", recipe)
