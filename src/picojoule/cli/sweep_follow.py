"""Shows the progress of a sweep, keeps its results up to date, and sums it up."""

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from picojoule.cli.console import ERR, OUT, say
from picojoule.cli.show import listing
from picojoule.report.means import measured, setting, short_keys, spent
from picojoule.sweep.queue import Entry
from picojoule.sweep.results import write
from picojoule.sweep.trials import ENDED, FAILED, FINISHED
from picojoule.sweep.work import Ended, Event, RunProgress, Worker
from picojoule.targets import MEASURES, worded
from picojoule.units import format_energy


def follow(events: Generator[Event, None, None], worker: Worker, folder: Path) -> list[Entry]:
    """Follows a sweep to its end, and prints what came of it.

    Args:
        events: What happens.
        worker: Knows the question and the runs.
        folder: Folder of the sweep, in which the results are written whenever a run begins or ends.

    Returns:
        All runs.
    """
    entries = worker.queue.entries()
    write(folder, worker.question, entries)
    begun = set[str]()
    with _quiet(), closing(events), _Bars(entries) as bars:
        for event in events:
            bars.show(event)
            if isinstance(event, Ended) or (
                isinstance(event, RunProgress) and event.run not in begun
            ):
                begun.add(event.run)
                entries = worker.queue.entries()
                write(folder, worker.question, entries)
                bars.count(entries)
    entries = worker.queue.entries()
    _sum_up(write(folder, worker.question, entries), entries, folder)
    return entries


@contextmanager
def _quiet() -> Iterator[None]:
    """Leaves out, in the block, what each run says of its own steps, unless more is asked for."""
    rooms = [logging.getLogger(f"picojoule.{room}") for room in ("run", "training")]
    before = [room.level for room in rooms]
    if logging.getLogger("picojoule").level == logging.INFO:
        for room in rooms:
            room.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for room, level in zip(rooms, before, strict=True):
            room.setLevel(level)


class _Bars:
    """A bar for all runs and one for each that runs, in a terminal; else lines."""

    def __init__(self, entries: list[Entry]) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[values]}", markup=False, table_column=Column(no_wrap=True)),
            TimeElapsedColumn(),
            console=OUT,
            disable=not OUT.is_terminal,
        )
        self._all = self._bars.add_task("all runs", total=len(entries), values="")
        self._each: dict[str, TaskID] = {}
        self.count(entries)

    def __enter__(self) -> "_Bars":
        self._bars.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bars.stop()

    def count(self, entries: list[Entry]) -> None:
        """Moves the bar for all runs."""
        ended = sum(one.state in ENDED for one in entries)
        failed = sum(one.state == FAILED for one in entries)
        values = f"{ended} of {len(entries)}" + (f", {failed} failed" if failed else "")
        self._bars.update(self._all, completed=ended, values=values)

    def show(self, event: Event) -> None:
        """Shows what happens to one run."""
        if isinstance(event, RunProgress):
            part = " unconstrained" if event.free else ""
            title = f"{event.run}{part} {event.epoch}/{event.epochs}"
            values = f"{worded(event.measure, event.value)} · {format_energy(event.energy_pj)}"
            if OUT.is_terminal:
                bar = self._bar(event.run)
                self._bars.update(
                    bar, total=event.steps, completed=event.step, description=title, values=values
                )
            elif event.whole:
                OUT.print(Text(f"{title} · loss {event.loss:.3f} · {values}"), soft_wrap=True)
        elif isinstance(event, Ended):
            if event.run in self._each:
                self._bars.remove_task(self._each.pop(event.run))
            why = f": {event.error}" if event.error else ""
            style = "red" if event.state == FAILED else ""
            OUT.print(Text(f"{event.run} {event.state}{why}", style=style), soft_wrap=True)

    def _bar(self, run: str) -> TaskID:
        if run not in self._each:
            self._each[run] = self._bars.add_task(run, values="")
        return self._each[run]


def _sum_up(content: Mapping[str, Any], entries: list[Entry], folder: Path) -> None:
    """Prints a table of configurations, what failed, and the front."""
    keys, measure = content["keys"], content["measure"]
    front = [row["runs"] for row in content["front"]]
    rows = [
        [
            *(setting(row, key) for key in keys),
            str(row["seeds"]),
            measured(row, measure),
            spent(row),
            "" if row["met"] is None else f"{row['met']}/{row['seeds']}",
            "front" if row["runs"] in front else "",
        ]
        for row in content["configurations"]
    ]
    if rows:
        columns = [*short_keys(keys), "seeds", MEASURES[measure], "energy", "met", ""]
        OUT.print(listing("test set, mean ± standard deviation over seeds", columns, rows))
    for one in entries:
        if one.state == FAILED:
            ERR.print(
                Text(f"{one.planned.name} failed: {one.notes.get('error', '')}", style="red"),
                soft_wrap=True,
            )
    states = [one.state for one in entries]
    counts = [f"{states.count(state)} {state}" for state in ENDED if state in states]
    worst, most_pj = content["reference"].values()
    area, most = format_energy(content["hypervolume"]), format_energy(most_pj)
    ends = f"to {MEASURES[measure]} {worst:.4g} and {most}"
    covered = f"front of {len(front)}, hypervolume {area} ({ends})"
    say(" · ".join([*counts, *([covered] if FINISHED in states else []), str(folder)]))
