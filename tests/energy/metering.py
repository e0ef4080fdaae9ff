"""Small helpers of the energy tests: run under a meter, read numbers out."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from picojoule.energy import Meter


class Two(nn.Module):
    """A module of anyone's: ``function(self, x, other)`` with some parts."""

    def __init__(self, function: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor, other: Tensor | None = None) -> Any:
        return self.function(self, x) if other is None else self.function(self, x, other)


def run(net: nn.Module, *args: Any, samples: int | None = 1, inputs: Any = "events", **kwargs: Any):
    """The meter after one call; with one sample, counts are totals."""
    with Meter(net, samples=samples, inputs=inputs) as meter:
        net(*args, **kwargs)
    return meter


def total(counts: Any, name: str) -> float:
    """One count, summed over layers."""
    counts = counts.counts if isinstance(counts, Meter) else counts
    return sum(value.item() for done in counts.values() for n, value in done.items() if n == name)


def totals(counts: Any) -> dict[str, float]:
    """All counts but zeros, summed over layers."""
    counts = counts.counts if isinstance(counts, Meter) else counts
    names = {name for done in counts.values() for name, _ in done.items()}
    return {name: number for name in sorted(names) if (number := total(counts, name))}


def events(*shape: int, rate: float = 0.4) -> Tensor:
    """Zeros and ones."""
    return (torch.rand(shape) < rate).float()


def spikes(shape: tuple[int, ...], *positions: tuple[int, ...]) -> Tensor:
    """Ones at the positions."""
    x = torch.zeros(shape)
    for position in positions:
        x[position] = 1.0
    return x


def arrived(function, *args, inputs="events", **parts):
    """The kind and the events that a consumer of the function's result is charged."""

    def forward(net, *values):
        y = function(*values) if not parts else function(net, *values)
        return F.linear(y, torch.ones(1, y.shape[-1], dtype=y.dtype))

    meter = run(Two(forward, **parts), *(value.clone() for value in args), inputs=inputs)
    call = meter.traffic[-1]
    done = meter.counts["network"]
    number = done.ac if call.kind.counted else done.mac
    return call.kind, number.item()


def setting(where, value):
    def function(x, *others):
        x = x.clone()
        x[where] = others[0][where] if others else value
        return x

    return function
