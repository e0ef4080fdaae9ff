"""ImageNet: a folder of pictures for each class, to train on and to validate."""

from pathlib import Path

import numpy as np

from picojoule.data.readers import images
from picojoule.data.readers.bad import Bad
from picojoule.data.readers.class_folders import layout
from picojoule.data.schema import Dataset
from picojoule.data.split import RawSplits, Split
from picojoule.data.zeros import Zeros


def read(folder: Path, dataset: Dataset, *, bad: Bad, zeros: Zeros = np.zeros) -> RawSplits:
    """Reads the pictures, scaled and cut to the square of ``dataset.inputs``.

    The labels of the publisher's test set are not public: its validation set is the test set.

    Args:
        folder: Holds ``train`` and ``val``, and these a folder for each class.
        dataset: Its description.
        bad: The rule for a picture that cannot be read.
        zeros: Makes the arrays, as ``np.zeros`` does.

    Raises:
        ValueError: For more classes than there are, and what ``bad`` does not leave out.
    """
    found = layout(folder, images.SUFFIXES, {"train": ("train",), "test": ("val",)})
    if len(found.labels) > dataset.classes:
        raise ValueError(f"{folder} has {len(found.labels)} classes, not {dataset.classes}")
    channels, size, _ = dataset.inputs
    train, test = (
        images.read(*found.splits[name], channels=channels, size=size, bad=bad, zeros=zeros)
        for name in ("train", "test")
    )
    return RawSplits(train, None, test, len(found.labels))


def read_file(path: Path, dataset: Dataset, bad: Bad) -> Split:
    """Reads a picture, scaled and cut as those of the data set are."""
    channels, size, _ = dataset.inputs
    return images.read([path], [0], channels=channels, size=size, bad=bad)
