"""What was counted on a data set, summed, and priced once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from lightning_fabric import Fabric
from torch import Tensor

from picojoule.energy import Chip, Meter, OpCounts
from picojoule.training.ranks import gathered, summed_counts


@dataclass(frozen=True)
class Cost:
    """What a data set costs on one chip, in pJ per sample.

    Attributes:
        total_pj: All that the chip prices.
        floor_pj: The part that no hidden spike can change.
        low_pj: The total at the low end of every price's range.
        high_pj: The total at the high end.
        spread: Standard error of ``total_pj`` over batches, as a share of it; 0 for one batch.
        by_layer: The total by layer.
        by_kind: The total by count.
        excluded: Counts per sample that the chip file says it leaves out.
        unpriced: Counts per sample that the chip has no price for.
        ann_pj: The same architecture as a dense ANN; None where the chip has no price for a MAC.
    """

    total_pj: float
    floor_pj: float
    low_pj: float
    high_pj: float
    spread: float
    by_layer: dict[str, float]
    by_kind: dict[str, float]
    excluded: dict[str, float]
    unpriced: dict[str, float]
    ann_pj: float | None


@dataclass(frozen=True)
class Measurement:
    """A network on a data set.

    Attributes:
        accuracy: Share of samples labelled rightly.
        samples: Number of samples.
        steps: Time steps of the output; the longest batch's where they differ.
        parameters: Number of trainable parameters.
        spikes_per_neuron: Mean spikes of a spiking neuron in one sample.
        counts: By layer, totals over the set: whole numbers, but for ``second``.
        chips: By chip name.
        uncounted: What ran in a batch and was not counted, with its elements.
        unreached: Layers with weights that no batch ran.
        seconds: What the measurement took.
    """

    accuracy: float
    samples: int
    steps: int
    parameters: int
    spikes_per_neuron: float
    counts: dict[str, dict[str, float]]
    chips: dict[str, Cost]
    uncounted: dict[str, int]
    unreached: tuple[str, ...]
    seconds: float


@dataclass
class Totals:
    """Sums over the batches of one rank, kept on the device.

    Attributes:
        fabric: Device and processes.
        chips: To price on.
        ann_steps: Steps of the dense ANN to compare with, None for as many as the input has.
    """

    fabric: Fabric
    chips: Sequence[Chip]
    ann_steps: int | None
    steps: int = 0
    samples: list[int] = field(default_factory=list)
    correct: list[Tensor] = field(default_factory=list)
    energies: list[Tensor] = field(default_factory=list)
    counts: dict[str, OpCounts] = field(default_factory=dict)
    dense: dict[str, OpCounts] = field(default_factory=dict)
    uncounted: dict[str, int] = field(default_factory=dict)
    unreached: set[str] | None = None

    def add(self, meter: Meter, correct: Tensor, steps: int, *, counted: bool) -> None:
        """Adds a batch; one that is not ``counted`` weighs nothing."""
        samples = meter.samples if counted else 0
        counts = meter.counts
        prices = [chip.price(counts).total.to(self.fabric.device) for chip in self.chips]
        self.steps = max(self.steps, steps)
        self.samples.append(samples)
        self.correct.append(correct.sum() * counted)
        self.energies.append(torch.stack(prices))
        _accumulate(self.counts, counts, samples)
        _accumulate(self.dense, meter.dense(self.ann_steps), samples)
        self.uncounted |= meter.uncounted
        missed = set(meter.unreached)
        self.unreached = missed if self.unreached is None else self.unreached & missed

    def measurement(self, parameters: int, started: float) -> Measurement:
        """The sums over all ranks, read from the device."""
        fabric = self.fabric
        sizes = torch.tensor(self.samples, dtype=torch.float64, device=fabric.device)
        sizes = gathered(fabric, sizes).flatten()  # [batches]
        energies = gathered(fabric, torch.stack(self.energies)).flatten(0, 1)  # [batches, chips]
        correct = int(gathered(fabric, torch.stack(self.correct)).sum())
        samples = int(sizes.sum())
        counts = summed_counts(fabric, self.counts)
        dense = summed_counts(fabric, self.dense)
        costs = {
            chip.name: _cost(chip, counts, dense, samples, _spread(energies[:, i], sizes))
            for i, chip in enumerate(self.chips)
        }
        return Measurement(
            accuracy=correct / samples,
            samples=samples,
            steps=self.steps,
            parameters=parameters,
            spikes_per_neuron=_spikes_per_neuron(counts) / samples,
            counts={layer: _numbers(one) for layer, one in counts.items()},
            chips=costs,
            uncounted=self.uncounted,
            unreached=tuple(sorted(self.unreached or ())),
            seconds=time.perf_counter() - started,
        )


def _cost(
    chip: Chip,
    counts: dict[str, OpCounts],
    dense: dict[str, OpCounts],
    samples: int,
    spread: float,
) -> Cost:
    energy = chip.price({layer: one / samples for layer, one in counts.items()})
    ann = chip.price({layer: one / samples for layer, one in dense.items()})
    return Cost(
        total_pj=float(energy.total),
        floor_pj=float(energy.floor),
        low_pj=float(energy.low),
        high_pj=float(energy.high),
        spread=spread,
        by_layer=_floats(energy.by_layer),
        by_kind=_floats(energy.by_kind),
        excluded=_floats(energy.excluded),
        unpriced=_floats(energy.unpriced),
        ann_pj=None if "mac" in ann.unpriced or "mac" in ann.excluded else float(ann.total),
    )


def _accumulate(totals: dict[str, OpCounts], counts: dict[str, OpCounts], samples: int) -> None:
    """Adds counts per sample, times the samples."""
    for layer, one in counts.items():
        one = one.detach() * samples
        totals[layer] = totals[layer] + one if layer in totals else one


def _numbers(counts: OpCounts) -> dict[str, float]:
    """Totals as numbers; a mean over a batch times its size is whole but for its last bits."""
    values = {name: value.item() for name, value in counts.items()}
    return {name: value if name == "second" else round(value) for name, value in values.items()}


def _spikes_per_neuron(counts: dict[str, OpCounts]) -> float:
    spiking = [one for one in counts.values() if "spike" in dict(one.items())]
    neurons = sum(one.sizes.potentials for one in spiking)
    return sum(one.spike.item() for one in spiking) / neurons if neurons else 0.0


def _floats(values: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _spread(energies: Tensor, samples: Tensor) -> float:
    """Standard error of the mean over samples, from its batches, as a share of the mean."""
    batches = int((samples > 0).sum())
    share = samples / samples.sum()
    mean = (share * energies).sum()
    if batches < 2 or float(mean) == 0:
        return 0.0
    variance = (share * (energies - mean)).square().sum() * batches / (batches - 1)
    return float(variance.sqrt() / mean)
