"""The Free Spoken Digit Dataset: one file per recording, ``{digit}_{speaker}_{take}.wav``."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.data.record import Dataset
from picojoule.data.split import Parts, Split, Splits
from picojoule.data.wavs import read_wav

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


def read(folder: Path, dataset: Dataset) -> Parts:
    """The three splits as waveforms.

    Shape:
        ``x`` ``[N, S]`` int16, zero after the end of each; ``lengths`` ``[N]`` in samples.

    Raises:
        ValueError: For a missing, damaged or foreign recording; the message names it, or the
            folder.
    """
    waves = read_all(folder)
    dataset.files[0].check(digest(waves), sum(2 * len(wave) for wave in waves), folder)
    items = list(zip(recordings(), waves, strict=True))
    test = [item for item in items if item[0].take in _TEST_TAKES]
    validation = [item for item in items if item[0].take in _VALIDATION_TAKES]
    train = [item for item in items if item[0].take >= _VALIDATION_TAKES.stop]
    return Parts(_split(train), _split(validation), _split(test))


def held_out(splits: Splits, speaker: str) -> Splits:
    """The same recordings with all of one speaker as the test set.

    The validation set is that of the other speakers; what else there is of them is trained on.

    Args:
        splits: As the publisher divides them.
        speaker: One of ``SPEAKERS``.
    """
    # The speakers take turns, see ``recordings``.
    number = SPEAKERS.index(speaker)
    parts = (splits.test, splits.validation, splits.train)
    is_theirs = [torch.arange(len(part)) % len(SPEAKERS) == number for part in parts]
    theirs = [part.at(mask.nonzero()[:, 0]) for part, mask in zip(parts, is_theirs, strict=True)]
    test, validation, train = (
        part.at((~mask).nonzero()[:, 0]) for part, mask in zip(parts, is_theirs, strict=True)
    )
    divided = Splits(_joined([test, train]), validation, _joined(theirs))
    known = splits.fingerprint
    if not known:
        return divided
    parts = {"train": divided.train, "validation": validation, "test": divided.test}
    return Splits(
        **{
            name: replace(part, fingerprint=f"{known} {name} without {speaker}")
            for name, part in parts.items()
        }
    )


def _split(items: list[tuple[Recording, Tensor]]) -> Split:
    lengths = torch.tensor([len(wave) for _, wave in items])
    x = torch.zeros(len(items), int(lengths.max()), dtype=torch.int16)
    for row, (_, wave) in zip(x, items, strict=True):
        row[: len(wave)] = wave
    return Split(x, torch.tensor([recording.digit for recording, _ in items]), lengths)


def _joined(parts: list[Split]) -> Split:
    x = torch.zeros(sum(map(len, parts)), max(part.x.shape[1] for part in parts))
    lengths = torch.cat([part.lengths for part in parts if part.lengths is not None])
    first = 0
    for part in parts:
        x[first : first + len(part), : part.x.shape[1]] = part.x
        first += len(part)
    return Split(x, torch.cat([part.y for part in parts]), lengths)
