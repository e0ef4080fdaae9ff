"""Neurons that adapt: a threshold that rises (ALIF), a current that pulls back (AdLIF)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.contract import NeuronCost
from picojoule.neurons.base import Neuron, along, positive
from picojoule.neurons.membrane import fire, leak, saturate
from picojoule.neurons.parameters import Value, not_negative, one_of, parameter, raw, within
from picojoule.surrogate import Surrogate, spike_function


class ALIFState(NamedTuple):
    """State of a neuron with an adaptive threshold: membrane and adaptation, each [B, ...]."""

    membrane: Tensor
    adaptation: Tensor


class ALIF(Neuron):
    """Adaptive leaky integrate-and-fire: every spike raises the threshold for a while.

    Equation::

        alpha = exp(-dt / tau),  rho = exp(-dt / tau_adaptation)
        theta[t] = threshold + strength * a[t-1]
        v[t] = alpha * v[t-1] + (1 - alpha) * I[t]
        s[t] = 1 if v[t] >= theta[t] else 0
        v[t] = v[t] - theta[t] * s[t]
        a[t] = rho * a[t-1] + (1 - rho) * s[t]

    It remembers its own spikes for longer than its membrane lasts: it answers to changes, and fires
    less while an input stays. The spike in the reset is detached, the one in the adaptation is not.

    Take it for long sequences, and where changes matter.

    Args:
        size: Number of neurons (or channels) that have parameters of their own; None for one set
            shared by all.
        tau: Membrane time constant in seconds; a number, a tensor [size], a range ``(low, high)``
            or a distribution.
        tau_adaptation: Time constant of the adaptation in seconds, given as ``tau``.
        strength: How much a full adaptation raises the threshold, given as ``tau``.
        dt: Seconds per step.
        threshold: Membrane at which it fires when it is not adapted, given as ``tau``.
        surrogate: The spike function, or its name.

    Shape:
        Currents [T, B, ...] to spikes [T, B, ...]; with ``size``, [T, B, size, ...].

    Raises:
        ValueError: If a time constant, the step or a threshold is not positive, or the strength is
            negative.

    Example:
        >>> spikes, state = ALIF(threshold=0.1, strength=50.0)(torch.ones(40, 1, 1))
        >>> spikes.flatten().nonzero().flatten()  # more and more slowly
        tensor([ 2, 12, 34])

    Reference:
        Yin et al., Accurate and efficient time-domain classification with adaptive spiking
        recurrent neural networks, Nature Machine Intelligence 3, 2021; the constants are those of
        the code of Higuchi et al. (see ``BRF``).
    """

    cost = NeuronCost(adds=3, multiplies=2, states=2, comparisons=1)

    def __init__(
        self,
        size: int | None = None,
        *,
        tau: Value = 20e-3,
        tau_adaptation: Value = 150e-3,
        strength: Value = 1.8,
        dt: float = 1e-3,
        threshold: Value = 0.01,
        surrogate: str | Surrogate = "double_gaussian",
    ) -> None:
        super().__init__()
        positive("dt", dt)
        self.tau = parameter("tau", tau, size)
        self.tau_adaptation = parameter("tau_adaptation", tau_adaptation, size)
        self.strength = parameter("strength", strength, size, not_negative)
        self.threshold = parameter("threshold", threshold, size)
        self.dt = dt
        self.surrogate = spike_function(surrogate)

    def init_state(self, current: Tensor) -> ALIFState:
        """Returns a membrane at rest (zero), not adapted."""
        return ALIFState(torch.zeros_like(current), torch.zeros_like(current))

    def step(self, current: Tensor, state: ALIFState) -> tuple[Tensor, ALIFState]:
        """Runs one step: current [B, ...] to spikes [B, ...]."""
        v, a = state
        alpha = along(leak(self.tau, self.dt), current)
        rho = along(leak(self.tau_adaptation, self.dt), current)
        theta = along(self.threshold, current) + along(self.strength, current) * a
        v = alpha * v + (1 - alpha) * current
        spikes, v = fire(v, theta, self.surrogate, "subtract", detach=True)
        a = rho * a + (1 - rho) * spikes
        return spikes, ALIFState(v, a)


@dataclass(frozen=True)
class Adaptation:
    """Ranges in which the adaptation current of ``AdLIF`` starts (uniformly) and stays.

    Attributes:
        tau: Range of its time constant, in seconds.
        a: Range of the strength with which it follows the membrane.
        b: Range of the strength with which it follows the spikes.
        scale: Factor of both.
    """

    tau: tuple[float, float] = (60e-3, 300e-3)
    a: tuple[float, float] = (0.0, 1.0)
    b: tuple[float, float] = (0.0, 2.0)
    scale: float = 120.0


_ADAPTATION = Adaptation()


class AdLIFState(NamedTuple):
    """State of an adaptive neuron: membrane, adaptation current, last spikes, each [B, ...].

    ``integration="euler"`` needs the spikes of the step before.
    """

    membrane: Tensor
    adaptation: Tensor
    spikes: Tensor


class AdLIF(Neuron):
    """Adaptive leaky integrate-and-fire: a slow current pulls the membrane back.

    Equation::

        alpha = exp(-dt / tau),  beta = exp(-dt / tau_adaptation)
        u[t] = alpha * u[t-1] + (1 - alpha) * (I[t] - w[t-1])
        s[t] = 1 if u[t] >= threshold else 0
        u[t] = u[t] * (1 - s[t])
        r[t] = a * u[t] + b * s[t]               integration="symplectic"
        r[t] = a * u[t-1] + b * s[t-1]           integration="euler"
        w[t] = beta * w[t-1] + (1 - beta) * scale * r[t]

    It may oscillate below its threshold, and so resonate. Forward Euler oscillates ever more if
    ``alpha * beta + (1 - alpha) * (1 - beta) * scale * a > 1``; the symplectic form never does at
    the default ranges. The spike in the reset is detached, the one in the adaptation is not.

    Time constants, a and b start uniformly in their ranges and stay there: each is stored as a
    parameter ``raw_*``, which stands for ``low + (high - low) * sigmoid(raw)``. (The reference code
    clamps them after every update instead, where a value that has reached an end stays there.) A
    range of two equal ends is a constant.

    Take it for signals with rhythm, such as speech.

    Args:
        size: Number of neurons (or channels); each has parameters of its own.
        tau: Range of the membrane's time constant, in seconds.
        adaptation: Ranges of the adaptation's time constant, of a and of b.
        dt: Seconds per step.
        threshold: Membrane at which it fires; a number, a tensor [size], a range ``(low, high)`` or
            a distribution.
        integration: ``"symplectic"`` or ``"euler"``.
        surrogate: The spike function, or its name.

    Shape:
        Currents [T, B, size, ...] to spikes [T, B, size, ...].

    Raises:
        ValueError: If a range is not two numbers in order or has values that are not allowed, or
            the integration is unknown.

    Example:
        >>> neuron = AdLIF(128, adaptation=Adaptation(a=(0.0, 0.5)))
        >>> bool((neuron.a <= 0.5).all())
        True

    Reference:
        Baronig et al., Advancing spatio-temporal processing through adaptation in spiking neural
        networks, Nature Communications 16, 2025, doi 10.1038/s41467-025-60878-z.
    """

    cost = NeuronCost(adds=4, multiplies=4, states=2, comparisons=1)

    def __init__(
        self,
        size: int,
        *,
        tau: tuple[float, float] = (5e-3, 25e-3),
        adaptation: Adaptation = _ADAPTATION,
        dt: float = 1e-3,
        threshold: Value = 1.0,
        integration: str = "symplectic",
        surrogate: str | Surrogate = "slayer",
    ) -> None:
        super().__init__()
        positive("dt", dt)
        positive("scale", adaptation.scale)
        self.raw_tau = raw("tau", tau, size)
        self.raw_tau_adaptation = raw("the adaptation's tau", adaptation.tau, size)
        self.raw_a = raw("a", adaptation.a, size, not_negative)
        self.raw_b = raw("b", adaptation.b, size, not_negative)
        self.threshold = parameter("threshold", threshold, size)
        self.integration = one_of("integration", integration, ("symplectic", "euler"))
        self.dt, self.range, self.adaptation = dt, tau, adaptation
        self.surrogate = spike_function(surrogate)

    @property
    def tau(self) -> Tensor:
        """The membrane's time constants in seconds, [size]."""
        return within(self.raw_tau, self.range)

    @property
    def tau_adaptation(self) -> Tensor:
        """The adaptation's time constants in seconds, [size]."""
        return within(self.raw_tau_adaptation, self.adaptation.tau)

    @property
    def a(self) -> Tensor:
        """Strengths with which the adaptation follows the membranes, [size]."""
        return within(self.raw_a, self.adaptation.a)

    @property
    def b(self) -> Tensor:
        """Strengths with which the adaptation follows the spikes, [size]."""
        return within(self.raw_b, self.adaptation.b)

    def init_state(self, current: Tensor) -> AdLIFState:
        """Returns a membrane at rest (zero), not adapted, silent."""
        return AdLIFState(*(torch.zeros_like(current) for _ in range(3)))

    def step(self, current: Tensor, state: AdLIFState) -> tuple[Tensor, AdLIFState]:
        """Runs one step: current [B, size, ...] to spikes [B, size, ...]."""
        u, w, s = state
        alpha = along(leak(self.tau, self.dt), current)
        beta = along(leak(self.tau_adaptation, self.dt), current)
        a, b = along(self.a, current), along(self.b, current)
        following = saturate(alpha * u + (1 - alpha) * (current - w))
        threshold = along(self.threshold, current)
        spikes, following = fire(following, threshold, self.surrogate, "zero", detach=True)
        if self.integration == "symplectic":
            u, s = following, spikes
        w = saturate(beta * w + (1 - beta) * self.adaptation.scale * (a * u + b * s))
        return spikes, AdLIFState(following, w, spikes)
