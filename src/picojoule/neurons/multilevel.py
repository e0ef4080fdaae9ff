"""Neurons with several levels: their output in one step is a number of spikes."""

from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.contract import NeuronCost
from picojoule.neurons.base import Neuron, along, positive
from picojoule.neurons.parameters import Value, magnitude, one_of, parameter, whole
from picojoule.surrogate import Surrogate, spike_function

_LEVELS = 1024  # spikes in a step that a neuron, or a link that takes them, may come to


class MultiLevelState(NamedTuple):
    """State of neurons with levels: the membrane [B, ...] after the reset."""

    membrane: Tensor


class MultiLevelIF(Neuron):
    """Integrate-and-fire with levels: 0 to N spikes in one step, reset by subtraction.

    Equation::

        u[t] = u[t-1] + I[t]
        z[t] = clip(floor(N * u[t] / threshold), 0, N)
        u[t] = u[t] - z[t] * threshold / N

    The output is a whole number of spikes, and is counted as that many. Over T steps of a constant
    current there are ``N * T + 1`` outputs: one step of four levels says as much as four steps of
    one. N = 1 is ``IF(reset="subtract")``.

    The publication trains it in two ways and leaves details open. Here ``backward="ste"`` (straight
    through) takes ``N / threshold`` for dz/du if 0 <= u <= threshold, and 0 elsewhere;
    ``backward="surrogate"`` takes the sum of the surrogate's derivatives at all N thresholds
    ``k * threshold / N``. (One derivative at the last threshold, as a figure of the publication
    shows, would leave the lower levels hardly any gradient.) The published surrogate is
    ``picojoule.surrogate.Sigmoid(5.0)``.

    The absolute value of a learned ``threshold`` is used.

    Take it for levels in place of steps.

    Args:
        size: Number of neurons (or channels) that have parameters of their own; None for one set
            shared by all.
        levels: N, the most spikes in one step.
        dt: Seconds per step.
        threshold: Membrane of the highest level; a number, a tensor [size], a range ``(low, high)``
            or a distribution.
        backward: ``"ste"`` or ``"surrogate"``.
        surrogate: The spike function of ``backward="surrogate"``, or its name.
        detach_reset: Whether the spikes in the reset are detached from the graph.

    Shape:
        Currents [T, B, ...] to whole numbers of spikes [T, B, ...].

    Raises:
        ValueError: If there are not 1 to 1,024 levels, the step or a threshold is not positive, or
            ``backward`` is unknown.

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
        self.levels, self.dt = whole("levels", levels, _LEVELS), dt
        self.backward = one_of("backward", backward, ("ste", "surrogate"))
        self.detach_reset = detach_reset
        self.surrogate = spike_function(surrogate)
        self.cost = NeuronCost(adds=1, states=1, comparisons=levels)

    def init_state(self, current: Tensor) -> MultiLevelState:
        """Returns a membrane at rest (zero)."""
        return MultiLevelState(torch.zeros_like(current))

    def step(self, current: Tensor, state: MultiLevelState) -> tuple[Tensor, MultiLevelState]:
        """Runs one step: current [B, ...] to spikes [B, ...], 0 to N."""
        threshold = along(magnitude(self.threshold), current)
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
    """Barrier: lets at most N spikes through in one step, and the rest in later steps.

    Equation::

        u[t] = u[t-1] + I[t]                 I[t] a sum of spike counts
        z[t] = clip(floor(u[t]), 0, N)
        u[t] = u[t] - z[t]

    From rest, one step gives ``min(I, N)``. Gradients pass straight through: dz/du is 1 if
    0 <= u <= N, else 0, in the last line too, so that each spike counts in the one step that it
    leaves in.

    Take it behind a sum of spikes, such as that of a residual block, so that the number
    of spikes does not grow with every sum.

    Args:
        size: Number of neurons (or channels); checked if it is given.
        levels: N, the most spikes in one step.
        dt: Seconds per step.

    Shape:
        Sums of spike counts [T, B, ...] to whole numbers of spikes [T, B, ...].

    Raises:
        ValueError: If there are not 1 to 1,024 levels, or the step is not positive.

    Example:
        >>> spikes, state = Barrier(levels=4)(torch.tensor([6.0, 1.0, 0.0]).view(3, 1, 1))
        >>> spikes.flatten()
        tensor([4., 3., 0.])

    Reference:
        Castagnetti, Pegatoquet and Miramond, arXiv:2510.24637, 2025; the equation and the place of
        barriers are inferred.
    """

    output = "levels"
    cost = NeuronCost(adds=1, states=1, comparisons=1)

    def __init__(self, size: int | None = None, *, levels: int = 4, dt: float = 1e-3) -> None:
        super().__init__()
        positive("dt", dt)
        self.size, self.dt = size, dt
        self.levels = whole("levels", levels, _LEVELS)

    def init_state(self, current: Tensor) -> MultiLevelState:
        """Returns a state that holds nothing back."""
        if self.size is not None and current.shape[1:2] != (self.size,):
            raise ValueError(
                f"expected currents [T, B, {self.size}, ...], got one step of shape "
                f"{list(current.shape)}: give size= the number of neurons (or channels)"
            )
        return MultiLevelState(torch.zeros_like(current))

    def step(self, current: Tensor, state: MultiLevelState) -> tuple[Tensor, MultiLevelState]:
        """Runs one step: sums of spike counts [B, ...] to spikes [B, ...], 0 to N."""
        u = state.membrane + current
        z = torch.floor(u.detach()).clamp(0, self.levels)
        z = _straight(z, u, 0.0, float(self.levels), 1.0)
        return z, MultiLevelState(u - z)


def _straight(
    z: Tensor, u: Tensor, low: float, high: float | Tensor, slope: float | Tensor
) -> Tensor:
    """Returns ``z`` with the gradient of ``slope * u`` at each u in low..high, else none."""
    # Only finite membranes pass, so that an infinite one has finite gradients.
    line = torch.where((u >= low) & (u <= high), u, 0.0) * slope
    return z + (line - line.detach())
