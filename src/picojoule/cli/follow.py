"""Shows the progress of a training: a bar in a terminal, else one line per epoch."""

import time
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from picojoule.run.fit import Step
from picojoule.training import Log
from picojoule.units import format_energy

# Reading a value waits for the device, so that not every step is to be shown.
_SECONDS_BETWEEN_READS = 0.25


def follow(steps: Iterable[Step], console: Console) -> None:
    """Runs a training to its end and shows its progress on ``console``."""
    if not console.is_terminal:
        for step in steps:
            if step.log.history:
                console.print(Text(f"{_title(step)} · {_values(step.log)}"), soft_wrap=True)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[values]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {}
        shown = 0.0
        for step in steps:
            bar = _bar(progress, bars, step)
            log, now = step.log, time.monotonic()
            if log.history or now - shown > _SECONDS_BETWEEN_READS:
                shown = now
                title, values = _title(step), _values(log)
                progress.update(bar, completed=log.step, description=title, values=values)


def _bar(progress: Progress, bars: dict[str, TaskID], step: Step) -> TaskID:
    """Returns the bar of a step's training, made at its first step."""
    name = str(step.folder)
    if name not in bars:
        bars[name] = progress.add_task(step.folder.name, total=step.steps, values="")
    return bars[name]


def _title(step: Step) -> str:
    return f"{step.folder.name} {step.log.epoch}/{step.epochs}"


def _values(log: Log) -> str:
    """Words a log in one line."""
    parts = [f"loss {float(log.loss):.3f}", f"accuracy {float(log.accuracy):.3f}"]
    parts.append(format_energy(float(log.energy_pj)))
    if log.validation is not None:
        spent = format_energy(log.validation.energy_pj)
        parts.append(f"validation {log.validation.accuracy:.3f} at {spent}")
        if log.validation.silent:
            parts.append(f"silent {', '.join(log.validation.silent)}")
    if log.multiplier is not None:
        parts.append(f"multiplier {float(log.multiplier):.3f}")
    elif log.penalty is not None:
        parts.append(f"penalty {float(log.penalty):.3g}")
    return " · ".join(parts)
