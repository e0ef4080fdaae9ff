"""Shows the progress of a training: a bar in a terminal, else one line per epoch."""

import time
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from picojoule.run.fit import Step
from picojoule.targets import rounded, worded
from picojoule.training import Log
from picojoule.units import format_energy

# Reading a value waits for the device, so that not every step is to be shown.
_SECONDS_BETWEEN_READS = 0.25
# What a narrow terminal shows of a training, what is worth most first.
_WORTH = ("measure", "energy", "loss", "validation", "silent", "multiplier", "penalty")
# Columns of the time that remains, between the parts, and that any title may have.
_TIME, _GAPS, _TITLE = len("0:00:00"), 3, len("unconstrained 100/100")
_FIRST = len("accuracy 0.000")  # for which a title is shortened further


def follow(steps: Iterable[Step], console: Console) -> None:
    """Runs a training to its end and shows its progress on ``console``."""
    if not console.is_terminal:
        for step in steps:
            if step.log.history:
                console.print(Text(f"{_title(step)} · {_values(step.log)}"), soft_wrap=True)
        return
    with _progress(console) as progress:
        bars: dict[str, TaskID] = {}
        shown = 0.0
        for step in steps:
            bar = _bar(progress, bars, step)
            log, now = step.log, time.monotonic()
            if log.history or now - shown > _SECONDS_BETWEEN_READS:
                shown = now
                title, values = fitted(_title(step), _parts(log), console.width)
                progress.update(bar, completed=log.step, description=title, values=values)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=_bar_width(console.width)),
        TextColumn("{task.fields[values]}", markup=False, table_column=Column(no_wrap=True)),
        TimeRemainingColumn(),
        console=console,
    )


def _bar(progress: Progress, bars: dict[str, TaskID], step: Step) -> TaskID:
    """Returns the bar of a step's training, made at its first step."""
    name = str(step.folder)
    if name not in bars:
        title, _ = fitted(_title(step), {}, progress.console.width)
        bars[name] = progress.add_task(title, total=step.steps, values="")
    return bars[name]


def fitted(title: str, parts: Mapping[str, str], width: int) -> tuple[str, str]:
    """Returns a title and values that leave room for the bar and the time that remains.

    Args:
        title: Name and count, of which the name is shortened where it has to be.
        parts: Values in the order in which they are shown; what is worth least is left out first.
        width: Columns of the terminal.
    """
    room = width - _bar_width(width) - _TIME - _GAPS
    name, _, count = title.rpartition(" ")
    most = min(room - _FIRST, max(_TITLE, width // 3))
    if len(title) > most:
        title = f"{name[: max(1, most - len(count) - 2)]}… {count}"
    kept = dict(parts)
    for least in reversed(_WORTH):
        if len(" · ".join(kept.values())) <= room - len(title):
            break
        kept.pop(least, None)
    return title, " · ".join(kept.values())


def _bar_width(width: int) -> int:
    """Returns the columns of the bar, which is short where values need the room."""
    return max(4, min(20, width // 2 - 24))


def _title(step: Step) -> str:
    return f"{step.folder.name} {step.log.epoch}/{step.epochs}"


def _values(log: Log) -> str:
    """Words a log in one line."""
    return " · ".join(_parts(log).values())


def _parts(log: Log) -> dict[str, str]:
    """Words the values of a log, by name and in the order in which they are shown."""
    parts = {
        "loss": f"loss {float(log.loss):.3f}",
        "measure": worded(log.own[0], float(log.own[1])),
        "energy": format_energy(float(log.energy_pj)),
    }
    if log.validation is not None:
        spent = format_energy(log.validation.energy_pj)
        own = log.validation.own
        told = rounded(own, log.validation.measure(own))
        parts["validation"] = f"validation {told} at {spent}"
        if log.validation.silent:
            parts["silent"] = f"silent {', '.join(log.validation.silent)}"
    if log.multiplier is not None:
        parts["multiplier"] = f"multiplier {float(log.multiplier):.3f}"
    elif log.penalty is not None:
        parts["penalty"] = f"penalty {float(log.penalty):.3g}"
    return parts
