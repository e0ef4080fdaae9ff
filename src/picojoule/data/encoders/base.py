"""The base of encoders, which turn raw items into the input of each step."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from picojoule.data.split import Split
from picojoule.data.zeros import Zeros
from picojoule.targets import target_of

_MOST = 100_000  # steps or bands: a larger number is a mistake


class Encoder(ABC):
    """Base class of encoders, which turn raw items into the input of each step.

    Attributes:
        kind: The kind of the network's input, for the meter: ``events`` (0 or 1), ``levels`` (whole
            numbers of events) or ``analog``.
        steps: Number of steps of every item, or None if they differ.
    """

    kind: ClassVar[Literal["events", "levels", "analog"]]
    steps: int | None

    def prepare(self, split: Split, zeros: Zeros = np.zeros) -> Split:
        """Does the work that is needed once for a split; returns it unchanged by default.

        Args:
            split: The items.
            zeros: Makes the arrays, as ``np.zeros`` does.
        """
        return split

    def inputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of one step without batch, by default that of the item."""
        return shape

    def longest(self, split: Split) -> int:
        """Returns the steps that the longest item of a split has, as it was before ``prepare``."""
        assert self.steps is not None
        return self.steps

    def check_labels(self, split: Split) -> None:
        """Checks that labels, if they are per step, are of the steps that this encoder makes.

        Args:
            split: The items as they were before ``prepare``.

        Raises:
            ValueError: If they are of another number of steps.
        """
        target = target_of(split.y)
        if not target.each_step:
            return
        steps = self.longest(split)
        if split.y.shape[1] != steps:
            name = type(self).__name__.lower()
            keys = ("steps", "max_steps")
            key = next((key for key in keys if isinstance(getattr(self, key, None), int)), "")
            advice = f", or set data.encoder.{key}" if key else ""
            raise ValueError(
                f"labels are of {split.y.shape[1]} steps, and the encoder '{name}' makes {steps} "
                f"of the longest item: give a label for each of them ({target.missing:g} where a "
                f"step has none){advice}"
            )

    @abstractmethod
    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encodes a batch of a prepared split.

        Shape:
            ``x`` ``[B, ...]``, ``lengths`` ``[B]`` or None; gives ``[T, B, ...]`` float32 and the
            number of steps of each item, ``[B]`` int64, or None if all T count.
        """


def check_count(name: str, value: object) -> None:
    """Refuses anything but a whole number from 1 to 100,000.

    Raises:
        TypeError: For another type than int.
        ValueError: For a number outside of that.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected {name} as a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"expected {name} of at least 1, got {value}")
    if value > _MOST:
        raise ValueError(f"expected {name} of at most {_MOST:,}, got {value:,}")
