"""Penalty on firing rates that miss a target."""

from collections.abc import Sequence

import torch
from torch import Tensor

from picojoule._names import unknown
from picojoule.energy import Traffic
from picojoule.training.penalties.traffic_penalty import TrafficPenalty, rates

_SIDES = ("above", "below", "both")


class RateTarget(TrafficPenalty):
    r"""Target for the firing rate of every single neuron, or for one side of it.

    With :math:`p_n` the spikes per step of neuron :math:`n` over the batch and :math:`r` the
    target, the penalty is ``weight`` times the mean over all neurons of the network of

    - ``side="above"``: :math:`\max(p_n - r, 0)^2`, for neurons that fire too often;
    - ``side="below"``: :math:`\max(r - p_n, 0)^2`, for neurons that fire too seldom;
    - ``side="both"``: :math:`(p_n - r)^2`.

    Steps after a sequence's end are left out.

    Take it if single neurons should not fire too often or, with ``side="below"``, not be silent; a
    recipe may have it beside a budget.

    Args:
        rate: :math:`r`, spikes per neuron and step, above 0 and at most 1.
        weight: Scale of the charge, at least 0.
        side: Which neurons are charged.

    Raises:
        ValueError: If the rate, the weight or the side is not allowed; when called, if there is no
            traffic, or none of spiking neurons.

    Example:
        >>> penalty = RateTarget(rate=0.05, weight=10.0)

    Reference:
        Baronig et al., Nature Communications 16, 2025, doi 10.1038/s41467-025-60878-z; the three
        sides are those of their published code. There :math:`p_n` is the mean over samples of each
        sample's own rate; here every step counts the same, which differs for sequences of unequal
        length.
    """

    fired = True
    beside_budget = True

    def __init__(self, rate: float, weight: float = 1.0, side: str = "above") -> None:
        super().__init__(weight)
        if not 0 < rate <= 1:
            raise ValueError(
                f"rate must be above 0 and at most 1, got {rate}: give spikes per neuron and step"
            )
        if side not in _SIDES:
            raise ValueError(unknown("side", str(side), _SIDES))
        self.rate = rate
        self.side = side

    def charge(self, records: Sequence[Traffic]) -> Tensor:
        """Computes the mean squared excess over neurons; see ``TrafficPenalty``."""
        excess = rates(records) - self.rate
        if self.side != "both":
            excess = torch.relu(excess if self.side == "above" else -excess)
        return excess.square().mean()
