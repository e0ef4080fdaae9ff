"""Records of a training: one per step, one per epoch, and the epoch that was chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Validation:
    """Accuracy and energy of the network on the validation set, in evaluation mode.

    Attributes:
        accuracy: Share of samples with the right label.
        energy_pj: Energy per sample, in pJ.
        spread: Standard error of ``energy_pj`` over batches, as a share of it.
        silent: Layers of neurons that put out no spike; empty in records from before this was kept.
        floor_pj: The part of ``energy_pj`` that no hidden spike can change; None in records from
            before this was kept.
    """

    accuracy: float
    energy_pj: float
    spread: float
    silent: tuple[str, ...] = ()
    floor_pj: float | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Validation":
        """Makes the record whose ``dataclasses.asdict`` is ``fields``, also if read from JSON."""
        return cls(**{**fields, "silent": tuple(fields.get("silent", ()))})

    def meets(self, limit_pj: float | None, *, errors: float = 0.0) -> bool:
        """Tells whether the energy is within the limit.

        Args:
            limit_pj: The limit, None for none.
            errors: By how many standard errors it must be.
        """
        return limit_pj is None or self.energy_pj <= limit_pj / (1 + errors * self.spread)


@dataclass(frozen=True)
class EpochRecord:
    """Means over the training samples of one epoch, and its outcome.

    Attributes:
        epoch: Its number, from 1.
        step: Steps taken since the start of training.
        loss: Mean loss, penalty included.
        accuracy: Share of training samples with the right label.
        energy_pj: Mean energy per sample, in pJ.
        penalty: Mean penalty, None without one.
        multiplier: The penalty's multiplier after the epoch, None if it has none.
        validation: None without a validation set.
        engines: By layer, the engine that ran its last training step: ``"fused"``, or ``"eager"``
            with the reason; empty in records from before this was kept.
    """

    epoch: int
    step: int
    loss: float
    accuracy: float
    energy_pj: float
    penalty: float | None
    multiplier: float | None
    validation: Validation | None
    engines: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "EpochRecord":
        """Makes the record whose ``dataclasses.asdict`` is ``fields``."""
        validation = fields["validation"]
        made = None if validation is None else Validation.of(validation)
        return cls(**{**fields, "validation": made})


@dataclass(frozen=True)
class Chosen:
    """The epoch whose weights the network has after training.

    Attributes:
        epoch: Its number, from 1.
        accuracy: On the validation set.
        energy_pj: Energy per sample on the validation set, in pJ.
        feasible: Whether that is within the limit; True if there is none.
    """

    epoch: int
    accuracy: float
    energy_pj: float
    feasible: bool


@dataclass(frozen=True)
class Log:
    """Record of one step, or of one epoch.

    The tensors are scalars on the network's device; reading one waits for the device.

    Attributes:
        epoch: Number of the epoch, from 1.
        step: Steps taken since the start of training.
        loss: Loss of the batch, penalty included; at an epoch's end the mean over the epoch.
        accuracy: Share of samples with the right label, in the batch or over the epoch.
        energy_pj: Energy per sample in pJ, in the batch or over the epoch.
        penalty: The penalty's part of the loss, None without one.
        multiplier: The penalty's multiplier after the step, None if it has none.
        history: Every epoch so far; empty except at the end of an epoch.
        chosen: The epoch whose weights the network now has; None except in the last record of a
            training with a validation set.
    """

    epoch: int
    step: int
    loss: Tensor
    accuracy: Tensor
    energy_pj: Tensor
    penalty: Tensor | None
    multiplier: Tensor | None
    history: tuple[EpochRecord, ...] = ()
    chosen: Chosen | None = None

    @property
    def validation(self) -> Validation | None:
        """The epoch's validation; None within an epoch, or without a validation set."""
        return self.history[-1].validation if self.history else None


def choose(history: Sequence[EpochRecord], limit_pj: float | None) -> Chosen | None:
    """Chooses the most accurate epoch on the validation set among those that meet the limit.

    Epochs that meet it by two standard errors come first, since those will most likely meet it on
    unseen samples too; then those that just meet it; if there is neither, the one that spends
    least. Of equally accurate epochs the one that spends less is chosen, of those the first.

    Args:
        history: Every epoch so far.
        limit_pj: Energy per sample, in pJ; None for no limit.

    Returns:
        The choice, or None if no epoch was validated.
    """

    def merit(item: tuple[int, Validation]) -> tuple[bool, bool, float, float]:
        _, validation = item
        within, safely = (validation.meets(limit_pj, errors=errors) for errors in (0, 2))
        if within:
            return True, safely, validation.accuracy, -validation.energy_pj
        return False, False, -validation.energy_pj, validation.accuracy

    validated = [(r.epoch, r.validation) for r in history if r.validation is not None]
    if not validated:
        return None
    epoch, best = max(validated, key=merit)
    return Chosen(
        epoch=epoch,
        accuracy=best.accuracy,
        energy_pj=best.energy_pj,
        feasible=best.meets(limit_pj),
    )
