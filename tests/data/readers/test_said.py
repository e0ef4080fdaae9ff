"""What readers drop is said with counts, once for all splits."""

import struct

import numpy as np
import pytest
from PIL import Image

from data.event_files import (
    CIFAR,
    aedat_2_bytes,
    aedat_3_bytes,
    aedat_3_packet,
    events,
    gesture_rows,
    write_cifar10_dvs,
    write_gesture,
)
from picojoule.data import dataset, load_own, read_unlabelled
from picojoule.data.readers import cifar10_dvs, dvs_gesture, fsdd
from picojoule.data.readers.bad import Bad
from picojoule.data.readers.class_folders import layout


def pins(folder):
    """Two of five words of each of two recordings are no events of pixels."""
    write_cifar10_dvs(folder, count=2)
    pin = struct.pack(">ii", 0x8000, 5)
    for name in CIFAR[:2]:
        path = folder / name / f"cifar10_{name}_0.aedat"
        path.write_bytes(path.read_bytes() + 2 * pin)
    bad = Bad(False)
    cifar10_dvs.read(folder, dataset("cifar10-dvs"), bad=bad)
    bad.say("here")


def gestures(folder):
    """120 events in three trials; of one, ten are invalid and a packet is of other things."""
    trials = write_gesture(folder / "trials")
    path = folder / "trials" / "user02_lab.aedat"
    whole = trials["user02_lab"]
    packets = aedat_3_packet(whole, invalid=10), aedat_3_packet(whole[:3], kind=5)
    path.write_bytes(aedat_3_bytes(*packets))
    kept = sum(10_000 <= t < 20_000 for t, *_ in whole[:30])
    assert kept
    path.with_name("user02_lab_labels.csv").write_text(gesture_rows((1, 10_000, 20_000)))
    bad = Bad(False)
    dvs_gesture.read(folder / "trials", dataset("dvs-gesture"), bad=bad)
    bad.say("here")
    return {"outside": 30 - kept}


def names(folder):
    (folder / "0_ann_0.wav").touch()
    (folder / "8_theo_1.wav").touch()
    (folder / "notes.txt").touch()
    bad = Bad(True)
    fsdd.read_all(folder, dataset("fsdd"), bad)
    bad.items.clear()
    bad.say("here")


def beside(folder):
    for split in ("train", "test"):
        for label in "ab":
            (folder / split / label).mkdir(parents=True)
            (folder / split / label / "0.png").touch()
        (folder / split / "stray.png").touch()
        (folder / split / "notes.txt").touch()
    (folder / "more").mkdir()
    (folder / "old").mkdir()
    layout(folder, (".png",))


@pytest.mark.parametrize(
    ("drop", "said"),
    [
        (pins, ["here: 4 of 64 events are of the camera's input pin: they were left out"]),
        (
            gestures,
            [
                "here: 1 of 8 packets hold no events of pixels: they were passed over",
                "here: 10 of 120 events are marked as invalid: they were left out",
                "here: {outside} of 110 events are of no labelled gesture: they were left out",
            ],
        ),
        (names, ["here: 1 of 3001 recordings are of other names: they were not read"]),
        (
            beside,
            [
                "{folder}: 2 file(s) in no folder of a class, such as stray.png, were not read",
                "{folder}: 2 folder(s) of no split, such as more, were not read",
            ],
        ),
    ],
    ids=["pins", "gestures", "names", "beside"],
)
def test_what_is_dropped_is_said(drop, said, tmp_path, caplog):
    facts = {"folder": tmp_path} | (drop(tmp_path) or {})
    assert caplog.messages == [line.format(**facts) for line in said]


def test_one_file_says_so_too(tmp_path, caplog):
    raw = aedat_2_bytes(events(5, 128, seed=0)) + struct.pack(">ii", 0x8000, 5)
    (tmp_path / "a.aedat").write_bytes(raw)
    read_unlabelled(tmp_path / "a.aedat", dataset("cifar10-dvs"))
    said = (
        f"{tmp_path / 'a.aedat'}: 1 of 6 events are of the camera's input pin: they were left out"
    )
    assert caplog.messages == [said]


def test_files_beside_folders_are_said_again_from_the_cache(tmp_path, caplog):
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(10):
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / label / f"{number}.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "c.png")
    for _ in range(2):
        caplog.clear()
        load_own(tmp_path, dataset("mnist"))
        assert "1 file(s) in no folder of a class, such as c.png, were not read" in caplog.text
