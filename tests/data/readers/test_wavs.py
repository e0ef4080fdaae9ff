"""Wav files of all sorts."""

import struct

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import read_or_refused
from picojoule.data.readers import wavs
from picojoule.data.readers.bad import Bad
from picojoule.data.waves import joined

TONE = (np.sin(np.arange(400) * 0.3) * 0.5).astype(np.float64)


def write(path, samples=TONE, rate=16_000, subtype="PCM_16"):
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def read(files, labels, bad):
    return joined(wavs.sounds(files, labels, rate_hz=16_000, bad=bad))


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT", "DOUBLE"])
def test_every_kind_of_sample_becomes_16_bits(tmp_path, subtype):
    found = wavs.read_wav(write(tmp_path / "a.wav", subtype=subtype), 16_000)
    coarse = 260 if subtype == "PCM_U8" else 1.01
    np.testing.assert_allclose(found.numpy(), TONE * 32_768, atol=coarse)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_packed_sounds_are_read(tmp_path, suffix):
    tone = np.sin(np.arange(16_000) * 0.3) * 0.999
    soundfile.write(tmp_path / f"a.{suffix}", tone, 16_000)
    found = wavs.read_wav(tmp_path / f"a.{suffix}", 16_000).numpy() / 32_768
    assert len(found) == len(tone)
    inner = slice(2_000, -2_000)
    closeness = np.corrcoef(found[inner], tone[inner])[0, 1]
    assert closeness > (0.9999 if suffix == "flac" else 0.99)


def test_sounds_of_unequal_length(tmp_path):
    files = [write(tmp_path / f"{k}.wav", TONE[: 100 * k]) for k in (1, 4, 2)]
    split = read(files, [2, 0, 1], Bad(False))
    assert split.lengths.tolist() == [100, 400, 200]
    assert split.y.tolist() == [2, 0, 1]
    assert split.x.shape == (3, 400)
    padded = split.x.padded()
    assert not padded[0, 100:].any()
    assert padded[2, :200].equal(wavs.read_wav(files[2], 16_000))
    assert split.x[2].samples.equal(padded[2, :200])
    for index in ([2, 0], torch.tensor([2, 0])):
        assert split.x[index].padded().equal(padded[[2, 0], :200])
    assert split.x[torch.tensor([1])].shape == (1, 400)
    assert split[torch.tensor([False, True, True])].lengths.tolist() == [400, 200]
    assert split.x[:0].padded().shape == (0, 0)


def bad_files(tmp_path):
    raw = write(tmp_path / "whole.wav").read_bytes()
    yield "truncated", raw[:-10]
    yield "is not a readable sound", b"RIFX" + raw[4:100]
    yield "is empty", b""
    yield "truncated", raw[:6]
    yield "no sample", raw[:40] + struct.pack("<I", 0)
    for name, samples, rate in (
        ("at 8000 Hz", TONE, 8_000),
        ("2 channel", TONE.reshape(-1, 2), 16_000),
    ):
        yield name, write(tmp_path / "x.wav", samples, rate).read_bytes()
    for value in (np.nan, np.inf):
        noise = np.where(np.arange(400) == 7, value, TONE)
        yield "not finite", write(tmp_path / "x.wav", noise, subtype="FLOAT").read_bytes()
    loud = (TONE * 18_000).astype(np.float32)
    yield (
        r"samples outside -1\.\.1, up to 8",
        write(tmp_path / "x.wav", loud, subtype="FLOAT").read_bytes(),
    )
    yield (
        "it is WAV of GSM610; write it as wav",
        write(tmp_path / "x.wav", subtype="GSM610").read_bytes(),
    )
    soundfile.write(tmp_path / "x.aiff", TONE, 16_000)
    yield (
        "it is AIFF of PCM_16; write it as wav or flac of 16 bits, as by ffmpeg",
        (tmp_path / "x.aiff").read_bytes(),
    )
    soundfile.write(tmp_path / "x.flac", TONE, 16_000)
    flac = (tmp_path / "x.flac").read_bytes()
    yield "truncated|is not a readable sound", flac[: len(flac) // 2]


def test_bad_files_are_named_or_left_out(tmp_path):
    good, bad = write(tmp_path / "good.wav"), tmp_path / "bad.wav"
    for fault, content in bad_files(tmp_path):
        if content[:4] == b"RIFF" and fault == "no sample":
            content = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
        bad.write_bytes(content)
        with pytest.raises(ValueError, match=rf"bad\.wav.*({fault})"):
            read([good, bad], [0, 1], Bad(False))
        left_out = Bad(skip=True)
        assert read([good, bad], [0, 1], left_out).y.tolist() == [0]
        assert len(left_out.items) == 1
    with pytest.raises(ValueError, match=rf"among 1; the first: .*bad\.wav.*({fault})"):
        read([bad], [0], Bad(True))


@given(at=st.integers(0, 300), value=st.integers(0, 255), kept=st.integers(0, 300))
def test_damaged_headers_are_read_or_refused(tmp_path_factory, at, value, kept):
    path = tmp_path_factory.getbasetemp() / "fuzz.wav"
    content = bytearray(write(path, TONE[:100]).read_bytes())
    content[at % len(content)] = value
    path.write_bytes(content[: max(kept, at) or None])
    found = read_or_refused(lambda: wavs.read_wav(path, 16_000), "fuzz.wav")
    assert found is None or len(found)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFF00, 0x7FFFF000, 0x7FFFFFFF - 36])
def test_the_sizes_that_recorders_announce_to_a_pipe(tmp_path, size):
    path = write(tmp_path / "a.wav")
    whole, raw = wavs.read_wav(path, 16_000), path.read_bytes()
    announced = min(size + 36, 0xFFFFFFFF) if size else 0
    sizes = struct.pack("<I", announced), struct.pack("<I", size)
    path.write_bytes(raw[:4] + sizes[0] + raw[8:40] + sizes[1] + raw[44:])
    assert wavs.read_wav(path, 16_000).equal(whole)


@pytest.mark.parametrize("unknown", [b"\x00" * 4, b"\xff" * 4])
def test_what_was_written_to_a_pipe_is_read_to_its_end(tmp_path, unknown):
    path = write(tmp_path / "a.wav")
    whole = wavs.read_wav(path, 16_000)
    raw = path.read_bytes()
    path.write_bytes(raw[:4] + unknown + raw[8:40] + unknown + raw[44:])
    assert wavs.read_wav(path, 16_000).equal(whole)
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    path.write_bytes(raw[:4] + unknown + raw[8:36] + extra + raw[36:40] + unknown + raw[44:])
    assert wavs.read_wav(path, 16_000).equal(whole)
