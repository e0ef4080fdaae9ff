"""A user's own data: folders of pictures or sounds, one for each class, or arrays."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from picojoule._files import check_links
from picojoule.data.divide import check_classes, divided, warn_of_lacking, words
from picojoule.data.encoders.coding import unit
from picojoule.data.readers import arrays, images, wavs
from picojoule.data.readers.bad import Bad
from picojoule.data.readers.class_folders import layout
from picojoule.data.readers.formats import everything
from picojoule.data.readers.mono import at_rate
from picojoule.data.recordings import shape_of
from picojoule.data.schema import Dataset, Sizes
from picojoule.data.split import RawSplits, Split, Splits
from picojoule.data.store import cache
from picojoule.data.store.entry import stamp
from picojoule.data.waves import joined
from picojoule.data.zeros import Zeros
from picojoule.targets import target_of

# The share of the training items, if there is no validation split.
_VALIDATION_SHARE = 0.125
_CHUNK = 1 << 10


class Own(NamedTuple):
    """A user's own data.

    Attributes:
        dataset: What follows from them: classes, shape, rate, sizes, statistics.
        splits: The data; ``splits.fingerprint`` changes with their content.
    """

    dataset: Dataset
    splits: Splits


def load_own(
    path: str | Path,
    like: Dataset,
    *,
    size: int | None = None,
    skip_bad: bool = False,
    resample: bool = False,
) -> Own:
    """Reads a user's own data; they are kept in the cache, as those of ``load``.

    Args:
        path: A folder with one folder of files for each class, under ``train/``, ``test/`` and
            perhaps ``validation/``, or directly; a folder with ``train.npz``, ``test.npz`` and
            perhaps ``validation.npz``; or an ``.npz`` file (see ``arrays.read``). What is not
            divided is so by class: a fifth to test on, an eighth of the rest to choose on. What is
            to be learned is told from ``y`` of arrays (see ``Split``).
        like: A data set of the same modality; sounds in arrays without a rate have its.
        size: Pictures are scaled so that their shorter side has this many pixels, and cut to a
            square; None if all have one size.
        skip_bad: Leave out what cannot be read; each is logged.
        resample: Bring all sounds to the rate of ``like``, and mix several channels to one; how
            many are changed is logged. Else all must be mono, at one rate.

    Raises:
        ValueError: For data that are missing, malformed, or too few, and for a link that leads out
            of the folder; the message names the file.
    """
    place = Path(path).expanduser().resolve()
    if not place.exists():
        raise ValueError(f"there is no folder and no .npz file {place}")
    if place.is_file() and place.suffix != ".npz":
        raise ValueError(
            f"{place} is a file: expected a folder of data, or an .npz file of arrays x and y"
        )
    is_arrays = place.suffix == ".npz" or (place / "train.npz").exists()
    if like.modality == "events" and not is_arrays:
        raise ValueError(
            f"{place}: recorded events are read from .npz files: expected train.npz and test.npz"
        )

    if like.modality == "events" and skip_bad:
        raise ValueError(
            f"{place} has many items in each file, and none to leave out: drop --skip-bad"
        )

    def make(zeros: Zeros) -> cache.Content:
        bad = Bad(skip_bad, resample)
        read = _arrays if is_arrays else _pictures if like.modality == "image" else _sounds
        parts, facts = read(place, like, Reading(size, bad, zeros))
        kept = divided(parts, _VALIDATION_SHARE, str(place))
        check_classes(kept["train"], facts["labels"], str(place))
        bad.say(str(place))
        facts["division"] = words(parts)
        return cache.Content(kept, facts | _statistics(kept["train"], like))

    paths = [place] if place.is_file() else everything(place)
    check_links(place, paths)
    key = f"{stamp(paths)} {like.modality} {like.rate_hz} {size} {skip_bad} {resample}"
    entry = cache.kept(place.stem, f"{place} {like.modality}", key, make)
    splits = Splits(**entry.splits)
    warn_of_lacking(splits, entry.facts["labels"], str(place))
    return Own(_described(place, like, splits, entry.facts), splits)


class Reading(NamedTuple):
    """Settings for reading a user's own data."""

    size: int | None
    bad: Bad
    zeros: Zeros


Found = tuple[RawSplits, dict[str, Any]]


def _pictures(place: Path, like: Dataset, how: Reading) -> Found:
    found = layout(place, images.SUFFIXES)
    channels = images.channels([path for files in found.splits.values() for path in files.paths])
    read = {
        name: images.read(*files, channels=channels, size=how.size, bad=how.bad, zeros=how.zeros)
        for name, files in found.splits.items()
    }
    firsts = {name: files.paths[0] for name, files in found.splits.items()}
    return _parts(read, firsts), {"labels": found.labels}


def _sounds(place: Path, like: Dataset, how: Reading) -> Found:
    found = layout(place, wavs.SUFFIXES)
    rate_hz = like.rate_hz if how.bad.resample else None
    if rate_hz is None:
        rate_hz = wavs.first_rate([path for one in found.splits.values() for path in one.paths])
    read = {
        name: joined(wavs.sounds(*files, rate_hz=rate_hz, bad=how.bad), how.zeros)
        for name, files in found.splits.items()
    }
    return _parts(read), {"labels": found.labels, "rate_hz": rate_hz}


def _arrays(place: Path, like: Dataset, how: Reading) -> Found:
    files = {"all": place}
    if place.is_dir():
        files = {name: place / f"{name}.npz" for name in ("train", "validation", "test")}
        if not files["validation"].exists():
            del files["validation"]
    read, rates = {}, set()
    for name, file in files.items():
        read[name], rate_hz = arrays.read(file, like.modality, how.bad)
        if how.bad.resample and rate_hz and like.rate_hz and rate_hz != like.rate_hz:
            if target_of(read[name].y).each_step:
                raise ValueError(
                    f"{file}: y has a label for each step, which sounds at another rate may not "
                    f"have: bring them to {like.rate_hz} Hz yourself, and drop data.resample"
                )
            read[name] = at_rate(read[name], rate_hz, like.rate_hz, how.bad)
            rate_hz = like.rate_hz
        rates.add(rate_hz or like.rate_hz)
    if len(rates) > 1:
        raise ValueError(
            f"{place}: expected one rate in all files, found {sorted(rates)} Hz: "
            "resample them, or train with --set data.resample=true, which does so"
        )
    facts = {"labels": _outputs(read, files), "rate_hz": rates.pop()}
    return _parts(read, files), facts


def _outputs(read: Mapping[str, Split], files: Mapping[str, Path]) -> list[str]:
    """Returns the name of each class, or of each number to learn, told from the labels.

    Raises:
        ValueError: If classes are missing or unknown, or labels of splits differ in kind.
    """
    (first, train), *others = read.items()
    target = target_of(train.y)
    for name, split in others:
        if target_of(split.y) is not target or split.y.shape[1:] != train.y.shape[1:]:
            raise ValueError(
                f"{files[name]}: y is {list(split.y.shape)} {split.y.dtype}, where that of {first} "
                f"is {list(train.y.shape)} {train.y.dtype}, as in {files[first]}: make them alike"
            )
    if train.y.is_floating_point():
        numbers = target.outputs(train.y)
        return ["y"] if numbers == 1 else [f"y[{number}]" for number in range(numbers)]
    found = train.y[train.y >= 0]
    if not len(found):
        raise ValueError(f"{files[first]}: no step of any item has a label (all are -1)")
    classes, seen = target.outputs(train.y), len(found.unique())
    if seen < 2 or seen != classes:
        raise ValueError(
            f"{files[first]}: expected two or more classes 0, 1, ... with items of each to train "
            f"on, found {seen} of {classes}"
        )
    for name, split in others:
        if (highest := target.outputs(split.y) - 1) >= classes:
            raise ValueError(f"{files[name]}: expected labels 0 to {classes - 1}, found {highest}")
    return [str(number) for number in range(classes)]


def _parts(read: dict[str, Split], files: Mapping[str, Path] | None = None) -> RawSplits:
    """Checks that all splits have items of one shape; an error names a file of each."""
    shapes = {name: shape_of(read[name]) for name in files or ()}
    first, *others = shapes or [""]
    for name in others:
        if files and shapes[name] != shapes[first]:
            raise ValueError(
                f"{files[name]}: the items of {name} have the shape {shapes[name]}, where those of "
                f"{first} have {shapes[first]}, as {files[first]}: make them alike (pictures in "
                "folders: set data.size to have it done)"
            )
    if "all" in read:
        return RawSplits(read["all"], None, None)
    return RawSplits(read["train"], read.get("validation"), read["test"])


def _statistics(train: cache.Selection, like: Dataset) -> dict[str, Any]:
    """Computes mean and standard deviation of each channel of the training images in 0..1."""
    split, index = train
    if like.modality != "image":
        return {}
    index = torch.arange(len(split)) if index is None else index
    total = torch.zeros(2, split.x.shape[1], dtype=torch.float64)
    for some in index.split(_CHUNK):
        pixels = unit(split.x[some]).double()
        total[0] += pixels.sum((0, 2, 3))
        total[1] += pixels.square().sum((0, 2, 3))
    mean, square = total / (len(index) * split.x[0, 0].numel())
    std = (square - mean.square()).clamp(min=0).sqrt()
    # A channel without any difference is left as it is.
    return {
        "mean": [round(value, 4) for value in mean.tolist()],
        "std": [round(value, 4) or 1.0 for value in std.tolist()],
    }


def _described(place: Path, like: Dataset, splits: Splits, facts: Mapping[str, Any]) -> Dataset:
    return dataclasses.replace(
        like,
        name=str(place),
        description=f"{like.modality} data in {place}",
        files=(),
        folder="",
        marker="",
        page=None,
        licence="",
        citation="",
        labels=tuple(facts["labels"]),
        inputs=shape_of(splits.train),
        sizes=Sizes(len(splits.train), len(splits.validation), len(splits.test)),
        mean=tuple(facts["mean"]) if "mean" in facts else None,
        std=tuple(facts["std"]) if "std" in facts else None,
        rate_hz=facts.get("rate_hz"),
        speakers=(),
        splits=None,
        division=facts.get("division", ""),
    )
