"""Recordings by class, speaker and take, one file each, as in the Free Spoken Digit Dataset.

A file is called ``{class}_{speaker}_{take}.wav``, with classes and takes as numbers from 0.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from picojoule.data.readers import wavs
from picojoule.data.readers.bad import Bad
from picojoule.data.schema import Dataset
from picojoule.data.split import RawSplits
from picojoule.data.waves import joined
from picojoule.data.zeros import Zeros

# Recordings that a description may announce: each is looked for.
_MOST = 1_000_000


class Utterance(NamedTuple):
    """Recording: its file, class and speaker, and ``take``, which decides the split."""

    file: str
    label: int
    speaker: str
    take: int


def takes(dataset: Dataset) -> tuple[int, int, int]:
    """Returns where the takes of the test split end, those of the validation split, and all.

    The sizes of the splits tell: each has every class of every speaker equally often.

    Raises:
        ValueError: If they do not.
    """
    each = dataset.classes * len(dataset.speakers)
    if not each or any(size % each for size in dataset.sizes):
        raise ValueError(
            f"{dataset.name}: expected sizes that are multiples of {dataset.classes} classes x "
            f"{len(dataset.speakers)} speakers, got {tuple(dataset.sizes)}"
        )
    if sum(dataset.sizes) > _MOST:
        raise ValueError(f"{dataset.name}: expected {_MOST:,} recordings at most, one file each")
    train, validation, test = (size // each for size in dataset.sizes)
    return test, test + validation, test + validation + train


def utterances(dataset: Dataset) -> Iterator[Utterance]:
    """Yields all recordings by take, then class, then speaker, so that any prefix is balanced."""
    for take in range(takes(dataset)[-1]):
        for label in range(dataset.classes):
            for speaker in dataset.speakers:
                yield Utterance(f"{label}_{speaker}_{take}.wav", label, speaker, take)


def files(folder: Path, dataset: Dataset) -> list[Path]:
    """Returns the files that the content depends on."""
    return [folder / utterance.file for utterance in utterances(dataset)]


def digest(waves: Iterable[Tensor]) -> str:
    """Returns the sha256 of all samples, end to end, as 16-bit little-endian numbers."""
    total = hashlib.sha256()
    for wave in waves:
        total.update(wave.numpy().astype("<i2").tobytes())
    return total.hexdigest()


def read_all(folder: Path, dataset: Dataset, bad: Bad) -> list[tuple[Utterance, Tensor]]:
    """Reads the recordings in their order, with the samples of each, ``[S]`` int16.

    Files of other names are counted and not read: a later release of ``fsdd`` with more speakers
    gives the same 3,000.

    Raises:
        ValueError: For a missing, truncated or foreign recording that ``bad`` does not leave out;
            the message names it.
    """
    rate_hz = wavs.rate_of(dataset)
    names, there = {one.file for one in utterances(dataset)}, {one.name for one in folder.iterdir()}
    others = sum(name.endswith(".wav") for name in there - names)
    bad.note("recordings are of other names: they were not read", others, len(names) + others)
    return list(
        bad.each(utterances(dataset), lambda one: wavs.read_wav(folder / one.file, rate_hz, bad))
    )


def read(
    folder: Path,
    dataset: Dataset,
    *,
    bad: Bad,
    zeros: Zeros = np.zeros,
    hold_out: str | None = None,
) -> RawSplits:
    """Reads the three splits as waveforms: the first takes to test on, the next to choose on.

    Args:
        folder: Holds the recordings.
        dataset: Its description; ``sizes`` tells how many takes there are of each split.
        bad: The rule for a recording that cannot be read.
        zeros: Not asked: the recordings are in memory to be checked.
        hold_out: One of the speakers, whose recordings are the test set. The validation set is then
            that of the other speakers; what else there is of them is trained on.

    Shape:
        ``x`` ``Waves`` of int16; ``lengths`` ``[N]`` in samples.

    Raises:
        ValueError: For a damaged or foreign recording; the message names it, or the folder.
    """
    del zeros
    items = read_all(folder, dataset, bad)
    waves = [wave for _, wave in items]
    for file in dataset.files[:1]:
        file.check(digest(waves), sum(2 * len(wave) for wave in waves), folder)
    after_test, after_validation, _ = takes(dataset)
    splits = {"train": [], "validation": [], "test": []}
    for utterance, wave in items:
        is_test = utterance.take < after_test
        if hold_out is not None:
            is_test = utterance.speaker == hold_out
        is_chosen_on = after_test <= utterance.take < after_validation
        name = "test" if is_test else "validation" if is_chosen_on else "train"
        splits[name].append((utterance, wave))
    for name, split in splits.items():
        if not split:
            raise ValueError(f"{folder} has no recording that can be read for {name}")
    train, validation, test = (
        joined((wave.numpy(), utterance.label) for utterance, wave in split)
        for split in splits.values()
    )
    return RawSplits(train, validation, test)
