"""Predictions of a trained network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """The prediction of a network for one input.

    Attributes:
        label: Name of the predicted class; None if the network predicts numbers, or for each step.
        index: Number of the predicted class, likewise.
        confidence: Softmax probability of the predicted class (0 to 1), likewise.
        energy_pj: Energy of this inference on the run's chip, in pJ.
        steps_ran: Number of time steps that ran: fewer than the input has if the network was sure.
        values: The predicted numbers; None if the network predicts a class, or for each step.
        steps: The prediction for each step of the input; None if there is one for all.
    """

    label: str | None
    index: int | None
    confidence: float | None
    energy_pj: float
    steps_ran: int
    values: tuple[float, ...] | None = None
    steps: tuple["StepPrediction", ...] | None = None


@dataclass(frozen=True)
class StepPrediction:
    """The prediction of a network for one step of an input.

    Attributes:
        label: Name of the predicted class; None if the network predicts numbers.
        index: Number of the predicted class, likewise.
        confidence: Softmax probability of the predicted class (0 to 1), likewise.
        values: The predicted numbers; None if the network predicts a class.
    """

    label: str | None = None
    index: int | None = None
    confidence: float | None = None
    values: tuple[float, ...] | None = None
