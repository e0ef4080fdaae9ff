"""Base class of what a network learns, and the measures of how far it has come."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

# Every measure in words.
MEASURES = {"accuracy": "accuracy", "macro_f1": "macro F1", "mse": "MSE"}


class Scored(NamedTuple):
    """The outcome on a data set; what is no measure of its target is None.

    Attributes:
        labels: Number of labels: of samples, or of steps that have one.
        accuracy: Share of correct predictions.
        macro_f1: F1 averaged over the classes that occur or were predicted.
        mse: Mean squared error, over all numbers of all labels.
        majority: Share of the most frequent label, the accuracy of always predicting it.
        variance: Mean squared error of always predicting the mean label.
        confusion: How often each class (row) was predicted as each (column); None for more than
            100 classes.
    """

    labels: int
    accuracy: float | None = None
    macro_f1: float | None = None
    mse: float | None = None
    majority: float | None = None
    variance: float | None = None
    confusion: tuple[tuple[int, ...], ...] | None = None


class Target(ABC):
    """Target of a network: a class or numbers, for each sample or for each step.

    Labels come as ``y`` ``[N]``, or ``[N, T]`` of each step, in data, and time-major in batches.

    Attributes:
        name: What it is, in words: ``"classification per step"``.
        each_step: Whether there is a label for each step.
        missing: What stands in the place of a label where a step has none.
        measures: Names of what a network is measured by; the first decides if nothing else is said.
    """

    missing: ClassVar[float]
    measures: ClassVar[tuple[str, ...]]

    def __init__(self, name: str, *, each_step: bool) -> None:
        self.name = name
        self.each_step = each_step

    def __repr__(self) -> str:
        """Returns the name."""
        return self.name

    @property
    def own(self) -> str:
        """Name of the measure that decides if nothing else is said."""
        return self.measures[0]

    def check_measure(self, name: str | None) -> None:
        """Checks that a measure is one of this target; None stands for its own.

        Raises:
            ValueError: If it is not.
        """
        if name not in (None, *self.measures):
            known = " or ".join(f"'{one}'" for one in self.measures)
            raise ValueError(
                f"weights cannot be chosen by '{name}': the labels are of a {self.name}, which is "
                f"measured by {known}"
            )

    @abstractmethod
    def criterion(self) -> nn.Module:
        """Makes the usual loss: scores [M, K] and labels to a mean over the labels."""

    @abstractmethod
    def check(self, y: Tensor) -> None:
        """Checks the values of labels, of whatever shape.

        Raises:
            ValueError: If one is no label of this target.
        """

    @abstractmethod
    def is_label(self, y: Tensor) -> Tensor:
        """Returns where there is a label, ``[N]`` or ``[N, T]`` of bools."""

    @abstractmethod
    def outputs(self, y: Tensor) -> int:
        """Returns how many outputs labels need: one for each class or number."""

    @abstractmethod
    def check_outputs(self, needed: int, outputs: int) -> None:
        """Checks that a network has the outputs that its labels need.

        Raises:
            ValueError: If it has not.
        """

    @abstractmethod
    def strata(self, y: Tensor) -> Tensor:
        """Returns a group of each item, ``[N]`` int64, by which items are divided evenly."""

    @property
    @abstractmethod
    def strata_in_words(self) -> str:
        """The way in which items are divided, in words."""

    @abstractmethod
    def measure(self, scores: Tensor, label: Tensor) -> Tensor:
        """Computes the own measure of a batch, 0 without a label; for arguments see ``sums``."""

    @abstractmethod
    def sums(self, scores: Tensor, label: Tensor) -> Tensor:
        """Computes what adds up over batches and makes a ``Scored`` in the end.

        Args:
            scores: [M, K].
            label: [M], or [M, K] numbers.
        """

    @abstractmethod
    def read(self, sums: Tensor) -> Scored:
        """Reads sums over all batches.

        Raises:
            ValueError: If there was no label, scores were not numbers, or labels none of the
                classes.
        """


def is_share(measure: str) -> bool:
    """Returns whether a measure is a share: from 0 to 1, and the more the better."""
    return measure != "mse"


def better(measure: str, value: float) -> float:
    """Returns a measure as a number of which more is better."""
    return value if is_share(measure) else -value


def worded(measure: str, value: float) -> str:
    """Words a measure by its name.

    Example:
        >>> worded("macro_f1", 0.91234), worded("mse", 0.0123456)
        ('macro F1 0.912', 'MSE 0.01235')
    """
    return f"{MEASURES[measure]} {rounded(measure, value)}"


def rounded(measure: str, value: float) -> str:
    """Rounds a measure for people: shares to three places, others to four digits."""
    return f"{value:.3f}" if is_share(measure) else f"{value:.4g}"


def check_read(one: Target, labels: int, unclear: int, so: str) -> None:
    """Refuses an outcome without a label, or of scores that are no numbers."""
    what = "steps" if one.each_step else "samples"
    if not labels:
        raise ValueError(
            f"no step of any sample has a label (all are {one.missing:g}): nothing to learn and "
            "nothing to measure"
        )
    if unclear:
        raise ValueError(
            f"the scores of {unclear} of {labels} {what} are not numbers (NaN), so that they {so}: "
            "look for weights or inputs that are not finite"
        )
