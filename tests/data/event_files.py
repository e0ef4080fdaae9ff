"""Small files in the layouts of event data sets, written without the code under test.

An event is ``(microseconds, x, y, on)`` in the pixels of the file.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

Event = tuple[int, int, int, int]

AEDAT_2_TEXT = (
    b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n# Timestamps tick is 1 us\r\n"
)
AEDAT_3_TEXT = (
    b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n"
    b"#Start-Time: 2016-05-24 12:00:00 (TZ+0200)\r\n#!END-HEADER\r\n"
)
CIFAR = "airplane automobile bird cat deer dog frog horse ship truck".split()


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Lets a ``ValueError`` go by that names the file, and nothing else."""
    try:
        yield
    except ValueError as error:
        if str(path) not in str(error):
            raise


def events(count: int, side: int, *, seed: int, step_us: int = 700) -> list[Event]:
    """Events in order of time, the first at 3 us."""
    random = np.random.default_rng(seed)
    times = 3 + np.concatenate([[0], random.integers(0, 2 * step_us, count - 1).cumsum()])
    pixels = random.integers(0, side, (2, count))
    return [
        (int(t), int(x), int(y), int(on))
        for t, x, y, on in zip(times, *pixels, random.integers(0, 2, count), strict=True)
    ]


def nmnist_bytes(recording: Iterable[Event]) -> bytes:
    """40 bits an event: x, y, polarity, time."""
    return b"".join(
        (x << 32 | y << 24 | on << 23 | t).to_bytes(5, "big") for t, x, y, on in recording
    )


def aedat_2_bytes(recording: Iterable[Event], text: bytes = AEDAT_2_TEXT) -> bytes:
    """Address and time of a DVS128, most significant byte first."""
    return text + b"".join(
        struct.pack(">ii", y << 8 | x << 1 | (0 if on else 1), t) for t, x, y, on in recording
    )


def aedat_3_packet(
    recording: Sequence[Event], *, overflow: int = 0, kind: int = 1, invalid: int = 0
) -> bytes:
    """A packet whose last ``invalid`` events are marked as such."""
    count = len(recording)
    header = struct.pack("<hhiiiiii", kind, 1, 8, 4, overflow, count, count, count - invalid)
    return header + b"".join(
        struct.pack("<Ii", x << 17 | y << 2 | on << 1 | (i < count - invalid), t)
        for i, (t, x, y, on) in enumerate(recording)
    )


def aedat_3_bytes(*packets: bytes, text: bytes = AEDAT_3_TEXT) -> bytes:
    """A file of packets."""
    return text + b"".join(packets)


def gesture_rows(*rows: tuple[int, int, int]) -> str:
    """The labels of a trial."""
    lines = ["class,startTime_usec,endTime_usec", *(",".join(map(str, row)) for row in rows)]
    return "\n".join(lines) + "\n"


def write_nmnist(folder: Path) -> dict[str, list[tuple[int, list[Event]]]]:
    """Seven recordings; gives label and events of each split in the order of their numbers."""
    written = {}
    for split, numbers in (("Train", (2, 9, 10, 11, 10_001)), ("Test", (1, 2))):
        written[split] = []
        for number in numbers:
            recording = (number * 7 % 10, events(20 + number % 5, 34, seed=number))
            path = folder / split / str(recording[0]) / f"{number:05d}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(nmnist_bytes(recording[1]))
            written[split].append(recording)
    return written


def write_cifar10_dvs(folder: Path, count: int = 11) -> None:
    """``count`` recordings a class; number n of class k has its first event at x n, y k."""
    for k, name in enumerate(CIFAR):
        (folder / name).mkdir(parents=True)
        for n in range(count):
            recording = [(1_000 + n, n, k, 1), (1_500, 3, 4, 0), (9_000, 127, 0, 1)]
            (folder / name / f"cifar10_{name}_{n}.aedat").write_bytes(aedat_2_bytes(recording))


def write_gesture(folder: Path) -> dict[str, list[Event]]:
    """Three trials of 40 events, two for training; the rows of each are classes 1, 11 and 3."""
    folder.mkdir(parents=True)
    trials = {}
    for i, name in enumerate(("user01_led", "user02_lab", "user24_led")):
        trials[name] = events(40, 128, seed=i, step_us=1_000)
        packets = [aedat_3_packet(trials[name][k : k + 15]) for k in (0, 15, 30)]
        (folder / f"{name}.aedat").write_bytes(aedat_3_bytes(*packets))
        rows = gesture_rows((1, 0, 10_000), (11, 10_000, 20_000), (3, 18_000, 1_000_000))
        (folder / f"{name}_labels.csv").write_text(rows)
    (folder / "trials_to_train.txt").write_text("user01_led.aedat\r\nuser02_lab.aedat\r\n")
    (folder / "trials_to_test.txt").write_text("user24_led.aedat\n\n")
    return trials


def write_hdf5(
    path: Path,
    recordings: Sequence[tuple[int, list[float], list[int]]],
    keys: Sequence[str] = (),
    **storage: object,
) -> None:
    """Label, seconds and units of each, as the Heidelberg data sets store them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, kind, column in (("times", "float16", 1), ("units", "uint16", 2)):
            rows = np.empty(len(recordings), object)
            rows[:] = [np.array(one[column], kind) for one in recordings]
            lists = h5py.vlen_dtype(np.dtype(kind))
            file.create_dataset(f"spikes/{name}", data=rows, dtype=lists, **storage)
        file["labels"] = np.array([one[0] for one in recordings], "uint8")
        file["extra/speaker"] = np.zeros(len(recordings), "uint8")
        if keys:
            file["extra/keys"] = np.array([key.encode() for key in keys])
