"""Trains a run on the command line, and shows its progress and its report."""

import os
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from picojoule.cli.console import ERR, OUT, say

# What needs torch is imported where it is used: help and completion are to be quick.
if TYPE_CHECKING:
    from picojoule.run import Run


def is_first() -> bool:
    """Returns whether this is the first process of a run, the only one that prints."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def report(run: "Run") -> None:
    """Trains a run and prints its report, in one process for all."""
    from picojoule.cli import show

    path = run.folder.path
    if not (run.fabric.is_global_zero if run.fabric else is_first()):
        for _ in run.train():
            pass
        return
    if run.fabric is None:
        say(f"{path} is finished already: nothing to do")
    else:
        _follow(run)
    found = run.folder.report
    OUT.print(show.energies(found))
    for line in (show.floor(found), show.summary(found, path)):
        say(line)


def _follow(run: "Run") -> None:
    from picojoule.cli.follow import follow

    try:
        follow(run.train(), OUT)
    except KeyboardInterrupt:
        ERR.print(Text(f"interrupted; pj train --resume {run.folder.path} goes on"), soft_wrap=True)
        raise typer.Exit(130) from None
