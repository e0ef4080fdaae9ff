"""Arguments and options of the commands, as Typer takes them."""

from pathlib import Path
from typing import Annotated

import typer

from picojoule.cli import completion

# Of several commands.
RecipeName = Annotated[
    str | None,
    typer.Argument(
        help="Name or path of a recipe; pj train takes digits by default.",
        autocompletion=completion.recipes,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any field of the recipe: train.epochs=5",
        metavar="KEY=VALUE",
        autocompletion=completion.settings,
    ),
]
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
Accelerator = Annotated[str, typer.Option(help="auto, cpu, cuda, ...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
FinishedRun = Annotated[Path, typer.Argument(help="Folder of a finished run.")]

# Of pj train.
Budget = Annotated[
    str | None,
    typer.Option(
        help='Energy per inference, "10 nJ"; a share of what is spent without a budget, 50%; a '
        'number, "200 spikes"; or none. Short for --set budget.limit=...',
        metavar="ENERGY",
    ),
]
ChipOfBudget = Annotated[
    str | None,
    typer.Option(
        help="Name or path of the chip that prices it. Short for --set budget.chip=...",
        metavar="CHIP",
        autocompletion=completion.chips,
    ),
]
Epochs = Annotated[str | None, typer.Option(help="Short for --set train.epochs=...", metavar="N")]
LearningRate = Annotated[
    str | None,
    typer.Option(help="Learning rate. Short for --set train.lr=...", metavar="RATE"),
]
BatchSize = Annotated[
    str | None, typer.Option(help="Short for --set train.batch_size=...", metavar="N")
]
Seed = Annotated[str | None, typer.Option(help="Short for --set seed=...", metavar="N")]
NewFolder = Annotated[
    Path | None, typer.Option(help="A new folder for the run; runs/NAME-xxxx by default.")
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out and list items that cannot be read.")
]
Loggers = Annotated[
    list[str] | None,
    typer.Option(
        help="Also log each epoch to csv, tensorboard, wandb or mlflow; repeat for more.",
        metavar="LOGGER",
    ),
]
Resume = Annotated[
    Path | None, typer.Option(help="Continue the run in this folder.", metavar="RUN")
]
Devices = Annotated[str, typer.Option(help="Number of devices, or which ones, such as 0,2.")]
Nodes = Annotated[int, typer.Option(help="Number of machines.")]
Strategy = Annotated[str, typer.Option(help="How several devices share the work.")]
Precision = Annotated[str, typer.Option(help="32-true, bf16-mixed, ...")]

# Of pj sweep.
Over = Annotated[
    list[str] | None,
    typer.Option(
        help="Values of a field, for a grid: budget.limit=75%,50%",
        metavar="KEY=V,V,...",
        autocompletion=completion.settings,
    ),
]
Search = Annotated[
    int | None,
    typer.Option(help="Try N configurations of the recipe's \\[sweep].", metavar="N"),
]
Seeds = Annotated[
    int | None,
    typer.Option(help="Runs of each configuration, with the seeds 0, 1, ...; 1 by default."),
]
SweepFolder = Annotated[
    Path | None, typer.Option(help="Folder of the sweep; sweeps/NAME-xxxx by default.")
]
Workers = Annotated[int, typer.Option(help="Number of runs at a time on this machine.")]
Join = Annotated[bool, typer.Option("--join", help="Work on the sweep in --out, which has begun.")]
Storage = Annotated[
    str | None,
    typer.Option(
        help="PostgreSQL for workers on several machines; a file by default.",
        metavar="postgresql://USER@HOST/DATABASE",
        envvar="PICOJOULE_STORAGE",
    ),
]

# Of pj measure.
Chips = Annotated[
    list[str] | None,
    typer.Option(
        help="Name or path of a chip; repeat for more. all compares all chips. The default is that "
        "of the run.",
        autocompletion=completion.chips_or_all,
    ),
]
Levels = Annotated[
    str,
    typer.Option(help="Cost of a level of n: accumulate (n accumulates) or multiply (one MAC)."),
]
SkipZeroWeights = Annotated[
    bool, typer.Option("--skip-zero-weights", help="Count a weight of zero as no synapse.")
]
UnfoldBatchNorm = Annotated[
    bool,
    typer.Option(
        "--unfold-batch-norm", help="Count batch norm instead of folding it into weights."
    ),
]
