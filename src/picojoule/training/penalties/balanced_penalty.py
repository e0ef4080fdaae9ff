"""Penalty on spikes that weighs every layer the same."""

from math import prod

from picojoule.energy import Traffic
from picojoule.training.penalties.traffic_penalty import Omega


class BalancedPenalty(Omega):
    r"""Charge for every spike that weighs all layers the same, whatever their size.

    .. math:: \Omega = \frac{1}{p\,d} \sum_t \sum_i s_{t,i}^{\,p}

    for every layer of ``d`` neurons, per sample: with ``p=1`` the spikes per neuron. The penalty
    is ``weight`` times the sum over layers. A level of n is ``n ** p``. The smaller a layer is, the
    more a spike of it is charged.

    Take it if small layers should not stay busy, and as a baseline.

    Args:
        weight: What one spike of every neuron of a layer adds to the loss, at least 0.
        p: The power, at least 1.

    Raises:
        ValueError: If the weight is below 0 or the power below 1; when called, if there is no
            traffic, or none of spiking neurons.

    Example:
        >>> penalty = BalancedPenalty(weight=0.1)

    Reference:
        A baseline of arXiv:2302.01500, whose formula is not public: this is our reading of it.
    """

    fired = True

    def worth(self, record: Traffic) -> float:
        """Returns one over the number of neurons of the layer."""
        return 1 / max(1, prod(record.values.shape[record.leading :]))
