"""Division into three splits of what a publisher divided, or did not."""

import logging
from collections.abc import Sequence

import torch

from picojoule.data.split import RawSplits, Splits, hold_out
from picojoule.data.store.entry import Selection
from picojoule.targets import target_of

logger = logging.getLogger(__name__)

# Of items that are not divided at all.
_TEST_SHARE = 0.2
# Classes that a warning names.
_NAMED = 5


def divided(parts: RawSplits, share: float, where: str) -> dict[str, Selection]:
    """Returns three splits: undivided items are divided as ``hold_out`` does.

    Args:
        parts: As they were found.
        share: The share of the training items to hold out, if there is no validation split.
        where: The data that an error names.

    Raises:
        ValueError: For a split without an item, or without a label.
    """
    target = target_of(parts.train.y)
    if parts.test is None:
        rest, held = hold_out(parts.train.y, round(_TEST_SHARE * len(parts.train)))
        train, test = Selection(parts.train, rest), Selection(parts.train, held)
    else:
        train, test = Selection(parts.train), Selection(parts.test)
    index = torch.arange(len(parts.train)) if train.index is None else train.index
    validation = None if parts.validation is None else Selection(parts.validation)
    if validation is None:
        rest, held = hold_out(parts.train.y[index], round(share * len(index)))
        train, validation = Selection(parts.train, index[rest]), Selection(parts.train, index[held])
    found = {"train": train, "validation": validation, "test": test}
    for name, part in found.items():
        if not len(part.labels):
            raise ValueError(f"{where} has too few items: none is left for {name}")
        if not bool(target.is_label(part.labels).any()):
            raise ValueError(
                f"{where}: no step of the {len(part.labels)} items for {name} has a label (all are "
                f"{target.missing:g})"
            )
    return found


def words(parts: RawSplits) -> str:
    """Returns how a user's own data are divided, in words."""
    how = target_of(parts.train.y).strata_in_words
    if parts.test is None:
        return f"{how}: a fifth to test on, an eighth of the rest to choose on"
    if parts.validation is None:
        return f"as it lies there, with an eighth of the training items held out {how} to choose on"
    return "as it lies there"


def check_classes(train: Selection, labels: Sequence[str], where: str) -> None:
    """Refuses a class without an item, or step of one, to train on; numbers have no classes.

    Raises:
        ValueError: For the first of them.
    """
    y = train.labels
    if y.is_floating_point():
        return
    counts = y[y >= 0].bincount(minlength=len(labels))
    for label, count in zip(labels, counts.tolist(), strict=True):
        if not count:
            raise ValueError(
                f"{where}: no item of class '{label}' is left to train on: mend its files, or take "
                "the class out of all splits"
            )


def warn_of_lacking(splits: Splits, labels: Sequence[str], where: str) -> None:
    """Warns of splits that have no item, or step of one, of a class that others have."""
    if splits.train.y.is_floating_point():
        return
    each = {
        name: split.y[split.y >= 0].bincount(minlength=len(labels))
        for name, split in vars(splits).items()
    }
    there = torch.stack(list(each.values())).sum(0) > 0
    for name, counts in each.items():
        lacking = (there & (counts == 0)).nonzero().flatten().tolist()
        if lacking:
            named = ", ".join(f"'{labels[number]}'" for number in lacking[:_NAMED])
            more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
            logger.warning(
                "%s: the %s split has no item of class %s%s, so results on it say nothing about "
                "them",
                where,
                name,
                named,
                more,
            )
