"""Coding of an image as input in time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from picojoule.data.encoders.base import Encoder, check_count


@dataclass(frozen=True)
class Direct(Encoder):
    """The image itself, once: ``(x - mean) / std``.

    For a network that repeats it after its first layers.

    Args:
        mean: Of the training images in 0..1, one for all channels or one each.
        std: Of the training images in 0..1, likewise.

    Raises:
        ValueError: For a ``std`` that is not above 0.
    """

    kind: ClassVar[Literal["events", "analog"]] = "analog"
    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    steps: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        _own_statistics(self)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encodes images ``[B, C, H, W]`` as ``[1, B, C, H, W]``."""
        return _normalised(x, self.mean, self.std).unsqueeze(0), lengths


@dataclass(frozen=True)
class Repeat(Encoder):
    """The image itself at every step: ``(x - mean) / std``.

    Args:
        steps: How often.
        mean: Of the training images in 0..1, one for all channels or one each.
        std: Of the training images in 0..1, likewise.

    Raises:
        ValueError: For less than one step, or a ``std`` that is not above 0.
    """

    kind: ClassVar[Literal["events", "analog"]] = "analog"
    steps: int
    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        _own_statistics(self)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encodes images ``[B, C, H, W]`` as ``[T, B, C, H, W]``, all steps one piece of memory."""
        image = _normalised(x, self.mean, self.std)
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
        probability = _share(x) * self.rate
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
        value = _share(x)
        step = ((1 - value) * (self.steps - 1)).round().long()
        spiking = (value >= self.threshold).float()
        spikes = torch.zeros(self.steps, *value.shape)
        return spikes.scatter_(0, step.unsqueeze(0), spiking.unsqueeze(0)), lengths


def unit(x: Tensor) -> Tensor:
    """Converts images to float32 in 0..1, from bytes or from floats.

    Raises:
        TypeError: For integers other than uint8.
    """
    if x.dtype == torch.uint8:
        return x.float() / 255
    if not x.is_floating_point():
        raise TypeError(
            f"expected images as uint8 0..255 or float 0..1, got {x.dtype}: give x.byte() of whole "
            "values 0..255, x.float() of shares"
        )
    return x.float()


def _share(x: Tensor) -> Tensor:
    """Converts images to float32, and refuses values outside of 0..1, which no spikes can tell.

    Raises:
        ValueError: For such a value.
    """
    values = unit(x)
    if x.is_floating_point() and not bool(((values >= 0) & (values <= 1)).all()):
        raise ValueError(
            f"expected images of values in 0..1, got {float(values.min()):g} to "
            f"{float(values.max()):g}: scale them, or take the encoder direct or repeat"
        )
    return values


def _own_statistics(encoder: "Direct | Repeat") -> None:
    """Converts mean and std to numbers or tuples, so that equal encoders compare equal.

    Raises:
        ValueError: For a ``std`` that is not above 0.
    """
    for name in ("mean", "std"):
        value = getattr(encoder, name)
        if isinstance(value, Sequence):
            object.__setattr__(encoder, name, tuple(map(float, value)))
    every = encoder.std if isinstance(encoder.std, Sequence) else (encoder.std,)
    if not every or not all(value > 0 for value in every):
        raise ValueError(f"expected std above 0, got {encoder.std}")


def _normalised(x: Tensor, mean: float | Sequence[float], std: float | Sequence[float]) -> Tensor:
    return (unit(x) - _by_channel(mean, x)) / _by_channel(std, x)


def _by_channel(value: float | Sequence[float], x: Tensor) -> float | Tensor:
    """Returns a number for all channels, or a tensor ``[C, 1, 1]`` for images ``[B, C, H, W]``.

    Raises:
        ValueError: For another number of channels.
    """
    if not isinstance(value, Sequence):
        return value
    if len(value) not in (1, x.shape[1]):
        raise ValueError(
            f"expected images of {len(value)} channels, as the encoder's mean and std are of, got "
            f"{x.shape[1]}"
        )
    return torch.tensor(value).view(-1, 1, 1)
