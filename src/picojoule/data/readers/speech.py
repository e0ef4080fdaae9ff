"""Speech Commands: a folder of wavs for each word, and lists of which are for what."""

import hashlib
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from picojoule._files import RECORD_BYTES, text
from picojoule.data.readers import wavs
from picojoule.data.readers.bad import Bad
from picojoule.data.schema import Dataset
from picojoule.data.split import RawSplits
from picojoule.data.waves import joined
from picojoule.data.zeros import Zeros

NOISE = "_background_noise_"
_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
_NO_CLASS = "recordings are of words that are no class: they were not read"
# Of the words of a split, as many unknown ones and as many silences: those of the published task.
_SHARE = 0.1
# Which part of each recording of noise a split's silences are cut out of.
_SPAN = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}


def read(folder: Path, dataset: Dataset, *, bad: Bad, zeros: Zeros = np.zeros) -> RawSplits:
    """Reads the recordings, divided by the publisher's lists.

    If the labels have ``unknown`` and ``silence``, each split has as many of either as a tenth of
    its words, rounded up. The unknown ones are those recordings of all other words whose names have
    the lowest sha256 sums, so that speakers and words are mixed. Silences are one second each, cut
    at even distances out of the recordings of background noise, one after another: out of the first
    80 % of each for training, out of the next and the last 10 % for validation and test.

    Args:
        folder: Holds a folder for each word, and the two lists.
        dataset: Its description; its labels are words, and perhaps ``unknown`` and ``silence``.
        bad: The rule for a recording that cannot be read.
        zeros: Makes the arrays, as ``np.zeros`` does.

    Shape:
        ``x`` ``Waves`` of int16; ``lengths`` ``[N]`` in samples.

    Raises:
        ValueError: For a list or a word that is missing, and what ``bad`` does not leave out; the
            message names it.
    """
    labels, rate_hz = dataset.labels, wavs.rate_of(dataset)
    words = [label for label in labels if label not in ("unknown", "silence")]
    divided = _divided(folder, words)
    noise = _noise(folder, rate_hz, bad) if "silence" in labels else []
    splits = {}
    for name, names in divided.items():
        chosen = [(word, file) for word, file in names if word in words]
        if "unknown" in labels:
            others = [pair for pair in names if pair[0] not in words]
            others.sort(key=lambda pair: hashlib.sha256("/".join(pair).encode()).digest())
            chosen += others[: math.ceil(_SHARE * len(chosen))]
        bad.note(_NO_CLASS, len(names) - len(chosen), len(names))
        sounds = wavs.sounds(
            [folder / word / file for word, file in chosen],
            [labels.index(word if word in words else "unknown") for word, _ in chosen],
            rate_hz=rate_hz,
            bad=bad,
        )
        count = math.ceil(_SHARE * sum(word in words for word, _ in chosen)) if noise else 0
        silences = _silences(noise, _SPAN[name], count, rate_hz)
        silent = ((silence, labels.index("silence")) for silence in silences)
        splits[name] = joined(itertools.chain(sounds, silent), zeros)
    return RawSplits(splits["train"], splits["validation"], splits["test"])


def _divided(folder: Path, words: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Returns word and file name of each recording of each split, in order."""
    listed = {name: _list(folder / file) for name, file in _LISTS.items()}
    both = listed["validation"] & listed["test"]
    if both:
        raise ValueError(f"{folder}: {'/'.join(min(both))} is in the list to validate and to test")
    for word in sorted({*words, *(word for names in listed.values() for word, _ in names)}):
        if not (folder / word).is_dir():
            raise ValueError(f"there is no folder {folder / word}")
    every = {
        (place.name, file.name)
        for place in folder.iterdir()
        if place.is_dir() and not place.name.startswith(("_", "."))
        for file in place.iterdir()
        if not file.name.startswith(".")
    }
    train = every - listed["validation"] - listed["test"]
    return {"train": sorted(train)} | {name: sorted(listed[name]) for name in listed}


def _list(path: Path) -> set[tuple[str, str]]:
    pairs = {tuple(line.split("/")) for line in text(path, RECORD_BYTES).split()}
    for pair in pairs:
        if len(pair) != 2 or {"", ".", ".."} & set(pair):
            raise ValueError(f"{path}: expected lines such as bed/0a7c.wav, got {'/'.join(pair)}")
    if not pairs:
        raise ValueError(f"{path} is empty")
    return pairs  # pyright: ignore[reportReturnType]


def _noise(folder: Path, rate_hz: int, bad: Bad) -> list[np.ndarray]:
    files = sorted((folder / NOISE).glob("[!.]*.wav"))
    read = bad.each(files, lambda file: wavs.read_wav(file, rate_hz, bad).numpy())
    found = [wave for _, wave in read]
    if not found:
        raise ValueError(f"{folder / NOISE} has no recording of noise to take silence from")
    return found


def _silences(
    noise: Sequence[np.ndarray], span: tuple[float, float], count: int, rate_hz: int
) -> np.ndarray:
    """Cuts silences of one second each, ``[count, rate_hz]`` int16."""
    out = np.zeros((count, rate_hz), np.int16)
    for number, wave in enumerate(noise):
        rows = out[number :: len(noise)]
        first, last = (round(share * len(wave)) for share in span)
        starts = np.linspace(first, max(first, last - rate_hz), len(rows)).astype(int)
        for row, start in zip(rows, starts, strict=True):
            piece = wave[start : min(start + rate_hz, last)]
            row[: len(piece)] = piece
    return out
