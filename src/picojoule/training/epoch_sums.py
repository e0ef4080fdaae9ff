"""Sums over the training batches of an epoch."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from picojoule.energy import Energy
from picojoule.targets import Target
from picojoule.training.batches import Batch, same_target
from picojoule.training.ranks import gathered
from picojoule.training.records import Log, Spent


@dataclass(frozen=True)
class Means:
    """Means over an epoch.

    Attributes:
        target: What was learned.
        loss: Over labels, penalty included.
        value: The own measure of the target, over labels.
        penalty: Over samples.
        spent: Over samples, on each chip.
        samples: Number of samples.
    """

    target: Target
    loss: float
    value: float
    penalty: float
    spent: tuple[Spent, ...]
    samples: int

    def measure(self, name: str) -> float | None:
        """Returns a measure by its name, None if it is not the own of the target."""
        return self.value if name == self.target.own else None


class EpochSums:
    """Sums over the batches of one rank, kept on the device."""

    def __init__(self) -> None:
        self._target: Target | None = None
        self._sums: Tensor | None = None

    def see(self, batch: Batch) -> Target:
        """Returns the target of a batch, before it is trained on.

        Raises:
            ValueError: If it is not that of the batches before.
        """
        self._target = same_target(batch, self._target)
        return self._target

    def add(self, batch: Batch, log: Log, energies: Mapping[str, Energy]) -> None:
        """Adds a batch: labels, loss and measure; then samples, penalty, energies and floors."""
        one = torch.ones_like(log.loss)
        penalty = torch.zeros_like(log.loss) if log.penalty is None else log.penalty
        spent = [part for each in energies.values() for part in (each.total.detach(), each.floor)]
        of_labels = len(batch.label) * _stacked(log.loss, one, log.loss, log.own[1])
        of_samples = batch.x.shape[1] * _stacked(log.loss, one, penalty, *spent)
        sums = torch.cat([of_labels, of_samples])
        self._sums = sums if self._sums is None else self._sums + sums

    def read(self, fabric: Fabric) -> Means:
        """Reads the means over all ranks from the device.

        Raises:
            ValueError: If there was no batch, or no label.
        """
        if self._sums is None or self._target is None:
            raise ValueError("the loader gave no batch: nothing to train on")
        labels, loss, value, samples, *totals = gathered(fabric, self._sums).sum(0).tolist()
        if not labels:
            raise ValueError("no step of any training batch has a label: nothing to train on")
        penalty, *energies = (total / samples for total in totals)
        pairs = zip(energies[::2], energies[1::2], strict=True)
        spent = tuple(Spent(*pair) for pair in pairs)
        return Means(self._target, loss / labels, value / labels, penalty, spent, int(samples))


def _stacked(like: Tensor, *values: Tensor) -> Tensor:
    return torch.stack([value.to(like.device).double() for value in values])
