"""The trials of one Optuna study, in our words, wherever it is stored.

A trial is one attempt at a run. All that this project keeps of it is in its notes (Optuna's user
attributes); its parameters and values are for Optuna's sampler and dashboard.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from picojoule.sweep.ranges import Range, typed
from picojoule.sweep.storage import opened, reached

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

WAITING, RUNNING = "waiting", "running"
FINISHED, DOMINATED, FAILED = "finished", "dominated", "failed"
ENDED = (FINISHED, DOMINATED, FAILED)
# Optuna's names of these states.
_THEIRS = {
    WAITING: "WAITING",
    RUNNING: "RUNNING",
    FINISHED: "COMPLETE",
    DOMINATED: "PRUNED",
    FAILED: "FAIL",
}
_OURS = {theirs: ours for ours, theirs in _THEIRS.items()}


@dataclass(frozen=True)
class Trial:
    """One attempt at a run, as it was when it was read.

    Attributes:
        number: Its number in the study.
        state: Its state, one of those above.
        notes: What is kept of it.
    """

    number: int
    state: str
    notes: Mapping[str, Any] = field(default_factory=dict)


class Trials:
    """The trials of a study.

    Args:
        folder: Folder of the sweep, whose name is that of the study.
        address: Address of a PostgreSQL; None for a file in the folder.

    Raises:
        ValueError: If the address is none.
        StorageLost: If the storage fails; so does every method.
    """

    def __init__(self, folder: Path, address: str | None) -> None:
        self._folder, self._address = folder, address
        self._study, self._storage = opened(folder, address)
        with self._reached():
            self._id = self._storage.get_study_id_from_name(self._study.study_name)

    @property
    def name(self) -> str:
        """The name of the study."""
        return self._study.study_name

    def noted(self, name: str) -> Any:
        """Returns a note on the whole study, None if there is none."""
        with self._reached():
            return self._study.user_attrs.get(name)

    def note(self, name: str, value: Any) -> None:
        """Keeps a note on the whole study."""
        with self._reached():
            self._study.set_user_attr(name, value)

    def all(self) -> list[Trial]:
        """Returns all trials in the order of their numbers."""
        with self._reached():
            found = self._study.get_trials(deepcopy=False)
        return [Trial(one.number, _OURS[one.state.name], one.user_attrs) for one in found]

    def add(
        self,
        state: str,
        notes: Mapping[str, Any],
        choices: Mapping[str, Sequence[str]],
        like: Trial | None = None,
    ) -> None:
        """Adds a trial.

        Args:
            state: Its state.
            notes: What is to be kept of it; in a grid, ``overrides`` are its parameters, too.
            choices: All values of each parameter of a grid.
            like: In a search, a trial with the same parameters.
        """
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import TrialState, create_trial

        with self._reached():
            given = notes.get("overrides", {})
            params: dict[str, Any] = {key: one for key, one in given.items() if key in choices}
            kinds: dict[str, BaseDistribution] = {
                key: CategoricalDistribution(choices[key]) for key in params
            }
            if like is not None:
                same = self._storage.get_trial(self._trial_id(like.number))
                params, kinds = dict(same.params), dict(same.distributions)
            self._study.add_trial(
                create_trial(
                    state=TrialState[_THEIRS[state]],
                    params=params,
                    distributions=kinds,
                    user_attrs=dict(notes),
                )
            )

    def move(self, trial: Trial, state: str, values: Sequence[float] | None = None) -> bool:
        """Changes the state of a trial.

        Returns:
            Whether it was this call that changed it: nothing changes a trial that has ended, and
            only one starts one that waits.
        """
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with self._reached():
            try:
                number = self._trial_id(trial.number)
                theirs = TrialState[_THEIRS[state]]
                return self._storage.set_trial_state_values(number, theirs, values)
            except UpdateFinishedTrialError:
                return False

    def keep(self, trial: Trial, notes: Mapping[str, Any]) -> None:
        """Keeps notes on a trial, unless it has ended."""
        from optuna.exceptions import UpdateFinishedTrialError

        with self._reached():
            number = self._trial_id(trial.number)
            try:
                for name, value in notes.items():
                    self._storage.set_trial_user_attr(number, name, value)
            except UpdateFinishedTrialError:
                return

    def sampled(self, trial: Trial, ranges: Mapping[str, Range]) -> dict[str, str]:
        """Chooses the parameters of a trial of a search, as ``--set`` takes them.

        What is chosen depends on the trials before and on this one's number, and on nothing else.
        """
        from optuna.samplers import TPESampler

        found = {}
        sampler = TPESampler(seed=trial.number, constant_liar=True)
        with self._reached():
            number = self._trial_id(trial.number)
            for key, one in ranges.items():
                frozen, kind = self._storage.get_trial(number), _distribution(one)
                if key not in frozen.params:
                    value = sampler.sample_independent(self._study, frozen, key, kind)
                    inside = kind.to_internal_repr(value)
                    self._storage.set_trial_param(number, key, inside, kind)
                value = self._storage.get_trial(number).params[key]
                found[key] = value if one.choices else typed(value)
        return found

    def _reached(self) -> AbstractContextManager[None]:
        return reached(self._folder, self._address)

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)


def _distribution(one: Range) -> "BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if one.choices:
        return CategoricalDistribution(one.choices)
    if one.whole:
        return IntDistribution(int(one.low), int(one.high), log=one.log, step=int(one.step or 1))
    return FloatDistribution(one.low, one.high, log=one.log, step=one.step)
