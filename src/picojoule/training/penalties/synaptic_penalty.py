"""Penalty on the synapses that spikes are sent through."""

from picojoule.energy import Traffic
from picojoule.training.penalties.traffic_penalty import Omega


class SynapticPenalty(Omega):
    r"""Spiking synaptic penalty: a charge for every synapse that a spike is sent through.

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

    Take it if accumulates are what matters, on any chip.

    Args:
        weight: What one accumulate per sample adds to the loss, at least 0. Networks do thousands
            to millions: begin near 0.1 over the accumulates of the untrained network.
        p: The power, at least 1.

    Raises:
        ValueError: If the weight is below 0 or the power below 1; when called, if there is no
            traffic, or none with spikes of neurons that arrive at synapses.

    Example:
        >>> penalty = SynapticPenalty(weight=1e-5)

    Reference:
        Suetake, Ushimaru, Saiin and Sawada, Spiking Synaptic Penalty, 2023, arXiv:2302.01500. There
        is no code of theirs to compare with.
    """

    fired = False

    def worth(self, record: Traffic) -> float:
        """Returns one: nothing is charged beyond its synapses."""
        del record
        return 1.0
