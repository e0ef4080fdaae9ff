"""Penalty on numbers of synaptic operations that miss a target."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from picojoule.energy import Traffic
from picojoule.training.penalties.traffic_penalty import TrafficPenalty, total


class SynOpsTarget(TrafficPenalty):
    r"""Target for the number of synaptic operations, from either side.

    With :math:`S` the synaptic operations per sample (those of input events included), the penalty
    is

    .. math:: \text{weight} \cdot \left(\frac{S - S_0}{S_0}\right)^2

    Take it if a number of synaptic operations is given.

    Args:
        target: :math:`S_0`, synaptic operations per sample.
        weight: What twice the target, or none of it, adds to the loss, at least 0.

    Raises:
        ValueError: If the target is not above 0 or the weight is below 0; when called, if there is
            no traffic, or none with spikes of neurons that arrive at synapses.

    Example:
        >>> penalty = SynOpsTarget(target=20_000)

    Reference:
        Sorbaro, Liu, Bortone and Sheik, Frontiers in Neuroscience 14:662, 2020,
        doi 10.3389/fnins.2020.00662. Their code takes one fan-out for each layer; here it is exact.
    """

    fired = False

    def __init__(self, target: float, weight: float = 1.0) -> None:
        super().__init__(weight)
        if not (math.isfinite(target) and target > 0):
            raise ValueError(
                f"target must be above 0, got {target}: give synaptic operations per sample"
            )
        self.target = target

    def charge(self, records: Sequence[Traffic]) -> Tensor:
        """Computes the squared share by which the target is missed; see ``TrafficPenalty``."""
        parts = [total(record, 1.0) / record.samples for record in records]
        return (torch.stack(parts).sum() / self.target - 1).square()
