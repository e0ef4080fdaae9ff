"""Neurons with learned dynamics: a polynomial in place of the leak."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from picojoule.contract import NeuronCost
from picojoule.neurons.base import Neuron, along, positive
from picojoule.neurons.membrane import fire
from picojoule.neurons.parameters import Value, parameter, whole
from picojoule.surrogate import Surrogate, spike_function

_DEGREE = 32  # of a polynomial whose powers of 10, the usual clamp, are finite


class LNMState(NamedTuple):
    """State of learnable neurons: the membrane [B, ...] after the reset."""

    membrane: Tensor


class LNM(Neuron):
    """Learnable neuron model: its membrane follows a polynomial that is learned.

    Equation::

        v    = clip(v[t-1], -clamp, clamp)
        f    = theta[0] + theta[1] * v + ... + theta[d] * v^d      by Horner's rule
        u[t] = f + I[t]
        s[t] = 1 if u[t] >= threshold else 0
        v[t] = u[t] * (1 - s[t])                                   the spike detached

    One polynomial serves all neurons of the layer. It starts as the ``LIF`` of ``tau``,
    ``theta = (0, exp(-dt / tau), 0, ...)``, and learns from the start. Give it no weight decay, and
    a smaller learning rate than the weights. A quadratic one can stay at an unstable point and then
    fire by itself; a cubic one can have two stable points.

    The clamp bounds the membrane whatever the polynomial. ``slope`` keeps gradients from growing
    from step to step: theta[1] to theta[d] are scaled by
    ``min(1, slope / sum_k k |theta[k]| clamp^(k-1))``, so that ``|df/dv| <= slope`` in the range of
    the clamp.

    Take it if training should find the dynamics.

    Args:
        size: Number of neurons (or channels) that have a threshold of their own; None for one
            shared by all.
        degree: d, the degree of the polynomial.
        tau: Membrane time constant to start from, in seconds.
        dt: Seconds per step.
        threshold: Membrane at which it fires; a number, a tensor [size], a range ``(low, high)`` or
            a distribution.
        clamp: Largest magnitude of a membrane that the polynomial is given; None for the largest
            whose powers are finite.
        slope: Steepest slope of the polynomial in that range; None for no bound.
        surrogate: The spike function, or its name.

    Attributes:
        theta: d + 1 parameters [] of the polynomial, the constant first.

    Shape:
        Currents [T, B, ...] to spikes [T, B, ...]; with ``size``, [T, B, size, ...].

    Raises:
        ValueError: If the degree is not 1 to 32, if a time constant, step, threshold, clamp or
            slope is not positive, if powers of the clamp are not finite, or if there is a slope
            and no clamp.

    Example:
        >>> neuron = LNM(degree=2)
        >>> _ = neuron.theta[2].data.fill_(0.5)
        >>> spikes, state = neuron(torch.full((3, 1, 1), 0.5))
        >>> spikes.flatten().tolist()
        [0.0, 1.0, 0.0]

    Reference:
        Jahns, Moreno and Kinsy, arXiv:2510.07341, 2025; the equation is inferred.
    """

    cost = NeuronCost(adds=4, multiplies=3, states=1, comparisons=1)

    def __init__(
        self,
        size: int | None = None,
        *,
        degree: int = 3,
        tau: float = 20e-3,
        dt: float = 1e-3,
        threshold: Value = 1.0,
        clamp: float | None = 10.0,
        slope: float | None = None,
        surrogate: str | Surrogate = "atan",
    ) -> None:
        super().__init__()
        whole("degree", degree, _DEGREE)
        if slope is not None and clamp is None:
            raise ValueError("slope bounds the polynomial in the range of clamp: give clamp= too")
        for name, value in {"tau": tau, "dt": dt, "clamp": clamp, "slope": slope}.items():
            if value is not None:
                positive(name, value)
        if clamp is not None and clamp > (most := _largest(degree, torch.float32)):
            raise ValueError(
                f"clamp={clamp:g} has powers that are not finite: take {most:.3g} or less for a "
                f"polynomial of degree {degree}"
            )
        start = [0.0, math.exp(-dt / tau)] + [0.0] * (degree - 1)
        # One number each, so that every parameter is [] or [size], and a step stays pointwise.
        self.theta = nn.ParameterList(nn.Parameter(torch.tensor(value)) for value in start)
        self.threshold = parameter("threshold", threshold, size)
        self.dt, self.clamp, self.slope = dt, clamp, slope
        self.surrogate = spike_function(surrogate)
        self.cost = NeuronCost(adds=degree + 1, multiplies=degree, states=1, comparisons=1)

    def init_state(self, current: Tensor) -> LNMState:
        """Returns a membrane at rest (zero)."""
        return LNMState(torch.zeros_like(current))

    def step(self, current: Tensor, state: LNMState) -> tuple[Tensor, LNMState]:
        """Runs one step: current [B, ...] to spikes [B, ...]."""
        threshold = along(self.threshold, current)
        u = self.dynamics(state.membrane) + current
        spikes, v = fire(u, threshold, self.surrogate, "zero", True)
        return spikes, LNMState(v)

    def dynamics(self, v: Tensor) -> Tensor:
        """Computes f of membranes, which are clipped first."""
        theta = self._bounded()
        limit = self.clamp
        if limit is None:
            limit = _largest(len(theta) - 1, v.dtype)
        v = v.clamp(-limit, limit)
        f = theta[-1]
        for coefficient in theta[-2::-1]:
            f = torch.addcmul(coefficient, f, v)
        return f

    def _bounded(self) -> list[Tensor]:
        """Returns the coefficients, scaled to keep the slope."""
        theta = list(self.theta)
        if self.slope is None or self.clamp is None:
            return theta
        steepest = torch.zeros_like(theta[0])
        for k, coefficient in enumerate(theta[1:], start=1):
            steepest = steepest + coefficient.abs() * (k * self.clamp ** (k - 1))
        scale = self.slope / steepest.clamp(min=self.slope)
        return [theta[0], *(coefficient * scale for coefficient in theta[1:])]

    def extra_repr(self) -> str:
        """Returns the constants, for ``repr``."""
        return f"degree={len(self.theta) - 1}, {super().extra_repr()}"


def _largest(degree: int, dtype: torch.dtype) -> float:
    """Returns the largest membrane of which a polynomial and its gradient are finite."""
    return float(torch.finfo(dtype).max ** (1 / (degree + 2)))
