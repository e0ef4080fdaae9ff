"""What is no plain file where one is expected: every reader refuses it by name, at once."""

import io
import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bounded import outcome
from data.event_files import write_cifar10_dvs, write_gesture, write_hdf5, write_nmnist
from picojoule._files import walk
from picojoule.data import dataset, load, load_own
from picojoule.data.unlabelled import read_unlabelled
from picojoule.energy import load_chip
from picojoule.recipe import load_recipe


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(path.parent, os.O_RDONLY)
        one.bind(f"/proc/self/fd/{here}/{path.name}")  # paths of sockets are short
        os.close(here)


def folder(path: Path) -> None:
    path.symlink_to("/proc")


def hollow(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 31)


def circle(path: Path) -> None:
    path.symlink_to(path.name)


ENTRIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (fifo, "a pipe"),
    "device": (device, "a device|is a link to /dev/zero, which is not in"),
    "socket": (listening, "a socket"),
    "folder": (folder, "a folder|is a link to /proc, which is not in"),
    "holes": (hollow, "almost only of holes|hollow"),
    "circle": (circle, ""),
}


def pictures(root: Path) -> None:
    for name in "ab":
        (root / name).mkdir()
        for number in range(10):
            image = Image.fromarray(np.full((8, 8), number, np.uint8))
            image.save(root / name / f"{number}.png")


def sounds(root: Path) -> None:
    import soundfile

    soundfile.write(silence := io.BytesIO(), np.zeros(80), 8_000, format="WAV")
    for name in "ab":
        (root / name).mkdir()
        for number in range(10):
            (root / name / f"{number}.wav").write_bytes(silence.getvalue())


def arrays(root: Path) -> None:
    for name in ("train", "test"):
        np.savez(root / f"{name}.npz", x=np.zeros((8, 4, 4), np.uint8), y=np.arange(8) % 2)


def cifar(root: Path) -> None:
    (root / "cifar-10-batches-bin").mkdir()
    for name in (*dataset("cifar10").splits.train, *dataset("cifar10").splits.test):
        (root / "cifar-10-batches-bin" / name).write_bytes(bytes(3_073 * 8))


def heidelberg(root: Path) -> None:
    for name in ("train", "test"):
        write_hdf5(root / "SHD" / f"shd_{name}.h5", [(3, [0.5], [1])] * 9)


def spoken_words(root: Path) -> None:
    import soundfile

    place = root / "speech_commands_v0.02"
    soundfile.write(silence := io.BytesIO(), np.zeros(80), 16_000, format="WAV")
    for word in dataset("speech-commands").labels:
        (place / word).mkdir(parents=True)
        for number in range(3):
            (place / word / f"{number}.wav").write_bytes(silence.getvalue())
    for name, number in (("validation", 1), ("testing", 2)):
        lines = [f"{word}/{number}.wav" for word in dataset("speech-commands").labels]
        (place / f"{name}_list.txt").write_text("\n".join(lines))


# How data are made, one of their files, and how they are read.
READERS: dict[str, tuple[Callable[[Path], object], str, Callable[[Path], object]]] = {
    "pictures": (pictures, "b/3.png", lambda root: load_own(root, dataset("digits"))),
    "sounds": (sounds, "b/3.wav", lambda root: load_own(root, dataset("fsdd"))),
    "arrays": (arrays, "test.npz", lambda root: load_own(root, dataset("digits"))),
    "one picture": (
        pictures,
        "b/3.png",
        lambda root: read_unlabelled(root / "b" / "3.png", dataset("digits")),
    ),
    "one sound": (
        sounds,
        "b/3.wav",
        lambda root: read_unlabelled(root / "b" / "3.wav", dataset("fsdd")),
    ),
    "one file of arrays": (
        arrays,
        "test.npz",
        lambda root: read_unlabelled(root / "test.npz", dataset("digits")),
    ),
    "one file of events": (
        heidelberg,
        "SHD/shd_train.h5",
        lambda root: read_unlabelled(root / "SHD" / "shd_train.h5", dataset("shd")),
    ),
    "cifar": (
        cifar,
        "cifar-10-batches-bin/data_batch_3.bin",
        lambda root: load("cifar10", root),
    ),
    "shd": (heidelberg, "SHD/shd_train.h5", lambda root: load("shd", root)),
    "nmnist": (
        lambda root: write_nmnist(root / "N-MNIST"),
        "N-MNIST/Train/4/00002.bin",
        lambda root: load("nmnist", root),
    ),
    "cifar10-dvs": (
        lambda root: write_cifar10_dvs(root / "CIFAR10DVS", 2),
        "CIFAR10DVS/cat/cifar10_cat_1.aedat",
        lambda root: load("cifar10-dvs", root),
    ),
    "gesture": (
        lambda root: write_gesture(root / "DvsGesture"),
        "DvsGesture/user02_lab.aedat",
        lambda root: load("dvs-gesture", root),
    ),
    "gesture's labels": (
        lambda root: write_gesture(root / "DvsGesture"),
        "DvsGesture/user02_lab_labels.csv",
        lambda root: load("dvs-gesture", root),
    ),
    "words": (
        spoken_words,
        "speech_commands_v0.02/cat/0.wav",
        lambda root: load("speech-commands", root),
    ),
    "lists of words": (
        spoken_words,
        "speech_commands_v0.02/validation_list.txt",
        lambda root: load("speech-commands", root),
    ),
    "chip": (
        lambda root: (root / "mine.toml").touch(),
        "mine.toml",
        lambda root: load_chip(root / "mine.toml"),
    ),
    "recipe": (
        lambda root: (root / "mine.toml").touch(),
        "mine.toml",
        lambda root: load_recipe(root / "mine.toml"),
    ),
    "data set": (
        lambda root: (root / "mine.toml").touch(),
        "mine.toml",
        lambda root: dataset(root / "mine.toml"),
    ),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("reader", READERS)
def test_it_is_refused_by_name(tmp_path, reader, entry):
    (make, name, read), (spoil, said) = READERS[reader], ENTRIES[entry]
    make(tmp_path)
    (tmp_path / name).unlink()
    spoil(tmp_path / name)
    message = outcome(lambda: read(tmp_path))
    assert str(tmp_path / name) in message
    assert any(one in message for one in said.split("|")), message


@pytest.mark.parametrize("to", ["..", "/", "/proc", "/dev"])
@pytest.mark.parametrize(("make", "name"), [(pictures, "digits"), (sounds, "fsdd")])
def test_links_to_folders_are_refused_or_passed_over(tmp_path, make, name, to):
    make(tmp_path)
    (tmp_path / ".hidden").symlink_to(to)
    (tmp_path / "a" / ".hidden").symlink_to(to)
    assert outcome(lambda: load_own(tmp_path, dataset(name))) == "done"
    for number in range(3):
        (tmp_path / "a" / f"up{number}").symlink_to(to)
    assert "/a/up0 is" in outcome(lambda: load_own(tmp_path, dataset(name)))


@pytest.mark.parametrize("to", ["..", "/", "/proc"])
def test_a_link_in_place_of_a_class_ends(tmp_path, to):
    pictures(tmp_path)
    (tmp_path / "c").symlink_to(to)
    assert f"{tmp_path}/c" in outcome(lambda: load_own(tmp_path, dataset("digits")))


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_arrays_that_are_no_files_are_not_passed_over(tmp_path, name):
    arrays(tmp_path)
    (tmp_path / f"{name}.npz").unlink(missing_ok=True)
    fifo(tmp_path / f"{name}.npz")
    message = outcome(lambda: load_own(tmp_path, dataset("digits")))
    assert f"{name}.npz is a pipe" in message


def test_names_that_are_no_text_are_names(tmp_path):
    place = tmp_path / os.fsdecode(b"pictures \xff")
    place.mkdir()
    pictures(place)
    (place / "b").rename(place / os.fsdecode(b"\xfe"))
    assert len(load_own(place, dataset("digits")).splits.train) == 14


def test_a_folder_is_walked_once_and_two_deep(tmp_path):
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    for place in (".", "a", "a/b", "a/b/c"):
        (tmp_path / place / "file").touch()
        (tmp_path / place / ".hidden").touch()
    (tmp_path / "a" / "again").symlink_to("..")
    found = sorted(str(path.relative_to(tmp_path)) for path in walk(tmp_path))
    assert found == ["a/again", "a/b/c", "a/b/file", "a/file", "file"]


ALONE = ["one picture", "one sound", "one file of arrays", "one file of events"]
ALONE += ["chip", "recipe", "data set"]
# What may be a link: each reader's file, and folders below that of the data.
LINKS = [(reader, READERS[reader][1]) for reader in READERS if reader not in ALONE]
LINKS += [
    ("pictures", "b"),
    ("sounds", "b"),
    ("nmnist", "N-MNIST/Train"),
    ("nmnist", "N-MNIST/Test/4"),
]
LINKS += [("words", "speech_commands_v0.02/cat"), ("cifar10-dvs", "CIFAR10DVS/cat")]


@pytest.mark.parametrize(("reader", "name"), LINKS)
def test_a_link_that_leaves_the_folder_is_refused_and_no_other(tmp_path, reader, name):
    make, _, read = READERS[reader]
    place, outside = tmp_path / "data", tmp_path / "outside"
    for one in (place, outside):
        one.mkdir()
        make(one)
    (tmp_path / "link").symlink_to(place)  # the folder itself may be reached by one
    inside = (place / name).with_name(f".{Path(name).name}")
    (place / name).rename(inside)
    (place / name).symlink_to(inside.name)
    said = outcome(lambda: read(tmp_path / "link"))
    assert said == "done" or "too few items" in said  # as those of nmnist are here
    (place / name).unlink()
    (place / name).symlink_to(outside / name)
    message = outcome(lambda: read(place))
    assert message.startswith(f"{place / name} is a link to {outside / name}, which is not in ")


def test_the_folder_of_a_data_set_may_be_a_link(tmp_path):
    heidelberg(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "SHD").symlink_to(tmp_path / "elsewhere" / "SHD")
    assert outcome(lambda: load("shd", tmp_path / "data")) == "done"
