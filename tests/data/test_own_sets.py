"""A user's own set in each of the formats: a description, and files that it names."""

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import event_files
from data.conftest import idx_bytes
from picojoule.data import DATASETS, Dataset, dataset, fetch, load
from picojoule.data.readers.formats import FORMATS
from picojoule.data.sets.named import parse_dataset

RATE_HZ = 4_000
Write = Callable[..., None]
WORDS = ("up", "down", "left")


def toml(content: dict) -> str:
    """The text of a description: JSON's values are TOML's, but for tables."""
    plain = {key: value for key, value in content.items() if not isinstance(value, dict)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items() if key != "files"]
    for key, table in content.items():
        if isinstance(table, dict):
            lines += [f"[{key}]", *(f"{name} = {json.dumps(v)}" for name, v in table.items())]
    for file in content.get("files", ()):
        lines += ["[[files]]", *(f"{name} = {json.dumps(v)}" for name, v in file.items())]
    return "\n".join(lines)


def described(form: str, sizes: tuple[int, int, int], **other: object) -> dict:
    """What every description says, and what is of this format."""
    names = ("train", "validation", "test")
    return {
        "name": "mine",
        "description": "a set of my own",
        "modality": "events",
        "format": form,
        "folder": "my set",
        "licence": "mine",
        "citation": "me",
        "inputs": [2, 128, 128],
        "labels": list(WORDS),
        "sizes": dict(zip(names, sizes, strict=True)),
    } | other


def cifar(folder: Path, _: Write) -> dict:
    for name, count in (("a.bin", 20), ("b.bin", 20), ("held.bin", 6)):
        records = np.zeros((count, 3_073), np.uint8)
        records[:, 0] = np.arange(count) % 3
        (folder / name).write_bytes(records.tobytes())
    splits = {"train": ["a.bin", "b.bin"], "test": ["held.bin"]}
    image = {"modality": "image", "inputs": [3, 32, 32], "marker": "held.bin"}
    return described("cifar", (36, 4, 6), splits=splits, **image)


def cifar10_dvs(folder: Path, _: Write) -> dict:
    for label in WORDS:
        (folder / label).mkdir()
        for number in range(11):
            raw = event_files.aedat_2_bytes([(1_000, 3, 4, 1)])
            (folder / label / f"mine_{label}_{number}.aedat").write_bytes(raw)
    return described("cifar10-dvs", (24, 3, 6), marker="up")


def dvs_gesture(folder: Path, _: Write) -> dict:
    folder.rmdir()
    event_files.write_gesture(folder)
    labels = [f"gesture {number}" for number in range(11)]
    return described("dvs-gesture", (5, 1, 3), marker="trials_to_train.txt", labels=labels)


def idx(folder: Path, _: Write) -> dict:
    images = np.arange(40 * 35, dtype=np.uint8).reshape(40, 5, 7)
    labels = np.arange(40, dtype=np.uint8) % 3
    arrays = {"seen.images": images[:30], "seen.labels": labels[:30]}
    arrays |= {"held.images": images[30:], "held.labels": labels[30:]}
    for name, array in arrays.items():
        (folder / name).write_bytes(idx_bytes(array))
    image = {"modality": "image", "inputs": [1, 5, 7]}
    files = [{"path": f"{folder.name}/{name}"} for name in arrays]
    return described("idx", (27, 3, 10), files=files, **image)


def imagenet(folder: Path, _: Write) -> dict:
    for split, count in (("train", 8), ("val", 2)):
        for label in WORDS:
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (9, 12)).save(folder / split / label / f"{number}.png")
    image = {"modality": "image", "inputs": [3, 8, 8], "marker": "train"}
    return described("imagenet", (21, 3, 6), **image)


def nmnist(folder: Path, _: Write) -> dict:
    event_files.write_nmnist(folder)
    labels = list(DATASETS["nmnist"].labels)
    return described("nmnist", (4, 1, 2), marker="Test", inputs=[2, 34, 34], labels=labels)


def shd(folder: Path, _: Write) -> dict:
    for name in ("one", "two", "held", "chosen"):
        recordings = [(number % 3, [0.5], [number]) for number in range(9)]
        event_files.write_hdf5(folder / f"{name}.h5", recordings)
    splits = {"train": ["one.h5", "two.h5"], "validation": ["chosen.h5"], "test": ["held.h5"]}
    return described("shd", (18, 9, 9), marker="held.h5", inputs=[9], splits=splits)


def speech_commands(folder: Path, write_wav: Write) -> dict:
    for label in WORDS:
        (folder / label).mkdir()
        for number in range(6):
            write_wav(folder / label / f"{number}.wav", np.full(50, 9, np.int16), RATE_HZ)
    for name, number in (("validation", 0), ("testing", 1)):
        lines = [f"{label}/{number}.wav" for label in WORDS]
        (folder / f"{name}_list.txt").write_text("\n".join(lines))
    audio = {"modality": "audio", "inputs": [], "rate_hz": RATE_HZ}
    return described("speech-commands", (12, 3, 3), marker="testing_list.txt", **audio)


def wav(folder: Path, write_wav: Write) -> dict:
    for label in range(3):
        for speaker in ("ann", "bob"):
            for take in range(5):
                name = f"{label}_{speaker}_{take}.wav"
                write_wav(folder / name, np.full(50, 9, np.int16), RATE_HZ)
    audio = {"modality": "audio", "inputs": [], "rate_hz": RATE_HZ}
    sizes, speakers = (18, 6, 6), ["ann", "bob"]
    return described("wav", sizes, speakers=speakers, marker="0_ann_0.wav", **audio)


KINDS = (cifar, cifar10_dvs, dvs_gesture, idx, imagenet, nmnist, shd, speech_commands, wav)


def test_every_format_is_here():
    assert {kind.__name__.replace("_", "-") for kind in KINDS} == set(FORMATS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_of_one_s_own_is_a_file(tmp_path, write_wav, caplog, kind):
    (tmp_path / "my set").mkdir()
    content = kind(tmp_path / "my set", write_wav)
    (file := tmp_path / "mine.toml").write_text(toml(content))
    assert isinstance(dataset(file), Dataset)
    for _ in range(2):  # the second is from the cache
        splits = load(file, tmp_path)
        found = {name: len(getattr(splits, name)) for name in ("train", "validation", "test")}
        assert found == content["sizes"]
        assert set(splits.test.y.tolist()) <= set(range(len(content["labels"])))
    assert "results do not compare" not in caplog.text
    # It is there, and nothing is asked of a server.
    assert fetch(dataset(file), tmp_path, progress=False) == tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_that_is_not_there_says_where_to_put_it(tmp_path, write_wav, kind):
    (tmp_path / "my set").mkdir()
    (file := tmp_path / "mine.toml").write_text(toml(kind(tmp_path / "my set", write_wav)))
    with pytest.raises(ValueError, match=r"no mine in .*other: put it at .*other"):
        load(file, tmp_path / "other")
    with pytest.raises(ValueError, match="mine cannot be fetched for you: put it there, so that"):
        fetch(dataset(file), tmp_path / "other", progress=False)


def test_one_of_two_speakers_is_held_out(tmp_path, write_wav):
    (tmp_path / "my set").mkdir()
    (file := tmp_path / "mine.toml").write_text(toml(wav(tmp_path / "my set", write_wav)))
    splits = load(file, tmp_path, hold_out="bob")
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [12, 3, 15]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "shd"}, "splits is missing: a data set of the format 'shd'"),
        ({"speakers": ["me"]}, "speakers is not for a data set of the format 'nmnist'"),
        ({"format": "ssc"}, "unknown format 'ssc'. Known: .* shd, "),
        ({"splits": {"train": ["a"], "tst": ["b"]}}, r"unknown key 'tst': did you mean 'test'"),
    ],
)
def test_a_description_that_does_not_fit_its_format(change, message):
    content = described("nmnist", (4, 1, 2)) | change
    with pytest.raises(ValueError, match=message) as told:
        parse_dataset(toml(content), "mine.toml")
    assert str(told.value).startswith("mine.toml:")


def test_takes_that_are_not_whole_are_said(tmp_path, write_wav):
    (tmp_path / "my set").mkdir()
    content = wav(tmp_path / "my set", write_wav) | {
        "sizes": {"train": 17, "validation": 6, "test": 6}
    }
    (file := tmp_path / "mine.toml").write_text(toml(content))
    with pytest.raises(ValueError, match="expected sizes that are multiples of 3 classes x 2 spe"):
        load(file, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('folder = "SHD"', 'folder = "../SHD"', "folder"),
        ('marker = "shd_test.h5"', 'marker = "/etc/passwd"', "marker"),
        ('test = ["shd_test.h5"]', 'test = ["a/../../shd_test.h5"]', "splits.test"),
        ('path = "shd_test.h5.zip"', 'path = "../../x.zip"', "files.1.path"),
        ('gives = "shd_train.h5"', 'gives = "/x"', "files.0.gives"),
        ('"zero", "one"', '"..", "one"', "labels"),
    ],
)
def test_a_description_leads_nowhere_else(tmp_path, old, new, key):
    text = (files("picojoule") / "data" / "sets" / "shd.toml").read_text("utf-8")
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=rf"mine\.toml:\d+: {key}: .* leads out of the folder"):
        dataset(tmp_path / "mine.toml")


def test_recordings_without_end_are_not_looked_for(tmp_path):
    text = (files("picojoule") / "data" / "sets" / "fsdd.toml").read_text("utf-8")
    for size in ("2400", "300"):
        text = text.replace(f" = {size}\n", f" = {size}{'0' * 12}\n")
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    place = tmp_path / "free-spoken-digit-dataset" / "recordings"
    place.mkdir(parents=True)
    (place / "0_george_0.wav").touch()
    with pytest.raises(ValueError, match="expected 1,000,000 recordings at most"):
        load(tmp_path / "mine.toml", tmp_path)
