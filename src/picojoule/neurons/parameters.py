"""Parameters of neurons, given as a number, a tensor, a range or a distribution."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from picojoule.neurons.base import check_all, per_neuron, positive

# A tuple (low, high) is a uniform distribution, and what it draws differs from neuron to neuron.
Value = float | Tensor | tuple[float, float] | Distribution
Check = Callable[[str, float | Tensor], float | Tensor]

# How near to an end of its range a raw parameter starts, as a share of the range, and where it is
# then.
_NEAREST = 1e-4
_FAR = math.log(1 / _NEAREST - 1)


def parameter(name: str, value: Value, size: int | None, check: Check = positive) -> nn.Parameter:
    """Makes a parameter shared by all neurons [] or one for each [size], without a gradient.

    Args:
        name: Its name in errors.
        value: One number for all, a tensor [size], a range ``(low, high)`` from which each neuron
            draws its own uniformly, or a ``torch.distributions.Distribution`` to draw from.
        size: Number of neurons; None for one shared value.
        check: Function that returns the value or raises.

    Raises:
        ValueError: If ``check`` refuses the value, a distribution has no size, or the size is below
            1.

    Example:
        >>> parameter("tau", (5e-3, 25e-3), 128).shape
        torch.Size([128])
    """
    _check_size(size)
    if isinstance(value, (tuple, list)):
        low, high = bounds(name, value)
        value = low + (high - low) * torch.rand(_several(name, value, size))
    elif isinstance(value, Distribution):
        value = value.sample(torch.Size([_several(name, value, size)]))
    return per_neuron(check(name, value), size)


def bounds(name: str, value: Sequence[float]) -> tuple[float, float]:
    """Returns the two ends of what is to be a range.

    Raises:
        ValueError: If they are not two finite numbers in order.
    """
    if not _is_range(value):
        raise ValueError(f"{name} must be a number or a range (low, high), got {value}")
    return float(value[0]), float(value[1])


def _is_range(value: object) -> bool:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    return all(map(math.isfinite, value)) and value[0] <= value[1]


def raw(name: str, value: Sequence[float], size: int, check: Check = positive) -> nn.Parameter:
    """Makes a raw parameter [size] that ``within`` turns into values drawn from a range.

    Raises:
        ValueError: If it is no range, ``check`` refuses an end, or the size is below 1.
    """
    _check_size(size)
    if not isinstance(value, (tuple, list)):
        raise ValueError(
            f"{name} must be a range (low, high), from which each neuron draws its own, got {value}"
        )
    for end in bounds(name, value):
        check(name, end)
    return per_neuron(torch.logit(torch.rand(size), eps=_NEAREST), size)


def within(raw: Tensor, value: tuple[float, float]) -> Tensor:
    """Computes the value that a raw parameter stands for: low + (high - low) sigmoid(raw)."""
    low, high = value
    return low + (high - low) * squashed(raw)


def squashed(raw: Tensor) -> Tensor:
    """Computes sigmoid(raw), whose slope far out goes on as it is where raw values begin."""
    share = torch.sigmoid(raw)
    return torch.where(raw.abs() > _FAR, led(share, raw, _NEAREST * (1 - _NEAREST)), share)


def magnitude(value: Tensor) -> Tensor:
    """Computes abs(value), whose slope is 1 at zero: a parameter that is zero can learn."""
    return torch.where(value < 0, -value, value)


def led(value: Tensor, learned: Tensor, slope: float = 1.0) -> Tensor:
    """Returns ``value`` with the gradient of ``slope * learned``.

    A value that ends at the end of its range has no gradient beyond it; led by its parameter it
    has one that leads back.
    """
    return value.detach() + slope * (learned - learned.detach())


def not_negative(name: str, value: float | Tensor) -> float | Tensor:
    """Returns ``value`` if it is finite and not below zero.

    Raises:
        ValueError: If it is not.
    """
    tensor = torch.as_tensor(value)
    kept = (tensor >= 0) & torch.isfinite(tensor)
    check_all(f"{name} must be zero or above and finite", value, kept)
    return value


def whole(name: str, value: int, most: int) -> int:
    """Returns ``value`` if it is a whole number of 1 to ``most``.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name} must be a whole number of 1 to {most:,}, got {value!r}")
    return value


def one_of(name: str, value: str, known: Sequence[str]) -> str:
    """Returns ``value`` if it is known.

    Raises:
        ValueError: If it is not.
    """
    if value not in known:
        choices = " or ".join(f"'{choice}'" for choice in known)
        raise ValueError(f"{name} must be {choices}, not '{value}'")
    return value


def _several(name: str, value: object, size: int | None) -> int:
    if size is None:
        raise ValueError(
            f"{name}={value} is drawn for each neuron: give size= the number of neurons (or "
            "channels), or one number for all of them"
        )
    return size


def _check_size(size: int | None) -> None:
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ValueError(
            f"size must be a whole number of at least 1, the neurons (or channels), got {size!r}"
        )
