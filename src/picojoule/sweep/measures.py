"""Measures that a sweep keeps of a run: the numbers of its row, and validations on the way."""

from collections.abc import Sequence
from typing import Any

from picojoule.run import Folder
from picojoule.run.fit import chosen, history
from picojoule.training import EpochRecord

# Numbers of a row, of which a table has means: what they are, and their unit.
MEASURES = (
    "validation_accuracy",
    "accuracy",
    "validation_energy_pj",
    "energy_pj",
    "floor_pj",
    "limit_pj",
    "parameters",
    "spikes_per_neuron",
    "seconds",
)


def known(accuracy: float | None) -> float:
    """Returns an accuracy, which regression does not have.

    Raises:
        ValueError: If there is none.
    """
    if accuracy is None:
        raise ValueError(
            "a sweep compares accuracies, and labels that are real numbers (regression) have none: "
            "take single runs, or classes as whole numbers"
        )
    return accuracy


def finished(folder: Folder) -> dict[str, Any]:
    """Returns the numbers of a finished run; energies are on the run's own chip.

    ``accuracy``, ``energy_pj`` and ``met`` are of the test split, ``validation_accuracy`` and
    ``validation_energy_pj`` of the split by which the weights were chosen.

    Raises:
        ValueError: If its files are damaged.
    """
    report, best = folder.report, chosen(folder)
    own, budget = next(iter(report.chips.values())), report.budget
    return {
        "validation_accuracy": known(best.accuracy),
        "accuracy": known(None if report.accuracy is None else report.accuracy.test),
        "validation_energy_pj": best.energy_pj,
        "energy_pj": own.total_pj,
        "floor_pj": own.floor_pj if budget is None else budget.floor_pj,
        "limit_pj": None if budget is None else budget.limit_pj,
        "met": None if budget is None else budget.met,
        "parameters": report.parameters,
        "spikes_per_neuron": report.spikes_per_neuron,
        "seconds": report.seconds,
    }


def stopped(folder: Folder) -> dict[str, Any]:
    """Returns the numbers of a run that was stopped: those of its last validation.

    Raises:
        ValueError: If its files are damaged.
    """
    validated = [one.validation for one in history(folder) if one.validation is not None]
    return {
        "validation_accuracy": known(validated[-1].accuracy),
        "validation_energy_pj": validated[-1].energy_pj,
        "seconds": round(sum(record["seconds"] for record in folder.log()), 3),
    }


def curve(epochs: Sequence[EpochRecord], of: int) -> list[list[float]]:
    """Returns for each validation its share of all epochs, the accuracy and the energy in pJ.

    Args:
        epochs: Every epoch so far.
        of: Number of all epochs.
    """
    return [
        [one.epoch / of, known(one.validation.accuracy), one.validation.energy_pj]
        for one in epochs
        if one.validation is not None
    ]
