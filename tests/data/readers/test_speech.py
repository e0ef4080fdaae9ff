"""Speech Commands: a small copy of the published folders and lists."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from picojoule.data import Filterbank, dataset, load
from picojoule.data.readers import speech
from picojoule.data.readers.bad import Bad

WORDS = dataset("speech-commands").labels


def wave(seed: int, length: int = 1_600) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9_000, 9_000, length).astype(np.int16)


@pytest.fixture
def folder(tmp_path, write_wav):
    """Ten recordings of each word, of which one is for validation and two are for testing."""
    root = tmp_path / "speech_commands_v0.02"
    lists = {"validation_list.txt": [], "testing_list.txt": []}
    for number, word in enumerate(WORDS):
        (root / word).mkdir(parents=True)
        for take in range(10):
            name = f"{take:02x}{number:02x}_nohash_0.wav"
            write_wav(root / word / name, wave(100 * number + take), 16_000)
            if take < 3:
                lists["testing_list.txt" if take else "validation_list.txt"].append(
                    f"{word}/{name}"
                )
    for name, lines in lists.items():
        (root / name).write_text("\n".join(lines) + "\n")
    (root / "_background_noise_").mkdir()
    for number, name in enumerate(("a", "b")):
        write_wav(
            root / "_background_noise_" / f"{name}.wav", wave(9_000 + number, 200_000), 16_000
        )
    (root / "_background_noise_" / "README.md").write_text("noise")
    return root


def test_the_lists_divide_the_words(folder):
    splits = load("speech-commands", folder.parent)
    for split, takes in (
        (splits.train, range(3, 10)),
        (splits.validation, range(1)),
        (splits.test, range(1, 3)),
    ):
        assert split.y.tolist() == [n for n in range(35) for _ in takes]
        expected = [wave(100 * n + take) for n in range(35) for take in takes]
        np.testing.assert_array_equal(split.x.padded().numpy(), expected)
        assert split.lengths.unique().tolist() == [1_600]


def test_twelve_classes(folder, caplog):
    splits = load("speech-commands-12", folder.parent)
    assert "240 of 350 recordings are of words that are no class" in caplog.text
    labels = dataset("speech-commands-12").labels
    sizes = {"train": (70, 7), "validation": (10, 1), "test": (20, 2)}
    for name, (words, share) in sizes.items():
        counts = getattr(splits, name).y.bincount().tolist()
        assert counts == [words // 10] * 10 + [share, share]
    test = splits.test
    others = [
        (hashlib.sha256(f"{word}/{take:02x}{n:02x}_nohash_0.wav".encode()).digest(), 100 * n + take)
        for n, word in enumerate(WORDS)
        if word not in labels
        for take in (1, 2)
    ]
    unknown = test.x[test.y == labels.index("unknown")].padded().numpy()
    np.testing.assert_array_equal(unknown, [wave(seed) for _, seed in sorted(others)[:2]])


def test_silences_of_no_two_splits_overlap(folder):
    splits = load("speech-commands-12", folder.parent)
    noise = [wave(9_000 + number, 200_000) for number in range(2)]
    spans = {"train": (0, 160_000), "validation": (160_000, 180_000), "test": (180_000, 200_000)}
    for name, (first, last) in spans.items():
        split = getattr(splits, name)
        silent = split.x[split.y == 11].padded()
        assert (split.lengths[split.y == 11] == 16_000).all()
        for number, row in enumerate(silent.numpy()):
            place = np.flatnonzero(noise[number % 2] == row[0])
            starts = [p for p in place if np.array_equal(noise[number % 2][p : p + 16_000], row)]
            assert len(starts) == 1
            assert first <= starts[0] <= last - 16_000


def test_its_rate_goes_through_the_filterbank(folder):
    splits = load("speech-commands", folder.parent)
    bank = Filterbank(bands=20, rate_hz=16_000)
    prepared = bank.prepare(splits.test.at(torch.arange(2)))
    assert prepared.lengths.tolist() == [8, 8]  # windows of 25 ms, 10 ms apart, in 0.1 s
    assert prepared.x.any()


@given(content=st.binary(max_size=40) | st.text("abc/.\n\0", max_size=20).map(str.encode))
def test_any_list_is_read_or_refused(tmp_path_factory, content):
    root = tmp_path_factory.getbasetemp() / "speech-fuzz"
    root.mkdir(exist_ok=True)
    for name in ("validation_list.txt", "testing_list.txt"):
        (root / name).write_bytes(content)
    for words in (["a"], ["unknown"]):
        with pytest.raises(ValueError, match=r"speech-fuzz|no sound that can be read among 0"):
            speech.read(
                root, dataclasses.replace(dataset("speech-commands"), labels=words), bad=Bad(False)
            )


def test_bad_noise_is_left_out(folder):
    (folder / "_background_noise_" / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"a\.wav is truncated"):
        load("speech-commands-12", folder.parent)
    assert len(load("speech-commands-12", folder.parent, skip_bad=True).test) == 24
    (folder / "_background_noise_" / "b.wav").unlink()
    with pytest.raises(ValueError, match="has no recording of noise"):
        load("speech-commands-12", folder.parent, skip_bad=True)


def test_a_class_of_which_nothing_is_left_is_named(folder):
    for path in (folder / "yes").iterdir():
        path.write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="no item of class 'yes' is left to train on"):
        load("speech-commands", folder.parent, skip_bad=True)


def test_lists_that_contradict(folder):
    lists = [folder / name for name in ("validation_list.txt", "testing_list.txt")]
    one = lists[0].read_text().split()[0]
    whole = lists[1].read_text()
    for line, message in (
        (one, f"{one} is in the list to"),
        ("nobody/1.wav", "no folder .*nobody"),
    ):
        lists[1].write_text(whole + line)
        with pytest.raises(ValueError, match=message):
            load("speech-commands", folder.parent, skip_bad=True)


def test_what_is_missing_is_named(folder, write_wav, caplog):
    bad = folder / "yes" / "0321_nohash_0.wav"
    raw = bad.read_bytes()
    bad.write_bytes(raw[:-100])
    with pytest.raises(ValueError, match=rf"{bad.name} is truncated.*pj data get speech-commands"):
        load("speech-commands", folder.parent)
    assert len(load("speech-commands", folder.parent, skip_bad=True).train) == 244
    assert f"left out: {bad} is truncated" in caplog.text
    assert "speech-commands: 1 left out" in caplog.text
    (folder / "testing_list.txt").write_text("../x.wav\n")
    with pytest.raises(ValueError, match=r"testing_list\.txt: expected lines such as"):
        load("speech-commands", folder.parent)
    (folder / "testing_list.txt").write_text("")
    with pytest.raises(ValueError, match=r"testing_list\.txt is empty"):
        load("speech-commands", folder.parent)
    (folder / "validation_list.txt").unlink()
    with pytest.raises(ValueError, match=r"there is no file .*validation_list\.txt"):
        load("speech-commands", folder.parent)
