"""Neurons that integrate: the leaky integrate-and-fire neuron and the leaky readout."""

from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.neurons.base import Neuron, NeuronCost, along, per_neuron, positive
from picojoule.surrogate import Surrogate, spike_function


class LIFState(NamedTuple):
    """State of leaky integrators: the membrane [B, ...] after the reset."""

    membrane: Tensor


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
        tau: Membrane time constant in seconds; a number or a tensor [size].
        dt: Seconds per step.
        threshold: A number or a tensor [size].
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

    cost = NeuronCost(adds=1, multiplies=1, states=1)

    def __init__(
        self,
        size: int | None = None,
        *,
        tau: float | Tensor = 20e-3,
        dt: float = 1e-3,
        threshold: float | Tensor = 1.0,
        reset: str = "zero",
        surrogate: str | Surrogate = "atan",
        detach_reset: bool = True,
    ) -> None:
        super().__init__()
        if reset not in ("zero", "subtract"):
            raise ValueError(f"reset must be 'zero' or 'subtract', not '{reset}'")
        positive("dt", dt)
        self.tau = per_neuron(positive("tau", tau), size)
        self.threshold = per_neuron(positive("threshold", threshold), size)
        self.dt, self.reset, self.detach_reset = dt, reset, detach_reset
        self.surrogate = spike_function(surrogate)

    def init_state(self, current: Tensor) -> LIFState:
        """A membrane at rest (zero)."""
        return LIFState(torch.zeros_like(current))

    def step(self, current: Tensor, state: LIFState) -> tuple[Tensor, LIFState]:
        """One step: current [B, ...] to spikes [B, ...]."""
        threshold = along(self.threshold, current)
        alpha = along(torch.exp(-self.dt / self.tau), current)
        v = torch.addcmul(current, alpha, state.membrane)
        spikes = self.surrogate(v - threshold)
        if self.reset == "subtract":
            v = v - threshold * (spikes.detach() if self.detach_reset else spikes)
        elif self.detach_reset:
            # not v * (1 - s): an infinite membrane would become NaN
            v = torch.where(v.detach() >= threshold, 0.0, v)
        else:
            # v * (1 - s), written so that an infinite membrane has finite gradients
            reset = v.masked_fill(v.detach() >= threshold, 0.0)
            v = reset - v.detach().nan_to_num() * (spikes - spikes.detach())
        return spikes, LIFState(v)

    def extra_repr(self) -> str:
        """The constants, for ``repr``."""
        return f"dt={self.dt}, reset='{self.reset}', surrogate={self.surrogate}"


class LI(Neuron):
    """Leaky integrator without spikes, for readouts: its output is its membrane.

    Equation::

        v[t] = exp(-dt / tau) * v[t-1] + I[t]

    Args:
        size: Number of neurons with parameters of their own; None shares one set.
        tau: Membrane time constant in seconds; a number or a tensor [size].
        dt: Seconds per step.

    Shape:
        currents [T, B, ...] to membranes [T, B, ...].

    Raises:
        ValueError: A time constant or step that is not positive.
    """

    output = "analog"
    cost = NeuronCost(adds=1, multiplies=1, states=1)

    def __init__(
        self, size: int | None = None, *, tau: float | Tensor = 20e-3, dt: float = 1e-3
    ) -> None:
        super().__init__()
        positive("dt", dt)
        self.tau = per_neuron(positive("tau", tau), size)
        self.dt = dt

    def init_state(self, current: Tensor) -> LIFState:
        """A membrane at rest (zero)."""
        return LIFState(torch.zeros_like(current))

    def step(self, current: Tensor, state: LIFState) -> tuple[Tensor, LIFState]:
        """One step: current [B, ...] to membrane [B, ...]."""
        alpha = along(torch.exp(-self.dt / self.tau), current)
        v = torch.addcmul(current, alpha, state.membrane)
        return v, LIFState(v)

    def extra_repr(self) -> str:
        """The constants, for ``repr``."""
        return f"dt={self.dt}"
