import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.event_files import named, nmnist_bytes, write_nmnist
from picojoule.data import dataset
from picojoule.data.encoders.frames import Frames
from picojoule.data.readers import nmnist
from picojoule.data.readers.bad import Bad

REAL = os.environ.get("PICOJOULE_DATA")
PATH = Path("7/00042.bin")


def flat(recording) -> list[tuple[int, int]]:
    """Times and addresses."""
    return [(t, on * 34 * 34 + y * 34 + x) for t, x, y, on in recording]


def test_what_was_written_is_read_in_the_order_of_the_numbers(tmp_path):
    written = write_nmnist(tmp_path)
    (tmp_path / "Train" / ".DS_Store").touch()
    (tmp_path / "Train" / "7" / "._00001.bin").write_bytes(b"\0")
    parts = nmnist.read(tmp_path, dataset("nmnist"), bad=Bad(False))
    assert parts.validation is None
    for split, expected in ((parts.train, written["Train"]), (parts.test, written["Test"])):
        assert split.y.tolist() == [label for label, _ in expected]
        assert split.x.shape == (2, 34, 34)
        for i, (_, recording) in enumerate(expected):
            one = split.x[torch.tensor([i])]
            found = zip(one.times_us.tolist(), one.address.tolist(), strict=True)
            assert list(found) == flat(recording)


def test_bits_of_an_event():
    times, address = nmnist.parse(bytes([33, 1, 0x80 | 0x12, 0x34, 0x56]), PATH)
    assert times.tolist() == [0x123456]
    assert address.tolist() == [34 * 34 + 34 + 33]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\1\2\3\4\5\6", "is truncated: its 6 bytes are not a whole number of events of 5"),
        (b"", "is empty"),
        (
            nmnist_bytes([(0, 1, 1, 0), (0, 34, 7, 0)]),
            "event 1 is at x 34, y 7, outside of 34 x 34",
        ),
        (nmnist_bytes([(0, 0, 240, 1)]), "event 0 is at x 0, y 240"),
    ],
)
def test_malformed_files_are_named_or_left_out(tmp_path, raw, message):
    write_nmnist(tmp_path)
    path = tmp_path / "Train" / "0" / "00010.bin"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=message) as caught:
        nmnist.read(tmp_path, dataset("nmnist"), bad=Bad(False))
    assert str(path) in str(caught.value)
    bad = Bad(True)
    parts = nmnist.read(tmp_path, dataset("nmnist"), bad=bad)
    assert len(parts.train) == 4
    assert bad.items == [str(caught.value)]


def test_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*Train"):
        nmnist.read(tmp_path, dataset("nmnist"), bad=Bad(False))
    write_nmnist(tmp_path)
    (tmp_path / "Test" / "10").mkdir()
    with pytest.raises(ValueError, match="Test: expected one folder for each digit, found 10"):
        nmnist.read(tmp_path, dataset("nmnist"), bad=Bad(False))


def test_no_recording(tmp_path):
    for name in ("Train", "Test"):
        (tmp_path / name / "3").mkdir(parents=True)
    with pytest.raises(ValueError, match="Train holds no recording"):
        nmnist.read(tmp_path, dataset("nmnist"), bad=Bad(False))


@given(raw=st.binary(max_size=40) | st.lists(st.binary(min_size=5, max_size=5)).map(b"".join))
def test_no_bytes_crash_it(raw):
    with named(PATH):
        times, address = nmnist.parse(raw, PATH)
        assert len(times) == len(address) == len(raw) // 5
        assert not len(address) or 0 <= address.min() <= address.max() < 2 * 34 * 34


@pytest.mark.skipif(
    REAL is None or not (Path(REAL) / "N-MNIST").is_dir(),
    reason="PICOJOULE_DATA names no folder with N-MNIST",
)
def test_real_recordings():
    parts = nmnist.read(Path(REAL) / "N-MNIST", dataset("nmnist"), bad=Bad(False))
    for split in (parts.train, parts.test):
        lists, ends = split.x, split.x.offsets
        last_s = lists.times_us[ends[1:] - 1] / 1e6
        assert 0.29 < float(last_s.min()) < float(last_s.max()) < 0.34
        per_recording = len(lists.times_us) / len(lists)
        assert 3_500 < per_recording < 4_700
        frames = Frames(steps=10, step_s=34e-3, binary=False).prepare(split)
        assert int(frames.x.sum()) == len(lists.times_us)
        assert set(frames.lengths.tolist()) <= {9, 10}
    if len(parts.train) == 1_000:  # the first thousand: of known content
        assert len(parts.train.x.times_us) == 4_133_231
        assert len(parts.test.x.times_us) == 385_596
        counts = [split.y.bincount().tolist() for split in (parts.train, parts.test)]
        assert counts == [
            [97, 116, 99, 93, 105, 92, 94, 117, 87, 100],
            [8, 14, 8, 11, 14, 7, 10, 15, 2, 11],
        ]
        # Digits: their events are where MNIST has ink, not at the border.
        place = np.bincount(parts.train.x.address.numpy() % (34 * 34), minlength=34 * 34)
        picture = place.reshape(34, 34)
        assert picture[10:24, 10:24].mean() > 5 * picture[:, [0, 1, 32, 33]].mean()
