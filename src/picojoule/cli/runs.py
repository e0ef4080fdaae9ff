"""Trains a run on the command line, and shows its progress and its report."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from picojoule.cli.console import OUT, say

# What needs torch is imported where it is used: help and completion are to be quick.
if TYPE_CHECKING:
    from picojoule.run import Run


def is_first() -> bool:
    """Returns whether this is the first process of a run, the only one that prints."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def going_on(begun: Path, command: str) -> Iterator[None]:
    """Notes, on what ends a block early, how to go on with a run or a sweep.

    Args:
        begun: File that is there as soon as there is something to go on with.
        command: The command that goes on.
    """
    try:
        yield
    except BaseException as error:
        error.add_note(f"{command} goes on" if begun.is_file() else "no run was begun")
        raise


def report(run: "Run", loggers: Sequence[str]) -> None:
    """Trains a run and prints its report, in one process for all.

    Args:
        run: The run.
        loggers: Names of those that log its epochs.
    """
    from picojoule.cli import show
    from picojoule.cli.follow import follow
    from picojoule.run.loggers import logged

    path = run.folder.path
    if not (run.fabric.is_global_zero if run.fabric else is_first()):
        for _ in run.train():
            pass
        return
    if run.fabric is None:
        say(f"{path} is finished already: nothing to do")
    else:
        follow(logged(run.train(), loggers), OUT)
    found = run.folder.report
    OUT.print(show.energies(found))
    for line in (show.floor(found), show.summary(found, path)):
        say(line)
