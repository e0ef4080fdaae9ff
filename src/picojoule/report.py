"""Report: the record of what a network reached and what it spent, as JSON and as tables."""

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Group
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader

from picojoule.energy import Chip
from picojoule.readout import Readout
from picojoule.training import Measurement, evaluate
from picojoule.training.batches import Inputs
from picojoule.units import format_energy


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class RecipeId(_Record):
    """Which recipe, and the checksum of its file in the run."""

    name: str
    sha256: str


class Accuracy(_Record):
    """Share of samples labelled rightly (0 to 1) on each split; None where not measured."""

    train: float | None = None
    validation: float | None = None
    test: float


class ChipReport(_Record):
    """What one sample costs on one chip, in pJ.

    Attributes:
        total_pj: All that the chip prices.
        floor_pj: The part that no hidden spike can change.
        low_pj, high_pj: The total at the ends of the prices' published ranges.
        by_layer, by_kind: The total split by layer and by count.
        excluded: Counts per sample that the chip file says it leaves out.
        unpriced: Counts per sample that the chip has no price for; not in the total.
        ann_pj: The same architecture as a dense ANN on this chip; None where it has no price for
            a MAC.
    """

    total_pj: float
    floor_pj: float
    low_pj: float
    high_pj: float
    by_layer: dict[str, float]
    by_kind: dict[str, float]
    excluded: dict[str, float]
    unpriced: dict[str, float]
    ann_pj: float | None


class BudgetReport(_Record):
    """How the budget went.

    Attributes:
        chip: On which energies were priced.
        limit_pj: Allowed per sample.
        floor_pj: What no hidden spike can change, over the training set.
        met: Whether the test set stayed within the limit.
        validation_pj: Energy per sample on the validation set, of the chosen weights.
        test_pj: Energy per sample on the test set.
        ratio: ``test_pj / limit_pj``.
        multiplier: The penalty's multiplier after each epoch.
        unconstrained_pj: What the same recipe spends without a budget on the validation set; None
            where that was not measured.
    """

    chip: str
    limit_pj: float
    floor_pj: float
    met: bool
    validation_pj: float
    test_pj: float
    ratio: float
    multiplier: tuple[float, ...]
    unconstrained_pj: float | None = None


class Report(_Record):
    """The record of a run, or of a measurement.

    Attributes:
        schema_version: ``schema`` in JSON; readers of one version read all its files.
        recipe: None where a network was measured that no recipe describes.
        seed: None likewise.
        versions: Of Python and the packages that decide the result.
        accuracy: By split.
        steps: Time steps of the output.
        parameters: Number of trainable parameters.
        chips: Energy per sample by chip name.
        counts: By layer, totals over the test set; whole numbers, but for ``second``.
        uncounted: What ran and was not counted, with its elements.
        unreached: Layers with weights that did not run at all.
        samples: Of the test set.
        spikes_per_neuron: Mean spikes of a spiking neuron in one sample.
        budget: None where there was none.
        seconds: What training took, or the measurement where nothing was trained.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    recipe: RecipeId | None = None
    seed: int | None = None
    versions: dict[str, str]
    accuracy: Accuracy
    steps: int
    parameters: int
    chips: dict[str, ChipReport]
    counts: dict[str, dict[str, int | float]]
    uncounted: dict[str, int]
    unreached: tuple[str, ...]
    samples: int
    spikes_per_neuron: float
    budget: BudgetReport | None = None
    seconds: float

    @classmethod
    def of(cls, measurement: Measurement) -> "Report":
        """The record of a measurement on a test set."""
        names = ChipReport.model_fields
        chips = {
            chip: ChipReport(**{name: getattr(cost, name) for name in names})
            for chip, cost in measurement.chips.items()
        }
        return cls(
            versions=versions(),
            accuracy=Accuracy(test=measurement.accuracy),
            steps=measurement.steps,
            parameters=measurement.parameters,
            chips=chips,
            counts=measurement.counts,
            uncounted=measurement.uncounted,
            unreached=measurement.unreached,
            samples=measurement.samples,
            spikes_per_neuron=measurement.spikes_per_neuron,
            seconds=measurement.seconds,
        )

    def to_json(self) -> str:
        """One JSON object, for ``report.json``."""
        content = self.model_dump(by_alias=True)
        content["accuracy"] = self.accuracy.model_dump(exclude_none=True)
        return json.dumps(content, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Reads what ``to_json`` wrote.

        Raises:
            ValueError: It is none, or of another schema.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"not a report of schema 1: {where}: {first['msg']}") from None

    def table(self) -> Group:
        """Two tables for people: energy by layer, and by kind of count."""
        by_layer = {name: chip.by_layer for name, chip in self.chips.items()}
        by_kind = {name: chip.by_kind for name, chip in self.chips.items()}
        layers = self._split("layer", by_layer)
        layers.add_section()
        for label, field in (("total", "total_pj"), ("floor", "floor_pj"), ("dense ANN", "ann_pj")):
            self._add(layers, label, {n: getattr(one, field) for n, one in self.chips.items()})
        return Group(layers, self._split("kind", by_kind))

    def _split(self, what: str, parts: Mapping[str, Mapping[str, float]]) -> Table:
        title = f"energy per inference by {what}"
        table = Table(title=title, title_justify="left", min_width=len(title))
        table.add_column(what)
        for chip in parts:
            table.add_column(chip, justify="right")
            table.add_column("share", justify="right")
        names = dict.fromkeys(name for split in parts.values() for name in split)
        for name in sorted(names, key=_position):
            self._add(table, name, {chip: split.get(name) for chip, split in parts.items()})
        return table

    def _add(self, table: Table, label: str, energies: Mapping[str, float | None]) -> None:
        """A row with the energy on each chip and its share of the total there."""
        cells = [label]
        for chip, pj in energies.items():
            total = self.chips[chip].total_pj
            cells.append("" if pj is None else format_energy(pj))
            cells.append("" if pj is None or not total else f"{pj / total:.0%}")
        table.add_row(*cells)


def _position(layer: str) -> list[int]:
    """Sorts numbered layers by their numbers and leaves all others in the order they have."""
    return [int(part) if part.isdigit() else -1 for part in layer.split(".")]


def measure(
    net: nn.Module,
    loader: DataLoader,
    *,
    readout: Readout,
    chips: Sequence[Chip],
    inputs: Inputs | None = None,
    ann_steps: int | None = None,
) -> Report:
    """The accuracy and the energy of a network on a test set.

    Args:
        net: x [T, B, ...] to out [T, B, K] and a state.
        loader: Batches ``(x[T, B, ...], label[B], lengths[B] or None)``.
        readout: out [T, B, K] and lengths to scores [B, K].
        chips: To price it on.
        inputs: The kind of the network's input: ``"analog"``, ``"events"`` or ``"levels"``; where
            left out, as the loader's ``collate_fn.kind`` says, else ``"analog"``.
        ann_steps: Steps of the dense ANN to compare with: 1 for static inputs; as many as the
            input has where left out.

    Raises:
        ValueError: An empty data set, batches of other parts, or two chips of one name.
    """
    found = evaluate(net, loader, readout=readout, chips=chips, inputs=inputs, ann_steps=ann_steps)
    return Report.of(found)


def versions() -> dict[str, str]:
    """Of Python and the packages that decide a result."""
    packages = ("picojoule", "torch", "lightning-fabric", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
