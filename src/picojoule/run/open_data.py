"""Opens the data of a run: a named data set, or the user's own."""

import dataclasses
import inspect
import logging
from pathlib import Path

import torch

from picojoule.data import ENCODERS, Dataset, Own, Split, Splits, dataset, hold_out, load, load_own
from picojoule.readout import EACH
from picojoule.recipe import Recipe
from picojoule.recipe.data_table import DataTable, FoundTable
from picojoule.targets import target_of

logger = logging.getLogger(__name__)


def open_data(
    recipe: Recipe, data_dir: str | Path | None = None, folder: str | Path | None = None
) -> tuple[Recipe, Splits]:
    """Loads the data of a recipe.

    Args:
        recipe: The recipe of a new run, or of one whose data were opened before.
        data_dir: Folder of the named data sets.
        folder: Folder of the user's own data, if it is not that of the recipe.

    Returns:
        The recipe and the data. If the data are the user's own, the recipe says what was found in
        them, and its encoder normalises by their statistics.

    Raises:
        ValueError: If the data are missing or malformed, or not those the run was started with.
    """
    table = recipe.data
    if table.folder is None:
        if folder is not None:
            raise ValueError(f"the run is on {table.name}, not on data of your own: say --data-dir")
        found = load(
            table.name,
            data_dir,
            hold_out=table.hold_out,
            skip_bad=table.skip_bad,
            resample=table.resample,
        )
        return _fitted(recipe, found), _limited(found, table.limit)
    place = folder or table.folder
    own = _own(table, place)
    now = FoundTable(
        fingerprint=own.splits.fingerprint,
        labels=list(own.dataset.labels),
        inputs=list(own.dataset.inputs),
        rate_hz=own.dataset.rate_hz,
    )
    if table.found is None:
        sizes = " + ".join(f"{size:,}" for size in own.dataset.sizes)
        logger.info(
            "%s: %s items (training, validation, test), divided %s; labels are of a %s",
            place,
            sizes,
            own.dataset.division,
            target_of(own.splits.train.y),
        )
        noted = _noted(recipe, now, own.dataset)
        return _fitted(noted, own.splits), _limited(own.splits, table.limit)
    if now != table.found:
        changed = [name for name, value in now if value != getattr(table.found, name)]
        raise ValueError(
            f"the data in {place} are not those that the run was started with (other "
            f"{', '.join(changed)}): start a new run, or say --data where they are"
        )
    return recipe, _limited(own.splits, table.limit)


def _fitted(recipe: Recipe, splits: Splits) -> Recipe:
    """Returns a recipe with a readout that fits what is learned, as the labels tell it.

    Raises:
        ValueError: If encoder, readout or measure do not fit the labels.
    """
    target, train = target_of(splits.train.y), recipe.train
    target.check_measure(train.choose)
    for split in (splits.train, splits.validation, splits.test):
        recipe.data.make_encoder().check_labels(split)
    if target.each_step == (train.readout == EACH):
        return recipe
    if not target.each_step:
        raise ValueError(
            f"train.readout = '{EACH}' is for labels per step, and these are one for each item: "
            "choose another one, such as 'mean'"
        )
    logger.warning("labels are per step: the readout '%s' becomes '%s'", train.readout, EACH)
    return recipe.model_copy(update={"train": train.model_copy(update={"readout": EACH})})


def _own(table: DataTable, place: str | Path) -> Own:
    """Reads a user's own data in the way that a recipe says."""
    return load_own(
        place,
        dataset(table.name),
        size=table.size,
        skip_bad=table.skip_bad,
        resample=table.resample,
    )


def _limited(splits: Splits, limit: int | None) -> Splits:
    """Leaves at most ``limit`` items to train on, as ``hold_out`` divides them.

    Raises:
        ValueError: If there are more classes.
    """
    train = splits.train
    if limit is None:
        return splits
    if limit >= len(train):
        if limit > len(train):
            logger.warning("data.limit=%d leaves out none of %d items", limit, len(train))
        return splits
    classes = len(target_of(train.y).strata(train.y).unique())
    if limit < classes:
        raise ValueError(f"data.limit={limit} leaves classes out: set it to {classes} at least")
    part = train.at(hold_out(train.y, limit)[1])
    logger.warning("%d of %d items are trained on (data.limit)", limit, len(train))
    # What an encoder makes of it is kept by its fingerprint.
    fingerprint = f"{train.fingerprint} {limit}" if train.fingerprint else ""
    part = dataclasses.replace(part, fingerprint=fingerprint)
    return dataclasses.replace(splits, train=part)


def _noted(recipe: Recipe, found: FoundTable, own: Dataset) -> Recipe:
    encoder = recipe.data.encoder
    takes = inspect.signature(ENCODERS[encoder.name.lower()]).parameters
    if isinstance(own.mean, tuple) and isinstance(own.std, tuple) and "mean" in takes:
        encoder = encoder.model_copy(update={"mean": list(own.mean), "std": list(own.std)})
    data = recipe.data.model_copy(update={"found": found, "encoder": encoder})
    # Once more, as the rate of the data is known now.
    return recipe.model_copy(update={"data": DataTable.model_validate(data.model_dump())})


def other_test_set(recipe: Recipe, folder: str | Path, task: str) -> Split:
    """Loads the test split of the user's own data for a network that was trained on other data.

    Classes are matched by name; the classes of arrays are numbers.

    Args:
        recipe: That of the network.
        folder: The other data.
        task: The task of the network, see ``Report``.

    Raises:
        ValueError: If the data have another task, shape or rate, or a class the network does not
            know.
    """
    table, known = recipe.data, recipe.data.dataset
    own = _own(table, folder)
    test = own.splits.test
    for word, ours, theirs in (
        ("task", task, str(target_of(test.y))),
        ("shape", known.inputs, own.dataset.inputs),
        ("rate", known.rate_hz, own.dataset.rate_hz),
    ):
        if ours != theirs:
            raise ValueError(f"{folder}: expected data of {word} {ours}, found {theirs}")
    if test.y.is_floating_point():
        return test
    labels = own.dataset.labels
    numbered = labels == tuple(map(str, range(len(labels)))) and len(labels) <= known.classes
    strange = sorted(set(labels) - set(known.labels))
    if strange and not numbered:
        raise ValueError(
            f"{folder}: the network has no class {strange[0]}, only {', '.join(known.labels)}"
        )
    number = list(range(len(labels))) if strange else [known.labels.index(one) for one in labels]
    y = torch.where(test.y < 0, test.y, torch.tensor(number)[test.y.clamp(min=0)])
    return Split(test.x, y, test.lengths, fingerprint=test.fingerprint)
