"""Formats of data sets by name, and where a data set lies in a data folder."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from picojoule import _files
from picojoule.data.readers import (
    aedat,
    cifar,
    cifar10_dvs,
    dvs_gesture,
    fsdd,
    hdf5,
    idx,
    imagenet,
    images,
    nmnist,
    speech,
)
from picojoule.data.readers.bad import Bad
from picojoule.data.schema import Dataset
from picojoule.data.split import RawSplits, Split
from picojoule.data.zeros import Zeros


def everything(root: Path, dataset: Dataset | None = None) -> list[Path]:
    """Returns all files in a folder and in those in it, in order; see ``walk``."""
    return sorted(_files.walk(root))


def by_marker(data_dir: Path, dataset: Dataset) -> Path | None:
    """Finds the folder that holds the marker of a data set; None if there is none."""
    own = Path(dataset.folder)
    places = (data_dir / own, data_dir / own.name, data_dir)
    return next((place for place in places if (place / dataset.marker).exists()), None)


def _by_files(data_dir: Path, dataset: Dataset) -> Path | None:
    return data_dir if len(idx.files(data_dir, dataset)) == len(dataset.files) else None


@dataclass(frozen=True)
class Format:
    """A format of data sets, described in one place.

    Args:
        read: Reads the folder of a data set: ``read(folder, dataset, bad=, zeros=)``.
        needs: The key of a description without which it cannot be read, and which no other format
            has: ``splits``, the files of each, or ``speakers``.
        files: Lists the files in the folder that the content depends on.
        find: Finds the folder in a data folder; gives None if the data set is not there.
        by_item: Whether a bad item can be left out: each has a file, or is told from the next.
        suffixes: Ends of the names of files that ``read_file`` reads.
        read_file: Reads the items of one file: ``read_file(path, dataset, bad)``; None if its
            files are pictures or sounds like any other.
    """

    read: Callable[..., RawSplits]
    needs: Literal["splits", "speakers"] | None = None
    files: Callable[[Path, Dataset], list[Path]] = everything
    find: Callable[[Path, Dataset], Path | None] = by_marker
    by_item: bool = True
    suffixes: tuple[str, ...] = ()
    read_file: Callable[[Path, Dataset, Bad], Split] | None = None


FORMATS: Mapping[str, Format] = {
    "cifar": Format(
        cifar.read,
        "splits",
        cifar.files,
        by_item=False,
        suffixes=cifar.SUFFIXES,
        read_file=cifar.read_file,
    ),
    "cifar10-dvs": Format(
        cifar10_dvs.read, suffixes=aedat.SUFFIXES, read_file=cifar10_dvs.read_file
    ),
    "dvs-gesture": Format(
        dvs_gesture.read, suffixes=aedat.SUFFIXES, read_file=dvs_gesture.read_file
    ),
    "idx": Format(
        idx.read,
        files=idx.files,
        find=_by_files,
        by_item=False,
        suffixes=idx.SUFFIXES,
        read_file=idx.read_file,
    ),
    "imagenet": Format(imagenet.read, suffixes=images.SUFFIXES, read_file=imagenet.read_file),
    "nmnist": Format(nmnist.read, suffixes=nmnist.SUFFIXES, read_file=nmnist.read_file),
    "shd": Format(hdf5.read, "splits", suffixes=hdf5.SUFFIXES, read_file=hdf5.read_file),
    "speech-commands": Format(speech.read),
    "wav": Format(fsdd.read, "speakers", fsdd.files),
}


class Source(NamedTuple):
    """The place of a data set, and how to read it.

    Attributes:
        folder: Its own.
        paths: The files that the content depends on.
        read: Reads it.
    """

    folder: Path
    paths: list[Path]
    read: Callable[[Bad, Zeros], RawSplits]


def source(data_dir: Path, dataset: Dataset, hold_out: str | None = None) -> Source | None:
    """Finds a data set in a data folder; gives None if it is not there.

    Raises:
        ValueError: For a link that leads out of the folder.
    """
    form = FORMATS[dataset.format]
    folder = form.find(data_dir, dataset)
    if folder is None:
        return None
    read = form.read if hold_out is None else functools.partial(form.read, hold_out=hold_out)
    paths = form.files(folder, dataset)
    _files.check_links(folder, paths)
    return Source(
        folder,
        paths,
        lambda bad, zeros: read(folder, dataset, bad=bad, zeros=zeros),
    )
