"""Parts of a training, and one step of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from picojoule.energy import Chip, Conventions, Energy
from picojoule.readout import Readout
from picojoule.training.batches import Batch, Inputs, metered
from picojoule.training.cost import silent_layers
from picojoule.training.measure import evaluation
from picojoule.training.penalties.base import Penalty
from picojoule.training.ranks import mean_energy
from picojoule.training.records import Log, Validation
from picojoule.training.scores import check_scores


@dataclass(frozen=True)
class Task:
    """The parts of a training that do not change.

    Attributes:
        fabric: Device, precision and processes.
        model: The network as Fabric wraps it.
        optimizer: Its optimizer as Fabric wraps it.
        criterion: Scores [B, K] and labels [B] to a loss.
        readout: out [T, B, K] and lengths to scores [B, K].
        chip: Prices the energy.
        penalty: Term of the loss that grows with energy, None without one.
        scheduler: Changes the learning rate after every step, None if nothing does.
        inputs: The kind of the network's input.
        convention: How to count.
    """

    fabric: Fabric
    model: Any
    optimizer: Any
    criterion: Callable[[Tensor, Tensor], Tensor]
    readout: Readout
    chip: Chip
    penalty: Penalty | None
    scheduler: LRScheduler | None
    inputs: Inputs
    convention: Conventions

    def validated(self, loader: DataLoader) -> Validation:
        """Measures the network on a data set, in evaluation mode."""
        found = evaluation(
            self.model,
            loader,
            readout=self.readout,
            chip=self.chip,
            inputs=self.inputs,
            convention=self.convention,
            fabric=self.fabric,
        )
        energy = self.chip.price(found.counts)
        return Validation(
            accuracy=found.accuracy,
            energy_pj=float(energy.total),
            spread=found.spread[self.chip.name],
            silent=silent_layers(found.totals),
            floor_pj=float(energy.floor),
        )

    def step(self, batch: Batch, epoch: int, step: int) -> tuple[Log, Energy, Callable[[], None]]:
        """Takes one step of the optimizer, without waiting for the device.

        Args:
            batch: On the device.
            epoch: Number of the epoch, for the record.
            step: Number of the step, for the record.

        Returns:
            The record, the energy, and what checks the counts, which waits for the device.
        """
        looks = self.penalty is not None and self.penalty.looks_at_traffic
        out, meter = metered(
            self.model,
            batch.x,
            batch.lengths,
            inputs=self.inputs,
            convention=self.convention,
            traffic=looks,
        )
        check = meter.put_off_check()
        scores = self.readout(out, batch.lengths)
        check_scores(scores, batch)
        energy = mean_energy(self.fabric, self.chip.price(meter.counts))
        loss = self.criterion(scores, batch.label)
        charge = None
        if self.penalty is not None:
            charge = self.penalty(energy, meter.traffic if looks else None)
            loss = loss + charge
        del meter  # and with it spikes that the gradient may let go of on its way
        self._descend(loss)
        if self.penalty is not None:
            self.penalty.update(energy)
        log = Log(
            epoch=epoch,
            step=step,
            loss=loss.detach(),
            accuracy=(scores.argmax(-1) == batch.label).double().mean(),
            energy_pj=energy.total.detach(),
            penalty=None if charge is None else charge.detach(),
            multiplier=None if self.penalty is None else self.penalty.multiplier,
        )
        return log, energy, check

    def _descend(self, loss: Tensor) -> None:
        """Changes the weights by the gradient of the loss."""
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
