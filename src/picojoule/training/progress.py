"""The progress of a training: all that a checkpoint holds."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from picojoule.training.choose import choose
from picojoule.training.penalties.energy_budget import worded
from picojoule.training.randomness import random_states, restore_random_states
from picojoule.training.ranks import gathered
from picojoule.training.records import EpochRecord, Log
from picojoule.training.together import Together

_SCHEMA = 1
_KEPT = ("exp_avg", "momentum_buffer", "square_avg", "sum")  # what optimizers keep of gradients


@dataclass(eq=False)
class Progress:
    """State of a training, all that changes as it goes on.

    Attributes:
        fabric: Device, precision and processes.
        net: The network that learns.
        optimizers: Its optimizer, and that of levers if there are any.
        scheduler: That of the learning rate, None without one.
        penalty: Its penalties.
        own: The generators of the training loader.
        by: Name of the measure by which an epoch is chosen; None for its own.
        epoch: Epochs done.
        step: Steps taken.
        history: One record for each epoch.
        best: Weights of the epoch chosen so far, None without a validation set.

    Raises:
        ValueError: If the optimizer updates no parameter of the network, or knows one in another
            shape.
    """

    fabric: Fabric
    net: nn.Module
    optimizers: Sequence[Optimizer]
    scheduler: LRScheduler | None
    penalty: Together
    own: list[torch.Generator]
    by: str | None = None
    epoch: int = 0
    step: int = 0
    history: list[EpochRecord] = field(default_factory=list)
    best: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        own = set(self.net.parameters())
        updated = (one for group in self.optimizers[0].param_groups for one in group["params"])
        if own.isdisjoint(updated):
            raise ValueError(
                "the optimizer updates no parameter of the network, which would learn nothing: "
                "make it of net.parameters(), after any copy of the network"
            )
        for parameter, state in self.optimizers[0].state.items():
            kept = (state.get(name) for name in _KEPT)
            if any(one is not None and one.shape != parameter.shape for one in kept):
                raise ValueError(
                    "the optimizer has state for parameters of other shapes: training has left out "
                    "parts of the network since. Make a new one of net.parameters()"
                )

    @property
    def limits(self) -> dict[str, float]:
        """Limits by which an epoch is chosen, in pJ per sample, by chip."""
        return self.penalty.limits

    def close_epoch(self, record: EpochRecord) -> None:
        """Adds an epoch that is done, and keeps its weights if it is the best so far."""
        self.history.append(record)
        self.epoch = record.epoch
        chosen = choose(self.history, self.limits, self.by)
        if chosen is not None and chosen.epoch == record.epoch:
            self.best = deepcopy(self.net.state_dict())

    def epoch_log(self) -> Log:
        """Makes the record of the end of an epoch."""
        record = self.history[-1]
        return Log(
            epoch=record.epoch,
            step=record.step,
            loss=torch.tensor(record.loss),
            accuracy=_tensor(record.accuracy),
            energy_pj=torch.tensor(record.energy_pj),
            penalty=_tensor(record.penalty),
            multiplier=_tensor(record.multiplier),
            history=tuple(self.history),
            mse=_tensor(record.mse),
        )

    def finish(self) -> Log:
        """Gives the network the chosen weights, and makes the last record."""
        if self.best is not None:
            self.net.load_state_dict(self.best)
        return replace(self.epoch_log(), chosen=choose(self.history, self.limits, self.by))

    def state_dict(self) -> dict[str, Any]:
        """Returns all of it; for all ranks at once, since each has its own random states."""
        states = random_states(self.fabric.device, self.own)
        return {
            "schema": _SCHEMA,
            "epoch": self.epoch,
            "step": self.step,
            "history": [asdict(record) for record in self.history],
            "net": self.net.state_dict(),
            "best": self.best,
            "optimizer": self.optimizers[0].state_dict(),
            "levers": [one.state_dict() for one in self.optimizers[1:]],
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "penalty": self.penalty.state_dict(),
            "penalty_kinds": _kinds(self.penalty),
            "limits": self.limits,
            "precision": self.fabric.strategy.precision.state_dict(),
            "random": {name: gathered(self.fabric, state) for name, state in states.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any], source: Path) -> None:
        """Goes on from a state, which is checked as a whole before anything is changed.

        Raises:
            ValueError: If it is of another training; the message names ``source``.
        """
        if differences := list(self._differences(state)):
            raise ValueError(
                f"the checkpoint {source} is of another training ({'; '.join(differences)}): go on "
                "with what it was made with, or give another folder"
            )
        self.epoch, self.step, self.best = state["epoch"], state["step"], state["best"]
        self.history = [EpochRecord.of(fields) for fields in state["history"]]
        self.net.load_state_dict(state["net"])
        for one, saved in zip(self.optimizers, _optimizers(state), strict=True):
            one.load_state_dict(saved)
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.penalty.load_state_dict(state["penalty"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        rank = self.fabric.global_rank
        states = {name: ranks[rank].clone() for name, ranks in state["random"].items()}
        restore_random_states(states, self.fabric.device, self.own)

    def _differences(self, state: Mapping[str, Any]) -> Iterator[str]:
        """Yields what shows that a state is of another training."""
        if state.get("schema") != _SCHEMA:
            yield f"schema {state.get('schema')}, expected {_SCHEMA}"
            return
        own = _shapes(self.net.state_dict())
        if _shapes(state["net"]) != own or _shapes(state["best"]) not in (own, None):
            yield "its network has other weights"
        if [*map(_groups, _optimizers(state))] != [
            _groups(o.state_dict()) for o in self.optimizers
        ]:
            yield "its optimizer has other parameters"
        if (state["scheduler"] is None) != (self.scheduler is None):
            yield "one has a scheduler, the other none"
        if state.get("penalty_kinds", kinds := _kinds(self.penalty)) != kinds:  # old ones lack it
            saved = " with ".join(state["penalty_kinds"])
            yield f"its penalty is {saved or 'none'}, expected {' with '.join(kinds) or 'none'}"
        elif _shapes(state["penalty"]) != _shapes(self.penalty.state_dict()):
            yield "its penalty is of another kind"
        elif (before := state.get("limits", self.limits)) != self.limits:  # old ones lack it
            own = self.penalty.counter
            yield f"its limit is {_said(before, own)}, expected {_said(self.limits, own)}"
        if set(state["random"]) != set(random_states(self.fabric.device, self.own)):
            yield "it ran on another kind of device or loader"
        elif len(state["random"]["torch"]) != self.fabric.world_size:
            yield f"it ran on {len(state['random']['torch'])} processes"


def _tensor(value: float | None) -> Tensor | None:
    return None if value is None else torch.tensor(value)


def _shapes(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {name: v.shape if isinstance(v, Tensor) else None for name, v in state.items()}


def _said(limits: Mapping[str, float], first: str | None) -> str:
    """Words limits by chip; ``first`` is the first one's name if that is a counter."""
    return ", ".join(worded(pj, chip or first) for chip, pj in limits.items()) or "none"


def _kinds(penalty: Together) -> list[str]:
    """Returns the classes of penalties."""
    return [type(one).__name__ for one in penalty.parts]


def _optimizers(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the states of all optimizers; older checkpoints have one."""
    return [state["optimizer"], *state.get("levers", ())]


def _groups(state: Mapping[str, Any]) -> list[list[int]]:
    return [group["params"] for group in state["param_groups"]]
