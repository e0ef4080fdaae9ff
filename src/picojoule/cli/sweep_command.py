"""``pj sweep``: many runs of one recipe, as a grid or a search."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from picojoule.cli import command_options as options
from picojoule.cli.runs import going_on

if TYPE_CHECKING:
    from picojoule.run import Machine
    from picojoule.sweep.question import Question
    from picojoule.sweep.queue import Entry

logger = logging.getLogger(__name__)

ALL_ENDED, SOME_FAILED = 0, 3


def sweep(
    recipe: options.RecipeName = None,
    over: options.Over = None,
    search: options.Search = None,
    settings: options.Settings = None,
    seeds: options.Seeds = None,
    out: options.SweepFolder = None,
    workers: options.Workers = 1,
    join: options.Join = False,
    storage: options.Storage = None,
    accelerator: options.Accelerator = "auto",
    data_dir: options.DataDir = None,
) -> None:
    """Train many runs of a recipe: a grid of values, or a search for the best trade-off.

    The same command continues a sweep that was interrupted. Exit code 3 if some runs failed.
    """
    from picojoule.sweep.storage import check_extra, remembered

    check_extra()
    if workers < 1:
        raise ValueError(f"the number of workers must be at least 1, got {workers}")
    logger.info("starting: loading torch")
    from picojoule import run
    from picojoule.run.folder import free_path
    from picojoule.sweep.question import QUESTION
    from picojoule.sweep.trials import FAILED

    if join:
        if recipe or over or settings or search is not None or seeds is not None or out is None:
            raise ValueError(
                "--join takes no recipe and no question, which the sweep has: pj sweep --join "
                f"--out {out or 'DIR'}"
            )
        question = _there(out, storage)
    else:
        question = _asked(recipe, over or (), settings or (), search, 1 if seeds is None else seeds)
        out = out or free_path(question.name, Path("sweeps"))
    with going_on(out / QUESTION, f"pj sweep --join --out {out}"):
        _place(out, question, storage)
        machine = run.Machine(
            data_dir=data_dir and str(Path(data_dir).expanduser().resolve()),
            accelerator=accelerator,
        )
        entries = _worked(out, remembered(out, storage), machine, workers, retry=not join)
    raise typer.Exit(SOME_FAILED if any(one.state == FAILED for one in entries) else ALL_ENDED)


def _asked(
    recipe: str | None,
    over: Sequence[str],
    settings: Sequence[str],
    search: int | None,
    seeds: int,
) -> "Question":
    """Makes the question of a new sweep, every run of which is checked."""
    from picojoule.sweep.planning import planned
    from picojoule.sweep.question import ask

    if recipe is None:
        raise ValueError(
            "which recipe? pj sweep digits --over budget.limit=75%,50% --seeds 3 --out DIR"
        )
    question = ask(recipe, settings=settings, over=over, search=search, seeds=seeds)
    planned(question, recipe)
    return question


def _worked(
    folder: Path, address: str | None, machine: "Machine", workers: int, *, retry: bool
) -> "list[Entry]":
    """Trains the runs of a sweep, shows the progress, and returns all runs."""
    from picojoule.cli import sweep_follow
    from picojoule.sweep.work import Worker
    from picojoule.sweep.workers import together

    worker = Worker(folder, address, machine)
    if retry:
        worker.queue.retry()
    events = worker.work() if workers == 1 else together(folder, address, machine, workers)
    return sweep_follow.follow(events, worker, folder)


def _there(folder: Path, storage: str | None) -> "Question":
    """Returns the question of a sweep that has begun, from its folder or its storage."""
    from picojoule.sweep.question import QUESTION, Question
    from picojoule.sweep.storage import shown
    from picojoule.sweep.trials import Trials

    if storage is None or (folder / QUESTION).is_file():
        return Question.read(folder)
    files = Trials(folder, storage).noted("question")
    if files is None:
        raise ValueError(
            f"there is no sweep '{folder.resolve().name}' in {shown(storage)}: begin it by pj "
            f"sweep RECIPE ... --out {folder} --storage ..."
        )
    return Question.of(files)


def _place(folder: Path, question: "Question", storage: str | None) -> None:
    """Makes the folder of a sweep, if its storage answers."""
    from picojoule.sweep.trials import Trials

    if storage is not None:
        Trials(folder, storage)
    question.write(folder)
