"""What is read for a prediction is what was read to train, in every format."""

import dataclasses
import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from data.event_files import CIFAR, write_cifar10_dvs, write_gesture, write_hdf5, write_nmnist
from picojoule.data import (
    Dataset,
    Direct,
    Encoder,
    Filterbank,
    Frames,
    Sizes,
    Split,
    dataset,
    load_own,
    loader,
    read_unlabelled,
)
from picojoule.data.readers.bad import Bad
from picojoule.data.readers.formats import FORMATS, source
from picojoule.data.readers.images import SUFFIXES as PICTURES
from picojoule.data.readers.wavs import SUFFIXES as SOUNDS
from picojoule.data.schema import SplitFiles

RANDOM = np.random.default_rng(0)


def encoded(split: Split, encoder: Encoder) -> set[bytes]:
    """The input of each item as the network gets it, without what comes after its end."""
    batches = loader(encoder.prepare(split), encoder, batch_size=1)
    return {x.numpy().tobytes() for x, _, _ in batches}


def encoder_of(one: Dataset) -> Encoder:
    if one.modality == "image":
        return Direct(mean=0.3, std=0.2)
    if one.modality == "audio":
        return Filterbank(bands=8, rate_hz=one.rate_hz)
    return Frames(steps=20, binary=False)


def check(one: Dataset, read: list[Split], files: list[Path], size: int | None = None) -> None:
    """All files, each read by itself, are the items that were read to train and to test."""
    encoder = encoder_of(one)
    wanted = set().union(*(encoded(split, encoder) for split in read))
    alone = [encoded(read_unlabelled(file, one, size), encoder) for file in files]
    assert len(wanted) > 1
    assert set().union(*alone) == wanted


# Formats of data sets


def nmnist(folder: Path, one: Dataset) -> tuple[Dataset, list[Path]]:
    write_nmnist(folder / one.folder)
    return one, sorted(folder.rglob("*.bin"))


def cifar10_dvs(folder: Path, one: Dataset) -> tuple[Dataset, list[Path]]:
    write_cifar10_dvs(folder / one.folder, count=2)
    assert one.labels == tuple(CIFAR)
    return one, sorted(folder.rglob("*.aedat"))


def dvs_gesture(folder: Path, one: Dataset) -> tuple[Dataset, list[Path]]:
    write_gesture(folder / one.folder)
    return one, sorted(folder.rglob("*.aedat"))


def shd(folder: Path, one: Dataset) -> tuple[Dataset, list[Path]]:
    files = [folder / one.folder / f"shd_{part}.h5" for part in ("train", "test")]
    for k, file in enumerate(files):
        write_hdf5(file, [(n, [0.01 * n, 0.05], [n + k, 600]) for n in range(3)])
    return one, files


def idx(folder: Path, one: Dataset) -> tuple[Dataset, list[Path]]:
    files = []
    for file in one.files:
        shape = (4, 28, 28) if "images" in file.path else (4,)
        header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
        content = header + RANDOM.integers(0, 10, shape).astype(np.uint8).tobytes()
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content))
        files += [path] if len(shape) == 3 else []
    return one, files


def cifar(folder: Path, one: Dataset) -> tuple[Dataset, list[Path]]:
    files = [folder / one.folder / name for name in ("a.bin", "b.bin")]
    files[0].parent.mkdir(parents=True)
    for file in files:
        file.write_bytes(b"".join(bytes([n]) + RANDOM.bytes(3072) for n in range(3)))
    (folder / one.folder / one.marker).touch()
    return dataclasses.replace(one, splits=SplitFiles(("a.bin",), ("b.bin",))), files


def imagenet(folder: Path, one: Dataset) -> tuple[Dataset, list[Path]]:
    for k, name in enumerate(
        ("train/n1/a.JPEG", "train/n2/b.JPEG", "val/n1/c.JPEG", "val/n2/d.JPEG")
    ):
        path = folder / one.folder / name
        path.parent.mkdir(parents=True)
        Image.fromarray(RANDOM.integers(0, 256, (20 + k, 30, 3)).astype(np.uint8)).save(path)
    return dataclasses.replace(one, inputs=(3, 16, 16)), sorted(folder.rglob("*.JPEG"))


def speech_commands(folder: Path, one: Dataset) -> tuple[Dataset, list[Path]]:
    place = folder / one.folder
    for word in ("yes", "no"):
        (place / word).mkdir(parents=True)
        for k in range(3):
            tone = np.sin(np.arange(3000 + 100 * k) * (0.1 + 0.1 * k) * len(word)) / 2
            soundfile.write(place / word / f"{k}.wav", tone, 16_000)
    (place / "validation_list.txt").write_text("yes/0.wav\nno/0.wav\n")
    (place / "testing_list.txt").write_text("yes/1.wav\nno/1.wav\n")
    return dataclasses.replace(one, labels=("no", "yes")), sorted(folder.rglob("*.wav"))


def wav(folder: Path, one: Dataset) -> tuple[Dataset, list[Path]]:
    place = folder / one.folder
    place.mkdir(parents=True)
    for label in range(2):
        for take in range(3):
            tone = np.sin(np.arange(900 + 50 * take) * (0.1 + 0.2 * label)) / 2
            soundfile.write(place / f"{label}_ann_{take}.wav", tone, 8_000)
    one = dataclasses.replace(
        one,
        labels=("a", "b"),
        speakers=("ann",),
        marker="0_ann_0.wav",
        sizes=Sizes(2, 2, 2),
        files=(),
    )
    return one, sorted(folder.rglob("*.wav"))


WRITERS: dict[str, tuple[str, Callable[[Path, Dataset], tuple[Dataset, list[Path]]]]] = {
    "cifar": ("cifar10", cifar),
    "cifar10-dvs": ("cifar10-dvs", cifar10_dvs),
    "dvs-gesture": ("dvs-gesture", dvs_gesture),
    "idx": ("mnist", idx),
    "imagenet": ("imagenet", imagenet),
    "nmnist": ("nmnist", nmnist),
    "shd": ("shd", shd),
    "speech-commands": ("speech-commands", speech_commands),
    "wav": ("fsdd", wav),
}


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_every_format_are_read_as_in_training(name, tmp_path):
    of, write = WRITERS[name]
    one, files = write(tmp_path, dataset(of))
    found = source(tmp_path, one)
    assert found is not None
    parts = found.read(Bad(skip=False), np.zeros)
    check(one, [part for part in (parts.train, parts.validation, parts.test) if part], files)


def test_a_gesture_without_rows_of_labels_is_one_recording(tmp_path):
    one, files = dvs_gesture(tmp_path, dataset("dvs-gesture"))
    for rows in files[0].parent.glob("*.csv"):
        rows.unlink()
    assert len(read_unlabelled(files[0], one)) == 1


# A user's own


def written(root: Path, suffix: str, save: Callable[[Path, int], object]) -> list[Path]:
    for label in ("a", "b"):
        (root / label).mkdir(parents=True)
        for number in range(5):
            save(root / label / f"{number}{suffix}", number + 5 * (label == "b"))
    return sorted(root.rglob(f"*{suffix}"))


def own(root: Path, like: str, size: int | None = None) -> tuple[Dataset, list[Split]]:
    found = load_own(root, dataset(like), size=size)
    return found.dataset, [found.splits.train, found.splits.validation, found.splits.test]


MODES = {
    **dict.fromkeys((".png", ".bmp", ".tif", ".tiff"), ("L", "RGB", "RGBA", "P", "L and RGB")),
    **dict.fromkeys((".jpg", ".jpeg"), ("L", "RGB", "L and RGB")),
    ".gif": ("L", "P"),
    ".webp": ("RGB", "RGBA"),
    ".ppm": ("RGB",),
    ".pgm": ("L",),
    ".PGM": ("L",),
}
assert MODES.keys() >= set(PICTURES)


@pytest.mark.parametrize("size", [None, 8])
@pytest.mark.parametrize(("suffix", "mode"), [(s, mode) for s in MODES for mode in MODES[s]])
def test_pictures_are_read_as_in_training(tmp_path, suffix, mode, size):
    modes = mode.split(" and ")

    def save(path: Path, number: int) -> None:
        side = 10 + (number if size else 0)
        pixels = np.random.default_rng(number).integers(0, 256, (side, 10, 4)).astype(np.uint8)
        Image.fromarray(pixels).convert(modes[number % len(modes)]).save(path)

    files = written(tmp_path, suffix, save)
    check(*own(tmp_path, "digits", size), files, size)


def test_a_pgm_of_few_greys_is_read_as_in_training(tmp_path):
    def save(path: Path, number: int) -> None:
        pixels = np.random.default_rng(number).integers(0, 16, 100).astype(np.uint8)
        path.write_bytes(b"P5\n10 10\n15\n" + pixels.tobytes())

    files = written(tmp_path, ".pgm", save)
    check(*own(tmp_path, "digits"), files)


@pytest.mark.parametrize("suffix", SOUNDS)
def test_sounds_are_read_as_in_training(tmp_path, suffix):
    def save(path: Path, number: int) -> None:
        noise = np.random.default_rng(number).normal(size=4000 + 100 * number) / 9
        soundfile.write(path, noise, 16_000)

    files = written(tmp_path, suffix, save)
    check(*own(tmp_path, "fsdd"), files)


def arrays(kind: str) -> tuple[str, dict[str, np.ndarray]]:
    """A data set of the same modality, and arrays of ten items."""
    waves = (RANDOM.normal(size=(10, 3000)) * 3000).astype(np.int16)
    counts = RANDOM.integers(0, 3, (10, 6, 7)).astype(np.uint8)
    times = np.sort(RANDOM.integers(0, 90_000, 40))
    kinds = {
        "bytes": ("digits", {"x": RANDOM.integers(0, 256, (10, 6, 6)).astype(np.uint8)}),
        "floats": ("digits", {"x": RANDOM.random((10, 3, 6, 6))}),
        "waves": ("fsdd", {"x": waves, "lengths": np.arange(2000, 3000, 100)}),
        "float waves": ("fsdd", {"x": waves / 2**15, "rate_hz": np.array(8000)}),
        "frames": ("shd", {"x": counts}),
        "lengths": ("shd", {"x": counts, "lengths": np.array([6, 5, 4, 3, 2] * 2)}),
        "grids": ("nmnist", {"x": RANDOM.integers(0, 3, (10, 4, 2, 5, 5)).astype(np.uint8)}),
        "lists": (
            "shd",
            {
                "times_us": times,
                "address": RANDOM.integers(0, 9, 40),
                "offsets": np.searchsorted(times, np.linspace(0, 90_000, 11)),
                "shape": np.array([9]),
            },
        ),
    }
    return kinds[kind]


KINDS = ["bytes", "floats", "waves", "float waves", "frames", "lengths", "grids", "lists"]


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_arrays_are_read_as_in_training(tmp_path, kind, labelled):
    like, content = arrays(kind)
    labels = {"y": np.arange(10) % 2}
    np.savez(tmp_path / "a.npz", **content, **labels)
    one, parts = own(tmp_path / "a.npz", like)
    np.savez(tmp_path / "b.npz", **content, **(labels if labelled else {}))
    check(one, parts, [tmp_path / "b.npz"])
    if "x" in content and "lengths" not in content:
        for number, item in enumerate(content["x"]):
            np.save(tmp_path / f"{number}.npy", item)
        check(one, parts, sorted(tmp_path.glob("*.npy")))


def test_a_sound_in_a_file_and_in_an_array_is_the_same(tmp_path):
    waves = (RANDOM.normal(size=(10, 3000)) * 3000).astype(np.int16)
    files = written(
        tmp_path / "folder",
        ".wav",
        lambda path, number: soundfile.write(path, waves[number], 8_000, subtype="PCM_16"),
    )
    one, parts = own(tmp_path / "folder", "fsdd")
    for name, x in (("whole.npz", waves), ("float.npz", waves / 2**15)):
        np.savez(tmp_path / name, x=x)
        check(one, parts, [tmp_path / name])
    check(one, parts, files)
    shutil.rmtree(tmp_path / "folder")


# What does not fit


def refused() -> Iterator[tuple[str, str, object, str]]:
    yield "digits", "a.txt", b"", r"a\.txt': pictures are read from files of \.npy, \.npz, \.png"
    yield "digits", "a.npy", np.zeros((9, 8)), r"shape \[1, 9, 8\].*\[1, 8, 8\]: scale it first"
    yield "digits", "a.npy", np.full((8, 8), 16.0), r"a\.npy.*outside 0\.\.1"
    yield "digits", "a.npz", {}, r"a\.npz holds no item, but nothing"
    yield "digits", "a.npz", {"x": np.zeros((0, 8, 8))}, r"a\.npz holds no item, but x"
    yield "digits", "a.npz", {"x": np.array(1)}, r"a\.npz.*expected images"
    yield (
        "fsdd",
        "a.npz",
        {"x": np.zeros((1, 9)), "rate_hz": np.array(9)},
        r"has 9 samples a second",
    )
    yield "shd", "a.bin", b"", r"a\.bin': events are read from files of \.npy, \.npz, \.h5, \.hdf5"
    yield "shd", "a.npy", np.zeros((5, 7), np.uint8), r"a\.npy' is of shape \[7\].*\[700\]"
    yield "nmnist", "a.bin", b"1234", r"a\.bin is truncated"
    yield "mnist", "t10k-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x01\x07", "holds no images"
    yield "cifar10", "a.bin", b"12", r"a\.bin has 2 bytes"


@pytest.mark.parametrize(("of", "name", "content", "message"), list(refused()))
def test_a_file_that_does_not_fit_is_named(tmp_path, of, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        np.savez(path, **content)
    with pytest.raises(ValueError, match=message) as caught:
        read_unlabelled(path, dataset(of))
    assert name in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*nope\.png'"):
        read_unlabelled(tmp_path / "nope.png", dataset("digits"))
    with pytest.raises(ValueError, match=str(tmp_path)):
        read_unlabelled(tmp_path, dataset("digits"))
