"""Neurons that integrate what arrives: IF, LIF, and the leaky readout LI."""

from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.contract import NeuronCost
from picojoule.neurons.base import Neuron, along, positive
from picojoule.neurons.membrane import RESETS, fire, leak
from picojoule.neurons.parameters import Value, one_of, parameter
from picojoule.surrogate import Surrogate, spike_function


class LIFState(NamedTuple):
    """State of integrators: the membrane [B, ...] after the reset."""

    membrane: Tensor


class IF(Neuron):
    """Integrate-and-fire: a LIF neuron that never forgets.

    Equation::

        v[t] = v[t-1] + I[t]
        s[t] = 1 where v[t] >= threshold, else 0
        v[t] = v[t] * (1 - s[t])             reset="zero"
        v[t] = v[t] - threshold * s[t]       reset="subtract"

    Args:
        size: Number of neurons (or channels) with parameters of their own; None shares one set.
        dt: Seconds per step; nothing but static power depends on it.
        threshold: A number, a tensor [size], a range ``(low, high)`` or a distribution.
        reset: ``"zero"`` or ``"subtract"``.
        surrogate: The spike function, or its name.
        detach_reset: Whether the spike in the reset is cut from the graph.

    Shape:
        currents [T, B, ...] to spikes [T, B, ...]; with ``size``, [T, B, size, ...].

    Raises:
        ValueError: A step or threshold that is not positive, an unknown reset.

    Example:
        >>> spikes, state = IF(reset="subtract")(torch.full((5, 1, 1), 0.4))
        >>> spikes.flatten()
        tensor([0., 0., 1., 0., 1.])
    """

    cost = NeuronCost(adds=1, states=1, comparisons=1)

    def __init__(
        self,
        size: int | None = None,
        *,
        dt: float = 1e-3,
        threshold: Value = 1.0,
        reset: str = "zero",
        surrogate: str | Surrogate = "atan",
        detach_reset: bool = True,
    ) -> None:
        super().__init__()
        positive("dt", dt)
        self.threshold = parameter("threshold", threshold, size)
        self.reset = one_of("reset", reset, RESETS)
        self.dt, self.detach_reset = dt, detach_reset
        self.surrogate = spike_function(surrogate)

    def init_state(self, current: Tensor) -> LIFState:
        """A membrane at rest (zero)."""
        return LIFState(torch.zeros_like(current))

    def step(self, current: Tensor, state: LIFState) -> tuple[Tensor, LIFState]:
        """One step: current [B, ...] to spikes [B, ...]."""
        v = state.membrane + current
        threshold = along(self.threshold, current)
        spikes, v = fire(v, threshold, self.surrogate, self.reset, self.detach_reset)
        return spikes, LIFState(v)


class LIF(Neuron):
    """Leaky integrate-and-fire.

    Equation::

        alpha = exp(-dt / tau)
        v[t]  = alpha * v[t-1] + I[t]
        s[t]  = 1 where v[t] >= threshold, else 0
        v[t]  = v[t] * (1 - s[t])             reset="zero"
        v[t]  = v[t] - threshold * s[t]       reset="subtract"

    Args:
        size: Number of neurons (or channels) with parameters of their own; None shares one set.
        tau: Membrane time constant in seconds; a number, a tensor [size], a range ``(low, high)``
            or a distribution.
        dt: Seconds per step.
        threshold: As ``tau``.
        reset: ``"zero"`` or ``"subtract"``.
        surrogate: The spike function, or its name.
        detach_reset: Whether the spike in the reset is cut from the graph.

    Shape:
        currents [T, B, ...] to spikes [T, B, ...]; with ``size``, [T, B, size, ...].

    Raises:
        ValueError: A time constant, step or threshold that is not positive, an unknown reset.

    Example:
        >>> spikes, state = LIF(tau=20e-3, dt=1e-3)(torch.full((3, 1, 1), 0.6))
        >>> spikes.flatten()
        tensor([0., 1., 0.])
    """

    cost = NeuronCost(adds=1, multiplies=1, states=1, comparisons=1)

    def __init__(
        self,
        size: int | None = None,
        *,
        tau: Value = 20e-3,
        dt: float = 1e-3,
        threshold: Value = 1.0,
        reset: str = "zero",
        surrogate: str | Surrogate = "atan",
        detach_reset: bool = True,
    ) -> None:
        super().__init__()
        positive("dt", dt)
        self.tau = parameter("tau", tau, size)
        self.threshold = parameter("threshold", threshold, size)
        self.reset = one_of("reset", reset, RESETS)
        self.dt, self.detach_reset = dt, detach_reset
        self.surrogate = spike_function(surrogate)

    def init_state(self, current: Tensor) -> LIFState:
        """A membrane at rest (zero)."""
        return LIFState(torch.zeros_like(current))

    def step(self, current: Tensor, state: LIFState) -> tuple[Tensor, LIFState]:
        """One step: current [B, ...] to spikes [B, ...]."""
        alpha = along(leak(self.tau, self.dt), current)
        v = torch.addcmul(current, alpha, state.membrane)
        threshold = along(self.threshold, current)
        spikes, v = fire(v, threshold, self.surrogate, self.reset, self.detach_reset)
        return spikes, LIFState(v)


class LI(Neuron):
    """Leaky integrator without spikes, for readouts: its output is its membrane.

    Equation::

        v[t] = exp(-dt / tau) * v[t-1] + I[t]

    Args:
        size: Number of neurons with parameters of their own; None shares one set.
        tau: Membrane time constant in seconds; a number, a tensor [size], a range ``(low, high)``
            or a distribution.
        dt: Seconds per step.

    Shape:
        currents [T, B, ...] to membranes [T, B, ...].

    Raises:
        ValueError: A time constant or step that is not positive.
    """

    output = "analog"
    cost = NeuronCost(adds=1, multiplies=1, states=1)

    def __init__(self, size: int | None = None, *, tau: Value = 20e-3, dt: float = 1e-3) -> None:
        super().__init__()
        positive("dt", dt)
        self.tau = parameter("tau", tau, size)
        self.dt = dt

    def init_state(self, current: Tensor) -> LIFState:
        """A membrane at rest (zero)."""
        return LIFState(torch.zeros_like(current))

    def step(self, current: Tensor, state: LIFState) -> tuple[Tensor, LIFState]:
        """One step: current [B, ...] to membrane [B, ...]."""
        alpha = along(leak(self.tau, self.dt), current)
        v = torch.addcmul(current, alpha, state.membrane)
        return v, LIFState(v)
