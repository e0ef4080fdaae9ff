"""Neurons that integrate their input: IF, LIF, and the leaky readout LI."""

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
    """Integrate-and-fire: sums its input up to a threshold.

    Equation::

        v[t] = v[t-1] + I[t]
        s[t] = 1 if v[t] >= threshold else 0
        v[t] = v[t] * (1 - s[t])             reset="zero"
        v[t] = v[t] - threshold * s[t]       reset="subtract"

    Nothing leaks, so that it cannot tell when an input arrived, and it multiplies nothing. With
    ``reset="subtract"`` it fires once for every threshold that arrives.

    Take it for few steps, and for networks that are converted from ANNs.

    Args:
        size: Number of neurons (or channels) that have parameters of their own; None for one set
            shared by all.
        dt: Seconds per step; only static power depends on it.
        threshold: Membrane at which it fires; a number, a tensor [size], a range ``(low, high)`` or
            a distribution.
        reset: ``"zero"`` or ``"subtract"``.
        surrogate: The spike function, or its name.
        detach_reset: Whether the spike in the reset is detached from the graph.

    Shape:
        Currents [T, B, ...] to spikes [T, B, ...]; with ``size``, [T, B, size, ...].

    Raises:
        ValueError: If the step or the threshold is not positive, or the reset is unknown.

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
        """Returns a membrane at rest (zero)."""
        return LIFState(torch.zeros_like(current))

    def step(self, current: Tensor, state: LIFState) -> tuple[Tensor, LIFState]:
        """Runs one step: current [B, ...] to spikes [B, ...]."""
        v = state.membrane + current
        threshold = along(self.threshold, current)
        spikes, v = fire(v, threshold, self.surrogate, self.reset, self.detach_reset)
        return spikes, LIFState(v)


class LIF(Neuron):
    """Leaky integrate-and-fire: sums its input, and forgets it with a time constant.

    Equation::

        alpha = exp(-dt / tau)
        v[t]  = alpha * v[t-1] + I[t]
        s[t]  = 1 if v[t] >= threshold else 0
        v[t]  = v[t] * (1 - s[t])             reset="zero"
        v[t]  = v[t] - threshold * s[t]       reset="subtract"

    The input is not scaled, so that ``tau`` may change and the first spike hardly moves. A constant
    current below ``threshold * (1 - alpha)`` never makes it fire.

    Take it to begin with.

    Args:
        size: Number of neurons (or channels) that have parameters of their own; None for one set
            shared by all.
        tau: Membrane time constant in seconds; a number, a tensor [size], a range ``(low, high)``
            or a distribution.
        dt: Seconds per step.
        threshold: Membrane at which it fires, given as ``tau``.
        reset: ``"zero"`` or ``"subtract"``.
        surrogate: The spike function, or its name.
        detach_reset: Whether the spike in the reset is detached from the graph.

    Shape:
        Currents [T, B, ...] to spikes [T, B, ...]; with ``size``, [T, B, size, ...].

    Raises:
        ValueError: If a time constant, the step or a threshold is not positive, or the reset is
            unknown.

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
        """Returns a membrane at rest (zero)."""
        return LIFState(torch.zeros_like(current))

    def step(self, current: Tensor, state: LIFState) -> tuple[Tensor, LIFState]:
        """Runs one step: current [B, ...] to spikes [B, ...]."""
        alpha = along(leak(self.tau, self.dt), current)
        v = torch.addcmul(current, alpha, state.membrane)
        threshold = along(self.threshold, current)
        spikes, v = fire(v, threshold, self.surrogate, self.reset, self.detach_reset)
        return spikes, LIFState(v)


class LI(Neuron):
    """Leaky integrator without spikes: its output is its membrane.

    Equation::

        v[t] = exp(-dt / tau) * v[t-1] + I[t]

    Take it as the last layer, for a readout.

    Args:
        size: Number of neurons that have parameters of their own; None for one set shared by all.
        tau: Membrane time constant in seconds; a number, a tensor [size], a range ``(low, high)``
            or a distribution.
        dt: Seconds per step.

    Shape:
        Currents [T, B, ...] to membranes [T, B, ...].

    Raises:
        ValueError: If a time constant or the step is not positive.

    Example:
        >>> membranes, state = LI(tau=1e-3)(torch.tensor([1.0, 0.0]).view(2, 1, 1))
        >>> membranes.flatten()
        tensor([1.0000, 0.3679])
    """

    output = "analog"
    cost = NeuronCost(adds=1, multiplies=1, states=1)

    def __init__(self, size: int | None = None, *, tau: Value = 20e-3, dt: float = 1e-3) -> None:
        super().__init__()
        positive("dt", dt)
        self.tau = parameter("tau", tau, size)
        self.dt = dt

    def init_state(self, current: Tensor) -> LIFState:
        """Returns a membrane at rest (zero)."""
        return LIFState(torch.zeros_like(current))

    def step(self, current: Tensor, state: LIFState) -> tuple[Tensor, LIFState]:
        """Runs one step: current [B, ...] to membrane [B, ...]."""
        alpha = along(leak(self.tau, self.dt), current)
        v = torch.addcmul(current, alpha, state.membrane)
        return v, LIFState(v)
