"""Penalties from the literature."""

import math
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from picojoule._names import unknown
from picojoule.energy import Traffic
from picojoule.training.traffic import Omega, TrafficPenalty, rates, total

_SIDES = ("above", "below", "both")


class SynapticPenalty(Omega):
    r"""The spiking synaptic penalty: every spike is charged for the synapses it is sent through.

    With :math:`\psi_i` the synapses that leave element :math:`i`, for every layer that consumes
    spikes

    .. math:: \Omega = \frac{1}{p} \sum_t \sum_i \psi_i\, s_{t,i}^{\,p}

    per sample, and the penalty is ``weight`` times the sum over layers. The energy of a layer's
    accumulates is exactly :math:`p\,E_{AC}\,\Omega`, whatever ``p``. The gradient at a spike is
    :math:`\psi_i s^{p-1}`: with ``p=1`` it also reaches neurons that were silent, above 1 only
    those that fired. Borders, strides and groups are exact (see ``Meter``); a spike that two layers
    consume is charged for both, one that is only added to others for none.

    A level of n that arrives (from pooling, a sum of spikes, a multi-level neuron) is n spikes of
    1, and so ``p`` only scales its charge. Graded values are charged nothing: they cost
    multiplications and are no number of spikes. Input events are charged too, which is constant.

    Args:
        weight: What one accumulate per sample adds to the loss, at least 0. Networks do thousands
            to millions: begin near 0.1 over the accumulates of the untrained network.
        p: The power, at least 1.

    Raises:
        ValueError: A weight below 0, or a power below 1. When called: no traffic, or none with
            spikes of neurons that arrive at synapses.

    Example:
        >>> penalty = SynapticPenalty(weight=1e-5)

    Reference:
        Suetake, Ushimaru, Saiin and Sawada, Spiking Synaptic Penalty, 2023, arXiv:2302.01500.
    """

    fired = False

    def worth(self, record: Traffic) -> float:
        """Nothing beyond its synapses."""
        del record
        return 1.0


class SpikePenalty(Omega):
    r"""A charge for every spike that neurons put out, wherever it goes.

    .. math:: \Omega = \frac{1}{p} \sum_t \sum_i s_{t,i}^{\,p}

    for every layer of neurons, per sample; the penalty is ``weight`` times the sum over layers.
    A level of n is ``n ** p``; ``p=2`` gives half the sum of squares of Yan et al.

    Args:
        weight: What one spike per sample adds to the loss, at least 0.
        p: The power, at least 1.

    Raises:
        ValueError: A weight below 0, or a power below 1. When called: no traffic, or none of
            spiking neurons.

    Example:
        >>> penalty = SpikePenalty(weight=1e-4)

    Reference:
        A baseline of arXiv:2302.01500; ``p=2``: Yan et al., Frontiers in Neuroscience 16, 2022,
        doi 10.3389/fnins.2022.760298.
    """

    fired = True

    def worth(self, record: Traffic) -> float:
        """One, whatever its synapses."""
        del record
        return 1.0


class BalancedPenalty(Omega):
    r"""A charge for every spike in which each layer has the same say, whatever its size.

    .. math:: \Omega = \frac{1}{p\,d} \sum_t \sum_i s_{t,i}^{\,p}

    for every layer of ``d`` neurons, per sample: with ``p=1`` the spikes per neuron. The penalty
    is ``weight`` times the sum over layers. A level of n is ``n ** p``.

    Args:
        weight: What one spike of every neuron of a layer adds to the loss, at least 0.
        p: The power, at least 1.

    Raises:
        ValueError: A weight below 0, or a power below 1. When called: no traffic, or none of
            spiking neurons.

    Example:
        >>> penalty = BalancedPenalty(weight=0.1)

    Reference:
        A baseline of arXiv:2302.01500, whose formula is not public: this is our reading of it.
    """

    fired = True

    def worth(self, record: Traffic) -> float:
        """One over the neurons of its layer."""
        return 1 / max(1, prod(record.values.shape[record.leading :]))


class SynOpsTarget(TrafficPenalty):
    r"""Draws the number of synaptic operations to a target, from either side.

    With :math:`S` the synaptic operations per sample (those of input events included), the penalty
    is

    .. math:: \text{weight} \cdot \left(\frac{S - S_0}{S_0}\right)^2

    Args:
        target: :math:`S_0`, synaptic operations per sample.
        weight: What missing it by all of it adds to the loss, at least 0.

    Raises:
        ValueError: A target that is not above 0, or a weight below 0. When called: no traffic, or
            none with spikes of neurons that arrive at synapses.

    Example:
        >>> penalty = SynOpsTarget(target=20_000)

    Reference:
        Sorbaro, Liu, Bortone and Sheik, Frontiers in Neuroscience 14:662, 2020,
        doi 10.3389/fnins.2020.00662.
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
        """The squared share by which the target is missed; see ``TrafficPenalty``."""
        parts = [total(record, 1.0) / record.samples for record in records]
        return (torch.stack(parts).sum() / self.target - 1).square()


class RateTarget(TrafficPenalty):
    r"""Draws the firing rate of every single neuron to a target, or to one side of it.

    With :math:`p_n` the spikes per step of neuron :math:`n` over the batch and :math:`r` the
    target, the penalty is ``weight`` times the mean over all neurons of the network of

    - ``side="above"``: :math:`\max(p_n - r, 0)^2`, for neurons that fire too often;
    - ``side="below"``: :math:`\max(r - p_n, 0)^2`, for neurons that fire too seldom;
    - ``side="both"``: :math:`(p_n - r)^2`.

    Steps after a sequence's end are left out.

    Args:
        rate: :math:`r`, spikes per neuron and step, above 0 and at most 1.
        weight: Scale of the charge, at least 0.
        side: Which neurons are charged.

    Raises:
        ValueError: A rate, weight or side out of range. When called: no traffic, or none of
            spiking neurons.

    Example:
        >>> penalty = RateTarget(rate=0.05, weight=10.0)

    Reference:
        Baronig et al., Nature Communications 16, 2025, doi 10.1038/s41467-025-60878-z; the three
        sides are those of their published code.
    """

    fired = True

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
        """The mean squared excess over neurons; see ``TrafficPenalty``."""
        excess = rates(records) - self.rate
        if self.side != "both":
            excess = torch.relu(excess if self.side == "above" else -excess)
        return excess.square().mean()
