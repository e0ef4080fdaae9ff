"""The report: accuracy, energies and counts of a network, as JSON."""

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Literal

from pydantic import Field, ValidationError, computed_field
from rich.console import Group

from picojoule._plain_table import PlainTable
from picojoule.energy import Convention, Conventions
from picojoule.report import notes
from picojoule.report.base import Record, Share
from picojoule.report.budget_report import BudgetReport
from picojoule.report.by_split import Accuracy, MacroF1, SquaredError, by_split
from picojoule.report.energy_tables import by_layer_and_kind
from picojoule.report.short_table import short_table
from picojoule.targets import worded
from picojoule.training import Cost, Measurement
from picojoule.training.cost import silent_layers, spike_rate


class RecipeId(Record):
    """The name of a recipe, and the checksum of its file in the run."""

    name: str
    sha256: str


class Report(Record):
    """The record of a run, or of a measurement.

    Attributes:
        schema_version: ``schema`` in JSON; readers of one version read all its files.
        recipe: The recipe; None for a network that no recipe describes.
        seed: The recipe's seed, or None.
        versions: Versions of Python and the packages that decide the result.
        task: What was learned: ``"classification"``, ``"regression"``, or either ``"per step"``.
        accuracy: Accuracy by split; None in regression.
        macro_f1: Macro F1 by split; None in regression, and in old reports.
        mse: Mean squared error by split; None except in regression.
        chosen_by: Name of the measure that the weights were chosen by; None in old reports, and if
            nothing was trained.
        steps: Time steps of the output.
        mean_steps: Mean time steps that a sample ran; None in reports from before it was kept.
        parameters: Number of trainable parameters.
        chips: Energy per sample by chip name.
        counts: Counts by layer, totals over the test set; all but ``second`` are whole numbers.
        uncounted: Functions that ran and were not counted, with the number of their elements.
        unreached: Layers with weights that did not run at all.
        samples: Number of samples of the test set.
        confusion: How often each class (row) was predicted as each (column) on the test set; None
            in regression, for more than 100 classes, and in old reports.
        labels: Number of labels of the test set, of steps if they are per step; None in old
            reports, which have one for each sample.
        majority: Share of the test set's most frequent label, which is the accuracy of always
            predicting it; None in regression, and in old reports.
        variance: Mean squared error of always predicting the mean label; None except in regression.
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
    task: str = "classification"
    accuracy: Accuracy | None
    macro_f1: MacroF1 | None = None
    mse: SquaredError | None = None
    chosen_by: str | None = None
    steps: int
    mean_steps: float | None = None
    parameters: int
    chips: dict[str, Cost]
    counts: dict[str, dict[str, int | float]]
    uncounted: dict[str, int]
    unreached: tuple[str, ...]
    samples: int
    confusion: tuple[tuple[int, ...], ...] | None = None
    labels: int | None = None
    majority: Share | None = None
    variance: float | None = None
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
        scored = measurement.scored
        return cls(
            versions=versions(),
            task=measurement.target,
            **by_split(scored),  # pyright: ignore[reportArgumentType]
            steps=measurement.steps,
            mean_steps=measurement.mean_steps,
            parameters=measurement.parameters,
            chips=measurement.chips,
            counts=measurement.counts,
            uncounted=measurement.uncounted,
            unreached=measurement.unreached,
            samples=measurement.samples,
            labels=scored.labels,
            confusion=scored.confusion,
            majority=scored.majority,
            variance=scored.variance,
            spikes_per_neuron=measurement.spikes_per_neuron,
            seconds=measurement.seconds,
            convention=_plain(measurement.convention),
            engines=measurement.engines,
        )

    def to_json(self) -> str:
        """Writes the report as a JSON object, for ``report.json``."""
        content = self.model_dump(by_alias=True)
        if self.accuracy is not None:
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
        title = (
            f"test {self.measured} ({self.of_labels}), "
            f"{self.ran}, {self.parameters:,} parameters, "
            f"{self.spike_rate:.3g} spikes per neuron and step; energy per sample"
        )
        budget = [] if self.budget is None else [self.budget.outcome]
        return short_table(title, self.chips, [*budget, *self.notes])

    @property
    def ran(self) -> str:
        """The steps that a sample ran, in words; their mean if not all ran as many."""
        if self.mean_steps is None or self.mean_steps == self.steps:
            return f"{self.steps} steps"
        return f"{self.mean_steps:.1f} of up to {self.steps} steps"

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
            *self._of_chance(),
            *notes.of_loss(self.loss),
        ]
        if (budget := self.budget) is not None:
            for one in budget.limits.values() or [budget]:
                found += notes.of_budget(one.limit_pj, one.highest_pj, one.multiplier, one.unit)
                found += notes.of_miss(one.needed_pj, one.limit_pj, one.unit)
        return (*found, *notes.of_counting(self.uncounted, self.unreached))

    @property
    def measured(self) -> str:
        """The outcome on the test set in words, by the measure that the weights were chosen by."""
        if self.mse is not None:
            return worded("mse", self.mse.test)
        found = [] if self.accuracy is None else [worded("accuracy", self.accuracy.test)]
        if self.macro_f1 is not None and self.chosen_by == "macro_f1":
            found.insert(0, worded("macro_f1", self.macro_f1.test))
        return ", ".join(found)

    @property
    def of_labels(self) -> str:
        """The number of correct predictions of all labels; in regression, the number of labels."""
        labels = self.samples if self.labels is None else self.labels
        steps = " steps" if self.task.endswith("per step") else ""
        if self.accuracy is None:
            return f"{labels:,}{steps or ' samples'}"
        return f"{round(self.accuracy.test * labels):,} of {labels:,}{steps}"

    def _of_chance(self) -> Iterator[str]:
        """Yields a note if the network is no better than always saying one thing."""
        labels = self.samples if self.labels is None else self.labels
        if self.accuracy is not None and self.majority is not None:
            yield from notes.of_chance(self.accuracy.test, self.majority, labels, self.samples)
        if self.mse is not None and self.variance is not None:
            yield from notes.of_mean(self.mse.test, self.variance)

    @property
    def spike_rate(self) -> float:
        """The mean spikes per neuron and step."""
        return spike_rate(self.counts)


def _plain(convention: Conventions) -> dict[str, Any]:
    if isinstance(convention, Convention):
        return asdict(convention)
    return {layers: asdict(one) for layers, one in convention.items()}


def versions(*more: str) -> dict[str, str]:
    """Returns the versions of Python and of the packages that decide a result, and of more."""
    packages = ("picojoule", "torch", "lightning-fabric", "numpy", *more)
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
