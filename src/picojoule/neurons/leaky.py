"""Extensions of the LIF neuron: a learnable leak (PLIF), a synaptic current (CubaLIF)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from picojoule.contract import NeuronCost
from picojoule.neurons.base import Neuron, along, positive
from picojoule.neurons.integrate import LIFState
from picojoule.neurons.membrane import RESETS, fire, leak
from picojoule.neurons.parameters import Value, one_of, parameter, squashed
from picojoule.surrogate import Surrogate, spike_function


class PLIF(Neuron):
    """Parametric leaky integrate-and-fire: learns its leak, which scales the input too.

    Equation::

        k    = sigmoid(raw)                  = 1 - exp(-dt / tau)
        v[t] = (1 - k) * v[t-1] + k * I[t]
        s[t] = 1 if v[t] >= threshold else 0
        v[t] = v[t] * (1 - s[t])             reset="zero"
        v[t] = v[t] - threshold * s[t]       reset="subtract"

    ``raw`` may take any value, so that any step of an optimizer is allowed, and learns from the
    start; it is the ``w`` of SpikingJelly's ``ParametricLIFNode``. ``tau`` gives the time constant
    in seconds. Where it replaces a ``LIF``, weights have to be larger by ``1 / k``. Chips price it
    as the LIF that it is after training.

    Take it if the best time constant is not known.

    Args:
        size: Number of neurons (or channels) that have parameters of their own; None for one set
            shared by all.
        tau: Time constant to start from, in seconds; a number, a tensor [size], a range
            ``(low, high)`` or a distribution.
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
        >>> neuron = PLIF(tau=2e-3)
        >>> neuron.tau
        tensor(0.0020)
        >>> neuron.raw.requires_grad
        True

    Reference:
        Fang et al., Incorporating Learnable Membrane Time Constant to Enhance Learning of Spiking
        Neural Networks, ICCV 2021.
    """

    cost = NeuronCost(adds=1, multiplies=1, states=1, comparisons=1)

    def __init__(
        self,
        size: int | None = None,
        *,
        tau: Value = 2e-3,
        dt: float = 1e-3,
        threshold: Value = 1.0,
        reset: str = "zero",
        surrogate: str | Surrogate = "atan",
        detach_reset: bool = True,
    ) -> None:
        super().__init__()
        positive("dt", dt)
        self.raw = parameter("tau", tau, size)
        with torch.no_grad():
            steps = dt / self.raw.clamp(min=dt / 80)
            self.raw.copy_(torch.log(torch.expm1(steps)))
        self.raw.requires_grad_()
        self.threshold = parameter("threshold", threshold, size)
        self.reset = one_of("reset", reset, RESETS)
        self.dt, self.detach_reset = dt, detach_reset
        self.surrogate = spike_function(surrogate)

    @property
    def species(self) -> str:
        """LIF, since that is what it is after training: its input's scale is in the weights."""
        return "LIF"

    @property
    def tau(self) -> Tensor:
        """Time constant in seconds, [] or [size]."""
        return self.dt / softplus(self.raw.detach())

    def init_state(self, current: Tensor) -> LIFState:
        """Returns a membrane at rest (zero)."""
        return LIFState(torch.zeros_like(current))

    def step(self, current: Tensor, state: LIFState) -> tuple[Tensor, LIFState]:
        """Runs one step: current [B, ...] to spikes [B, ...]."""
        raw = along(self.raw, current)
        v = squashed(-raw) * state.membrane + squashed(raw) * current
        threshold = along(self.threshold, current)
        spikes, v = fire(v, threshold, self.surrogate, self.reset, self.detach_reset)
        return spikes, LIFState(v)


class CubaLIFState(NamedTuple):
    """State of a neuron with a synaptic current: the current and the membrane, each [B, ...]."""

    current: Tensor
    membrane: Tensor


class CubaLIF(Neuron):
    """Current-based leaky integrate-and-fire: the input passes a decaying synaptic current.

    Equation::

        i[t] = exp(-dt / tau_synapse) * i[t-1] + I[t]
        v[t] = exp(-dt / tau) * v[t-1] + i[t]
        s[t] = 1 if v[t] >= threshold else 0
        v[t] = v[t] * (1 - s[t])             reset="zero"
        v[t] = v[t] - threshold * s[t]       reset="subtract"

    A pulse raises the membrane as a difference of two exponentials. The spike in the reset is
    detached from the graph.

    Take it for chips whose synapses have a current of their own, such as Loihi, and to join spikes
    that arrive at different times.

    Args:
        size: Number of neurons (or channels) that have parameters of their own; None for one set
            shared by all.
        tau: Membrane time constant in seconds; a number, a tensor [size], a range ``(low, high)``
            or a distribution.
        tau_synapse: Time constant of the synaptic current in seconds, given as ``tau``.
        dt: Seconds per step.
        threshold: Membrane at which it fires, given as ``tau``.
        reset: ``"zero"`` or ``"subtract"``.
        surrogate: The spike function, or its name.

    Shape:
        Currents [T, B, ...] to spikes [T, B, ...]; with ``size``, [T, B, size, ...].

    Raises:
        ValueError: If a time constant, the step or a threshold is not positive, or the reset is
            unknown.

    Example:
        >>> pulse = torch.tensor([0.4, 0, 0, 0, 0]).view(5, 1, 1)
        >>> CubaLIF(tau=20e-3, tau_synapse=5e-3)(pulse)[0].flatten()
        tensor([0., 0., 0., 1., 0.])
    """

    cost = NeuronCost(adds=2, multiplies=2, states=2, comparisons=1)

    def __init__(
        self,
        size: int | None = None,
        *,
        tau: Value = 20e-3,
        tau_synapse: Value = 5e-3,
        dt: float = 1e-3,
        threshold: Value = 1.0,
        reset: str = "zero",
        surrogate: str | Surrogate = "atan",
    ) -> None:
        super().__init__()
        positive("dt", dt)
        self.tau = parameter("tau", tau, size)
        self.tau_synapse = parameter("tau_synapse", tau_synapse, size)
        self.threshold = parameter("threshold", threshold, size)
        self.reset = one_of("reset", reset, RESETS)
        self.dt = dt
        self.surrogate = spike_function(surrogate)

    def init_state(self, current: Tensor) -> CubaLIFState:
        """Returns no current and a membrane at rest (zero)."""
        return CubaLIFState(torch.zeros_like(current), torch.zeros_like(current))

    def step(self, current: Tensor, state: CubaLIFState) -> tuple[Tensor, CubaLIFState]:
        """Runs one step: current [B, ...] to spikes [B, ...]."""
        i = torch.addcmul(current, along(leak(self.tau_synapse, self.dt), current), state.current)
        v = torch.addcmul(i, along(leak(self.tau, self.dt), current), state.membrane)
        threshold = along(self.threshold, current)
        spikes, v = fire(v, threshold, self.surrogate, self.reset, detach=True)
        return spikes, CubaLIFState(i, v)
