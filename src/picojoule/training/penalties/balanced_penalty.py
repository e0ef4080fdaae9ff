"""A penalty on spikes that weighs every layer the same."""

from math import prod

from picojoule.energy import Traffic
from picojoule.training.penalties.traffic_penalty import Omega


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
