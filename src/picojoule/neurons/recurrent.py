"""Recurrent layers: neurons that receive their own last spikes."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from picojoule._names import unknown
from picojoule.contract import AllSteps, Arrivals, Group, NeuronCost
from picojoule.engine import feedback
from picojoule.kernels import PATHS
from picojoule.neurons.base import Neuron


class RecurrentState(NamedTuple):
    """State of a recurrent layer: its last spikes [B, N] and its neurons' own state."""

    spikes: Tensor
    inner: Any


class Recurrent(Neuron):
    """Recurrent layer: neurons that also receive their own last spikes, through one weight.

    Equation::

        s[t] = neuron(I[t] + W s[t-1])

    Take it for sequences, if single neurons remember too little.

    Args:
        neuron: The neurons.
        size: Number of neurons, N. The weight [N, N] starts uniform in +-1/sqrt(N).
        path: How the fused engine multiplies by the weight: ``"events"`` (work proportional to the
            spikes), ``"dense"``, or None to choose by the density of each step's spikes.

    Shape:
        Currents [T, B, N] to spikes [T, B, N].

    Raises:
        ValueError: If the last axis of currents is not ``size``, or the path is unknown.
        TypeError: If ``neuron`` is not a neuron.

    Example:
        >>> from picojoule.neurons import LIF
        >>> spikes, state = Recurrent(LIF(), 64)(torch.rand(10, 2, 64))
        >>> spikes.shape
        torch.Size([10, 2, 64])
    """

    def __init__(self, neuron: Neuron, size: int, *, path: str | None = None) -> None:
        super().__init__()
        if path is not None and path not in PATHS:
            raise ValueError(unknown("path", path, PATHS))
        if not isinstance(neuron, Neuron):
            raise TypeError(
                "Recurrent takes neurons first and then their number, as in Recurrent(LIF(), 64), "
                f"got a {type(neuron).__name__}"
            )
        said = getattr(neuron, "size", None)  # a mixture's parameters are those of its parts
        sizes = {p.numel() for p in neuron.parameters()} - {1} if said is None else {said}
        if sizes - {size}:
            raise ValueError(f"expected neurons of size {size} (or shared), got {neuron}")
        self.neuron = neuron
        self.size, self.path = size, path
        self.weight = nn.Parameter(torch.empty(size, size))
        nn.init.uniform_(self.weight, -1 / math.sqrt(size), 1 / math.sqrt(size))
        self.output, self.dt = neuron.output, neuron.dt

    @property
    def cost(self) -> NeuronCost:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Cost of the neurons inside."""
        return self.neuron.cost

    @property
    def species(self) -> str:
        """Type of the neurons inside."""
        return self.neuron.species

    def init_state(self, current: Tensor) -> RecurrentState:
        """Returns no spikes, and the state of the neurons at rest."""
        if current.dim() != 2 or current.shape[-1] != self.size:
            raise ValueError(
                f"Recurrent(size={self.size}) expects currents [T, B, {self.size}], got one step "
                f"of shape {list(current.shape)}"
            )
        return RecurrentState(torch.zeros_like(current), self.neuron.init_state(current))

    def step(self, current: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """Runs one step: current [B, N] to spikes [B, N]."""
        current = torch.addmm(current, state.spikes, self.weight.t())
        spikes, inner = self.neuron.step(current, state.inner)
        return spikes, RecurrentState(spikes, inner)

    def fuse(self, currents: Tensor, state: RecurrentState) -> AllSteps | str:
        """Compiles the step of the neurons inside; the weight's gradient is summed once."""
        return feedback.fuse(self.neuron, self.weight, self.path, currents, state)

    def arrivals(self, out: Tensor, state: RecurrentState | None) -> Iterable[Arrivals]:
        """Returns the spikes of the step before each; for the first step, those of ``state``."""
        last = out[:-1]
        if state is None:
            yield Arrivals("recurrent", last, self.weight, steps=slice(0, -1))
        else:
            values = torch.cat([state.spikes.unsqueeze(0), last])
            yield Arrivals("recurrent", values, self.weight)

    def groups(
        self, out: Tensor, before: RecurrentState | None, after: RecurrentState
    ) -> Iterable[Group] | None:
        """Returns the groups of the neurons inside."""
        return self.neuron.groups(out, None if before is None else before.inner, after.inner)
