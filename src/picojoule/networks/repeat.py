"""A static image, made to last."""

from torch import Tensor, nn


class Repeat(nn.Module):
    """Layer that repeats one step ``steps`` times.

    A static image passes the layers before it once, and they are counted once.

    Args:
        steps: Number of steps that it puts out.

    Shape:
        [1, B, ...] to [steps, B, ...].

    Raises:
        ValueError: If there is no step; when called, if the input has more than one.

    Example:
        >>> import torch
        >>> Repeat(4)(torch.rand(1, 2, 3)).shape
        torch.Size([4, 2, 3])
    """

    makes_steps = True  # by which a meter knows it

    def __init__(self, steps: int) -> None:
        super().__init__()
        if steps < 1:
            raise ValueError(f"Repeat needs at least one step, got {steps}")
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        """Expands x [1, B, ...] to [steps, B, ...], without a copy."""
        if x.shape[0] != 1:
            raise ValueError(
                f"Repeat takes one step and got {x.shape[0]}: give the network x[1, B, ...], or "
                "leave Repeat out for inputs that have their own steps"
            )
        return x.expand(self.steps, *x.shape[1:])

    def extra_repr(self) -> str:
        """Returns the steps, for ``repr``."""
        return str(self.steps)
