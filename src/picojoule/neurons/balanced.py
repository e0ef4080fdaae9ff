"""Balanced resonators, which do not grow without end: BRF and HRF.

Both have a smooth reset (more damping after a spike) and a refractory threshold.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.contract import NeuronCost
from picojoule.neurons.base import Neuron, along, positive
from picojoule.neurons.membrane import saturate
from picojoule.neurons.parameters import Value, led, magnitude, not_negative, parameter
from picojoule.surrogate import Surrogate, spike_function

REFRACTORY = 0.9  # what a step leaves of the refractory variable, as published
_LARGEST = 1 - 2**-20  # dt * omega, where training pushes it to 1 and above


def divergence_boundary(omega: Tensor, dt: float) -> Tensor:
    """Computes the damping p at which forward Euler neither grows nor decays.

    There |1 + dt (p + i omega)| = 1, and p is (-1 + sqrt(1 - (dt omega)^2)) / dt, written so that
    no digits are lost if dt omega is small.

    Args:
        omega: Angular frequencies in radians per second, dt * omega below 1.
        dt: Seconds per step.

    Example:
        >>> round(divergence_boundary(torch.tensor(60.0), dt=0.01).item(), 3)
        -20.0
    """
    turn = (dt * omega).square()
    return -turn / (dt * (1 + torch.sqrt(1 - turn)))


class BRFState(NamedTuple):
    """State of a balanced resonator: real and imaginary part, refractoriness, each [B, ...]."""

    real: Tensor
    imaginary: Tensor
    refractory: Tensor


class BRF(Neuron):
    """Balanced resonate-and-fire: a resonator that damps itself with every spike.

    Equation::

        p    = (-1 + sqrt(1 - (dt * omega)^2)) / dt               divergence boundary
        b[t] = p - b_offset - q[t-1]                              smooth reset
        u[t] = u[t-1] + dt * (b[t] * u[t-1] - omega * v[t-1] + gain * I[t])
        v[t] = v[t-1] + dt * (omega * u[t-1] + b[t] * v[t-1])
        s[t] = 1 if u[t] >= threshold + q[t-1] else 0
        q[t] = 0.9 * q[t-1] + s[t]

    At the divergence boundary forward Euler neither grows nor decays, so that ``b_offset`` is all
    the damping there is. A spike adds damping for a while and raises the threshold. The absolute
    values of ``omega`` and ``b_offset`` are used, and ``omega`` up to 1 / dt, so that no value that
    training may reach makes a membrane grow while it is not refractory. After many spikes in a row
    at a large ``dt`` the smooth reset itself may do so; with the published constants it does not.

    Take it for long sequences with few spikes.

    Args:
        size: Number of neurons (or channels); each has parameters of its own.
        omega: Angular frequency in radians per second, 2 pi times the frequency in Hz and below
            1 / dt; a number, a tensor [size], a range ``(low, high)`` or a distribution.
        b_offset: Damping per second beyond the divergence boundary, given as ``omega``.
        dt: Seconds per step. The default is the published 0.01 and fits the default ``omega``: at a
            tenth of it, ten times ``omega`` turns as far in a step.
        threshold: Real part at which it fires, given as ``omega``.
        gain: Factor of its currents, 1 as published. The equation scales them by ``dt``; where
            ``LIF`` shares them, in a mixture, 1 / dt lets both fire at the same.
        surrogate: The spike function, or its name.

    Shape:
        Currents [T, B, size, ...] to spikes [T, B, size, ...].

    Raises:
        ValueError: If dt * omega is 1 or above (there is no boundary), if dt * b_offset is above
            2 sqrt(1 - (dt * omega)^2) (the membrane would grow), or a value is not allowed.

    Example:
        >>> spikes, state = BRF(3, omega=torch.tensor([5.0, 7.0, 9.0]))(torch.rand(50, 2, 3))
        >>> spikes.shape
        torch.Size([50, 2, 3])

    Reference:
        Higuchi et al., Balanced Resonate-and-Fire Neurons, ICML 2024, PMLR 235, arXiv:2402.14603.
    """

    cost = NeuronCost(adds=6, multiplies=6, states=3, comparisons=1)

    def __init__(
        self,
        size: int,
        *,
        omega: Value = (5.0, 10.0),
        b_offset: Value = (0.0, 3.0),
        dt: float = 1e-2,
        threshold: Value = 1.0,
        gain: float = 1.0,
        surrogate: str | Surrogate = "double_gaussian",
    ) -> None:
        super().__init__()
        positive("dt", dt)
        positive("gain", gain)
        self.omega = parameter("omega", omega, size, not_negative)
        self.b_offset = parameter("b_offset", b_offset, size, not_negative)
        self.threshold = parameter("threshold", threshold, size)
        self.dt = dt
        self.gain = gain
        self.surrogate = spike_function(surrogate)
        if (turn := dt * self.omega.double().max()) >= 1:
            raise ValueError(
                f"dt * omega must be below 1, got {turn:g}: take omega below {1 / dt:g}, or a "
                "smaller dt"
            )
        balance = torch.sqrt(1 - (dt * self.omega.double()).square())
        if (dt * self.b_offset.double() > 2 * balance).any():
            raise ValueError(
                f"with b_offset={self.b_offset.max():g} and dt={dt:g} the membrane grows by "
                "itself: dt * b_offset must not be above 2 * sqrt(1 - (dt * omega)^2): take a "
                "smaller dt, or a smaller b_offset"
            )

    def init_state(self, current: Tensor) -> BRFState:
        """Returns a state at rest, not refractory: zero."""
        return BRFState(*(torch.zeros_like(current) for _ in range(3)))

    def step(self, current: Tensor, state: BRFState) -> tuple[Tensor, BRFState]:
        """Runs one step: current [B, size, ...] to spikes [B, size, ...]."""
        u, v, q = state
        omega = magnitude(self.omega)
        omega = led(omega.clamp(max=_LARGEST / self.dt), omega)
        p = divergence_boundary(omega, self.dt)
        b = along(p - magnitude(self.b_offset), current) - q
        omega = along(omega, current)
        u, v = (
            saturate(u + self.dt * (b * u - omega * v + self.gain * current)),
            saturate(v + self.dt * (omega * u + b * v)),
        )
        spikes = self.surrogate(u - along(self.threshold, current) - q)
        return spikes, BRFState(u, v, REFRACTORY * q + spikes)


class HRFState(NamedTuple):
    """State of a harmonic resonator: velocity, position, refractoriness, each [B, ...]."""

    velocity: Tensor
    position: Tensor
    refractory: Tensor


class HRF(Neuron):
    """Harmonic resonate-and-fire: a damped oscillator that fires by its velocity.

    Equation::

        b[t] = dt / 2 * omega^2 + b_offset + q[t-1]               smooth reset
        v[t] = v[t-1] + dt * u[t-1]
        u[t] = u[t-1] + dt * (gain * I[t] - 2 * b[t] * u[t-1] - omega^2 * v[t])
        s[t] = 1 if u[t] >= threshold + q[t-1] else 0
        q[t] = 0.9 * q[t-1] + s[t]

    ``u`` is the velocity of the position ``v``, which rests at zero. The absolute values of
    ``omega`` and ``b_offset`` are used.

    Take it in place of ``BRF``, for one multiplication less.

    Args:
        size: Number of neurons (or channels); each has parameters of its own.
        omega: Angular frequency in radians per second; a number, a tensor [size], a range
            ``(low, high)`` or a distribution.
        b_offset: Damping per second, given as ``omega``.
        dt: Seconds per step; the default is the published 0.01.
        threshold: Velocity at which it fires, given as ``omega``.
        gain: Factor of its currents, 1 as published; see ``BRF``.
        surrogate: The spike function, or its name.

    Shape:
        Currents [T, B, size, ...] to spikes [T, B, size, ...].

    Raises:
        ValueError: If 0.75 (dt * omega)^2 + dt * b_offset is above 1 (the membrane would grow), or
            a value is not allowed.

    Example:
        >>> spikes, state = HRF(3, omega=20.0)(torch.rand(50, 2, 3))
        >>> state._fields
        ('velocity', 'position', 'refractory')

    Reference:
        The reference code of Higuchi et al., ICML 2024 (AdaptiveAILab/brf-neurons), where the
        first term of b is 0.005 omega^2: dt / 2 at its dt of 0.01.
    """

    cost = NeuronCost(adds=6, multiplies=5, states=3, comparisons=1)

    def __init__(
        self,
        size: int,
        *,
        omega: Value = (10.0, 50.0),
        b_offset: Value = (1.0, 6.0),
        dt: float = 1e-2,
        threshold: Value = 1.0,
        gain: float = 1.0,
        surrogate: str | Surrogate = "double_gaussian",
    ) -> None:
        super().__init__()
        positive("dt", dt)
        positive("gain", gain)
        self.omega = parameter("omega", omega, size, not_negative)
        self.b_offset = parameter("b_offset", b_offset, size, not_negative)
        self.threshold = parameter("threshold", threshold, size)
        self.dt = dt
        self.gain = gain
        self.surrogate = spike_function(surrogate)
        turn, damping = dt * self.omega.double(), dt * self.b_offset.double()
        if ((load := 0.75 * turn.square() + damping) > 1).any():
            raise ValueError(
                f"0.75 * (dt * omega)^2 + dt * b_offset must not be above 1, or the membrane grows "
                f"by itself, got {load.max():g}: take a smaller dt, omega or b_offset"
            )

    def init_state(self, current: Tensor) -> HRFState:
        """Returns a state at rest, not refractory: zero."""
        return HRFState(*(torch.zeros_like(current) for _ in range(3)))

    def step(self, current: Tensor, state: HRFState) -> tuple[Tensor, HRFState]:
        """Runs one step: current [B, size, ...] to spikes [B, size, ...]."""
        u, v, q = state
        square = self.omega.square()
        b = along(self.dt / 2 * square + magnitude(self.b_offset), current) + q
        v = saturate(v + self.dt * u)
        u = saturate(u + self.dt * (self.gain * current - 2 * b * u - along(square, current) * v))
        spikes = self.surrogate(u - along(self.threshold, current) - q)
        return spikes, HRFState(u, v, REFRACTORY * q + spikes)
