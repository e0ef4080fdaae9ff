"""The report: accuracy, energies and counts of a network, as JSON."""

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field
from rich.console import Group

from picojoule._plain_table import PlainTable
from picojoule.energy import Convention, Conventions
from picojoule.report import notes
from picojoule.report.energy_tables import by_layer_and_kind
from picojoule.report.short_table import short_table
from picojoule.training import Cost, Measurement
from picojoule.training.cost import silent_layers, spike_rate
from picojoule.units import format_energy

_Share = Annotated[float, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class RecipeId(_Record):
    """The name of a recipe, and the checksum of its file in the run."""

    name: str
    sha256: str


class Accuracy(_Record):
    """The share of samples classified correctly (0 to 1) on each split; None if not measured."""

    train: _Share | None = None
    validation: _Share | None = None
    test: _Share


class _Kept(_Record):
    """A limit, and what was spent of it.

    Attributes:
        chip: Name of the chip that energies were priced on; ``"spikes"`` or ``"synops"`` if their
            number was limited.
        unit: Unit of all that is called ``_pj`` here: ``"pJ"``, ``"spikes"`` or ``"synops"``.
        rate_hz: Samples per second if a power was limited, which is ``limit_pj`` times that.
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
    def outcome(self) -> str:
        """Outcome for the limit, or for each of several, in words."""
        each = self.limits.values() or [self]
        return "budget " + ", ".join(one.outcome_of_one for one in each)


class Report(_Record):
    """The record of a run, or of a measurement.

    Attributes:
        schema_version: ``schema`` in JSON; readers of one version read all its files.
        recipe: The recipe; None for a network that no recipe describes.
        seed: The recipe's seed, or None.
        versions: Versions of Python and the packages that decide the result.
        accuracy: Accuracy by split.
        steps: Time steps of the output.
        parameters: Number of trainable parameters.
        chips: Energy per sample by chip name.
        counts: Counts by layer, totals over the test set; all but ``second`` are whole numbers.
        uncounted: Functions that ran and were not counted, with the number of their elements.
        unreached: Layers with weights that did not run at all.
        samples: Number of samples of the test set.
        confusion: How often each class (row) was named as each (column) on the test set; None in
            old reports.
        majority: Share of the test set's most frequent label, which is the accuracy of always
            naming it; None in old reports.
        loss: Mean loss of each epoch, without the penalty; empty if nothing was trained.
        spikes_per_neuron: Mean spikes of a spiking neuron in one sample.
        penalty: The recipe's penalty with its options; None if it names none.
        budget: The budget; None if there was none.
        seconds: Duration of the training, or of the measurement if nothing was trained.
        convention: The convention of counting, by layer if it differs; None in old reports.
        engines: By layer, the engine that ran its training steps (the measurement if nothing was
            trained): ``"fused"``, or ``"eager"`` with the reason.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    recipe: RecipeId | None = None
    seed: int | None = None
    versions: dict[str, str]
    accuracy: Accuracy
    steps: int
    parameters: int
    chips: dict[str, Cost]
    counts: dict[str, dict[str, int | float]]
    uncounted: dict[str, int]
    unreached: tuple[str, ...]
    samples: int
    confusion: tuple[tuple[int, ...], ...] | None = None
    majority: _Share | None = None
    loss: tuple[float, ...] = ()
    spikes_per_neuron: float
    penalty: dict[str, Any] | None = None
    budget: BudgetReport | None = None
    seconds: float
    convention: dict[str, str | bool | dict[str, str | bool]] | None = None
    engines: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def of(cls, measurement: Measurement) -> "Report":
        """Makes the report of a measurement on a test set."""
        return cls(
            versions=versions(),
            accuracy=Accuracy(test=measurement.accuracy),
            steps=measurement.steps,
            parameters=measurement.parameters,
            chips=measurement.chips,
            counts=measurement.counts,
            uncounted=measurement.uncounted,
            unreached=measurement.unreached,
            samples=measurement.samples,
            majority=measurement.majority,
            spikes_per_neuron=measurement.spikes_per_neuron,
            seconds=measurement.seconds,
            convention=_plain(measurement.convention),
            engines=measurement.engines,
        )

    def to_json(self) -> str:
        """Writes the report as a JSON object, for ``report.json``."""
        content = self.model_dump(by_alias=True)
        content["accuracy"] = self.accuracy.model_dump(exclude_none=True)
        return json.dumps(content, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Reads a report that ``to_json`` wrote.

        Raises:
            ValueError: If it is no report, or of another schema.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"not a report of schema 1: {where}: {first['msg']}") from None

    def table(self) -> Group:
        """Makes two tables for rich: energy by layer beside dense ANNs, and by kind of count.

        They are what ``pj train`` prints; ``print(report)`` is shorter.

        Example:
            >>> rich.print(report.table())  # doctest: +SKIP
        """
        return by_layer_and_kind(self.chips, self.spike_rate, self.silent)

    def __str__(self) -> str:
        """Returns a short table: energy by chip beside dense ANNs, and what is in doubt."""
        return str(self._short())

    def _repr_html_(self) -> str:
        return self._short().html()

    def _short(self) -> PlainTable:
        right = round(self.accuracy.test * self.samples)
        title = (
            f"test accuracy {self.accuracy.test:.3f} ({right:,} of {self.samples:,}), "
            f"{self.steps} steps, {self.parameters:,} parameters, "
            f"{self.spike_rate:.3g} spikes per neuron and step; energy per sample"
        )
        budget = [] if self.budget is None else [self.budget.outcome]
        return short_table(title, self.chips, [*budget, *self.notes])

    @computed_field
    @property
    def silent(self) -> tuple[str, ...]:
        """The layers of neurons that put out no spike on the test set."""
        return silent_layers(self.counts)

    @computed_field
    @property
    def notes(self) -> tuple[str, ...]:
        """Findings that put the result in doubt, each in one line."""
        found = [
            *notes.of_silence(self.silent),
            *notes.of_chance(self.accuracy.test, self.majority, self.samples),
            *notes.of_loss(self.loss),
        ]
        if (budget := self.budget) is not None:
            for one in budget.limits.values() or [budget]:
                found += notes.of_budget(one.limit_pj, one.highest_pj, one.multiplier, one.unit)
                found += notes.of_miss(one.needed_pj, one.limit_pj, one.unit)
        return (*found, *notes.of_counting(self.uncounted, self.unreached))

    @property
    def spike_rate(self) -> float:
        """The mean spikes per neuron and step."""
        return spike_rate(self.counts)


def _plain(convention: Conventions) -> dict[str, Any]:
    if isinstance(convention, Convention):
        return asdict(convention)
    return {layers: asdict(one) for layers, one in convention.items()}


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that decide a result."""
    packages = ("picojoule", "torch", "lightning-fabric", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
