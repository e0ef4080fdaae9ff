"""``pj train``: a recipe to its joule budget, or an interrupted run to its end."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from picojoule.cli import completion
from picojoule.cli.runs import going_on, report

logger = logging.getLogger(__name__)

DataDir = Annotated[
    str | None,
    typer.Option(help="Folder of the data sets.", metavar="DIR", envvar="PICOJOULE_DATA"),
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="Data of your own: folders of pictures or sounds by class, or .npz arrays.",
        metavar="DIR",
    ),
]


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Name or path of a recipe; digits where left out.",
            autocompletion=completion.recipes,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help='Energy per inference, "10 nJ"; a share of what is spent without a budget, '
            '50%; a number, "200 spikes"; or none. Short for --set budget.limit=...',
            metavar="ENERGY",
        ),
    ] = None,
    chip: Annotated[
        str | None,
        typer.Option(
            help="Name or path of the chip that prices it. Short for --set budget.chip=...",
            metavar="CHIP",
            autocompletion=completion.chips,
        ),
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(help="Short for --set train.epochs=...", metavar="N")
    ] = None,
    lr: Annotated[
        str | None,
        typer.Option(help="Learning rate. Short for --set train.lr=...", metavar="RATE"),
    ] = None,
    batch_size: Annotated[
        str | None, typer.Option(help="Short for --set train.batch_size=...", metavar="N")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="Short for --set seed=...", metavar="N")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Any field of the recipe: train.epochs=5",
            metavar="KEY=VALUE",
            autocompletion=completion.settings,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A new folder; runs/NAME-xxxx where left out.")
    ] = None,
    data_dir: DataDir = None,
    data: Data = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what cannot be read, and list it.")
    ] = False,
    log: Annotated[
        list[str] | None,
        typer.Option(
            help="Log each epoch for csv, tensorboard, wandb or mlflow, too; again for more.",
            metavar="LOGGER",
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run in this folder.", metavar="RUN")
    ] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    devices: Annotated[str, typer.Option(help="Number of devices, or which.")] = "1",
    nodes: Annotated[int, typer.Option(help="Number of machines.")] = 1,
    strategy: Annotated[str, typer.Option(help="How devices work together.")] = "auto",
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed, ...")] = "32-true",
) -> None:
    """Train a recipe to its joule budget, or go on with a run that was interrupted."""
    logger.info("starting: loading torch")  # which takes seconds
    from picojoule import run
    from picojoule.recipe import load_recipe, toml
    from picojoule.run.folder import Machine, free_path
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
    machine = Machine(
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
        with going_on(out):
            report(run.start(made, out=out, machine=machine), log or ())
        return
    if recipe or overrides or out or machine != Machine(data_dir=data_dir):
        raise ValueError(
            "a run goes on as it was started: --resume takes no recipe, and no option but "
            f"--data-dir, --data and --log: pj train --resume {resume}"
        )
    with going_on(resume):
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
