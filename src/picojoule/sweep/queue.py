"""The queue of a sweep: every planned run is a trial of one study, which its workers share.

A trial waits, runs or has ended, and one worker can take it. Who runs one notes a beat in it every
few seconds. If the beat of a trial does not change for a minute by the clock of the one who looks,
its worker is taken for dead, and the run waits again. If that was wrong, the lock of the run's
folder lets one of the two go on, and the first that ends it counts.

A trial is known by the name of its run. If two workers planned the same run at once, the first of
its trials counts. Trials that failed before the last ``retry`` do not count.
"""

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from picojoule.sweep.planning import Planned
from picojoule.sweep.question import Question
from picojoule.sweep.storage import StorageLost
from picojoule.sweep.trials import (
    DOMINATED,
    ENDED,
    FAILED,
    RUNNING,
    WAITING,
    Trial,
    Trials,
)

logger = logging.getLogger(__name__)

_BEAT_S, _SILENT_S = 10.0, 60.0
_MOST_LOST = 5  # workers that may die with one run


@dataclass(frozen=True)
class Entry:
    """A run of the plan, and what is known of it.

    Attributes:
        planned: The run.
        state: ``"waiting"``, ``"running"``, ``"finished"``, ``"dominated"`` (a search stopped it)
            or ``"failed"``.
        overrides: What it sets; empty as long as a search has not chosen it.
        notes: What its worker noted: ``row``, ``curve``, ``record`` and ``error``.
    """

    planned: Planned
    state: str
    overrides: dict[str, str]
    notes: Mapping[str, Any]


@dataclass(frozen=True)
class Taken:
    """A run that this worker has taken.

    Attributes:
        planned: The run.
        trial: Its trial.
        overrides: What it sets.
    """

    planned: Planned
    trial: Trial
    overrides: dict[str, str]


class Queue:
    """The runs of a sweep, as all its workers see them.

    Every method raises ``StorageLost`` if the storage fails.

    Args:
        trials: The trials that all workers share.
        question: The question.
        plan: The runs that answer it.

    Raises:
        ValueError: If the trials are of another question.
    """

    def __init__(self, trials: Trials, question: Question, plan: Sequence[Planned]) -> None:
        self._trials, self._question = trials, question
        self._plan = {one.name: one for one in plan}
        self._choices: dict[str, list[str]] = {}
        for key, value in (pair for one in plan for pair in (one.overrides or {}).items()):
            if value not in self._choices.setdefault(key, []):
                self._choices[key].append(value)
        self._beats: dict[int, tuple[Any, float]] = {}
        if trials.noted("question") is None:
            trials.note("question", question.files())
        there = Question.of(trials.noted("question"))
        question.check_same(there, f"'{trials.name}' in the storage")

    def retry(self) -> None:
        """Lets all runs that failed so far wait again."""
        numbers = [one.number for one in self._trials.all()]
        self._trials.note("retried", max(numbers, default=-1))

    def fill(self) -> None:
        """Adds the runs that are not among the trials yet, and have what they need."""
        current = self._current()
        for one in self._plan.values():
            needed = current.get(one.needs or "")
            ready = one.needs is None or (needed is not None and needed.state in ENDED)
            if ready and one.name not in current:
                self._add(one, needed)

    def take(self) -> Taken | None:
        """Takes the first run that waits; None if none does."""
        current = self._current()
        for trial in self._trials.all():
            planned = self._plan.get(trial.notes.get("run", ""))
            if trial.state != WAITING or planned is None:
                continue
            if current[planned.name].number != trial.number:
                self._trials.keep(trial, {"twice": True})
                self._trials.move(trial, FAILED)
            elif self._trials.move(trial, RUNNING):
                overrides = trial.notes.get("overrides")
                if overrides is None:
                    overrides = self._trials.sampled(trial, self._question.ranges)
                    self._trials.keep(trial, {"overrides": overrides})
                return Taken(planned, trial, overrides)
        return None

    @contextmanager
    def beating(self, task: Taken) -> Iterator[None]:
        """Notes beats in a run that this worker has taken, inside a ``with`` block."""
        mine, done = uuid.uuid4().hex[:8], threading.Event()

        def beat() -> None:
            number = 0
            while True:
                with suppress(StorageLost):  # the next one may go through
                    self._trials.keep(task.trial, {"beat": [mine, number]})
                number += 1
                if done.wait(_BEAT_S):
                    return

        thread = threading.Thread(target=beat, name="picojoule-beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def end(
        self, task: Taken, state: str, notes: Mapping[str, Any], values: Sequence[float] | None
    ) -> None:
        """Notes how a run ended; if somebody else did, that counts.

        Args:
            task: The run.
            state: One of ``ENDED``.
            notes: What is to be known of it.
            values: Its merit and its energy in pJ; None unless it is finished.
        """
        self._trials.keep(task.trial, notes)
        self._trials.move(task.trial, state, values)

    def put_back(self, task: Taken) -> None:
        """Lets a run wait again that this worker took and does not go on with."""
        self._trials.move(task.trial, WAITING)

    def rescue(self) -> None:
        """Lets runs wait again whose workers gave no beat for long."""
        now = time.monotonic()
        for trial in self._trials.all():
            beat = trial.notes.get("beat")
            before, since = self._beats.get(trial.number, (None, now))
            self._beats[trial.number] = (beat, since if beat == before else now)
            if trial.state == RUNNING and now - self._beats[trial.number][1] >= _SILENT_S:
                del self._beats[trial.number]
                self._lost(trial)

    def entries(self) -> list[Entry]:
        """Returns all runs of the plan, in its order."""
        current = self._current()
        found = []
        for name, one in self._plan.items():
            trial = current.get(name) or Trial(-1, WAITING)
            overrides = one.overrides or trial.notes.get("overrides", {})
            found.append(Entry(one, trial.state, overrides, trial.notes))
        return found

    def _current(self) -> dict[str, Trial]:
        """Returns the trial that counts for each run that has one."""
        retried = self._trials.noted("retried")
        retried = -1 if retried is None else retried
        found: dict[str, Trial] = {}
        for trial in self._trials.all():
            name = trial.notes.get("run", "")
            old = trial.state == FAILED and trial.number <= retried
            if not old and "twice" not in trial.notes:
                before = found.get(name)
                found[name] = trial if before is None or before.state == FAILED else before
        return found

    def _add(self, one: Planned, needed: Trial | None) -> None:
        notes: dict[str, Any] = {"run": one.name, "seed": one.seed}
        state = WAITING
        if needed is not None and needed.state == FAILED:
            state = FAILED
            notes["error"] = f"{one.needs}, which it needs, failed"
        elif needed is not None and needed.state == DOMINATED:
            state = DOMINATED
        like = needed if one.overrides is None else None
        overrides = one.overrides if like is None else like.notes.get("overrides", {})
        notes |= {} if overrides is None else {"overrides": overrides}
        self._trials.add(state, notes, self._choices, like)

    def _lost(self, trial: Trial) -> None:
        """Lets a run wait again whose worker died, unless many did."""
        lost = trial.notes.get("lost", 0) + 1
        logger.warning("%s: its worker gives no sign of life", trial.notes.get("run"))
        self._trials.keep(trial, {"lost": lost})
        if lost < _MOST_LOST:
            self._trials.move(trial, WAITING)
            return
        error = f"{lost} workers died with it: has the machine too little memory for it?"
        self._trials.keep(trial, {"error": error})
        self._trials.move(trial, FAILED)
