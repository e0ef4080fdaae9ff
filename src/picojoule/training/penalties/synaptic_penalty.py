"""The spiking synaptic penalty."""

from picojoule.energy import Traffic
from picojoule.training.penalties.traffic_penalty import Omega


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
