"""DVS128 Gesture: hand gestures seen by an event camera, several in each AEDAT 3.1 file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from picojoule._files import content, text
from picojoule.data.readers import aedat
from picojoule.data.readers.bad import Bad
from picojoule.data.recordings import Recording, collect
from picojoule.data.schema import Dataset
from picojoule.data.split import RawSplits, Split
from picojoule.data.zeros import Zeros

SHAPE = (2, aedat.SIDE, aedat.SIDE)
CLASSES = 11

_COLUMNS = "class,startTime_usec,endTime_usec"
# Gestures may overlap a little; all of them together hold an event this often, on average.
_OVERLAP = 2


def read(folder: Path, dataset: Dataset, *, bad: Bad, zeros: Zeros = np.zeros) -> RawSplits:
    """Reads both splits: one recording for each row of labels of each trial, in the lists' order.

    Times count from the start of the row. Rows may overlap (one of ``user22_led`` does, by a slip
    of its publisher's), and all are kept: 1,176 for training and 288 for testing.

    Args:
        folder: Holds ``trials_to_train.txt`` and ``trials_to_test.txt``, lists of files, these
            files, and for ``user01_led.aedat`` the labels ``user01_led_labels.csv``: a row
            ``class,startTime_usec,endTime_usec`` for each gesture, with classes 1 to 11.
        dataset: Its description.
        bad: The rule for a trial that cannot be read.
        zeros: Makes the arrays, as ``np.zeros`` does.

    Raises:
        ValueError: For a malformed file; the message names it.
        FileNotFoundError: For a missing file.

    Reference:
        A. Amir et al., A low power, fully event-based gesture recognition system, CVPR 2017;
        https://research.ibm.com/interactive/dvsgesture/
    """
    train, test = (_trials(folder / f"trials_to_{name}.txt") for name in ("train", "test"))
    both = set(train) & set(test)
    if both:
        raise ValueError(f"{folder}: {min(both).name} is in the list to train and in that to test")
    return RawSplits(
        collect(_all(train, bad), SHAPE, folder, zeros),
        None,
        collect(_all(test, bad), SHAPE, folder, zeros),
    )


def read_file(path: Path, dataset: Dataset, bad: Bad) -> Split:
    """Reads the gestures in a file by the rows of labels beside it; without them, all as one."""
    del dataset
    if _rows(path).exists():
        return collect(_recordings(path, bad), SHAPE, path)
    events = aedat.parse_3(content(path), path, bad)
    if not len(events.times_us):
        raise ValueError(f"{path} holds no event")
    times_us = events.times_us - events.times_us.min()
    return collect([Recording(times_us, events.address, 0)], SHAPE, path)


def _all(trials: list[Path], bad: Bad) -> Iterator[Recording]:
    for _, recordings in bad.each(trials, lambda path: _recordings(path, bad)):
        yield from recordings


def _lines(path: Path) -> list[str]:
    lines = text(path).splitlines()
    if not lines:
        raise ValueError(f"{path} is empty")
    return [line.strip() for line in lines if line.strip()]


def _trials(path: Path) -> list[Path]:
    names = _lines(path)
    for name in names:
        if not name.endswith(".aedat") or "\0" in name or Path(name).name != name:
            raise ValueError(f"{path}: expected names of .aedat files, found {name!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"{path} names a file twice")
    return [path.parent / name for name in names]


def _gestures(path: Path) -> list[tuple[int, int, int]]:
    """Reads the class (from 1), start and end of each row."""
    columns, *rows = _lines(path) or [""]
    if columns.replace(" ", "") != _COLUMNS:
        raise ValueError(f"{path}: expected the columns {_COLUMNS}, found {columns!r}")
    if not rows:
        raise ValueError(f"{path} holds no gesture")
    gestures = []
    for row in rows:
        cells = [cell.strip() for cell in row.split(",")]
        if len(cells) != 3 or not all(c.isascii() and c.isdigit() and len(c) < 16 for c in cells):
            raise ValueError(f"{path}: expected three whole numbers in a row, found {row!r}")
        label, start, end = map(int, cells)
        if not 1 <= label <= CLASSES:
            raise ValueError(f"{path}: expected a class of 1 to {CLASSES}, found {label}")
        if start >= end:
            raise ValueError(f"{path}: a gesture starts at {start} us and ends at {end} us")
        gestures.append((label, start, end))
    return gestures


def _rows(path: Path) -> Path:
    return path.with_name(f"{path.stem}_labels.csv")


def _recordings(path: Path, bad: Bad) -> list[Recording]:
    gestures = _gestures(_rows(path))
    events = aedat.parse_3(content(path), path, bad)
    order = np.argsort(events.times_us, kind="stable")
    times, address = events.times_us[order], events.address[order]
    recordings, total, outside = [], 0, np.ones(len(times), np.bool_)
    for label, start, end in gestures:
        inside = slice(*np.searchsorted(times, (start, end)))
        total += inside.stop - inside.start
        if inside.start == inside.stop:
            raise ValueError(f"{path}: there is no event from {start} us to {end} us")
        if total > _OVERLAP * len(times):
            raise ValueError(f"{path}: its gestures hold every event {_OVERLAP} times and more")
        outside[inside] = False
        recordings.append(Recording(times[inside] - start, address[inside], label - 1))
    bad.note("events are of no labelled gesture: they were left out", outside.sum(), len(times))
    return recordings
