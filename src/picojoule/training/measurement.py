"""Counts on a data set: summed, and priced once."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from picojoule.energy import Chip, Conventions, OpCounts
from picojoule.engine import engines
from picojoule.targets import Scored
from picojoule.training.batches import Batch
from picojoule.training.cost import Cost, cost_on
from picojoule.training.exits import Ran
from picojoule.training.ranks import gathered, summed_counts
from picojoule.training.scores import Scoring


@dataclass(frozen=True)
class Measurement:
    """Scores, counts and energy of a network on a data set.

    Attributes:
        target: Name of what is learned, see ``Target``.
        scored: The comparison of its scores with the labels.
        samples: Number of samples.
        steps: Time steps of the output; the longest batch's if they differ.
        mean_steps: Mean time steps that a sample ran.
        parameters: Number of trainable parameters.
        spikes_per_neuron: Mean spikes of a spiking neuron in one sample.
        counts: Totals over the set, by layer: whole numbers except for ``second``.
        chips: Energy by chip name.
        uncounted: Elements of what ran in a batch and was not counted, by name.
        unreached: Layers with weights that no batch ran.
        seconds: Time that the measurement took.
        convention: Convention of counting.
        engines: The engine that ran each layer: ``"fused"``, or ``"eager"`` with the reason.
    """

    target: str
    scored: Scored
    samples: int
    steps: int
    mean_steps: float
    parameters: int
    spikes_per_neuron: float
    counts: dict[str, dict[str, float]]
    chips: dict[str, Cost]
    uncounted: dict[str, int]
    unreached: tuple[str, ...]
    seconds: float
    convention: Conventions
    engines: dict[str, str]

    @property
    def accuracy(self) -> float | None:
        """Share of correct predictions; None in regression."""
        return self.scored.accuracy


@dataclass(frozen=True)
class Evaluation:
    """Scores and counts of a network on a data set.

    Attributes:
        target: Name of what is learned, see ``Target``.
        scored: The comparison of its scores with the labels.
        samples: Number of samples.
        mean_steps: Mean time steps that a sample ran.
        counts: Counts per sample, by layer.
        totals: Totals over the set, by layer: whole numbers except for ``second``.
        spread: Standard error of the energy over batches, as a share of it, by chip name.
        above: That of the part above the floor, as a share of it, by chip name.
        floor: That of the floor, as a share of it, by chip name.
    """

    target: str
    scored: Scored
    samples: int
    mean_steps: float
    counts: dict[str, OpCounts]
    totals: dict[str, dict[str, float]]
    spread: dict[str, float]
    above: dict[str, float]
    floor: dict[str, float]


@dataclass
class Totals:
    """Sums over the batches of one rank, kept on the device.

    Attributes:
        fabric: Device and processes.
        chips: Price the energy.
    """

    fabric: Fabric
    chips: Sequence[Chip]
    samples: list[int] = field(default_factory=list)
    scoring: Scoring = field(default_factory=Scoring)
    energies: list[Tensor] = field(default_factory=list)
    steps: list[Tensor] = field(default_factory=list)
    counts: dict[str, OpCounts] = field(default_factory=dict)

    def add(self, ran: Ran, scores: Tensor, batch: Batch, *, counted: bool) -> None:
        """Adds a batch; one that is not ``counted`` weighs nothing."""
        self.scoring.add(scores, batch, counted=counted)
        samples = ran.meter.samples if counted else 0
        energies = [ran.price(chip) for chip in self.chips]
        priced = [part for one in energies for part in (one.total, one.floor)]
        self.samples.append(samples)
        self.energies.append(torch.stack([one.to(self.fabric.device) for one in priced]))
        self.steps.append(ran.steps.to(self.fabric.device))
        accumulate(self.counts, ran.counts, samples)

    def evaluation(self) -> Evaluation:
        """Reads the sums over all ranks from the device."""
        fabric = self.fabric
        sizes = torch.tensor(self.samples, dtype=torch.float64, device=fabric.device)
        sizes = gathered(fabric, sizes).flatten()  # [batches]
        energies = gathered(fabric, torch.stack(self.energies)).flatten(0, 1)
        total, floor = energies.unflatten(1, (len(self.chips), 2)).unbind(2)  # [batches, chips]
        steps = gathered(fabric, torch.stack(self.steps)).flatten()  # [batches]
        samples = int(sizes.sum())
        counts = summed_counts(fabric, self.counts)
        totals = whole_totals(counts)  # before the scores: its error names a layer
        scored = self.scoring.read(fabric)
        return Evaluation(
            target=str(self.scoring.target),
            scored=scored,
            samples=samples,
            mean_steps=float((steps * sizes).sum() / samples),
            counts={layer: one / samples for layer, one in counts.items()},
            totals=totals,
            spread=self._spreads(total, sizes),
            above=self._spreads(total - floor, sizes),
            floor=self._spreads(floor, sizes),
        )

    def _spreads(self, energies: Tensor, sizes: Tensor) -> dict[str, float]:
        """Returns the standard error of energies [batches, chips], as a share, by chip."""
        return {chip.name: _spread(energies[:, i], sizes) for i, chip in enumerate(self.chips)}


@dataclass
class Baselines:
    """Sums over the batches of one rank of what a measurement compares with.

    Attributes:
        ann_steps: Steps of the dense ANN to compare with, None for as many as the input has.
    """

    ann_steps: int | None
    steps: int = 0
    levels: int = 1
    dense: dict[str, OpCounts] = field(default_factory=dict)
    multiplied: dict[str, OpCounts] = field(default_factory=dict)
    uncounted: dict[str, int] = field(default_factory=dict)
    unreached: set[str] | None = None

    def add(self, ran: Ran, *, counted: bool) -> None:
        """Adds a batch; one that is not ``counted`` weighs nothing."""
        meter = ran.meter
        samples = meter.samples if counted else 0
        self.steps, self.levels = max(self.steps, len(ran.out)), max(self.levels, meter.levels)
        accumulate(self.dense, meter.dense(self.ann_steps), samples)
        accumulate(self.multiplied, meter.multiplied, samples)
        self.uncounted |= meter.uncounted
        missed = set(meter.unreached)
        self.unreached = missed if self.unreached is None else self.unreached & missed

    def measurement(
        self, totals: Totals, net: nn.Module, convention: Conventions, started: float
    ) -> Measurement:
        """Reads these and the totals, summed over all ranks, from the device."""
        found, fabric = totals.evaluation(), totals.fabric
        dense, multiplied = (
            {layer: one / found.samples for layer, one in summed_counts(fabric, sums).items()}
            for sums in (self.dense, self.multiplied)
        )
        costs = {
            chip.name: cost_on(
                chip,
                found.counts,
                dense,
                steps=self.steps,
                spread=found.spread[chip.name],
                levels=self.levels,
                multiplied=multiplied,
            )
            for chip in totals.chips
        }
        return Measurement(
            target=found.target,
            scored=found.scored,
            samples=found.samples,
            steps=self.steps,
            mean_steps=found.mean_steps,
            parameters=sum(p.numel() for p in net.parameters() if p.requires_grad),
            spikes_per_neuron=_spikes_per_neuron(found),
            counts=found.totals,
            chips=costs,
            uncounted=self.uncounted,
            unreached=tuple(sorted(self.unreached or ())),
            seconds=time.perf_counter() - started,
            convention=convention,
            engines={layer: str(verdict) for layer, verdict in engines(net).items()},
        )


def accumulate(totals: dict[str, OpCounts], counts: dict[str, OpCounts], samples: int) -> None:
    """Adds counts per sample without a graph, times the samples."""
    for layer, one in counts.items():
        one = one * samples
        totals[layer] = totals[layer] + one if layer in totals else one


def whole_totals(counts: Mapping[str, OpCounts]) -> dict[str, dict[str, float]]:
    """Returns totals over a data set as numbers, whole except for ``second``.

    A mean over a batch times its size is whole except for its last bits.

    Args:
        counts: Totals by layer.

    Raises:
        ValueError: If a total is not finite, or not whole; the message names layer and count.
    """
    values = {
        layer: {name: value.item() for name, value in one.items()} for layer, one in counts.items()
    }
    # What a neuron puts out comes first: it is the cause of what arrives elsewhere.
    each = [(layer, name) for layer, one in values.items() for name in one]
    for layer, name in sorted(each, key=lambda at: at[1] != "spike"):
        if not math.isfinite(value := values[layer][name]):
            did = "put out" if name == "spike" else "counted"
            told = "spikes" if name == "spike" else name
            raise ValueError(
                f"layer '{layer}' {did} {value} {told}: the network's input, its weights or its "
                "states hold values that are not finite"
            )
        if name == "second":
            continue
        values[layer][name] = round(value)
        if abs(value - round(value)) > 1e-9 * max(1.0, abs(value)):
            raise ValueError(
                f"layer '{layer}' counted {value:g} {name}, and events are whole numbers: the "
                "input (or what a neuron puts out) was declared events or levels but holds other "
                'values. Declare it as what it is, such as inputs="analog"'
            )
    return values


def _spikes_per_neuron(found: Evaluation) -> float:
    spiking = [layer for layer, totals in found.totals.items() if "spike" in totals]
    neurons = sum(found.counts[layer].sizes.potentials for layer in spiking)
    spikes = sum(found.totals[layer]["spike"] for layer in spiking)
    return spikes / neurons / found.samples if neurons else 0.0


def _spread(energies: Tensor, samples: Tensor) -> float:
    """Returns the standard error of the mean over samples, from its batches, as a share of it."""
    batches = int((samples > 0).sum())
    share = samples / samples.sum()
    mean = (share * energies).sum()
    if batches < 2 or float(mean) == 0:
        return 0.0
    variance = (share * (energies - mean)).square().sum() * batches / (batches - 1)
    return float(variance.sqrt() / mean)
