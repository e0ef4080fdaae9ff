"""CIFAR-10 and CIFAR-100, the binary layout: one or two bytes of labels, then 3 x 32 x 32 bytes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from picojoule.data.split import Parts, Split

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


def names(classes: int) -> tuple[tuple[str, ...], str]:
    """The training files and the test file."""
    if classes == 100:
        return ("train.bin",), "test.bin"
    return tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"


def read(folder: Path, *, classes: int) -> Parts:
    """The images, in the order of the files.

    Args:
        folder: Holds the ``.bin`` files.
        classes: 10, or 100 (the fine labels; the coarse ones are not looked at).

    Shape:
        ``x`` ``[N, 3, 32, 32]`` uint8.

    Raises:
        ValueError: For a file that is missing, truncated, or has a label out of range; the message
            names it.
    """
    train, test = names(classes)
    return Parts(_split(folder, train, classes), None, _split(folder, (test,), classes))


def _split(folder: Path, files: Sequence[str], classes: int) -> Split:
    arrays = [_records(folder / file, classes) for file in files]
    labels = np.concatenate([one[:, -_PIXELS - 1] for one in arrays]).astype(np.int64)
    pixels = np.concatenate([one[:, -_PIXELS:] for one in arrays])
    return Split(torch.from_numpy(pixels).view(-1, *_SHAPE), torch.from_numpy(labels))


def _records(path: Path, classes: int) -> np.ndarray:
    record = _PIXELS + (2 if classes == 100 else 1)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if not raw or len(raw) % record:
        raise ValueError(
            f"{path} has {len(raw)} bytes: expected a multiple of {record}, one image each; it is "
            "truncated, or no file of this layout"
        )
    records = np.frombuffer(raw, np.uint8).reshape(-1, record)
    highest = int(records[:, -_PIXELS - 1].max())
    if highest >= classes:
        raise ValueError(f"{path}: expected labels 0 to {classes - 1}, found {highest}")
    return records
