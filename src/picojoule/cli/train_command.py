"""``pj train``: a recipe to its joule budget, or an interrupted run to its end."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from picojoule.cli import command_options as options
from picojoule.cli.runs import going_on, report

logger = logging.getLogger(__name__)


def train(
    recipe: options.RecipeName = None,
    budget: options.Budget = None,
    chip: options.ChipOfBudget = None,
    epochs: options.Epochs = None,
    lr: options.LearningRate = None,
    batch_size: options.BatchSize = None,
    seed: options.Seed = None,
    settings: options.Settings = None,
    out: options.NewFolder = None,
    data_dir: options.DataDir = None,
    data: options.Data = None,
    skip_bad: options.SkipBad = False,
    log: options.Loggers = None,
    resume: options.Resume = None,
    accelerator: options.Accelerator = "auto",
    devices: options.Devices = "1",
    nodes: options.Nodes = 1,
    strategy: options.Strategy = "auto",
    precision: options.Precision = "32-true",
) -> None:
    """Train a recipe within its joule budget, or continue a run that was interrupted."""
    logger.info("starting: loading torch")  # which takes seconds
    from picojoule import run
    from picojoule.recipe import load_recipe, toml
    from picojoule.run.folder import free_path
    from picojoule.run.loggers import check_loggers

    overrides = _overrides(
        settings or [],
        {
            "--budget": ("budget.limit", budget),
            "--chip": ("budget.chip", None if chip is None else toml.text(chip)),
            "--epochs": ("train.epochs", epochs),
            "--lr": ("train.lr", lr),
            "--batch-size": ("train.batch_size", batch_size),
            "--seed": ("seed", seed),
            "--skip-bad": ("data.skip_bad", "true" if skip_bad else None),
        },
    )
    check_loggers(log or ())
    data_dir = data_dir and str(Path(data_dir).expanduser().resolve())
    machine = run.Machine(
        data_dir=data_dir,
        accelerator=accelerator,
        devices=int(devices) if devices.lstrip("-").isdigit() else devices,
        nodes=nodes,
        strategy=strategy,
        precision=precision,
    )
    if resume is None:
        overrides += [] if data is None else [f"data.folder={toml.text(str(data.resolve()))}"]
        made = load_recipe(recipe or "digits", overrides)
        out = out or free_path(made.name)
        with going_on(out / "recipe.toml", f"pj train --resume {out}"):
            report(run.start(made, out=out, machine=machine), log or ())
        return
    if recipe or overrides or out or machine != run.Machine(data_dir=data_dir):
        raise ValueError(
            "a run goes on as it was started: --resume takes no recipe, and no options except "
            f"--data-dir, --data and --log: pj train --resume {resume}"
        )
    with going_on(resume / "recipe.toml", f"pj train --resume {resume}"):
        report(run.resume(resume, data_dir=data_dir, data=data), log or ())


def _overrides(settings: Sequence[str], short: Mapping[str, tuple[str, object]]) -> list[str]:
    """Returns all settings of a recipe: those of ``--set``, and what options stand for.

    Args:
        settings: The values of ``--set``, of which a later one wins.
        short: By option, the field that it stands for and its value, None if it is not given.

    Raises:
        ValueError: If an option and a ``--set`` are of the same field.
    """
    given = {option: one for option, one in short.items() if one[1] is not None}
    for setting in settings:
        key = setting.partition("=")[0].strip()
        for option, (field, value) in given.items():
            if f"{field}.".startswith(f"{key}."):
                raise ValueError(
                    f"{option} {value} and --set {setting} are of the same field: give one of them"
                )
    return [*settings, *(f"{field}={value}" for field, value in given.values())]
