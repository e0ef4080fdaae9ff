"""Parts of a training, and one step of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from picojoule.energy import Chip, Conventions, Energy
from picojoule.readout import Readout
from picojoule.training.batches import Batch, Inputs
from picojoule.training.cost import rates, silent_layers
from picojoule.training.exits import run
from picojoule.training.expected import expected
from picojoule.training.last_batch import told_of_one_value
from picojoule.training.levers import Learning
from picojoule.training.measure import evaluation
from picojoule.training.ranks import gathered, mean_energy
from picojoule.training.records import Log, Spent, Validation
from picojoule.training.scores import scores_of
from picojoule.training.together import Together


@dataclass(frozen=True)
class Task:
    """The parts of a training that do not change.

    Attributes:
        fabric: Device, precision and processes.
        model: The network as Fabric wraps it.
        optimizers: Its optimizer as Fabric wraps it, and that of levers if there are any.
        learning: The levers.
        criterion: Scores [M, K] and labels [M], or [M, K] numbers, to a loss.
        readout: out [T, B, K] and lengths to scores.
        chips: Price the energy; what is logged is that of the first.
        penalty: Terms of the loss that grow with energy.
        scheduler: Changes the learning rate after every step, None if nothing does.
        inputs: The kind of the network's input.
        convention: How to count.
    """

    fabric: Fabric
    model: Any
    optimizers: Sequence[Any]
    learning: Learning
    criterion: Callable[[Tensor, Tensor], Tensor]
    readout: Readout
    chips: Sequence[Chip]
    penalty: Together
    scheduler: LRScheduler | None
    inputs: Inputs
    convention: Conventions

    def validated(
        self, loader: DataLoader, floors_pj: Mapping[str, float] = {}, samples: int = 0
    ) -> Validation:
        """Measures the network on a data set, in evaluation mode.

        Args:
            loader: Batches of the data set.
            floors_pj: Floors of other samples of the same kind on chips with a limit, by chip.
            samples: Number of those.
        """
        found = evaluation(
            self.model,
            loader,
            readout=self.readout,
            chips=self.chips,
            inputs=self.inputs,
            convention=self.convention,
            fabric=self.fabric,
        )
        energies = self._priced(lambda chip: chip.price(found.counts))
        spent = {
            key: Spent(float(energy.total), float(energy.floor), found.spread[energy.chip])
            for key, energy in energies.items()
        }
        own = spent.pop("")
        return Validation(
            accuracy=found.scored.accuracy,
            energy_pj=own.energy_pj,
            spread=own.spread,
            silent=silent_layers(found.totals),
            floor_pj=own.floor_pj,
            beside=spent,
            macro_f1=found.scored.macro_f1,
            mse=found.scored.mse,
            activity=rates(found.totals),
            expected={
                key: one
                for key, floor_pj in floors_pj.items()
                if (one := expected(found, energies[key], floor_pj, samples))
            },
        )

    def step(
        self, batch: Batch, epoch: int, step: int
    ) -> tuple[Log, dict[str, Energy], Callable[[], None]]:
        """Takes one step of the optimizer, without waiting for the device.

        Args:
            batch: On the device.
            epoch: Number of the epoch, for the record.
            step: Number of the step, for the record.

        Returns:
            The record, the energy on each chip (``""`` for the first), and what checks the counts,
            which waits for the device.
        """
        with self.learning.opened(), told_of_one_value():
            return self._step(batch, epoch, step)

    def _step(
        self, batch: Batch, epoch: int, step: int
    ) -> tuple[Log, dict[str, Energy], Callable[[], None]]:
        charged, looks = len(self.penalty.parts) > 0, self.penalty.looks_at_traffic
        ran = run(
            self.model,
            batch,
            inputs=self.inputs,
            convention=self.convention,
            traffic=looks,
        )
        check = ran.meter.put_off_check()
        scores = scores_of(self.readout, ran.out, batch._replace(lengths=ran.lengths))
        priced = self._priced(ran.price)
        energies = {key: mean_energy(self.fabric, one) for key, one in priced.items()}
        own = self._loss(scores if ran.ending is None else ran.ending.scores(scores), batch)
        part, charge = self._part(batch), None
        if charged:
            charge = self.penalty(energies, ran.meter.traffic if looks else None)
        loss = own if charge is None else own + charge
        goal = loss if part is None else own * part if charge is None else own * part + charge
        del ran  # and with it spikes that the gradient may let go of on its way
        self._descend(goal, epoch)
        self.penalty.update(energies)
        measure = {batch.target.own: batch.target.measure(scores.detach(), batch.label)}
        log = Log(
            epoch=epoch,
            step=step,
            loss=loss.detach(),
            accuracy=measure.get("accuracy"),
            mse=measure.get("mse"),
            energy_pj=energies[""].total.detach(),
            penalty=None if charge is None else charge.detach(),
            multiplier=self.penalty.multiplier,
        )
        return log, energies, check

    def _loss(self, scores: Tensor, batch: Batch) -> Tensor:
        """Computes the loss of the labels of a batch, 0 if it has none."""
        if not len(batch.label):
            return scores.sum()
        label = batch.label
        return self.criterion(scores, label.to(scores) if label.is_floating_point() else label)

    def _part(self, batch: Batch) -> Tensor | None:
        """Returns how much the loss of this process weighs, None if as much as any other's.

        A mean over the labels of each is then one over the labels of all, of which processes have
        unequal numbers if there is one for each step.
        """
        if self.fabric.world_size == 1 or not batch.target.each_step:
            return None
        own = torch.full((), float(len(batch.label)), device=self.fabric.device)
        return own / gathered(self.fabric, own).mean(0).clamp(min=1)

    def _priced(self, price: Callable[[Chip], Energy]) -> dict[str, Energy]:
        """Prices counts on every chip."""
        first, *others = map(price, self.chips)
        return {"": first} | {energy.chip: energy for energy in others}

    def _descend(self, loss: Tensor, epoch: int) -> None:
        """Changes the weights by the gradient of the loss."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        self.fabric.backward(loss)
        self.learning.slow(epoch, self._rate_share())
        for optimizer in self.optimizers:
            optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()

    def _rate_share(self) -> float:
        """Returns the learning rate of the weights as a share of its first, at most 1.

        A schedule that begins low and rises says nothing of how fast levers may learn.
        """
        group = self.optimizers[0].param_groups[0]
        first = group.get("initial_lr", group["lr"])
        return min(float(group["lr"] / first), 1.0) if first else 1.0
