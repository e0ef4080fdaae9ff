"""Neurons that resonate: RF, and the balanced ones in ``balanced``.

A resonator answers to input at its own frequency. Its state is complex, kept as two real tensors.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.contract import NeuronCost
from picojoule.neurons.base import Neuron, along, check_all, positive
from picojoule.neurons.membrane import saturate
from picojoule.neurons.parameters import Value, magnitude, not_negative, one_of, parameter
from picojoule.surrogate import Surrogate, spike_function


class RFState(NamedTuple):
    """State of a resonator: real and imaginary part, each [B, ...]."""

    real: Tensor
    imaginary: Tensor


class RF(Neuron):
    """Resonate-and-fire: answers to input at its own frequency.

    Equation::

        z[t] = z[t-1] * exp(dt * (b + i * omega)) + I[t]          integration="exact"
        z[t] = z[t-1] * (1 + dt * (b + i * omega)) + I[t]         integration="euler"
        s[t] = 1 if Im z[t] >= threshold else 0
        z[t] = z[t] * (1 - s[t]) + i * threshold * s[t]

    Currents are pulses, and enter the real part. The spike in the reset is detached from the graph.
    The parameters are used as ``-abs(b)`` and ``abs(omega)``, so that no value that training may
    reach makes the exact form grow. Forward Euler, which much code uses, grows by itself if
    ``|1 + dt * (b + i * omega)| > 1``; such parameters are refused.

    Take it to tell frequencies apart.

    Args:
        size: Number of neurons (or channels) that have parameters of their own; None for one set
            shared by all.
        omega: Angular frequency in radians per second; a number, a tensor [size], a range
            ``(low, high)`` or a distribution.
        b: Damping per second, below zero, given as ``omega``; -1 / b is a time constant.
        dt: Seconds per step.
        threshold: Imaginary part at which it fires, given as ``omega``.
        integration: ``"exact"`` or ``"euler"``.
        surrogate: The spike function, or its name.

    Shape:
        Currents [T, B, ...] to spikes [T, B, ...]; with ``size``, [T, B, size, ...].

    Raises:
        ValueError: If the damping, the step or a threshold is not allowed, if a step is half a turn
            or more, or if forward Euler would grow.

    Example:
        >>> pulse = torch.tensor([1.2, 0, 0, 0, 0]).view(5, 1, 1)
        >>> RF(omega=500.0, b=-10.0)(pulse)[0].flatten()  # fires a quarter turn later
        tensor([0., 0., 0., 1., 0.])

    Reference:
        Izhikevich, Resonate-and-fire neurons, Neural Networks 14, 2001,
        doi 10.1016/S0893-6080(01)00078-8 (there with a threshold of 1).
    """

    cost = NeuronCost(adds=3, multiplies=4, states=2, comparisons=1)

    def __init__(
        self,
        size: int | None = None,
        *,
        omega: Value = 100.0,
        b: Value = -10.0,
        dt: float = 1e-3,
        threshold: Value = 1.0,
        integration: str = "exact",
        surrogate: str | Surrogate = "atan",
    ) -> None:
        super().__init__()
        positive("dt", dt)
        self.omega = parameter("omega", omega, size, not_negative)
        self.b = parameter("b", b, size, _negative)
        self.threshold = parameter("threshold", threshold, size)
        self.integration = one_of("integration", integration, ("exact", "euler"))
        self.dt = dt
        self.surrogate = spike_function(surrogate)
        if integration == "euler":
            _check_euler(self.omega, self.b, dt)
        elif (self.omega * dt >= math.pi).any():
            raise ValueError(
                f"omega={self.omega.max():g} turns by pi or more in a step of {dt:g} s and would "
                f"look like a slower neuron: take omega below {math.pi / dt:g}, or a smaller dt"
            )

    def init_state(self, current: Tensor) -> RFState:
        """Returns a state at rest: zero."""
        return RFState(torch.zeros_like(current), torch.zeros_like(current))

    def step(self, current: Tensor, state: RFState) -> tuple[Tensor, RFState]:
        """Runs one step: current [B, ...] to spikes [B, ...]."""
        x, y = state
        growth, turn = -self.dt * magnitude(self.b), self.dt * magnitude(self.omega)
        if self.integration == "exact":
            c, s = growth.exp() * turn.cos(), growth.exp() * turn.sin()
        else:
            c, s = 1 + growth, turn
        c, s, threshold = (along(value, current) for value in (c, s, self.threshold))
        x, y = saturate(c * x - s * y + current), saturate(s * x + c * y)
        spikes = self.surrogate(y - threshold)
        fired = spikes.detach() > 0
        x, y = torch.where(fired, 0.0, x), torch.where(fired, threshold, y)
        return spikes, RFState(x, y)


def _negative(name: str, value: float | Tensor) -> float | Tensor:
    tensor = torch.as_tensor(value)
    kept = (tensor < 0) & torch.isfinite(tensor)
    check_all(f"{name} must be below zero and finite (a damping)", value, kept)
    return value


def _check_euler(omega: Tensor, b: Tensor, dt: float) -> None:
    factor = torch.hypot(1 + dt * b.double(), dt * omega.double())
    if (factor > 1 + 1e-6).any():  # as float32 tells them apart
        raise ValueError(
            f"forward Euler grows by itself: |1 + dt (b + i omega)| is {factor.max():.6g} and must "
            "not be above 1: take more damping (b further below zero), a smaller dt or omega, or "
            "integration='exact'"
        )
