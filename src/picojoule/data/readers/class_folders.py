"""Folders of files, one folder for each class."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

logger = logging.getLogger(__name__)

# What a split may be called on disk.
NAMES = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}


class Files(NamedTuple):
    """Files, and the number of the class of each."""

    paths: list[Path]
    labels: list[int]


class ClassFolders(NamedTuple):
    """The classes, in the order of their names, and the files of each split.

    Attributes:
        labels: Names of the classes.
        splits: ``train``, ``test`` and perhaps ``validation``; or only ``all``, if the folders
            of the classes lie directly in the folder.
    """

    labels: tuple[str, ...]
    splits: dict[str, Files]


def layout(
    root: Path, suffixes: Sequence[str], names: Mapping[str, Sequence[str]] = NAMES
) -> ClassFolders:
    """Finds the files in a folder for each class, or in such folders for each split.

    Names that begin with a dot are not looked at. Files with such names beside the folders of the
    classes, and folders that are no split, are named by a warning and not read.

    Args:
        root: The folder.
        suffixes: What the names of files end in.
        names: What each split may be called.

    Raises:
        ValueError: For a folder that is not there, has one class or none, a class without files, a
            training split without a test split, or a class that is not in the training split.
    """
    if not root.is_dir():
        raise ValueError(f"there is no folder {root}")
    folders = {
        name: folder
        for name, choices in names.items()
        for choice in choices
        if (folder := root / choice).is_dir() and _folders(folder)
    }
    if "train" not in folders:
        _warn_of_others(root, [root], suffixes, [])
        return _divided({"all": root}, root, suffixes)
    if "test" not in folders:
        raise ValueError(
            f"{root} has train/ and no {names['test'][0]}/: add it, or put the folders of the "
            "classes directly into one folder to have them divided"
        )
    others = [folder for folder in _folders(root) if folder not in folders.values()]
    _warn_of_others(root, [root, *folders.values()], suffixes, others)
    return _divided(folders, root, suffixes)


def _warn_of_others(
    root: Path, folders: Sequence[Path], suffixes: Sequence[str], others: Sequence[Path]
) -> None:
    """Names files in no folder of a class, and folders of no split."""
    beside = [
        path
        for folder in folders
        for path in _visible(folder)
        if path.is_file() and path.suffix.lower() in suffixes
    ]
    for found, what in (
        (beside, "file(s) in no folder of a class"),
        (others, "folder(s) of no split"),
    ):
        if found:
            logger.warning(
                "%s: %d %s, such as %s, were not read", root, len(found), what, found[0].name
            )


def _divided(folders: dict[str, Path], root: Path, suffixes: Sequence[str]) -> ClassFolders:
    first = next(iter(folders.values()))
    labels = tuple(folder.name for folder in _folders(first))
    if len(labels) < 2:
        raise ValueError(
            f"{first} has {len(labels)} folder(s) of a class: expected two or more, with files "
            f"({', '.join(suffixes)}) in each"
        )
    splits = {}
    for name, folder in folders.items():
        for other in _folders(folder):
            if other.name not in labels:
                raise ValueError(f"{other} is of a class that {first} does not have")
        splits[name] = _files(folder, labels, all_of_them=folder == first)
    return ClassFolders(labels, splits)


def _files(folder: Path, labels: Sequence[str], *, all_of_them: bool) -> Files:
    found = Files([], [])
    for number, label in enumerate(labels):
        paths = _visible(folder / label) if (folder / label).is_dir() else []
        if not paths and all_of_them:
            raise ValueError(f"{folder / label} is empty: expected files of this class")
        found.paths.extend(paths)
        found.labels.extend([number] * len(paths))
    if not found.paths:
        raise ValueError(f"{folder} has no file in a folder of a class")
    return found


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
