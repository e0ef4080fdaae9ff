"""The base of penalties, which turn a batch's energy into a term of the loss."""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from picojoule._lookup import class_named, classes_in
from picojoule.energy import Energy, Traffic
from picojoule.training.records import Spent


class Penalty(nn.Module, ABC):
    """A term of the loss that grows with energy.

    It has no unit, so that learning rates do not depend on the chip. Its memory is in buffers,
    which checkpoints carry. Nothing in it waits for the device.

    Attributes:
        multiplier: Its present price of energy (0-d), None if that never changes.
        limit_pj: The limit that it keeps, in pJ per sample, None if it has none.
        chip: Name of the chip whose energy it is given if a training prices on several; None for
            the first.
        beside_budget: Whether a recipe may have it beside a budget, since it charges for something
            else than energy.
        looks_at_traffic: Whether it is given ``meter.traffic``, for which a training keeps what
            arrived at each layer.
    """

    multiplier: Tensor | None
    limit_pj: float | None = None
    chip: str | None = None
    beside_budget = False
    looks_at_traffic = True

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("multiplier", None)
        self._warned = False

    def _checked(self, term: Tensor) -> Tensor:
        """Returns a term of the loss, and warns once if training cannot change it."""
        if not self._warned and torch.is_grad_enabled() and not term.requires_grad:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__} reaches no parameter: no spike that was counted has a "
                "gradient, so that it trains nothing. Name the neurons of a foreign network, "
                "Meter(net, neurons={Type: cost}), or mark its spikes by pj.spikes",
                stacklevel=5,
            )
        return term

    @property
    def settled(self) -> bool:
        """True if it asks for all that it is to keep; False while it still comes down to that."""
        return True

    def start(self, floor_pj: float, steps: int | None = None) -> None:
        """Learns the floor of the training set and its length, before the first step.

        Training calls it on a penalty that has a limit.

        Args:
            floor_pj: Energy per sample that no hidden spike can change, in pJ.
            steps: Steps of the whole training; None if they are not known before it.
        """
        del floor_pj, steps

    def validated(self, validation: Spent) -> None:
        """Learns what the network spends in use.

        Training calls it after each validation.

        Args:
            validation: Energy to expect in use, as the validation set tells, and its floor.
        """
        del validation

    @abstractmethod
    def forward(self, energy: Energy, traffic: Sequence[Traffic] | None = None) -> Tensor:
        """Computes the term of the loss.

        Args:
            energy: Energy per sample of the batch.
            traffic: The records of ``meter.traffic``, for a penalty that looks at spikes.

        Returns:
            A dimensionless float32 scalar.
        """

    @abstractmethod
    def update(self, energy: Energy) -> None:
        """Learns from a step that was taken.

        Args:
            energy: Energy per sample of its batch.
        """


def checked_weight(weight: float) -> float:
    """Returns a weight that is finite and at least 0.

    Raises:
        ValueError: If it is not.
    """
    if not (math.isfinite(weight) and weight >= 0):
        raise ValueError(f"weight must be 0 or more, got {weight}")
    return weight


def kinds() -> dict[str, type[Penalty]]:
    """Finds every penalty of ours by its class's name: those in the files of this room."""
    return classes_in("picojoule.training.penalties", Penalty)


def penalty(name: str) -> type[Penalty]:
    """Returns the class of a penalty.

    Args:
        name: That of the class in whatever case, or ``"module:Class"`` for one of your own.

    Raises:
        ValueError: If there is none; the message names the nearest.

    Example:
        >>> penalty("SynapticPenalty").__name__
        'SynapticPenalty'
    """
    return class_named("penalty", name, "picojoule.training.penalties", Penalty)
