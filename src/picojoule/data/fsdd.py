"""The Free Spoken Digit Dataset: one file per recording, ``{digit}_{speaker}_{take}.wav``."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import soundfile
import torch
from torch import Tensor

from picojoule.data.record import Dataset
from picojoule.data.split import Split, Splits

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TAKES = 50
FOLDER = Path("free-spoken-digit-dataset") / "recordings"

# Official: takes 0-4 are the test set. The next five are the validation set: like the test set they
# hold every digit of every speaker five times.
_TEST_TAKES = range(0, 5)
_VALIDATION_TAKES = range(5, 10)


class Recording(NamedTuple):
    """A file name, ``digit``, and ``take``, which decides the split."""

    file: str
    digit: int
    take: int


def recordings() -> Iterator[Recording]:
    """All 3,000, by take, then digit, then speaker, so that any prefix is balanced."""
    for take in range(TAKES):
        for digit in range(10):
            for speaker in SPEAKERS:
                yield Recording(f"{digit}_{speaker}_{take}.wav", digit, take)


def find(data_dir: Path) -> Path | None:
    """The folder of recordings: at its place, ``recordings`` or the data folder; else None."""
    first = next(recordings()).file
    for candidate in (data_dir / FOLDER, data_dir / "recordings", data_dir):
        if (candidate / first).is_file():
            return candidate
    return None


def read_wav(path: Path, rate_hz: int = 8_000) -> Tensor:
    """The samples of a mono 16-bit wav file.

    Args:
        path: The file.
        rate_hz: Samples per second that it must have.

    Shape:
        ``[S]`` int16.

    Raises:
        ValueError: For a file that is missing, truncated, no wav file, of another rate or with
            several channels; the message names it.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"there is no recording {path}") from error
    announced = int.from_bytes(raw[4:8], "little") + 8
    if raw[:4] == b"RIFF" and len(raw) < announced:
        raise ValueError(f"{path} is truncated: it has {len(raw)} of {announced} bytes")
    try:
        samples, rate = soundfile.read(io.BytesIO(raw), dtype="int16")
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} is no wav file that can be read: {error.error_string}") from error
    if rate != rate_hz or samples.ndim != 1:
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        raise ValueError(
            f"{path}: expected mono at {rate_hz} Hz, found {channels} channel(s) at {rate} Hz"
        )
    return torch.from_numpy(samples)


def read_all(folder: Path) -> list[Tensor]:
    """The samples of all recordings in the order of ``recordings()``, ``[S]`` int16 each.

    Files of other names are not looked at: a later release with more speakers gives the same 3,000.

    Raises:
        ValueError: For a missing, truncated or foreign recording; the message names it.
    """
    return [read_wav(folder / recording.file) for recording in recordings()]


def digest(waves: list[Tensor]) -> str:
    """The sha256 of all samples, end to end, as 16-bit little-endian numbers."""
    total = hashlib.sha256()
    for wave in waves:
        total.update(wave.numpy().astype("<i2").tobytes())
    return total.hexdigest()


def read(data_dir: Path, dataset: Dataset) -> Splits | None:
    """The three splits as waveforms, or None where the data folder has no recordings.

    Shape:
        ``x`` ``[N, S]`` float32 in -1..1, zero after the end of each; ``lengths`` ``[N]`` in
        samples.

    Raises:
        ValueError: For a missing, damaged or foreign recording; the message names it, or the
            folder.
    """
    folder = find(data_dir)
    if folder is None:
        return None
    waves = read_all(folder)
    dataset.files[0].check(digest(waves), sum(2 * len(wave) for wave in waves), folder)
    items = list(zip(recordings(), waves, strict=True))
    test = [item for item in items if item[0].take in _TEST_TAKES]
    validation = [item for item in items if item[0].take in _VALIDATION_TAKES]
    train = [item for item in items if item[0].take >= _VALIDATION_TAKES.stop]
    return Splits(_split(train), _split(validation), _split(test))


def _split(items: list[tuple[Recording, Tensor]]) -> Split:
    lengths = torch.tensor([len(wave) for _, wave in items])
    x = torch.zeros(len(items), int(lengths.max()))
    for row, (_, wave) in zip(x, items, strict=True):
        row[: len(wave)] = wave.float() / 32_768
    return Split(x, torch.tensor([recording.digit for recording, _ in items]), lengths)
