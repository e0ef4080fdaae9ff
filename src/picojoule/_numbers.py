"""Arithmetic of single numbers: Python's own of what lies on a CPU, and torch's of the rest.

Reading a number of a CPU waits for nothing, and Python adds two of them in a hundredth of the time
that torch takes. Those of another device stay tensors, since nothing is to wait for it, and so do
all where a mode sees each operation: it is shown those that run there.
"""

import math

import torch
from torch import Tensor

from picojoule._torch import watched

Number = float | Tensor


def number(value: Tensor) -> Number:
    """Returns a number [] without its graph."""
    return value.item() if value.is_cpu and not watched() else value.detach()


def tensor_of(value: Number) -> Tensor:
    """Returns a number as a tensor [] in float64."""
    return value if isinstance(value, Tensor) else torch.scalar_tensor(value, dtype=torch.float64)


def at_least(value: Number, least: float) -> Number:
    """Returns the larger of both; what is no number stays so."""
    return value.clamp(min=least) if isinstance(value, Tensor) else max(value, least)


def at_most(value: Number, most: float) -> Number:
    """Returns the smaller of both; what is no number stays so."""
    return value.clamp(max=most) if isinstance(value, Tensor) else min(value, most)


def log(value: Number) -> Number:
    """Returns the natural logarithm of a number above 0."""
    return torch.log(value) if isinstance(value, Tensor) else math.log(value)


def if_finite(test: Number, value: Number, other: Number) -> Number:
    """Returns ``value`` if ``test`` is finite, else ``other``."""
    if isinstance(test, Tensor):
        return torch.where(test.isfinite(), value, other)
    return value if math.isfinite(test) else other
