"""Loggers of other tools, to watch a training while it runs."""

import os
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from picojoule._names import unknown
from picojoule.run.fit import Step
from picojoule.run.folder import UNCONSTRAINED
from picojoule.training import EpochRecord

# By name: the module and class of Lightning's logger, and what it needs.
_FABRIC, _LIGHTNING = "lightning_fabric.loggers", "lightning.pytorch.loggers"
LOGGERS = {
    "csv": (_FABRIC, "CSVLogger", ""),
    "tensorboard": (_FABRIC, "TensorBoardLogger", "tensorboard"),
    "wandb": (_LIGHTNING, "WandbLogger", "lightning wandb"),
    "mlflow": (_LIGHTNING, "MLFlowLogger", "lightning mlflow"),
}


_BOTH = ("accuracy", "mse", "energy_pj", "floor_pj")  # of training and of validation


def check_loggers(names: Sequence[str]) -> None:
    """Checks that loggers are known and can be imported.

    Args:
        names: Of ``LOGGERS``.

    Raises:
        ValueError: If one is not known, or not installed; the message says the nearest name, or how
            to install it.
        ImportError: If one is installed and cannot be imported.
    """
    for name in names:
        if name not in LOGGERS:
            raise ValueError(unknown("logger", name, LOGGERS))
        for package in (LOGGERS[name][0].partition(".")[0], *LOGGERS[name][2].split()):
            if find_spec(package) is None:
                raise ValueError(
                    f"the logger '{name}' needs {package}, which is not installed: "
                    f"pip install {LOGGERS[name][2]}"
                )
        _kind(name)


def logged(steps: Iterable[Step], names: Sequence[str]) -> Iterator[Step]:
    """Passes the records of a run on, and logs those of epochs.

    A run that goes on logs the epochs before, too, so that what a logger has is always whole. Logs
    that are files lie in ``logs/`` in the folder of the training.

    Args:
        steps: What ``Run.train`` yields.
        names: Of ``LOGGERS``.
    """
    loggers: dict[Path, list[Any]] = {}
    for step in steps:
        if step.log.history:
            first = step.folder not in loggers
            if first:
                loggers[step.folder] = [_logger(name, step.folder) for name in names]
            for record in step.log.history if first else step.log.history[-1:]:
                for one in loggers[step.folder]:
                    one.log_metrics(metrics(record), step=record.step)
            for one in loggers[step.folder]:
                one.save()
            if step.log.epoch >= step.epochs:
                for one, name in zip(loggers[step.folder], names, strict=True):
                    one.finalize("success")
                    if name == "wandb":  # which has one run at a time in a process
                        one.experiment.finish()
        yield step


def metrics(record: EpochRecord) -> dict[str, float]:
    """Returns the numbers of an epoch by name."""
    found = {name: getattr(record, name) for name in ("loss", "penalty", "multiplier", *_BOTH)}
    found |= {f"multiplier/{chip or 'own'}": one for chip, one in record.multipliers.items()}
    if (validation := record.validation) is not None:
        names = ("macro_f1", *_BOTH)
        found |= {f"validation/{name}": getattr(validation, name) for name in names}
        found |= {f"activity/{layer}": rate for layer, rate in validation.activity.items()}
    return {name: float(value) for name, value in found.items() if value is not None}


def _kind(name: str) -> Any:
    """Returns Lightning's class of a logger."""
    module, kind, _ = LOGGERS[name]
    return getattr(import_module(module), kind)


def _logger(name: str, folder: Path) -> Any:
    """Makes a logger of Lightning's for a training."""
    make, folder = _kind(name), folder.resolve()
    run, logs = folder.parent if folder.name == UNCONSTRAINED else folder, folder / "logs"
    title = run.name if run == folder else f"{run.name}/{folder.name}"
    if name == "mlflow":  # MLflow itself would take a folder, which it no longer writes to
        (run / "logs").mkdir(exist_ok=True)
        own = f"sqlite:///{run / 'logs' / 'mlflow.db'}"
        address = os.environ.get("MLFLOW_TRACKING_URI") or own
        return make(experiment_name="picojoule", run_name=title, tracking_uri=address)
    if name == "wandb":
        logs.mkdir(exist_ok=True)
        return make(project="picojoule", name=title, save_dir=logs)
    if name == "csv":  # the logger warns of a file before it replaces it
        (logs / name / "metrics.csv").unlink(missing_ok=True)
    return make(root_dir=logs, name="", version=name)
