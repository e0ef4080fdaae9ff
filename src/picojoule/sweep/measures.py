"""Measures that a sweep keeps of a run: the numbers of its row, and validations on the way."""

from collections.abc import Sequence
from typing import Any

from picojoule.run import Folder
from picojoule.run.finished import chosen, history
from picojoule.targets import MEASURES
from picojoule.training import EpochRecord, Validation

# Numbers of a row, of which a table has means; a run has the measures of its task.
NUMBERS = (
    *(split + name for name in MEASURES for split in ("validation_", "")),
    "validation_energy_pj",
    "energy_pj",
    "floor_pj",
    "limit_pj",
    "parameters",
    "spikes_per_neuron",
    "seconds",
)


def finished(folder: Folder) -> dict[str, Any]:
    """Returns the numbers of a finished run; energies are on the run's own chip.

    ``accuracy`` (``macro_f1``, ``mse``), ``energy_pj`` and ``met`` are of the test split, what
    begins with ``validation_`` is of the split by which the weights were chosen, and ``chosen_by``
    names the measure by which they were.

    Raises:
        ValueError: If its files are damaged.
    """
    report, best = folder.report, chosen(folder)
    own, budget = next(iter(report.chips.values())), report.budget
    tested = {name: getattr(report, name) for name in MEASURES}
    return {
        "chosen_by": best.by,
        **{f"validation_{name}": getattr(best, name) for name in MEASURES},
        **{name: None if one is None else one.test for name, one in tested.items()},
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
    last = [one.validation for one in history(folder) if one.validation is not None][-1]
    return {
        "chosen_by": deciding(last, folder),
        **{f"validation_{name}": getattr(last, name) for name in MEASURES},
        "validation_energy_pj": last.energy_pj,
        "seconds": round(sum(record["seconds"] for record in folder.log()), 3),
    }


def deciding(validation: Validation, folder: Folder) -> str:
    """Returns the name of the measure by which the weights of a run are chosen."""
    return folder.recipe.train.choose or validation.own


def curve(epochs: Sequence[EpochRecord], folder: Folder) -> list[list[float]]:
    """Returns for each validation its share of all epochs, the measure and the energy in pJ.

    Args:
        epochs: Every epoch so far.
        folder: The run.
    """
    validated = [(one.epoch, one.validation) for one in epochs if one.validation is not None]
    return [
        [
            epoch / folder.recipe.train.epochs,
            one.measure(deciding(one, folder)),
            one.energy_pj,
        ]
        for epoch, one in validated
    ]
