"""Penalty on every spike."""

from picojoule.energy import Traffic
from picojoule.training.penalties.traffic_penalty import Omega


class SpikePenalty(Omega):
    r"""Charge for every spike that neurons put out, wherever it goes.

    .. math:: \Omega = \frac{1}{p} \sum_t \sum_i s_{t,i}^{\,p}

    for every layer of neurons, per sample; the penalty is ``weight`` times the sum over layers.
    A level of n is ``n ** p``; ``p=2`` gives half the sum of squares of Yan et al.

    Take it if a spike costs the same wherever it goes (a bus, a radio, an analog neuron), and as a
    baseline.

    Args:
        weight: What one spike per sample adds to the loss, at least 0.
        p: The power, at least 1.

    Raises:
        ValueError: If the weight is below 0 or the power below 1; when called, if there is no
            traffic, or none of spiking neurons.

    Example:
        >>> penalty = SpikePenalty(weight=1e-4)

    Reference:
        A baseline of arXiv:2302.01500; ``p=2``: Yan et al., Frontiers in Neuroscience 16, 2022,
        doi 10.3389/fnins.2022.760298.
    """

    fired = True

    def worth(self, record: Traffic) -> float:
        """Returns one, whatever its synapses."""
        del record
        return 1.0
