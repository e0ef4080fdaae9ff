"""Where the files of a named data set are, and what reads them."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from picojoule.data.readers import (
    cifar,
    cifar10_dvs,
    dvs_gesture,
    fsdd,
    hdf5,
    idx,
    images,
    nmnist,
    speech,
)
from picojoule.data.readers.bad import Bad
from picojoule.data.readers.class_folders import layout
from picojoule.data.sets.schema import Dataset
from picojoule.data.split import Parts
from picojoule.data.zeros import Zeros

Reader = Callable[[Path, Dataset, Bad, Zeros], Parts]


class Source(NamedTuple):
    """Where a data set was found.

    Attributes:
        folder: Its own.
        paths: What the content depends on.
        read: Reads it.
    """

    folder: Path
    paths: list[Path]
    read: Callable[[Bad, Zeros], Parts]


def source(folder: Path, dataset: Dataset, hold_out: str | None = None) -> Source | None:
    """Where it is in a data folder; None where it is not."""
    if dataset.format == "idx":
        paths = [path for file in dataset.files if (path := idx.find(folder, file)) is not None]
        if len(paths) < len(dataset.files):
            return None
        return Source(folder, paths, lambda _, __: idx.read(paths, dataset))
    if dataset.format == "wav":
        root = fsdd.find(folder)
        if root is None:
            return None
        files = [root / recording.file for recording in fsdd.recordings()]
        return Source(root, files, lambda bad, _: fsdd.read(root, dataset, bad, hold_out))
    places = (folder / dataset.folder, folder)
    place = next((place for place in places if (place / dataset.marker).exists()), None)
    if place is None:
        return None
    reader = READERS[dataset.format]
    return Source(
        place, _files(place, dataset), lambda bad, zeros: reader(place, dataset, bad, zeros)
    )


def _files(root: Path, dataset: Dataset) -> list[Path]:
    if dataset.format == "cifar":
        train, test = cifar.names(dataset.classes)
        return [root / name for name in (*train, test)]
    return everything(root)


def everything(root: Path) -> list[Path]:
    """All files below a folder, in order."""
    return sorted(
        Path(folder) / name
        for folder, _, names in os.walk(root, followlinks=True)
        for name in names
    )


def _imagenet(root: Path, dataset: Dataset, bad: Bad, zeros: Zeros) -> Parts:
    # The labels of the publisher's test set are not public.
    found = layout(root, images.SUFFIXES, {"train": ("train",), "test": ("val",)})
    if len(found.labels) > dataset.classes:
        raise ValueError(f"{root} has {len(found.labels)} classes, not {dataset.classes}")
    train, test = (
        images.read(*found.splits[name], channels=3, size=dataset.inputs[1], bad=bad, zeros=zeros)
        for name in ("train", "test")
    )
    return Parts(train, None, test, len(found.labels))


def _events(read: Callable[..., Parts]) -> Reader:
    return lambda root, _, bad, zeros: read(root, bad=bad, zeros=zeros)


READERS: Mapping[str, Reader] = {
    "cifar": lambda root, dataset, _, __: cifar.read(root, classes=dataset.classes),
    "imagenet": _imagenet,
    "speech-commands": lambda root, dataset, bad, zeros: speech.read(
        root, dataset.labels, bad=bad, zeros=zeros
    ),
    "shd": lambda root, dataset, bad, zeros: hdf5.read_shd(
        root, dataset.labels, bad=bad, zeros=zeros
    ),
    "ssc": lambda root, dataset, bad, zeros: hdf5.read_ssc(
        root, dataset.labels, bad=bad, zeros=zeros
    ),
    "nmnist": _events(nmnist.read),
    "dvs-gesture": _events(dvs_gesture.read),
    "cifar10-dvs": lambda root, dataset, bad, zeros: cifar10_dvs.read(
        root, dataset.labels, bad=bad, zeros=zeros
    ),
}

# Formats whose files hold one item each, or tell where an item ends: a bad one can be left out.
BY_ITEM = {"wav", *READERS} - {"cifar"}
