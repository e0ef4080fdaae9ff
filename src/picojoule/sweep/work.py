"""One worker of a sweep: takes runs until all have ended, and says what it does."""

import logging
import socket
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from picojoule.recipe import Recipe
from picojoule.run import Folder, Machine, Run, RunHeld, Step, resume, start
from picojoule.run.finished import history
from picojoule.run.unconstrained import bring, record
from picojoule.sweep import measures
from picojoule.sweep.fronts import is_hopeless
from picojoule.sweep.planning import configured, planned
from picojoule.sweep.question import BASE, Question
from picojoule.sweep.queue import Entry, Queue, Taken
from picojoule.sweep.storage import StorageDamaged, StorageLost
from picojoule.sweep.trials import DOMINATED, ENDED, FAILED, FINISHED, Trials
from picojoule.targets import better

logger = logging.getLogger(__name__)
T = TypeVar("T")

RUNS = "runs"
_SECONDS_BETWEEN_READS = 0.25  # of what is shown of a run, which waits for its device
_IDLE_S = 2.0
_WAITS_S = (1.0, 5.0, 15.0, 30.0)  # for a storage that fails
# What may be wrong with one run, and leaves the others as they are.
_FAULTS = (ValueError, TypeError, RuntimeError, OSError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class RunProgress:
    """The progress of a run.

    Attributes:
        run: Its name.
        epoch, epochs: The epoch that it is in, and the number of all.
        step, steps: The same in optimizer steps.
        loss, energy_pj: Of the batch, or of the epoch at its end.
        measure, value: Name and value of its task's own measure, of the same.
        free: Whether this is its training without a budget.
        whole: Whether an epoch has ended.
    """

    run: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    measure: str
    value: float
    energy_pj: float
    free: bool
    whole: bool


@dataclass(frozen=True)
class Ended:
    """The end of a run: its name and state, and why it failed."""

    run: str
    state: str
    error: str = ""


@dataclass(frozen=True)
class Idle:
    """A moment in which a worker has no run, and waits for those of others."""


Event = RunProgress | Ended | Idle


@dataclass(frozen=True)
class _Outcome:
    """The end of a run, as it is noted."""

    state: str
    notes: Mapping[str, Any]
    values: Sequence[float] | None = None


class Worker:
    """One worker of a sweep.

    Args:
        folder: Folder of the sweep.
        address: Address of a PostgreSQL that its workers share; None for a file in the folder.
        machine: The devices and data folder of its runs.

    Attributes:
        question: The question of the sweep.
        queue: The runs that answer it.

    Raises:
        ValueError: If there is no sweep, or the storage has another one of its name.
        StorageLost: If the storage cannot be used.
    """

    def __init__(self, folder: Path, address: str | None, machine: Machine) -> None:
        self._folder, self._machine = folder, machine
        self.question = Question.read(folder)
        plan = planned(self.question, folder / BASE)
        self._shared = {one.needs for one in plan if self.question.search is None}
        self.queue = Queue(Trials(folder, address), self.question, plan)

    def work(self) -> Generator[Event, None, None]:
        """Takes runs until all have ended.

        If that is broken off, the run in work waits again, and goes on from its folder.

        Yields:
            What is to be shown.

        Raises:
            StorageLost: If the storage cannot be used for long.
        """
        while True:
            _patiently(self.queue.fill)
            _patiently(self.queue.rescue)
            task = _patiently(self.queue.take)
            if task is not None:
                yield from self._taken(task)
                continue
            if all(one.state in ENDED for one in _patiently(self.queue.entries)):
                return
            yield Idle()
            time.sleep(_IDLE_S)

    def _taken(self, task: Taken) -> Generator[Event, None, None]:
        """Makes one run and notes how it ended."""
        outcome = None
        try:
            with self.queue.beating(task):
                outcome = yield from self._made(task)
        except StorageLost:
            raise
        except RunHeld as error:  # by a worker that was taken for dead, and is not
            logger.info("%s", error)
            yield Idle()
            time.sleep(_IDLE_S)
        except _FAULTS as error:
            logger.debug("traceback", exc_info=True)
            outcome = _Outcome(FAILED, {"error": str(error).strip() or type(error).__name__})
        finally:
            if outcome is None:
                with suppress(StorageLost):
                    self.queue.put_back(task)
        if outcome is not None:
            _patiently(lambda: self.queue.end(task, outcome.state, outcome.notes, outcome.values))
            yield Ended(task.planned.name, outcome.state, outcome.notes.get("error", ""))

    def _made(self, task: Taken) -> Generator[Event, None, _Outcome]:
        """Makes one run; returns its outcome."""
        recipe = configured(self.question, self._folder / BASE, task.overrides, task.planned.seed)
        entries = _patiently(self.queue.entries)
        run = self._opened(recipe, self._folder / RUNS / task.planned.name)
        _bring(task, run, entries)
        others = [one.notes for one in entries if one.state == FINISHED]
        shown = 0.0
        with closing(run.train()) as steps:
            for step in steps:
                now = time.monotonic()
                if step.log.history or now - shown > _SECONDS_BETWEEN_READS:
                    shown = now
                    yield _progress(task.planned.name, run.folder, step)
                if self._is_hopeless(task, run.folder, step, others):
                    return _Outcome(
                        DOMINATED, self._notes(run.folder, measures.stopped(run.folder))
                    )
        row = measures.finished(run.folder)
        by = row["chosen_by"]
        values = better(by, row[f"validation_{by}"]), row["validation_energy_pj"]
        return _Outcome(FINISHED, self._notes(run.folder, row), values)

    def _opened(self, recipe: Recipe, path: Path) -> Run:
        if not path.exists():
            return start(recipe, out=path, machine=self._machine)
        if Folder(path).recipe.sha256 != recipe.sha256:
            raise ValueError(
                f"'{path}' holds a run of another recipe: move it away, and the same command makes "
                "this one"
            )
        return resume(path, data_dir=self._machine.data_dir)

    def _is_hopeless(
        self, task: Taken, folder: Folder, step: Step, others: Sequence[Mapping[str, Any]]
    ) -> bool:
        """Tells whether to stop a run of a search, given what is noted of those that are finished.

        That is decided by the first seed alone: means over the seeds that were lucky would be
        better than they should.
        """
        first = self.question.search is not None and task.planned.needs is None
        validation = step.log.validation
        if not first or step.folder != folder.path or validation is None:
            return False
        by = measures.deciding(validation, folder)
        same = [one["curve"] for one in others if one["row"]["chosen_by"] == by]
        return is_hopeless(measures.curve(step.log.history, folder), same, by)

    def _notes(self, folder: Folder, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what is kept of a run: its row, and what other runs need of it."""
        notes: dict[str, Any] = {
            "row": {**row, "machine": socket.gethostname()},
            "curve": measures.curve(history(folder), folder),
        }
        return notes | ({"record": record(folder)} if folder.path.name in self._shared else {})


def _bring(task: Taken, run: Run, entries: Sequence[Entry]) -> None:
    """Gives a run whose limit is a share what its configuration spent without one."""
    for one in entries:
        files = one.notes.get("record")
        if one.planned.name == task.planned.needs and files and not run.folder.finished:
            bring(run.folder, files)


def _progress(name: str, folder: Folder, step: Step) -> RunProgress:
    measure, value = step.log.own
    return RunProgress(
        run=name,
        epoch=step.log.epoch,
        epochs=step.epochs,
        step=step.log.step,
        steps=step.steps,
        loss=float(step.log.loss),
        measure=measure,
        value=float(value),
        energy_pj=float(step.log.energy_pj),
        free=step.folder != folder.path,
        whole=bool(step.log.history),
    )


def _patiently(do: Callable[[], T]) -> T:
    """Does something with the storage, again if that fails for a while."""
    for wait_s in _WAITS_S:
        try:
            return do()
        except StorageDamaged:
            raise
        except StorageLost as error:
            logger.warning("%s; trying again", error)
            time.sleep(wait_s)
    return do()
