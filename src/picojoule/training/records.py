"""Records of a training: one per step, one per epoch, and one of the epoch that was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Spent:
    """Energy per sample over a data set, or over the training batches of an epoch.

    Attributes:
        energy_pj: Energy per sample, in pJ.
        floor_pj: The part of it that no hidden spike can change.
        spread: Standard error of ``energy_pj`` over batches, as a share of it.
    """

    energy_pj: float
    floor_pj: float
    spread: float = 0.0


# One limit in pJ per sample; several, by the name of the chip; or none.
Limits = float | Mapping[str, float] | None


@dataclass(frozen=True)
class Validation:
    """Measures and energy of the network on the validation set, in evaluation mode.

    Attributes:
        accuracy: Share of correct predictions; None in regression.
        energy_pj: Energy per sample, in pJ.
        spread: Standard error of ``energy_pj`` over batches, as a share of it.
        silent: Layers of neurons that put out no spike; empty in records from before this was kept.
        floor_pj: The part of ``energy_pj`` that no hidden spike can change; None in records from
            before this was kept.
        beside: Energy on further chips, by name.
        macro_f1: F1 averaged over classes; None in regression, and in records from before this was
            kept.
        mse: Mean squared error; None except in regression.
        activity: Spikes per neuron and step, by layer; empty in records from before this was kept.
        expected: Energy to expect of other samples on chips with a limit, by name (``""`` for the
            first), where their floor is known from the training set too; see ``expects``.
    """

    accuracy: float | None
    energy_pj: float
    spread: float
    silent: tuple[str, ...] = ()
    floor_pj: float | None = None
    beside: dict[str, Spent] = field(default_factory=dict)
    macro_f1: float | None = None
    mse: float | None = None
    activity: dict[str, float] = field(default_factory=dict)
    expected: dict[str, Spent] = field(default_factory=dict)

    @property
    def own(self) -> str:
        """Name of the measure that decides if nothing else is said."""
        return "mse" if self.accuracy is None else "accuracy"

    def measure(self, name: str) -> float:
        """Returns a measure by its name.

        Raises:
            ValueError: If it was not kept.
        """
        found = {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "mse": self.mse}[name]
        if found is None:
            raise ValueError(
                f"an epoch has no {name} to choose by: it is of another task, or from a version "
                "that did not record it"
            )
        return found

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Validation":
        """Makes the record whose ``dataclasses.asdict`` is ``fields``, also if read from JSON."""
        silent = tuple(fields.get("silent", ()))
        spent = {name: _spent(fields, name) for name in ("beside", "expected")}
        return cls(**{**fields, **spent, "silent": silent})

    def on(self, chip: str) -> Spent:
        """Returns the energy on a chip by its name, ``""`` for the first."""
        own = Spent(self.energy_pj, self.floor_pj or 0.0, self.spread)
        return self.beside[chip] if chip else own

    def expects(self, chip: str) -> Spent:
        """Returns the energy to expect of other samples on a chip.

        That is what these spent, but with a floor that is known from the training set too.
        """
        return self.expected.get(chip) or self.on(chip)

    def meets(self, limit_pj: Limits, *, errors: float = 0.0) -> bool:
        """Tells whether the energy to expect is within the limit, or all limits.

        Args:
            limit_pj: The limit in pJ; limits by the name of the chip (``""`` for the first); None
                for none.
            errors: By how many standard errors it must be.
        """
        return self.load(limit_pj, errors=errors) <= 1

    def load(self, limit_pj: Limits, *, errors: float = 0.0) -> float:
        """Returns the highest energy as a share of its limit, 0 without one; see ``meets``."""
        each = ((self.expects(chip), limit) for chip, limit in _by_chip(limit_pj).items())
        loads = (one.energy_pj * (1 + errors * one.spread) / limit for one, limit in each)
        return max(loads, default=0.0)


@dataclass(frozen=True)
class EpochRecord:
    """Means over the training samples of one epoch, and its outcome.

    Attributes:
        epoch: Its number, from 1.
        step: Steps taken since the start of training.
        loss: Mean loss, penalty included.
        accuracy: Share of correct predictions on the training set; None in regression.
        energy_pj: Mean energy per sample, in pJ.
        penalty: Mean penalty, None without one.
        multiplier: The penalty's multiplier after the epoch, None if it has none.
        validation: None without a validation set.
        engines: By layer, the engine that ran its last training step: ``"fused"``, or ``"eager"``
            with the reason; empty in records from before this was kept.
        floor_pj: The part of ``energy_pj`` that no hidden spike can change; None in records from
            before this was kept.
        beside: Mean energy on further chips, by name.
        multipliers: If several limits are kept, the multiplier of each after the epoch by the name
            of its chip (``""`` for the first); ``multiplier`` is then the highest.
        mse: Mean squared error; None except in regression.
        settled: Whether every limit was aimed at as it is when the epoch ended; False while a
            budget still comes down to it.
    """

    epoch: int
    step: int
    loss: float
    accuracy: float | None
    energy_pj: float
    penalty: float | None
    multiplier: float | None
    validation: Validation | None
    engines: dict[str, str] = field(default_factory=dict)
    floor_pj: float | None = None
    beside: dict[str, Spent] = field(default_factory=dict)
    multipliers: dict[str, float] = field(default_factory=dict)
    mse: float | None = None
    settled: bool = True

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "EpochRecord":
        """Makes the record whose ``dataclasses.asdict`` is ``fields``."""
        validation = fields["validation"]
        made = None if validation is None else Validation.of(validation)
        return cls(**{**fields, "validation": made, "beside": _spent(fields, "beside")})

    def on(self, chip: str) -> Spent:
        """Returns the energy on a chip by its name, ``""`` for the first."""
        return self.beside[chip] if chip else Spent(self.energy_pj, self.floor_pj or 0.0)


@dataclass(frozen=True)
class Chosen:
    """The epoch whose weights the network has after training.

    Attributes:
        epoch: Its number, from 1.
        accuracy: On the validation set; None in regression.
        energy_pj: Energy per sample on the validation set, in pJ.
        feasible: Whether that is within the limit; True if there is none.
        by: Name of the measure it was chosen by.
        macro_f1: On the validation set; None in regression.
        mse: Mean squared error on the validation set; None except in regression.
    """

    epoch: int
    accuracy: float | None
    energy_pj: float
    feasible: bool
    by: str = "accuracy"
    macro_f1: float | None = None
    mse: float | None = None


@dataclass(frozen=True)
class Log:
    """Record of one step, or of one epoch.

    The tensors are scalars on the network's device; reading one waits for the device.

    Attributes:
        epoch: Number of the epoch, from 1.
        step: Steps taken since the start of training.
        loss: Loss of the batch, penalty included; at an epoch's end the mean over the epoch.
        accuracy: Share of correct predictions, in the batch or over the epoch; None in
            regression.
        energy_pj: Energy per sample in pJ, in the batch or over the epoch.
        penalty: The penalty's part of the loss, None without one.
        multiplier: The penalty's multiplier after the step, None if it has none.
        history: Every epoch so far; empty except at the end of an epoch.
        chosen: The epoch whose weights the network now has; None except in the last record of a
            training with a validation set.
        mse: Mean squared error, in the batch or over the epoch; None except in regression.
    """

    epoch: int
    step: int
    loss: Tensor
    accuracy: Tensor | None
    energy_pj: Tensor
    penalty: Tensor | None
    multiplier: Tensor | None
    history: tuple[EpochRecord, ...] = ()
    chosen: Chosen | None = None
    mse: Tensor | None = None

    @property
    def own(self) -> tuple[str, Tensor]:
        """Name and value of the measure that decides if nothing else is said."""
        if self.accuracy is not None:
            return "accuracy", self.accuracy
        assert self.mse is not None
        return "mse", self.mse

    @property
    def validation(self) -> Validation | None:
        """The epoch's validation; None within an epoch, or without a validation set."""
        return self.history[-1].validation if self.history else None


def _by_chip(limit_pj: Limits) -> Mapping[str, float]:
    if isinstance(limit_pj, Mapping):
        return limit_pj
    return {} if limit_pj is None else {"": limit_pj}


def _spent(fields: Mapping[str, Any], name: str) -> dict[str, Spent]:
    """Makes energies by chip, which old records lack."""
    return {chip: Spent(**spent) for chip, spent in fields.get(name, {}).items()}
