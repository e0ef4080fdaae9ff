"""How an image becomes input in time."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from picojoule.data.split import Split


class Encoder(ABC):
    """Turns raw items into what arrives step by step.

    Attributes:
        kind: What a network's input is to the meter: ``events`` (0 or 1) or ``analog``.
        steps: How many steps every item has, or None where they differ.
    """

    kind: ClassVar[Literal["events", "analog"]]
    steps: int | None

    def prepare(self, split: Split) -> Split:
        """What is done once for a split: nothing, unless an encoder says otherwise."""
        return split

    def inputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one step without batch: the item's, unless an encoder says otherwise."""
        return shape

    @abstractmethod
    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encodes a batch of a prepared split.

        Shape:
            ``x`` ``[B, ...]``, ``lengths`` ``[B]`` or None; gives ``[T, B, ...]`` float32 and the
            number of steps of each item, ``[B]`` int64, or None where all T count.
        """


@dataclass(frozen=True)
class Direct(Encoder):
    """The image itself, once: ``(x - mean) / std``.

    For a network that repeats it after its first layers.

    Args:
        mean: Of the training images in 0..1.
        std: Of the training images in 0..1.

    Raises:
        ValueError: For a ``std`` that is not above 0.
    """

    kind: ClassVar[Literal["events", "analog"]] = "analog"
    mean: float = 0.0
    std: float = 1.0
    steps: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        _check_positive("std", self.std)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encodes images ``[B, C, H, W]`` as ``[1, B, C, H, W]``."""
        return ((unit(x) - self.mean) / self.std).unsqueeze(0), lengths


@dataclass(frozen=True)
class Repeat(Encoder):
    """The image itself at every step: ``(x - mean) / std``.

    Args:
        steps: How often.
        mean: Of the training images in 0..1.
        std: Of the training images in 0..1.

    Raises:
        ValueError: For less than one step, or a ``std`` that is not above 0.
    """

    kind: ClassVar[Literal["events", "analog"]] = "analog"
    steps: int
    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        _check_positive("std", self.std)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encodes images ``[B, C, H, W]`` as ``[T, B, C, H, W]``, all steps one piece of memory."""
        image = (unit(x) - self.mean) / self.std
        return image.expand(self.steps, *image.shape), lengths


@dataclass(frozen=True)
class Poisson(Encoder):
    """A spike at each step with probability ``rate * x``.

    Drawn anew each time, from torch's global random state: measure with a seed.

    Args:
        steps: How many.
        rate: Probability of a spike of a pixel of value 1, in (0, 1].

    Raises:
        ValueError: For less than one step, or a ``rate`` out of its range.
    """

    kind: ClassVar[Literal["events", "analog"]] = "events"
    steps: int
    rate: float = 1.0

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        if not 0 < self.rate <= 1:
            raise ValueError(f"expected rate in (0, 1], got {self.rate}")

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encodes images ``[B, C, H, W]`` as ``[T, B, C, H, W]`` of 0 and 1."""
        probability = unit(x) * self.rate
        return (torch.rand(self.steps, *x.shape) < probability).float(), lengths


@dataclass(frozen=True)
class Latency(Encoder):
    """At most one spike per pixel, the brighter the earlier.

    A pixel of value ``x >= threshold`` spikes once, at step ``round((1 - x) * (steps - 1))``; a
    darker one never does.

    Args:
        steps: How many.
        threshold: The darkest value that spikes, in (0, 1].

    Raises:
        ValueError: For less than one step, or a ``threshold`` out of its range.
    """

    kind: ClassVar[Literal["events", "analog"]] = "events"
    steps: int
    threshold: float = 0.2

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        if not 0 < self.threshold <= 1:
            raise ValueError(f"expected threshold in (0, 1], got {self.threshold}")

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encodes images ``[B, C, H, W]`` as ``[T, B, C, H, W]`` of 0 and 1."""
        value = unit(x)
        step = ((1 - value) * (self.steps - 1)).round().long().clamp(0, self.steps - 1)
        spiking = (value >= self.threshold).float()
        spikes = torch.zeros(self.steps, *value.shape)
        return spikes.scatter_(0, step.unsqueeze(0), spiking.unsqueeze(0)), lengths


def unit(x: Tensor) -> Tensor:
    """Images as float32 in 0..1, whether they are bytes or are so already.

    Raises:
        TypeError: For integers other than uint8.
    """
    if x.dtype == torch.uint8:
        return x.float() / 255
    if not x.is_floating_point():
        raise TypeError(f"expected images as uint8 0..255 or float 0..1, got {x.dtype}")
    return x.float()


def check_count(name: str, value: object) -> None:
    """Refuses what is no whole number of at least one.

    Raises:
        TypeError: For another type than int.
        ValueError: For less than one.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected {name} as a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"expected {name} of at least 1, got {value}")


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"expected {name} above 0, got {value}")
