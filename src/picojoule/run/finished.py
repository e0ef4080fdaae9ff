"""Epochs of a training that has ended, and the one whose weights it has."""

from picojoule.run.folder import LOG, Folder
from picojoule.training import Chosen, EpochRecord, choose
from picojoule.training.checkpoint import load, newest


def spent_pj(folder: Folder) -> float:
    """Returns the energy per sample of the chosen weights of a finished training, in pJ.

    It is that of the validation set.

    Raises:
        ValueError: If they are damaged.
    """
    chosen = choose(history(folder), None, folder.recipe.train.choose)
    if chosen is None:
        raise folder.damaged(LOG, "it has no validated epoch")
    return chosen.energy_pj


def chosen(folder: Folder) -> Chosen:
    """Returns the epoch whose weights a finished training has, with what it was chosen by.

    Raises:
        ValueError: If the training is not finished, or its files are damaged.
    """
    report, limits = folder.report, {}
    if report.budget is not None:
        own = next(iter(report.chips))
        for one in report.budget.limits.values() or [report.budget]:
            limits["" if one.chip == own else one.chip] = one.limit_pj
    found = choose(history(folder), limits, folder.recipe.train.choose)
    if found is None:
        raise folder.damaged(LOG, "it has no validated epoch")
    return found


def history(folder: Folder) -> list[EpochRecord]:
    """Returns the epochs of a training, from its checkpoint; from its log if that was removed.

    Raises:
        ValueError: If they are damaged.
    """
    saved = newest(folder.path / "checkpoints")
    records = folder.log() if saved is None else load(saved)["history"]
    return [EpochRecord.of({k: v for k, v in one.items() if k != "seconds"}) for one in records]
