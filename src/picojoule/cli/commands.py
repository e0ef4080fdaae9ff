"""The commands ``pj`` and ``picojoule``."""

import logging
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.logging import RichHandler

from picojoule import __version__
from picojoule.cli import command_options as options
from picojoule.cli.chip_commands import chips_app, chosen
from picojoule.cli.console import ERR, OUT, Lines, say, say_json
from picojoule.cli.data_commands import data_app
from picojoule.cli.once import Once, once_for_all_files
from picojoule.cli.recipe_commands import recipes
from picojoule.cli.runs import is_first
from picojoule.cli.single import SingleCommand
from picojoule.cli.sweep_command import sweep
from picojoule.cli.train_command import train

# What needs torch is imported where it is used: help and completion are to be quick.
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Trains the most accurate spiking network that fits a joule budget.",
)
app.command("train", cls=SingleCommand)(train)
app.command("sweep", cls=SingleCommand)(sweep)
app.command("recipes", cls=SingleCommand)(recipes)
app.add_typer(data_app, name="data")
app.add_typer(chips_app, name="chips")


def _version(wanted: bool) -> None:
    if wanted:
        from picojoule.kernels import tier

        say(f"picojoule {__version__} (kernels: {tier()}; on CUDA: {tier('cuda')})")
        raise typer.Exit


def _worth_saying(record: logging.LogRecord) -> bool:
    """Returns whether to show a record: those of other packages from warnings on."""
    return record.levelno >= logging.WARNING or record.name.startswith("picojoule")


@app.callback()
def _options(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more; errors with their traceback.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version
    rich = RichHandler(console=ERR, show_time=False, show_path=False)
    handler = rich if ERR.is_terminal else Lines()
    logging.basicConfig(format="%(message)s", handlers=[handler], force=True)
    level = logging.DEBUG if verbose else logging.INFO if is_first() else logging.WARNING
    logging.getLogger("picojoule").setLevel(level)
    handler.addFilter(Once())
    if not verbose:
        handler.addFilter(_worth_saying)
        warnings.filterwarnings("ignore", category=FutureWarning, module="lightning_fabric")


@app.command(cls=SingleCommand)
def measure(
    run: options.FinishedRun,
    chip: options.Chips = None,
    levels: options.Levels = "accumulate",
    skip_zero_weights: options.SkipZeroWeights = False,
    unfold_batch_norm: options.UnfoldBatchNorm = False,
    as_json: options.AsJson = False,
    data_dir: options.DataDir = None,
    data: options.Data = None,
) -> None:
    """Price a trained run again on its test set, on one or more chips."""
    from picojoule.cli import show
    from picojoule.energy import Convention
    from picojoule.run.trained import load

    trained = load(run)
    skip = skip_zero_weights or trained.convention.skip_zero_weights
    convention = Convention(levels, skip, not unfold_batch_norm)  # pyright: ignore
    names = chip or [trained.recipe.budget.chip]
    every = "all" in names
    measured = trained.measure(chosen(names), data_dir=data_dir, data=data, convention=convention)
    if as_json:
        OUT.out(measured.to_json(), end="", highlight=False)
        return
    OUT.print(show.compared(measured) if every else show.energies(measured))
    say(show.summary(measured, run, energies=not every))


@app.command(cls=SingleCommand)
def predict(
    run: options.FinishedRun,
    files: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, sounds, recorded events or arrays; folders of them; - for names on "
            "standard input.",
            metavar="FILE...",
        ),
    ],
    as_json: options.AsJson = False,
) -> None:
    """Predict the class of each file, with confidence and energy.

    Exit code 3 if some files could not be read, 2 if none could.
    """
    from picojoule.cli.predictions import predict
    from picojoule.run.trained import load

    with once_for_all_files():
        code = predict(load(run), files, as_json=as_json)
    raise typer.Exit(code)


@app.command(cls=SingleCommand)
def report(
    run: Annotated[
        Path,
        typer.Argument(
            help="Folder of a run or of a sweep, which need not have ended.", metavar="FOLDER"
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write; report.html in the folder by default.")
    ] = None,
) -> None:
    """Write the page of a run or a sweep: one HTML file that needs no other file and no network."""
    from picojoule.run.folder import RECIPE, Folder
    from picojoule.run.write_page import PAGE, page_of, put_page
    from picojoule.sweep import Sweep
    from picojoule.sweep.question import QUESTION

    file = out or run / PAGE
    if not any((run / name).is_file() for name in (QUESTION, RECIPE)):
        raise ValueError(
            f"'{run}' is neither a run nor a sweep: it has no {RECIPE} and no {QUESTION}"
        )
    if (run / QUESTION).is_file():
        page = Sweep.load(run).page(links=file.resolve().parent == run.resolve())
    else:
        page = page_of(Folder(run))
    say(str(put_page(page, file)))


@app.command(cls=SingleCommand)
def networks(
    as_json: options.AsJson = False,
) -> None:
    """List the networks and the options of each."""
    from picojoule.cli import show

    if as_json:
        say_json(
            {"networks": [dict(zip(show.NETWORK, row, strict=True)) for row in show.network_rows()]}
        )
        return
    OUT.print(show.networks())
