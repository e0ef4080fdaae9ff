"""Sounds of any rate and channels, brought to one."""

import dataclasses

import numpy as np
import pytest
import soundfile

from picojoule.data import Filterbank, dataset, load, load_own, read_unlabelled
from picojoule.data.readers import wavs
from picojoule.data.readers.bad import Bad
from picojoule.data.readers.mono import mono

AUDIO = dataset("fsdd")
ADVICE = r"or train with --set data\.resample=true"


def tone(rate_hz, hertz=440.0, seconds=0.5):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)


def close(found, hertz=440.0):
    """The middle of a tone at 8 kHz, as if it had been recorded so."""
    expected = tone(8_000, hertz)
    assert found.dtype == np.int16
    assert abs(len(found) - len(expected)) <= 1
    middle = slice(200, -200)
    count = min(len(found), len(expected))
    difference = found[:count] / 32_768 - expected[:count]
    assert np.abs(difference[middle]).max() < 2e-3


@pytest.mark.parametrize("rate_hz", [11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("kind", ["int16", "float32"])
def test_other_rates_sound_alike(rate_hz, kind):
    wave = tone(rate_hz).astype(np.float32)
    wave = np.round(wave * 32_767).astype(np.int16) if kind == "int16" else wave
    close(mono(wave, rate_hz, 8_000, Bad(False, resample=True)))


def test_what_a_lower_rate_cannot_hold_is_no_other_tone():
    """7 kHz would be heard at 1 kHz if every second sample were taken."""
    found = mono(tone(16_000, 7_000).astype(np.float32), 16_000, 8_000, Bad(False, resample=True))
    assert np.abs(found[200:-200]).max() < 50


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_files_of_any_rate_and_channels(tmp_path, suffix, channels):
    if suffix == "mp3" and channels > 2:
        pytest.skip("mp3 has two channels at most")
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.stack([tone(16_000)] * channels, 1), 16_000)
    with pytest.raises(ValueError, match=rf"expected mono at 8000 Hz, found {channels} .*{ADVICE}"):
        wavs.read_wav(path, 8_000)
    found = wavs.read_wav(path, 8_000, Bad(False, resample=True)).numpy()
    if suffix in ("wav", "flac"):
        close(found)
    else:
        count = min(len(found), 4_000)
        assert np.corrcoef(found[200 : count - 200], tone(8_000)[200 : count - 200])[0, 1] > 0.99


def test_channels_are_mixed_in_equal_parts(tmp_path):
    low, high = tone(8_000, 300), tone(8_000, 900)
    soundfile.write(tmp_path / "a.wav", np.stack([low, high], 1), 8_000)
    found = wavs.read_wav(tmp_path / "a.wav", 8_000, Bad(False, resample=True)).numpy()
    np.testing.assert_allclose(found / 32_768, (low + high) / 2, atol=1e-4)


@pytest.fixture
def mixed(tmp_path):
    """Forty short recordings in two classes: ten at 16 kHz, five in stereo, four of 24 bits."""
    for label, name in enumerate(("low", "high")):
        (tmp_path / name).mkdir()
        for number in range(20):
            rate_hz = 16_000 if label == 0 and number < 10 else 8_000
            wave = tone(rate_hz, 300 + 600 * label + number, 0.05)
            wave = np.stack([wave] * 2, 1) if label == 0 and 5 <= number < 10 else wave
            kind = "PCM_24" if label == 1 and number < 4 else "PCM_16"
            soundfile.write(tmp_path / name / f"{number:02}.wav", wave, rate_hz, subtype=kind)
    return tmp_path


def test_what_was_changed_is_said_once_with_counts(mixed, caplog):
    with pytest.raises(ValueError, match=rf"expected mono at 8000 Hz, found .*{ADVICE}"):
        load_own(mixed, AUDIO)
    caplog.clear()
    for _ in range(2):  # read, then from the cache
        own = load_own(mixed, AUDIO, resample=True)
        assert sorted(caplog.messages) == [
            f"{mixed}: 10 of 40 sounds have another rate: they were resampled to 8000 Hz",
            f"{mixed}: 4 of 40 sounds have more than 16 bits a sample: they were rounded",
            f"{mixed}: 5 of 40 sounds have several channels: they were mixed to one",
        ]
        caplog.clear()
    assert own.dataset.rate_hz == 8_000
    assert all(one.lengths.eq(400).all() for one in (own.splits.train, own.splits.test))
    with pytest.raises(ValueError, match="expected mono"):
        load_own(mixed, AUDIO)  # whatever the cache holds


def test_sounds_of_one_rate_become_that_of_the_data_set(mixed):
    for file in mixed.glob("*/*.wav"):
        soundfile.write(file, tone(44_100, seconds=0.05), 44_100)
    assert load_own(mixed, AUDIO).dataset.rate_hz == 44_100
    assert load_own(mixed, AUDIO, resample=True).dataset.rate_hz == 8_000
    other = dataclasses.replace(AUDIO, rate_hz=16_000)
    assert load_own(mixed, other, resample=True).splits.train.lengths.eq(800).all()


@pytest.mark.parametrize("kind", ["int16", "float32"])
def test_arrays_are_as_files(mixed, tmp_path_factory, kind, caplog):
    waves = np.stack([tone(16_000, 300 + 10 * number, 0.06) for number in range(40)])
    scaled = np.round(waves * 32_767).astype(np.int16)
    x = scaled if kind == "int16" else (scaled / 32_768).astype(np.float32)
    lengths = np.where(np.arange(40) < 20, 960, 500)
    path = tmp_path_factory.mktemp("arrays") / "a.npz"
    np.savez(path, x=x, y=np.arange(40) % 2, lengths=lengths, rate_hz=16_000)
    own = load_own(path, AUDIO, resample=True)
    assert f"{path}: 40 of 40 sounds have another rate" in caplog.text
    assert own.dataset.rate_hz == 8_000
    assert sorted({*own.splits.train.lengths.tolist()}) == [250, 480]
    soundfile.write(path.with_suffix(".wav"), scaled[0], 16_000)
    file = read_unlabelled(path.with_suffix(".wav"), AUDIO, resample=True)
    items = read_unlabelled(path, AUDIO, resample=True)
    assert items.x[0].samples.equal(file.x.samples)
    with pytest.raises(ValueError, match=ADVICE):
        read_unlabelled(path, AUDIO)
    np.savez(path.with_name("b.npz"), x=x, y=np.arange(40) % 2, rate_hz=8_000)
    (path.parent / "both").mkdir()
    path.rename(path.parent / "both" / "train.npz")
    path.with_name("b.npz").rename(path.parent / "both" / "test.npz")
    with pytest.raises(ValueError, match=rf"\[8000, 16000\] Hz: .*{ADVICE}"):
        load_own(path.parent / "both", AUDIO)
    assert load_own(path.parent / "both", AUDIO, resample=True).dataset.rate_hz == 8_000


def test_one_file_is_read_as_those_of_a_folder(mixed, caplog):
    own = load_own(mixed, AUDIO, resample=True)
    caplog.clear()
    file = mixed / "low" / "07.wav"
    one = read_unlabelled(file, AUDIO, resample=True)
    assert any(wave.equal(one.x.samples) for wave in own.splits.train.x)
    assert len(Filterbank().prepare(one).x) == 1
    assert f"{file}: 1 of 1 sounds have several channels: they were mixed to one" in caplog.messages


def test_a_named_data_set_takes_files_of_other_rates(spoken_dir, tmp_path, caplog):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for file in (spoken_dir / AUDIO.folder).iterdir():
        (folder / file.name).hardlink_to(file)
    (folder / "0_theo_3.wav").unlink()
    soundfile.write(folder / "0_theo_3.wav", tone(48_000), 48_000)
    with pytest.raises(ValueError, match=rf"0_theo_3\.wav: expected mono at 8000.*{ADVICE}"):
        load("fsdd", tmp_path)
    splits = load("fsdd", tmp_path, resample=True)
    assert "fsdd: 1 of 3000 sounds have another rate" in caplog.text
    assert int(splits.test.lengths.max()) == 4_000


def test_a_header_of_a_tiny_rate_takes_no_room(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(40_000, np.int16), 1)
    with pytest.raises(ValueError, match=r"a\.wav cannot be resampled: .*more than 200 times"):
        wavs.read_wav(path, 8_000, Bad(False, resample=True))


def test_a_sound_of_no_sample_at_the_rate_is_named(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(1, np.int16), 96_000)
    with pytest.raises(ValueError, match=r"a\.wav cannot be resampled: it is shorter"):
        wavs.read_wav(path, 8_000, Bad(False, resample=True))


def test_what_goes_beyond_full_scale_is_said(caplog):
    bad = Bad(False, resample=True)
    square = np.where(np.arange(8_000) // 40 % 2, 32_767, -32_768).astype(np.int16)
    for wave, rate_hz in ((square, 16_000), (square // 2, 16_000), (square, 8_000)):
        found = mono(wave, rate_hz, 8_000, bad)
        assert found.dtype == np.int16
    bad.say("here")
    assert "here: 1 of 3 sounds go beyond full scale: they were clipped there" in caplog.messages


@pytest.mark.parametrize("how", ["PCM_32", "FLOAT", "opposite channels"])
def test_sounds_of_which_nothing_is_left_are_said(tmp_path, caplog, how):
    """Numbers of 16 bits in 32, what is fainter than one of them, and what cancels out."""
    kind = "PCM_16" if how == "opposite channels" else how
    loud, faint = tone(8_000), tone(8_000) / 65_536
    faint = np.stack([loud, -loud], 1) if kind == "PCM_16" else faint
    for name, wave in (("loud", loud), ("faint", faint), ("silent", 0 * loud)):
        soundfile.write(tmp_path / f"{name}.wav", wave, 8_000, subtype=kind)
    bad = Bad(False, resample=True)
    for name in ("loud", "faint", "silent"):
        assert wavs.read_wav(tmp_path / f"{name}.wav", 8_000, bad).any() == (name == "loud")
    bad.say("here")
    said = "sounds are silent once they have one channel of 16 bits: scale their samples"
    assert f"here: 1 of 3 {said}" in caplog.messages
