"""N-MNIST: digits seen by a moving event camera, one ``.bin`` file per recording."""

from pathlib import Path

import numpy as np

from picojoule._files import content
from picojoule.data.readers.bad import Bad
from picojoule.data.recordings import Recording, collect
from picojoule.data.schema import Dataset
from picojoule.data.split import RawSplits, Split
from picojoule.data.zeros import Zeros

SHAPE = (2, 34, 34)
SUFFIXES = (".bin",)

_EVENT_BYTES = 5


def read(folder: Path, dataset: Dataset, *, bad: Bad, zeros: Zeros = np.zeros) -> RawSplits:
    """Reads both splits, each in the order of its file numbers, which are those of MNIST.

    Args:
        folder: Holds ``Train`` and ``Test``, and these a folder per digit, as in
            ``Train/7/00042.bin``.
        dataset: Its description.
        bad: The rule for a file that cannot be read.
        zeros: Makes the arrays, as ``np.zeros`` does.

    Raises:
        ValueError: For a malformed file, or a folder of another name than a digit; the message
            names it.
        FileNotFoundError: For a missing split.

    Reference:
        G. Orchard, A. Jayawant, G. K. Cohen and N. Thakor, Converting static image datasets to
        spiking neuromorphic datasets using saccades, Frontiers in Neuroscience 9:437, 2015;
        https://www.garrickorchard.com/datasets/n-mnist
    """
    train, test = (_split(folder / name, bad, zeros) for name in ("Train", "Test"))
    return RawSplits(train, None, test)


def read_file(path: Path, dataset: Dataset, bad: Bad) -> Split:
    """Reads the recording in a file, without its label."""
    del dataset, bad
    return collect([Recording(*parse(content(path), path), 0)], SHAPE, path)


def parse(raw: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns times and addresses of the events in a file, ``[E]`` int64 each.

    An event is 40 bits: x, y (8 bits each), polarity (1 bit, 1 is ON) and time in microseconds (23
    bits), the most significant byte first.

    Raises:
        ValueError: For half an event, or one outside of the 34 x 34 pixels.
    """
    if len(raw) % _EVENT_BYTES:
        raise ValueError(
            f"{path} is truncated: its {len(raw)} bytes are not a whole number of events of "
            f"{_EVENT_BYTES}"
        )
    x, y, high, middle, low = np.frombuffer(raw, np.uint8).reshape(-1, 5).T.astype(np.int64)
    _, height, width = SHAPE
    outside = np.flatnonzero((x >= width) | (y >= height))
    if len(outside):
        first = outside[0]
        raise ValueError(
            f"{path}: event {first} is at x {x[first]}, y {y[first]}, outside of {width} x {height}"
        )
    times = (high & 0x7F) << 16 | middle << 8 | low
    return times, ((high >> 7) * height + y) * width + x


def _split(folder: Path, bad: Bad, zeros: Zeros) -> Split:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    foreign = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in "0123456789"
    )
    if foreign:
        raise ValueError(f"{folder}: expected one folder for each digit, found {foreign[0]}")
    paths = [path for path in folder.glob("[0-9]/*.bin") if not path.name.startswith(".")]
    paths.sort(key=lambda path: (len(path.name), path.name, path.parent.name))
    recordings = (recording for _, recording in bad.each(paths, _recording))
    return collect(recordings, SHAPE, folder, zeros)


def _recording(path: Path) -> Recording:
    times, address = parse(content(path), path)
    return Recording(times, address, int(path.parent.name))
