import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.conftest import spoken
from fuzzing import read_or_refused
from picojoule.data import Filterbank, Sizes, dataset, load
from picojoule.data.readers import fsdd
from picojoule.data.readers.bad import Bad

FSDD = dataset("fsdd")
FEW = dataclasses.replace(FSDD, speakers=FSDD.speakers[:2], sizes=Sizes(40, 100, 100))


@pytest.fixture
def own_copy(spoken_dir: Path, tmp_path: Path) -> Path:
    """A folder of recordings that may be damaged: links, so that it is made at once."""
    folder = tmp_path / "recordings"
    shutil.copytree(
        spoken_dir / FSDD.folder, folder, copy_function=lambda a, b: Path(b).hardlink_to(a)
    )
    return folder


def replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def refused(folder: Path, *parts: str) -> None:
    with pytest.raises(ValueError, match="fetch it again with") as caught:
        load("fsdd", folder.parent)
    for part in (
        *parts,
        f"fetch it again with `pj data get fsdd --data-dir {folder.parent} --again`",
    ):
        assert part in str(caught.value)


def told(split) -> list[tuple[int, int, int]]:
    """Digit, speaker and take of each recording, as its samples tell."""
    return [tuple(wave[:3].tolist()) for wave in split.x]


def test_official_split_and_a_balanced_validation_set(spoken_dir):
    splits = load("fsdd", spoken_dir)
    for split, takes in (
        (splits.test, range(5)),
        (splits.validation, range(5, 10)),
        (splits.train, range(10, 50)),
    ):
        items = told(split)
        assert set(items) == {(d, s, t) for d in range(10) for s in range(6) for t in takes}
        assert len(items) == 60 * len(takes)
        assert split.y.tolist() == [digit for digit, _, _ in items]


def test_any_prefix_is_balanced(spoken_dir):
    train = load("fsdd", spoken_dir).train
    assert train.y[:60].bincount().tolist() == [6] * 10


@pytest.mark.parametrize(("number", "speaker"), [(0, "george"), (4, "theo")])
def test_one_speaker_held_out(spoken_dir, number, speaker):
    splits = load("fsdd", spoken_dir, hold_out=speaker)
    assert splits.fingerprint not in ("", load("fsdd", spoken_dir).fingerprint)
    others = set(range(6)) - {number}
    every = set(range(50))
    for split, speakers, takes in (
        (splits.test, {number}, every),
        (splits.validation, others, set(range(5, 10))),
        (splits.train, others, every - set(range(5, 10))),
    ):
        items = told(split)
        assert set(items) == {(d, s, t) for d in range(10) for s in speakers for t in takes}
        assert len(items) == len(set(items))
        assert split.y.tolist() == [digit for digit, _, _ in items]
        assert split.lengths.tolist() == [303 + 5 * take for _, _, take in items]


def test_waveforms_and_lengths(spoken_dir):
    train = load("fsdd", spoken_dir).train
    assert train.x.dtype == torch.int16
    assert train.lengths is not None
    assert train.lengths[0] == 303 + 5 * 10
    assert train.x.lengths.equal(train.lengths)
    tone = np.sin(np.arange(350) * 0.1) * 8_000
    np.testing.assert_array_equal(train.x[0].samples[3:353].numpy(), tone.astype(np.int16))


def test_one_long_recording_among_short_ones_takes_the_room_of_its_samples(own_copy):
    path, long = own_copy / "3_theo_40.wav", np.tile(spoken(3, 4, 40), 4_000)
    path.unlink()
    soundfile.write(path, long, 8_000)
    train = load("fsdd", own_copy.parent).train
    assert train.x.samples.numel() == sum(train.lengths.tolist())
    assert len(train.x.samples) < 2 * len(long)
    prepared = Filterbank().prepare(train)
    assert prepared.x.shape[1] == Filterbank().max_steps


def test_bad_recordings_are_left_out_and_nobody_takes_their_place(own_copy, caplog):
    replace(own_copy / "3_theo_7.wav", b"RIFF")
    (own_copy / "9_george_0.wav").unlink()
    refused(own_copy, "9_george_0.wav")
    splits = load("fsdd", own_copy.parent, skip_bad=True)
    assert (9, 0, 0) not in told(splits.test)
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [2_400, 299, 299]
    for text in ("3_theo_7.wav", "9_george_0.wav", "2 left out", "results do not compare"):
        assert text in caplog.text
    test = load("fsdd", own_copy.parent, hold_out="theo", skip_bad=True).test
    assert {speaker for _, speaker, _ in told(test)} == {4}
    assert len(test) == 499


def test_found_in_the_folder_itself_and_one_below(own_copy):
    first = load("fsdd", own_copy.parent).test.x
    assert torch.equal(load("fsdd", own_copy).test.x.samples, first.samples)


def test_recordings_of_other_names_are_left_alone(own_copy):
    (own_copy / "0_somebody_0.wav").write_bytes(b"not even sound")
    assert len(load("fsdd", own_copy.parent).test) == 300


def test_missing_recording(own_copy):
    (own_copy / "7_theo_33.wav").unlink()
    refused(own_copy, f"there is no recording {own_copy / '7_theo_33.wav'}")


def test_no_recordings_at_all(tmp_path):
    with pytest.raises(ValueError, match=r"no fsdd in .*: fetch it with `pj data get fsdd"):
        load("fsdd", tmp_path)


@pytest.mark.parametrize("kept", [10, 44, 700])
def test_truncated_recording(own_copy, kept):
    path = own_copy / "3_lucas_20.wav"
    whole = path.read_bytes()
    replace(path, whole[:kept])
    refused(own_copy, f"{path} is truncated: it has {kept} of {len(whole)} bytes")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"<html>not found</html>", "is not a readable sound")],
)
def test_no_sound(own_copy, content, message):
    path = own_copy / "3_lucas_20.wav"
    replace(path, content)
    refused(own_copy, f"{path} {message}")


def test_wrong_rate(own_copy, write_wav):
    path = own_copy / "0_george_0.wav"
    path.unlink()
    write_wav(path, np.zeros(500, np.int16), rate_hz=16_000)
    refused(own_copy, f"{path}: expected mono at 8000 Hz, found 1 channel(s) at 16000 Hz")


def test_stereo(own_copy, write_wav):
    path = own_copy / "0_george_0.wav"
    path.unlink()
    write_wav(path, np.zeros((500, 2), np.int16))
    refused(own_copy, f"{path}: expected mono at 8000 Hz, found 2 channel(s) at 8000 Hz")


@settings(max_examples=25)
@given(
    which=st.integers(0, 19),
    at=st.integers(0, 200),
    change=st.binary(min_size=1, max_size=6),
    cut=st.booleans(),
    skip=st.booleans(),
)
def test_any_recording_is_read_left_out_or_refused(few, which, at, change, cut, skip):
    folder = few / FSDD.folder
    path = sorted(folder.iterdir())[which]
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + change + (b"" if cut else whole[at + len(change) :]))
    bad = Bad(skip)
    try:
        parts = read_or_refused(lambda: fsdd.read(folder, FEW, bad=bad), path.name)
    finally:
        path.write_bytes(whole)
    assert parts is not None or not skip
    if parts is not None:
        assert parts.validation is not None
        assert parts.test is not None
        found = sum(map(len, (parts.train, parts.validation, parts.test)))
        assert found + len(bad.items) == 240


@pytest.fixture(scope="module")
def few(spoken_dir, tmp_path_factory):
    """The first twelve takes of two speakers are all there is."""
    data_dir = tmp_path_factory.mktemp("few")
    (data_dir / FSDD.folder).mkdir(parents=True)
    for utterance in fsdd.utterances(FEW):
        shutil.copy(spoken_dir / FSDD.folder / utterance.file, data_dir / FSDD.folder)
    return data_dir
