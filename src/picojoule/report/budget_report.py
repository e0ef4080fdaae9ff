"""The budget in a report: limits, and what was spent of them."""

from collections.abc import Sequence

from pydantic import Field

from picojoule.report import notes
from picojoule.report.base import Record
from picojoule.units import format_energy


class _Kept(Record):
    """A limit, and what was spent of it.

    Attributes:
        chip: Name of the chip that energies were priced on; ``"spikes"`` or ``"synops"`` if their
            number was limited.
        unit: Unit of all that is called ``_pj`` here: ``"pJ"``, ``"spikes"`` or ``"synops"``.
        rate_hz: Samples per second if a power was limited, which is ``limit_pj`` times that.
        sample_s: Mean duration of a sample in seconds if a power was limited: the chip is on, and
            priced, from one sample to the next (``Chip.at_rate``); None in old reports.
        limit_pj: Energy allowed per sample.
        floor_pj: Energy per sample that no hidden spike can change, over the training set.
        met: Whether the test set stayed within the limit.
        validation_pj: Energy per sample on the validation set, of the chosen weights.
        test_pj: Energy per sample on the test set.
        ratio: ``test_pj / limit_pj``.
        multiplier: The penalty's multiplier after each epoch.
        highest_pj: The most that an epoch spent per sample, training or validation; None in old
            reports.
        needed_pj: The limit that the network would have met on validation and test set; None if it
            met its own, and in old reports.
    """

    chip: str
    unit: str = "pJ"
    rate_hz: float | None = None
    sample_s: float | None = None
    limit_pj: float
    floor_pj: float
    met: bool
    validation_pj: float
    test_pj: float
    ratio: float
    multiplier: tuple[float, ...]
    highest_pj: float | None = None
    needed_pj: float | None = None

    @property
    def outcome_of_one(self) -> str:
        """Outcome for this limit, in words."""
        limit = notes.amount(self.limit_pj, self.unit)
        if self.rate_hz is not None:
            power = format_energy(self.limit_pj * self.rate_hz).replace("J", "W")
            limit = f"{power} at {self.rate_hz:g} / s ({limit} per inference)"
        place = f" on {self.chip}" if self.unit == "pJ" else ""
        if not self.met:
            return f"{limit}{place}: missed by {self.ratio - 1:.1%}"
        loose = any(notes.of_budget(self.limit_pj, self.highest_pj, self.multiplier))
        return f"{limit}{place}: met" + (" (never bound)" if loose else "")


class LimitReport(_Kept):
    """One of several limits of a run, and what was spent of it, in the fields of a budget."""


class BudgetReport(_Kept):
    """The budget of a run, and what was spent; if it has several limits, the one kept worst.

    Attributes:
        unconstrained_pj: Energy per sample of the same recipe without a budget, on the validation
            set; None if that was not measured.
        limits: Every limit by chip if there are several; ``met`` says whether all were.
    """

    unconstrained_pj: float | None = None
    limits: dict[str, LimitReport] = Field(default_factory=dict)

    @property
    def each(self) -> Sequence[_Kept]:
        """Every limit."""
        return [*self.limits.values()] or [self]

    @property
    def outcome(self) -> str:
        """Outcome for the limit, or for each of several, in words."""
        return "budget " + ", ".join(one.outcome_of_one for one in self.each)
