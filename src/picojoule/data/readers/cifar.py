"""CIFAR-10 and CIFAR-100, the binary layout: one or two bytes of labels, then 3 x 32 x 32 bytes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from picojoule._files import content
from picojoule.data.readers.bad import Bad
from picojoule.data.schema import Dataset
from picojoule.data.split import RawSplits, Split
from picojoule.data.zeros import Zeros

SUFFIXES = (".bin",)
_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


def read(folder: Path, dataset: Dataset, *, bad: Bad, zeros: Zeros = np.zeros) -> RawSplits:
    """Reads the images, in the order of the files.

    Args:
        folder: Holds the ``.bin`` files that ``dataset.splits`` names.
        dataset: Its description; of 100 classes, the labels are the fine ones, and the coarse ones
            before them are not looked at.
        bad: Not asked: a file has no mark where an image ends.
        zeros: Not asked: the images are kept as they are read.

    Shape:
        ``x`` ``[N, 3, 32, 32]`` uint8.

    Raises:
        ValueError: For a file that is truncated, or has a label out of range; the message names it.
        FileNotFoundError: For a missing file.
    """
    del bad, zeros
    return dataset.read_splits(lambda names: _split(folder, names, dataset.classes))


def read_file(path: Path, dataset: Dataset, bad: Bad) -> Split:
    """Reads the images in a file."""
    del bad
    return _split(path.parent, [path.name], dataset.classes)


def files(folder: Path, dataset: Dataset) -> list[Path]:
    """Returns the files that the content depends on."""
    return [folder / name for names in dataset.splits or () for name in names]


def _split(folder: Path, names: Sequence[str], classes: int) -> Split:
    arrays = [_records(folder / name, classes) for name in names]
    labels = np.concatenate([one[:, -_PIXELS - 1] for one in arrays]).astype(np.int64)
    pixels = np.concatenate([one[:, -_PIXELS:] for one in arrays])
    return Split(torch.from_numpy(pixels).view(-1, *_SHAPE), torch.from_numpy(labels))


def _records(path: Path, classes: int) -> np.ndarray:
    record = _PIXELS + (2 if classes == 100 else 1)
    raw = content(path)
    if len(raw) % record:
        raise ValueError(
            f"{path} has {len(raw)} bytes: expected a multiple of {record}, one image each; it is "
            "truncated, or no file of this layout"
        )
    records = np.frombuffer(raw, np.uint8).reshape(-1, record)
    highest = int(records[:, -_PIXELS - 1].max())
    if highest >= classes:
        raise ValueError(f"{path}: expected labels 0 to {classes - 1}, found {highest}")
    return records
