"""The levers of a training as they learn."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim import Optimizer

from picojoule.training.levers.base import Gate, Lever, changes_of, masks, opened


class Learning:
    """The levers of a training, attached to its network, and the optimizer that they learn by.

    Args:
        net: The network.
        levers: The levers.
        epochs: Epochs of the training.

    Attributes:
        optimizers: Theirs; none without levers.

    Raises:
        TypeError: If something is no lever.
        ValueError: If the network has no place for a lever, or one is there twice.
    """

    def __init__(self, net: nn.Module, levers: Sequence[Lever], epochs: int) -> None:
        _check(levers)
        self._epochs = epochs
        self._of_group: list[Lever] = []
        groups = []
        for lever in levers:
            rated: dict[float, list[nn.Parameter]] = {}
            for learned in lever.attach(net):
                rated.setdefault(lever.rate(learned), []).append(learned)
            for rate, parameters in rated.items():
                groups.append({"params": parameters, "lr": rate, "initial_lr": rate})
                self._of_group.append(lever)
        self._gates = [gate for gate in net.modules() if isinstance(gate, Gate)]
        found = ((mask, changes_of(layer)) for layer, mask in masks(net))
        self._masks = [(mask, changes.original) for mask, changes in found if len(changes) == 1]
        self.optimizers: list[Optimizer] = [torch.optim.Adam(groups, fused=True)] if groups else []

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Opens gates and cuts weights once for a step, for all that ask: layers and the meter."""
        try:
            for gate, one in zip(self._gates, opened(self._gates), strict=True):
                gate.opened = one
            for mask, weight in self._masks:
                mask.left = mask(weight)
            yield
        finally:
            for gate in self._gates:
                gate.opened = None
            for mask, _ in self._masks:
                mask.left = None

    def slow(self, epoch: int, share: float) -> None:
        """Sets how fast levers learn in the next step.

        Args:
            epoch: Number of the epoch, from 1.
            share: The learning rate of the weights as a share of its first, so that both settle.
        """
        done = (epoch - 1) / self._epochs
        for optimizer in self.optimizers:
            for lever, group in zip(self._of_group, optimizer.param_groups, strict=True):
                group["lr"] = share * lever.pace(done) * group["initial_lr"]


@contextmanager
def as_before_if_refused(net: nn.Module) -> Iterator[None]:
    """Makes a network what it was if something fails inside: its layers, and what these hold.

    Values that were changed in place, as by a step of an optimizer, stay changed.
    """
    modules = [(module, type(module), dict(vars(module))) for module in net.modules()]
    tables = [
        (table, dict(table))
        for _, _, held in modules
        for table in held.values()
        if isinstance(table, dict)
    ]
    try:
        yield
    except BaseException:
        for module, kind, held in modules:
            module.__class__ = kind
            vars(module).clear()
            vars(module).update(held)
        for table, items in tables:
            table.clear()
            table.update(items)
        raise


def _check(levers: Sequence[Lever]) -> None:
    """Checks that levers are some, each once."""
    if isinstance(levers, Lever):
        name = type(levers).__name__
        raise TypeError(f"expected a sequence of levers, got {name}: give ({name}(),)")
    for lever in levers:
        name = lever.__name__ if isinstance(lever, type) else type(lever).__name__
        if not isinstance(lever, Lever):
            raise TypeError(f"expected levers such as pj.Gates(), got {name}: {lever!r}")
        if [type(other) for other in levers].count(type(lever)) > 1:
            raise ValueError(f"the lever {name} is there twice: give each once")
