"""Functions that neurons share: a membrane's leak, its spikes and reset, its bounds."""

import math

import torch
from torch import Tensor

from picojoule.neurons.parameters import led
from picojoule.surrogate import Surrogate

RESETS = ("zero", "subtract")
_SHORT = 0.1  # steps: of a shorter time constant the leak hardly depends any more


def leak(tau: Tensor, dt: float) -> Tensor:
    """Computes the share of a membrane that is left after a step, exp(-dt / tau).

    A time constant that training pushes below zero makes a membrane that forgets at once; in the
    equation as it stands, the membrane would grow without end. The slope of the leak, which ends
    there, goes on below a tenth of a step as it is at that, so that training finds back.
    """
    alpha = torch.exp(-dt / tau.clamp(min=dt / 80))
    slope = math.exp(-1 / _SHORT) / (_SHORT**2 * dt)
    return torch.where(tau < _SHORT * dt, led(alpha, tau, slope), alpha)


def fire(
    v: Tensor, threshold: Tensor, surrogate: Surrogate, reset: str, detach: bool
) -> tuple[Tensor, Tensor]:
    """Computes the spikes of membranes that reach their threshold, and the reset membranes.

    Args:
        v: Membranes [B, ...].
        threshold: Thresholds that broadcast with them.
        surrogate: The spike function.
        reset: ``"zero"`` or ``"subtract"``.
        detach: Whether the spike in the reset is detached from the graph.
    """
    spikes = surrogate(v - threshold)
    if reset == "subtract":
        v = v - threshold * (spikes.detach() if detach else spikes)
    elif detach:
        # not v * (1 - s): an infinite membrane would become NaN
        v = torch.where(v.detach() >= threshold, 0.0, v)
    else:
        # v * (1 - s), written so that an infinite membrane has finite gradients
        kept = v.masked_fill(v.detach() >= threshold, 0.0)
        v = kept - v.detach().nan_to_num() * (spikes - spikes.detach())
    return spikes, v


def saturate(v: Tensor) -> Tensor:
    """Bounds ``v``, because infinities that are subtracted from one another would make NaN.

    The bound (5e36 in float32) is far above every membrane that means something, and below the
    largest number by a factor that leaves room for the products of one step.
    """
    limit = torch.finfo(v.dtype).max / 64
    return v.clamp(-limit, limit)
