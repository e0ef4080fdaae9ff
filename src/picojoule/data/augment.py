"""Random changes of training images that leave their class."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Shifts and mirrors images at random, each one by itself, from torch's global random state.

    Args:
        shift: Each image moves by up to this many pixels, up or down and left or right; what comes
            in is zero.
        flip: Mirror each left to right with probability one half.

    Raises:
        ValueError: For a negative shift.
    """

    shift: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.shift, int) or self.shift < 0:
            raise ValueError(
                f"expected shift as a whole number of pixels, 0 or more, got {self.shift!r}"
            )

    def __call__(self, x: Tensor) -> Tensor:
        """A changed copy.

        Shape:
            ``[B, C, H, W]`` of any type; the same.

        Raises:
            ValueError: For something else than images.
        """
        if x.ndim != 4:
            raise ValueError(f"expected images [B, C, H, W] to shift and flip, got {list(x.shape)}")
        if self.shift:
            x = _shifted(x, self.shift)
        if self.flip:
            mirrored = (torch.rand(len(x)) < 0.5).view(-1, 1, 1, 1)
            x = torch.where(mirrored, x.flip(-1), x)
        return x


def _shifted(x: Tensor, limit: int) -> Tensor:
    batch, _, height, width = x.shape
    padded = torch.nn.functional.pad(x, (limit, limit, limit, limit))
    down, right = torch.randint(0, 2 * limit + 1, (2, batch, 1))
    rows = (down + torch.arange(height)).view(batch, 1, height, 1)
    columns = (right + torch.arange(width)).view(batch, 1, 1, width)
    item = torch.arange(batch).view(batch, 1, 1, 1)
    channel = torch.arange(x.shape[1]).view(1, -1, 1, 1)
    return padded[item, channel, rows, columns]
