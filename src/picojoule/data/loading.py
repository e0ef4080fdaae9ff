"""A named data set, read and divided in three."""

import hashlib
import logging
import os
import shlex
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from picojoule.data.divide import check_classes, divided, warn_of_lacking
from picojoule.data.readers.bad import Bad
from picojoule.data.readers.formats import FORMATS, Source, source
from picojoule.data.schema import Dataset
from picojoule.data.sets.named import DATASETS
from picojoule.data.sets.named import dataset as named
from picojoule.data.split import Split, Splits
from picojoule.data.split import hold_out as divide
from picojoule.data.store import cache
from picojoule.data.store.entry import stamp
from picojoule.data.zeros import Zeros

logger = logging.getLogger(__name__)

VARIABLE = "PICOJOULE_DATA"


def load(
    name: str | Path,
    data_dir: str | Path | None = None,
    *,
    hold_out: str | None = None,
    skip_bad: bool = False,
    resample: bool = False,
) -> Splits:
    """Reads a named data set once; it is kept in the cache and mapped into memory from there.

    The test split is the publisher's own (of ``digits``, which has none, a fixed fifth; of
    ``imagenet``, whose labels are not public, its validation set). If the publisher has no
    validation split, it is held out of the training items, the same whatever the seed of a run, and
    holds the classes in the proportion of the whole.

    Args:
        name: One of ``DATASETS``, or the path of a user's own TOML file.
        data_dir: The folder that holds the data; by default that named by the environment variable
            ``PICOJOULE_DATA``. ``digits`` needs none.
        hold_out: A speaker whose recordings are the test set, in place of the publisher's (``fsdd``
            alone).
        skip_bad: Leave out recordings and pictures that cannot be read; each is logged.
        resample: Bring sounds to the data set's rate and mix several channels to one, instead of
            refusing others; how many are changed is logged.

    Returns:
        The splits; ``x`` is ``[N, C, H, W]`` uint8 of images (``digits``: float32 in 0..1),
        ``Waves`` of sounds, with ``lengths`` in samples, or ``EventLists``.

    Raises:
        ValueError: For an unknown name, for data that are missing, damaged or truncated (the
            message names the file and the command that fetches it), and for ``skip_bad`` if many
            items are one file.

    Example:
        >>> splits = load("digits")
        >>> splits.train.x.shape
        torch.Size([1237, 1, 8, 8])
    """
    dataset = named(name)
    if hold_out is not None and hold_out not in dataset.speakers:
        who = f"it has {', '.join(dataset.speakers)}" if dataset.speakers else "it names none"
        raise ValueError(f"{dataset.name} has no speaker '{hold_out}' to hold out: {who}")
    is_bundled = dataset.format == "bundled"
    if skip_bad and (is_bundled or not FORMATS[dataset.format].by_item):
        raise ValueError(
            f"{dataset.name} has many items in each file, and none to leave out: drop --skip-bad"
        )
    if is_bundled:
        return _digits(dataset)
    folder = _folder(dataset, data_dir)
    found = source(folder, dataset, hold_out)
    if found is None:
        raise ValueError(f"no {dataset.name} in {folder}: {remedy(dataset, folder)}")
    try:
        splits = _kept(found, dataset, hold_out, Bad(skip_bad, resample))
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{error}: {remedy(dataset, folder, again=True)}") from error
    sizes = tuple(map(len, (splits.train, splits.validation, splits.test)))
    same = sizes == dataset.sizes if hold_out is None else sum(sizes) == sum(dataset.sizes)
    if not same:
        logger.warning(
            "%s has %s items (training, validation, test), where %s were published: results do not "
            "compare",
            dataset.name,
            " + ".join(map(str, sizes)),
            " + ".join(map(str, dataset.sizes)),
        )
    warn_of_lacking(splits, dataset.labels, dataset.name)
    return splits


def remedy(dataset: Dataset, data_dir: Path | None, *, again: bool = False) -> str:
    """Returns advice on how to get a data set, or to get it again."""
    folder = Path("DIR" if data_dir is None else data_dir)
    if not any(file.url for file in dataset.files) and dataset.page is None:
        return f"put it at {folder / dataset.folder}"
    if not dataset.files:
        return f"get it from {dataset.page}, so that there is {folder / dataset.folder}"
    typed = command(dataset, data_dir) + (" --again" if again else "")
    if dataset.page is not None:
        archive = folder / dataset.files[0].path
        return f"get {archive.name} from {dataset.page}, put it at {archive}, and type `{typed}`"
    return f"fetch it{' again' if again else ''} with `{typed}`"


def command(dataset: Dataset, data_dir: Path | None) -> str:
    """Returns the command that fetches a data set; FILE stands for a user's own description."""
    name = dataset.name if DATASETS.get(dataset.name) == dataset else "FILE"
    folder = "DIR" if data_dir is None else shlex.quote(str(data_dir))
    return f"pj data get {name} --data-dir {folder}"


def _folder(dataset: Dataset, data_dir: str | Path | None) -> Path:
    chosen = data_dir if data_dir is not None else os.environ.get(VARIABLE)
    if not chosen:
        raise ValueError(
            f"{dataset.name} is read from a data folder, and none is named: say data_dir "
            f"(--data-dir DIR) or set {VARIABLE}; {remedy(dataset, None)}"
        )
    return Path(chosen).expanduser()


def _kept(source: Source, dataset: Dataset, hold_out: str | None, bad: Bad) -> Splits:
    where = f"{dataset.name} in {source.folder}"

    def make(zeros: Zeros) -> cache.Content:
        parts = source.read(bad, zeros)
        found = divided(parts, _share(dataset), where)
        # A part of a data set may lack a class, but not because of what was left out.
        if bad.items:
            check_classes(found["train"], dataset.labels[: parts.classes], where)
        bad.say(dataset.name)
        return cache.Content(found)

    # A user may change a description, or give it the name of a data set that comes with picojoule.
    described = hashlib.sha256(repr(dataset).encode()).hexdigest()
    key = f"{stamp(source.paths)} {bad.skip} {bad.resample} {described}"
    place = f"{source.folder.resolve()} {dataset.name} {hold_out or ''}"
    return Splits(**cache.kept(dataset.name, place, key, make).splits)


def _share(dataset: Dataset) -> float:
    return dataset.sizes.validation / (dataset.sizes.train + dataset.sizes.validation)


def _digits(dataset: Dataset) -> Splits:
    package = find_spec("sklearn")  # not imported, which takes longer than to train for an epoch
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    table = torch.from_numpy(np.loadtxt(file, dtype=np.float32, delimiter=","))
    whole = Split(table[:, :-1].reshape(-1, *dataset.inputs) / 16, table[:, -1].long())
    rest, test = divide(whole.y, dataset.sizes.test)
    seen = whole.at(rest)
    train, validation = divide(seen.y, dataset.sizes.validation)
    return Splits(seen.at(train), seen.at(validation), whole.at(test))
