"""A named data set, read and divided in three."""

import os
import shlex
from pathlib import Path

import torch

from picojoule.data import fsdd, idx
from picojoule.data.record import Dataset
from picojoule.data.registry import dataset as named
from picojoule.data.split import Split, Splits, hold_out

VARIABLE = "PICOJOULE_DATA"


def load(name: str, data_dir: str | Path | None = None) -> Splits:
    """Reads a named data set.

    The test split is the publisher's own (of ``digits``, which has none, a fixed fifth). The
    validation split is held out of the training items, the same whatever the seed of a run, and
    holds the classes in the proportion of the whole.

    Args:
        name: One of ``DATASETS``.
        data_dir: The folder that holds the data; by default that named by the environment variable
            ``PICOJOULE_DATA``. ``digits`` needs none.

    Returns:
        The splits; ``x`` is ``[N, 1, 8, 8]`` float32 in 0..1 (``digits``), ``[N, 1, 28, 28]`` uint8
        (``mnist``, ``fashion-mnist``) or ``[N, S]`` float32 in -1..1 (``fsdd``, with ``lengths`` in
        samples).

    Raises:
        ValueError: For an unknown name, and for data that are missing, damaged or truncated; the
            message names the file and the command that fetches it.

    Example:
        >>> splits = load("digits")
        >>> splits.train.x.shape
        torch.Size([1237, 1, 8, 8])
    """
    dataset = named(name)
    if dataset.format == "bundled":
        return _digits(dataset)
    folder = _folder(dataset, data_dir)
    remedy = f"fetch it with `{command(dataset, folder)}`"
    try:
        splits = fsdd.read(folder, dataset) if dataset.format == "wav" else _images(folder, dataset)
    except ValueError as error:
        raise ValueError(f"{error}: {remedy}") from error
    if splits is None:
        raise ValueError(f"no {dataset.name} in {folder}: {remedy}")
    return splits


def command(dataset: Dataset, data_dir: Path | None) -> str:
    """What to type to fetch a data set."""
    folder = "DIR" if data_dir is None else shlex.quote(str(data_dir))
    return f"pj data get {dataset.name} --data-dir {folder}"


def _folder(dataset: Dataset, data_dir: str | Path | None) -> Path:
    chosen = data_dir if data_dir is not None else os.environ.get(VARIABLE)
    if not chosen:
        raise ValueError(
            f"{dataset.name} is read from a data folder, and none is named: say data_dir "
            f"(--data-dir DIR) or set {VARIABLE}; `{command(dataset, None)}` fetches it"
        )
    return Path(chosen).expanduser()


def _images(folder: Path, dataset: Dataset) -> Splits | None:
    parts = idx.read(folder, dataset)
    if parts is None:
        return None
    train, test = parts
    share = dataset.sizes.validation / (dataset.sizes.train + dataset.sizes.validation)
    rest, held = hold_out(train.y, round(share * len(train)))
    return Splits(train.at(rest), train.at(held), test)


def _digits(dataset: Dataset) -> Splits:
    from sklearn.datasets import load_digits  # half a second: not at import

    images, labels = load_digits(return_X_y=True)
    whole = Split(
        torch.from_numpy(images).float().view(-1, *dataset.inputs) / 16,
        torch.from_numpy(labels).long(),
    )
    rest, test = hold_out(whole.y, dataset.sizes.test)
    seen = whole.at(rest)
    train, validation = hold_out(seen.y, dataset.sizes.validation)
    return Splits(seen.at(train), seen.at(validation), whole.at(test))
