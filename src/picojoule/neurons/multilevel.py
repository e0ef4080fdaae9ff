"""Neurons with several levels: what they put out in one step is a number of spikes."""

from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.contract import NeuronCost
from picojoule.neurons.base import Neuron, along, positive
from picojoule.neurons.parameters import Value, one_of, parameter
from picojoule.surrogate import Surrogate, spike_function


class MultiLevelState(NamedTuple):
    """State of neurons with levels: the membrane [B, ...] after the reset."""

    membrane: Tensor


class MultiLevelIF(Neuron):
    """Integrate-and-fire with levels: 0 to N spikes in one step, reset by subtraction.

    Equation::

        u[t] = u[t-1] + I[t]
        z[t] = clip(floor(N * u[t] / threshold), 0, N)
        u[t] = u[t] - z[t] * threshold / N

    Over T steps of a constant current there are ``N * T + 1`` outputs, so that levels stand in for
    steps. One level (N = 1) is the binary neuron that resets by subtraction.

    The publication trains it in two ways and leaves details open; this is what they mean here.
    Straight-through (``"ste"``): dz/du is ``N / threshold`` where 0 <= u <= threshold, else 0.
    Surrogate: each of the N thresholds ``k * threshold / N`` is a step with the surrogate's
    derivative, and dz/du is their sum (a single one at the last threshold, which its figure
    shows, would leave the lower levels hardly any gradient).

    Args:
        size: Number of neurons (or channels) with parameters of their own; None shares one set.
        levels: N, the most spikes in one step.
        dt: Seconds per step.
        threshold: Of the highest level; a number, a tensor [size], a range ``(low, high)`` or a
            distribution.
        backward: ``"ste"`` or ``"surrogate"``.
        surrogate: The spike function of ``backward="surrogate"``, or its name.
        detach_reset: Whether the spikes in the reset are cut from the graph.

    Shape:
        currents [T, B, ...] to whole numbers of spikes [T, B, ...].

    Raises:
        ValueError: Levels below 1, a step or threshold that is not positive, an unknown backward.

    Example:
        >>> spikes, state = MultiLevelIF(levels=4)(torch.tensor([0.3, 0.3, 2.0]).view(3, 1, 1))
        >>> spikes.flatten()
        tensor([1., 1., 4.])

    Reference:
        Castagnetti, Pegatoquet and Miramond, arXiv:2510.24637, 2025.
    """

    output = "levels"
    cost = NeuronCost(adds=1, states=1, comparisons=4)

    def __init__(
        self,
        size: int | None = None,
        *,
        levels: int = 4,
        dt: float = 1e-3,
        threshold: Value = 1.0,
        backward: str = "ste",
        surrogate: str | Surrogate = "atan",
        detach_reset: bool = True,
    ) -> None:
        super().__init__()
        positive("dt", dt)
        self.threshold = parameter("threshold", threshold, size)
        self.levels, self.dt = _whole(levels), dt
        self.backward = one_of("backward", backward, ("ste", "surrogate"))
        self.detach_reset = detach_reset
        self.surrogate = spike_function(surrogate)
        self.cost = NeuronCost(adds=1, states=1, comparisons=levels)

    def init_state(self, current: Tensor) -> MultiLevelState:
        """A membrane at rest (zero)."""
        return MultiLevelState(torch.zeros_like(current))

    def step(self, current: Tensor, state: MultiLevelState) -> tuple[Tensor, MultiLevelState]:
        """One step: current [B, ...] to spikes [B, ...], 0 to N."""
        threshold = along(self.threshold, current)
        u = state.membrane + current
        z = torch.floor(self.levels * u.detach() / threshold.detach()).clamp(0, self.levels)
        if self.backward == "ste":
            z = _straight(z, u, 0.0, threshold, self.levels / threshold)
        else:
            for level in range(1, self.levels + 1):
                step = self.surrogate(u - threshold * (level / self.levels))
                z = z + (step - step.detach())
        u = u - (z.detach() if self.detach_reset else z) * threshold / self.levels
        return z, MultiLevelState(u)


class Barrier(Neuron):
    """Lets at most N spikes through in one step, and what is above in later ones.

    It stands behind a sum of spike counts, as where a residual block adds its shortcut, and keeps
    what goes on from growing with every sum.

    Equation::

        u[t] = u[t-1] + I[t]                 I[t] a sum of spike counts
        z[t] = clip(floor(u[t]), 0, N)
        u[t] = u[t] - z[t]

    From rest, one step gives ``min(I, N)``. Gradients go straight through: dz/du is 1 where
    0 <= u <= N, else 0, also in the last line, so that each spike counts in the one step it leaves.

    Args:
        size: Number of neurons (or channels), checked where it is given.
        levels: N, the most spikes in one step.
        dt: Seconds per step.

    Shape:
        Sums of spike counts [T, B, ...] to whole numbers of spikes [T, B, ...].

    Raises:
        ValueError: Levels below 1, or a step that is not positive.

    Example:
        >>> spikes, state = Barrier(levels=4)(torch.tensor([6.0, 1.0, 0.0]).view(3, 1, 1))
        >>> spikes.flatten()
        tensor([4., 3., 0.])

    Reference:
        Castagnetti, Pegatoquet and Miramond, arXiv:2510.24637, 2025; the equation is inferred.
    """

    output = "levels"
    cost = NeuronCost(adds=1, states=1, comparisons=1)

    def __init__(self, size: int | None = None, *, levels: int = 4, dt: float = 1e-3) -> None:
        super().__init__()
        positive("dt", dt)
        self.size, self.levels, self.dt = size, _whole(levels), dt

    def init_state(self, current: Tensor) -> MultiLevelState:
        """Nothing held back."""
        if self.size is not None and current.shape[1:2] != (self.size,):
            raise ValueError(
                f"expected currents [T, B, {self.size}, ...], got one step of shape "
                f"{list(current.shape)}: give size= the number of neurons (or channels)"
            )
        return MultiLevelState(torch.zeros_like(current))

    def step(self, current: Tensor, state: MultiLevelState) -> tuple[Tensor, MultiLevelState]:
        """One step: sums of spike counts [B, ...] to spikes [B, ...], 0 to N."""
        u = state.membrane + current
        z = torch.floor(u.detach()).clamp(0, self.levels)
        z = _straight(z, u, 0.0, float(self.levels), 1.0)
        return z, MultiLevelState(u - z)


def _straight(
    z: Tensor, u: Tensor, low: float, high: float | Tensor, slope: float | Tensor
) -> Tensor:
    """``z`` in value, ``slope * u`` in gradient where low <= u <= high."""
    # Only finite membranes pass, so that an infinite one has finite gradients.
    line = torch.where((u >= low) & (u <= high), u, 0.0) * slope
    return z + (line - line.detach())


def _whole(levels: int) -> int:
    if isinstance(levels, bool) or not isinstance(levels, int) or levels < 1:
        raise ValueError(f"levels must be a whole number of at least 1, got {levels!r}")
    return levels
