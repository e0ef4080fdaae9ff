"""The Free Spoken Digit Dataset: one file per recording, ``{digit}_{speaker}_{take}.wav``."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.data.readers.bad import Bad
from picojoule.data.readers.wavs import read_wav
from picojoule.data.sets.schema import Dataset
from picojoule.data.split import Parts, Split

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TAKES = 50
FOLDER = Path("free-spoken-digit-dataset") / "recordings"

# Official: takes 0-4 are the test set. The next five are the validation set: like the test set they
# hold every digit of every speaker five times.
_TEST_TAKES = range(0, 5)
_VALIDATION_TAKES = range(5, 10)


class Recording(NamedTuple):
    """A file name, what is said by whom, and ``take``, which decides the split."""

    file: str
    digit: int
    speaker: str
    take: int


def recordings() -> Iterator[Recording]:
    """All 3,000, by take, then digit, then speaker, so that any prefix is balanced."""
    for take in range(TAKES):
        for digit in range(10):
            for speaker in SPEAKERS:
                yield Recording(f"{digit}_{speaker}_{take}.wav", digit, speaker, take)


def find(data_dir: Path) -> Path | None:
    """The folder of recordings: at its place, ``recordings`` or the data folder; else None."""
    first = next(recordings()).file
    for candidate in (data_dir / FOLDER, data_dir / "recordings", data_dir):
        if (candidate / first).is_file():
            return candidate
    return None


def digest(waves: Iterable[Tensor]) -> str:
    """The sha256 of all samples, end to end, as 16-bit little-endian numbers."""
    total = hashlib.sha256()
    for wave in waves:
        total.update(wave.numpy().astype("<i2").tobytes())
    return total.hexdigest()


def read_all(folder: Path, bad: Bad) -> list[tuple[Recording, Tensor]]:
    """The recordings in their order, with the samples of each, ``[S]`` int16.

    Files of other names are not looked at: a later release with more speakers gives the same 3,000.

    Raises:
        ValueError: For a missing, truncated or foreign recording that ``bad`` does not leave out;
            the message names it.
    """
    items = []
    for recording in recordings():
        try:
            items.append((recording, read_wav(folder / recording.file)))
        except ValueError as error:
            bad.met(error)
    return items


def read(folder: Path, dataset: Dataset, bad: Bad, hold_out: str | None = None) -> Parts:
    """The three splits as waveforms.

    Args:
        folder: Holds the recordings.
        dataset: What they must be.
        bad: What becomes of a recording that cannot be read.
        hold_out: One of ``SPEAKERS``, whose recordings are the test set. The validation set is then
            that of the other speakers; what else there is of them is trained on.

    Shape:
        ``x`` ``[N, S]`` int16, zero after the end of each; ``lengths`` ``[N]`` in samples.

    Raises:
        ValueError: For a damaged or foreign recording; the message names it, or the folder.
    """
    items = read_all(folder, bad)
    waves = [wave for _, wave in items]
    dataset.files[0].check(digest(waves), sum(2 * len(wave) for wave in waves), folder)
    parts = {"train": [], "validation": [], "test": []}
    for recording, wave in items:
        is_test = recording.take in _TEST_TAKES
        if hold_out is not None:
            is_test = recording.speaker == hold_out
        is_chosen_on = recording.take in _VALIDATION_TAKES
        part = "test" if is_test else "validation" if is_chosen_on else "train"
        parts[part].append((recording, wave))
    for name, part in parts.items():
        if not part:
            raise ValueError(f"{folder} has no recording that can be read for {name}")
    train, validation, test = map(_split, parts.values())
    return Parts(train, validation, test)


def _split(items: list[tuple[Recording, Tensor]]) -> Split:
    lengths = torch.tensor([len(wave) for _, wave in items])
    x = torch.zeros(len(items), int(lengths.max()), dtype=torch.int16)
    for row, (_, wave) in zip(x, items, strict=True):
        row[: len(wave)] = wave
    return Split(x, torch.tensor([recording.digit for recording, _ in items]), lengths)
