"""Where the files of a named data set are, and what reads them."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from picojoule.data import (
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
from picojoule.data.bad import Bad
from picojoule.data.cache import Empty
from picojoule.data.layout import layout
from picojoule.data.record import Dataset
from picojoule.data.split import Parts

Reader = Callable[[Path, Dataset, Bad, Empty], Parts]


class Source(NamedTuple):
    """Where a data set was found.

    Attributes:
        folder: Its own.
        paths: What the content depends on.
        read: Reads it.
    """

    folder: Path
    paths: list[Path]
    read: Callable[[Bad, Empty], Parts]


def source(folder: Path, dataset: Dataset) -> Source | None:
    """Where it is in a data folder; None where it is not."""
    if dataset.format == "idx":
        paths = [path for file in dataset.files if (path := idx.find(folder, file)) is not None]
        if len(paths) < len(dataset.files):
            return None
        return Source(folder, paths, lambda bad, empty: idx.read(paths, dataset))
    if dataset.format == "wav":
        root = fsdd.find(folder)
        if root is None:
            return None
        files = [root / recording.file for recording in fsdd.recordings()]
        return Source(root, files, lambda bad, empty: fsdd.read(root, dataset))
    places = (folder / dataset.folder, folder)
    place = next((place for place in places if (place / dataset.marker).exists()), None)
    if place is None:
        return None
    reader = READERS[dataset.format]
    return Source(
        place, _files(place, dataset), lambda bad, empty: reader(place, dataset, bad, empty)
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


def _imagenet(root: Path, dataset: Dataset, bad: Bad, empty: Empty) -> Parts:
    # The labels of the publisher's test set are not public.
    found = layout(root, images.SUFFIXES, {"train": ("train",), "test": ("val",)})
    if len(found.labels) > dataset.classes:
        raise ValueError(f"{root} has {len(found.labels)} classes, not {dataset.classes}")
    train, test = (
        images.read(*found.splits[name], channels=3, size=dataset.inputs[1], bad=bad, empty=empty)
        for name in ("train", "test")
    )
    return Parts(train, None, test, bad.items)


def _events(read: Callable[..., Parts]) -> Reader:
    return lambda root, _, bad, __: read(root, skip_bad=bad.skip)


READERS: Mapping[str, Reader] = {
    "cifar": lambda root, dataset, _, __: cifar.read(root, classes=dataset.classes),
    "imagenet": _imagenet,
    "speech-commands": lambda root, dataset, bad, empty: speech.read(
        root, dataset.labels, bad=bad, empty=empty
    ),
    "shd": _events(hdf5.read_shd),
    "ssc": _events(hdf5.read_ssc),
    "nmnist": _events(nmnist.read),
    "dvs-gesture": _events(dvs_gesture.read),
    "cifar10-dvs": _events(cifar10_dvs.read),
}
