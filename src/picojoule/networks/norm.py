"""Norms and first weights of spiking layers, at which their neurons fire."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from picojoule.networks.options import NeuronFactory
from picojoule.neurons import Neuron, scan

Norm = Literal["batch", "tdbn"]

RATES = 0.14, 0.34  # what neurons may fire at on such currents
_GAINS = tuple(2.0**power for power in range(1, 11))


@torch.no_grad()
def gain(neuron: Neuron, size: int, *, steps: int = 4, spread: float = 1.0) -> float:
    """Finds the factor of normal currents at which neurons fire now and then.

    Neurons differ by orders of magnitude in the currents that they need: some scale them by their
    leak, some by ``dt``, some have small thresholds. They are run on constant currents, normal over
    the batch, with factors of 1, 2, 4, ... (or 1/2, 1/4, ... if they fire too much) up to the first
    at which they put out 14 % to 34 % of the most that they can.

    Args:
        neuron: The neurons.
        size: Number of neurons.
        steps: Number of steps to run.
        spread: Standard deviation of the currents that are to be scaled.

    Returns:
        A power of two; 1 if no factor makes them fire so.

    Example:
        >>> from picojoule.neurons import LIF, PLIF
        >>> gain(LIF(), 8), gain(PLIF(), 8)
        (1.0, 2.0)
    """
    normal = spread * torch.special.ndtri((torch.arange(64) + 0.5) / 64)
    currents = normal.view(1, 64, 1).expand(steps, 64, size)
    low, high = RATES
    start = _rate(neuron, currents)
    if low <= start <= high:
        return 1.0
    for power in _GAINS:
        scale = power if start < low else 1 / power
        if low <= _rate(neuron, currents * scale) <= high:
            return scale
    return 1.0


def _rate(neuron: Neuron, currents: Tensor) -> float:
    """Computes the output of neurons as a share of the most that they can put out."""
    out, _ = scan(neuron, currents)
    return float(out.mean() / out.amax().clamp(min=1.0))


@dataclass(frozen=True)
class Drive:
    """Factory of neurons and of the norms before them, over batch, place and all steps.

    Both norms are torch's batch norm, folded into the layer before it when the network is used;
    they differ in the weight that they start from.

    Equation::

        y = weight * (x - mean) / sqrt(variance + eps) + bias
        weight = gain(neuron)             norm="batch"; 1 for IF, LIF, MultiLevelIF and LNM
        weight = threshold                norm="tdbn", threshold-dependent
        bias   = -weight if a max-pooling of 2 x 2 follows, since the largest of four standard
                 normal values is about 1; else 0

    Args:
        neuron: Makes the neurons of a layer from their number.
        norm: ``"batch"`` or ``"tdbn"``.

    Reference:
        Zheng, Wu, Deng, Hu and Li, *Going Deeper With Directly-Trained Larger Spiking Neural
        Networks*, AAAI 2021 (tdBN).
    """

    neuron: NeuronFactory
    norm: Norm = "batch"

    def weight(self, neurons: Neuron, size: int) -> Tensor:
        """Returns the first weight of a norm before these neurons, [] or [size].

        Raises:
            ValueError: If tdBN is before neurons without a threshold, such as a mixture.
        """
        if self.norm == "batch":
            return torch.tensor(gain(neurons, size))
        threshold = getattr(neurons, "threshold", None)
        if not isinstance(threshold, Tensor):
            raise ValueError(
                f"norm='tdbn' starts from the neurons' threshold, and {neurons.species} has none "
                "of its own: use norm='batch'"
            )
        return threshold.detach()

    def maps(self, neurons: Neuron, channels: int, *, share: float = 1.0) -> nn.BatchNorm2d:
        """Makes the norm of a convolution; ``share`` is its part of the neurons' currents."""
        made = nn.BatchNorm2d(channels)
        made.weight.data.copy_((share * self.weight(neurons, channels)).expand(channels))
        return made

    def units(self, neurons: Neuron, size: int) -> nn.BatchNorm1d:
        """Makes the norm of a linear layer."""
        made = nn.BatchNorm1d(size)
        made.weight.data.copy_(self.weight(neurons, size).expand(size))
        return made


def before_pooling(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """Shifts a norm's bias so that the maximum over a 2x2 pool averages about zero."""
    norm.bias.data.copy_(-norm.weight.data)
    return norm
