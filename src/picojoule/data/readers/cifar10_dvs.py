"""CIFAR10-DVS: moving CIFAR-10 images seen by an event camera, one AEDAT 2.0 file each."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from picojoule._files import content
from picojoule.data.readers import aedat
from picojoule.data.readers.bad import Bad
from picojoule.data.recordings import Recording, collect
from picojoule.data.schema import Dataset
from picojoule.data.split import RawSplits, Split
from picojoule.data.zeros import Zeros

SHAPE = (2, aedat.SIDE, aedat.SIDE)


def read(folder: Path, dataset: Dataset, *, bad: Bad, zeros: Zeros = np.zeros) -> RawSplits:
    """Reads all recordings, in two splits.

    The publisher does not divide them. As is usual, nine of ten of each class are for training: of
    the 1,000 of a class, numbers 900 to 999 are the test set, whatever is skipped.

    The images are turned as SpikingJelly turns them, so that results compare: pixel (x, y) is
    (127 - y, 127 - x) of the camera. Times count from a recording's first event.

    Args:
        folder: Holds a folder for each class, as in ``cat/cifar10_cat_42.aedat``.
        dataset: Its description, with the names of the classes.
        bad: The rule for a file that cannot be read.
        zeros: Makes the arrays, as ``np.zeros`` does.

    Raises:
        ValueError: For a malformed file, or a class with less than two; the message names it.
        FileNotFoundError: For a missing class.

    Reference:
        H. Li, H. Liu, X. Ji, G. Li and L. Shi, CIFAR10-DVS: an event-stream dataset for object
        classification, Frontiers in Neuroscience 11:309, 2017;
        https://figshare.com/articles/CIFAR10-DVS_New/4724671
    """
    train, test = [], []
    for name in dataset.labels:
        paths = _paths(folder / name)
        held = len(paths) - -(-len(paths) // 10)
        train += paths[:held]
        test += paths[held:]
    return RawSplits(
        collect(_all(train, dataset.labels, bad), SHAPE, folder, zeros),
        None,
        collect(_all(test, dataset.labels, bad), SHAPE, folder, zeros),
    )


def read_file(path: Path, dataset: Dataset, bad: Bad) -> Split:
    """Reads the recording in a file, without its label."""
    del dataset
    events = _events(path, bad)
    return collect([Recording(events.times_us, events.address, 0)], SHAPE, path)


def _all(paths: Sequence[Path], labels: Sequence[str], bad: Bad) -> Iterator[Recording]:
    for path, events in bad.each(paths, lambda path: _events(path, bad)):
        yield Recording(events.times_us, events.address, labels.index(path.parent.name))


def _paths(folder: Path) -> list[Path]:
    """Returns the recordings of a class, by number."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    paths = [path for path in folder.glob("*.aedat") if not path.name.startswith(".")]
    numbered = [(re.search(r"_([0-9]{1,9})$", path.stem), path) for path in paths]
    for number, path in numbered:
        if number is None:
            raise ValueError(f"{path}: expected a name as cifar10_{folder.name}_42.aedat")
    if len(paths) < 2:
        raise ValueError(f"{folder} holds {len(paths)} recordings: expected one to train and test")
    return [path for _, path in sorted((int(n[1]), path) for n, path in numbered if n)]


def _events(path: Path, bad: Bad) -> aedat.Events:
    """Reads the events of a file, turned, with times from the first event on."""
    events = aedat.parse_2(content(path), path, bad)
    if not len(events.times_us):
        raise ValueError(f"{path} holds no event")
    return events._replace(
        times_us=events.times_us - events.times_us.min(),
        x=aedat.SIDE - 1 - events.y,
        y=aedat.SIDE - 1 - events.x,
    )
