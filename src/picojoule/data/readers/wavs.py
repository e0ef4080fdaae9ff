"""Sounds: files of wav, flac, ogg or mp3, one each."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import soundfile
import torch
from torch import Tensor

from picojoule._files import check_unpacked, content
from picojoule.data.readers.bad import Bad
from picojoule.data.readers.mono import mono
from picojoule.data.schema import Dataset

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_FORMATS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3")
# Their decoders may go a little beyond full scale.
_LOSSY = ("OGG", "MP3")
_DEEP = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")
# Programs that write to a pipe announce nothing, or about as much as a number can say.
_UNKNOWN_BYTES = 0x7FFF0000
_ROUNDING = 1e-4
# A file has a few chunks before its sound.
_CHUNKS = 1_000
_BLOCK = 1 << 20


def read_wav(path: Path, rate_hz: int | None = 8_000, bad: Bad | None = None) -> Tensor:
    """Reads the samples of a mono wav, flac, ogg or mp3 file.

    Args:
        path: The file; samples of another kind than 16 bits are rounded to that.
        rate_hz: Samples per second that it must have; any rate, if None.
        bad: Whether it may be resampled and mixed instead, and the counts of what is changed.

    Shape:
        ``[S]`` int16.

    Raises:
        ValueError: For a file that is missing, truncated, of another kind, without a sample, of
            another rate, with several channels, or with samples that are not finite or outside of
            -1..1; the message names it.
    """
    bad = Bad(skip=False) if bad is None else bad
    samples, found = _decoded(path)
    if not bad.resample and (samples.ndim > 1 or rate_hz not in (None, found.rate_hz)):
        wanted = "" if rate_hz is None else f" at {rate_hz} Hz"
        raise ValueError(
            f"{path}: expected mono{wanted}, found {found.channels} channel(s) at {found.rate_hz} "
            "Hz: convert it, or train with --set data.resample=true, which resamples sounds and "
            "mixes their channels"
        )
    try:
        one = mono(samples, found.rate_hz, rate_hz, bad, is_deep=found.is_deep)
    except ValueError as error:
        raise ValueError(f"{path} cannot be resampled: {error}") from error
    return torch.from_numpy(one)


def rate_of(dataset: Dataset) -> int:
    """Returns the samples per second that a description gives.

    Raises:
        ValueError: If it gives none.
    """
    if dataset.rate_hz is None:
        raise ValueError(f"the description of {dataset.name} has no rate_hz: add it")
    return dataset.rate_hz


def first_rate(files: Sequence[Path]) -> int:
    """Returns the samples per second of the first file that can be read.

    Raises:
        ValueError: If none can be; the message says why not the first.
    """
    first = ""
    for file in files:
        try:
            return _decoded(file)[1].rate_hz
        except ValueError as error:
            first = first or str(error)
    raise _none_read(files, first)


def sounds(
    files: Sequence[Path], labels: Sequence[int], *, rate_hz: int, bad: Bad
) -> Iterator[tuple[np.ndarray, int]]:
    """Yields the samples, ``[S]`` int16, and the class of each sound.

    Args:
        files: One each.
        labels: The class of each.
        rate_hz: Samples per second that each must have, or is brought to.
        bad: The rule for one that cannot be read, or has another rate or several channels.

    Raises:
        ValueError: For no sound at all, and what ``bad`` does not leave out; the message names the
            file.
    """
    before, count, items = len(bad.items), 0, zip(files, labels, strict=True)
    for (_, label), wave in bad.each(items, lambda item: read_wav(item[0], rate_hz, bad)):
        count += 1
        yield wave.numpy(), label
    if not count:
        raise _none_read(files, next(iter(bad.items[before:]), ""))


def _none_read(files: Sequence[Path], first: str) -> ValueError:
    """Returns the error of files of which none can be read, with the reason of the first."""
    reason = f"; the first: {first}" if first else ""
    return ValueError(f"there is no sound that can be read among {len(files)}{reason}")


class _Sound(NamedTuple):
    """Facts of a sound as it is stored."""

    rate_hz: int
    channels: int
    is_deep: bool


def _decoded(path: Path) -> tuple[np.ndarray, _Sound]:
    """Reads samples, ``[S]`` or ``[S, channels]``: int16, or float32 in -1..1."""
    try:
        raw = _sized(content(path))
    except FileNotFoundError as error:
        raise ValueError(f"there is no recording {path}") from error
    announced = int.from_bytes(raw[4:8], "little") + 8
    if raw[:4] == b"RIFF" and len(raw) < announced:
        raise ValueError(f"{path} is truncated: it has {len(raw)} of {announced} bytes")
    try:
        with soundfile.SoundFile(io.BytesIO(raw)) as sound:
            if sound.format not in _FORMATS or not sound.seekable():
                kind = f"{sound.format} of {sound.subtype}"
                raise ValueError(
                    f"{path} is not a readable sound: it is {kind}; write it as wav or flac "
                    "of 16 bits, as by ffmpeg -i FILE FILE.wav"
                )
            exact = sound.subtype == "PCM_16"
            samples = _samples(sound, "int16" if exact else "float32", len(raw), path)
            found = _Sound(sound.samplerate, sound.channels, sound.subtype in _DEEP)
            frames, is_lossy = sound.frames, sound.format in _LOSSY
    except (soundfile.LibsndfileError, TypeError, ValueError, MemoryError, RuntimeError) as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise ValueError(
            f"{path} is not a readable sound: it is damaged, truncated, or of none of "
            f"{', '.join(_FORMATS)}; copy it again from its source, or convert it"
        ) from error
    if not len(samples):
        raise ValueError(f"{path} holds no sound: it has no sample")
    if len(samples) < frames:
        raise ValueError(f"{path} is truncated: it has {len(samples)} of {frames} samples")
    if not exact:
        if not np.isfinite(samples).all():
            raise ValueError(f"{path} has samples that are not finite (NaN or infinite)")
        loudest = float(np.abs(samples).max())
        if loudest > 1 + _ROUNDING and not is_lossy:
            raise ValueError(
                f"{path} has samples outside -1..1, up to {loudest:g}: scale them, or write a file "
                "of 16 bits a sample"
            )
    return samples, found


def _samples(
    sound: soundfile.SoundFile, dtype: Literal["int16", "float32"], packed: int, path: Path
) -> np.ndarray:
    """Reads all samples, as many as there are and not as are announced."""
    some = _BLOCK // sound.channels
    blocks, size = [sound.read(some, dtype=dtype)], 0
    while len(blocks[-1]) == some:
        size += blocks[-1].nbytes
        check_unpacked(size, packed, str(path))
        blocks.append(sound.read(some, dtype=dtype))
    return np.concatenate(blocks)


def _sized(raw: bytes) -> bytes:
    """Fills in the sizes in a file, if the program that wrote it to a pipe did not know them.

    The sizes of such a file, and of the sound that comes last in it, are 0, or 2 GiB and more.
    """
    if raw[:4] != b"RIFF" or len(raw) < 12 or not _is_unknown(raw[4:8]):
        return raw
    sized = bytearray(raw)
    sized[4:8] = (len(raw) - 8).to_bytes(4, "little")
    place = 12
    for _ in range(_CHUNKS):
        if place + 8 > len(raw):
            break
        size = raw[place + 4 : place + 8]
        if raw[place : place + 4] == b"data" and _is_unknown(size):
            sized[place + 4 : place + 8] = (len(raw) - place - 8).to_bytes(4, "little")
            break
        # Chunks begin at even places.
        place += 8 + (int.from_bytes(size, "little") + 1) // 2 * 2
    return bytes(sized)


def _is_unknown(size: bytes) -> bool:
    return not 0 < int.from_bytes(size, "little") < _UNKNOWN_BYTES
