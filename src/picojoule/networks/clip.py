"""Activation of ANNs that are to be converted to spiking networks."""

import torch
from torch import Tensor, nn


class ClipFloorShift(nn.Module):
    """Activation with as many values as a neuron has spike counts, in place of ReLU.

    Equation::

        y = threshold / L * clip(floor(L * x / threshold + 1/2), 0, L)

    An ANN trained with it becomes a spiking network of few steps with little loss: in L steps an
    integrate-and-fire neuron that starts half full gives the same for a constant current. The
    threshold learns; gradients go straight through the floor.

    Args:
        levels: Number of values above zero, L.
        threshold: Threshold to start from.

    Shape:
        [B, ...] to [B, ...].

    Raises:
        ValueError: If there are less than one level, or the threshold is not positive.

    Example:
        >>> ClipFloorShift(4, threshold=1.0)(torch.tensor([-1.0, 0.3, 0.4, 2.0])).detach()
        tensor([0.0000, 0.2500, 0.5000, 1.0000])

    Reference:
        Bu, Fang, Ding, Dai, Yu and Huang, *Optimal ANN-SNN Conversion for High-accuracy and
        Ultra-low-latency Spiking Neural Networks*, ICLR 2022.
    """

    def __init__(self, levels: int = 8, threshold: float = 4.0) -> None:
        super().__init__()
        if levels < 1 or not threshold > 0:
            raise ValueError(
                f"expected levels of at least 1 and a threshold above 0, got {levels}, {threshold}"
            )
        self.levels = levels
        self.threshold = nn.Parameter(torch.tensor(threshold))

    def forward(self, x: Tensor) -> Tensor:
        """Clips and rounds x [B, ...]."""
        share = x / self.threshold
        steps = share * self.levels + 0.5
        steps = steps + (steps.floor() - steps).detach()
        return self.threshold * (steps / self.levels).clamp(0, 1)

    def extra_repr(self) -> str:
        """Returns the levels, for ``repr``."""
        return f"levels={self.levels}"
