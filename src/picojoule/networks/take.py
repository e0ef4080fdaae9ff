"""The inputs that a network reads, taken from all that it is given."""

from torch import Tensor, nn


class Take(nn.Module):
    """Layer that passes on some of its channels, or of its features.

    What it leaves out reaches no synapse and costs nothing.

    Args:
        index: Numbers of the channels that pass, [N] int64.
        axis: Axis of the channels in [B, ...], or -1 for features.

    Shape:
        [B, C, ...] to [B, N, ...].

    Example:
        >>> import torch
        >>> Take(torch.tensor([0, 2]))(torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[1., 3.]])
    """

    index: Tensor

    def __init__(self, index: Tensor, *, axis: int = 1) -> None:
        super().__init__()
        self.axis = axis
        self.register_buffer("index", index)

    def forward(self, x: Tensor) -> Tensor:
        """Takes the channels of x [B, ...]."""
        return x.index_select(self.axis, self.index)

    def extra_repr(self) -> str:
        """Returns how many channels pass, for ``repr``."""
        return f"{len(self.index)} channels"
