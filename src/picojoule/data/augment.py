"""Random changes of training items that leave what is to be learned of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from picojoule.targets import target_of


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of the items of a batch, each by itself, from torch's global random state.

    Three are for images ``[B, C, H, W]``, and for event frames ``[B, T, P, H, W]``, whose steps all
    change alike; three are for what happens in time, ``[B, T, ...]``: sounds as events, and event
    frames. They are applied in the order in which they stand here.

    Args:
        shift: Each image moves by up to this many pixels, up or down and left or right; what comes
            in is zero: a random crop of the image with a border of ``shift`` zeros.
        flip: Mirror each left to right with probability one half.
        cutout: A square of this many pixels, about a random pixel of the image, becomes zero; it
            may reach over the edge.
        time_shift: Each item moves by up to this many steps, earlier or later, within its length;
            what comes in is empty. Labels per step move with it.
        mix: Another item of the batch, with each of its cells kept with this probability, is laid
            over each item, as a second voice or a restless background; the labels stay those of the
            first. If both have events, the larger number stays.
        drop: Each cell (a channel or pixel at a step) loses its events with this probability.

    Raises:
        ValueError: For a negative number of pixels or steps, or a probability not in 0..1 (for
            ``mix``, 0..0.5).

    Reference:
        Cutout: T. DeVries and G. W. Taylor, arXiv 1708.04552. Drop: F. Gu et al., EventDrop, IJCAI,
        2021.
    """

    shift: int = 0
    flip: bool = False
    cutout: int = 0
    time_shift: int = 0
    mix: float = 0.0
    drop: float = 0.0

    def __post_init__(self) -> None:
        for name, unit in (("shift", "pixels"), ("cutout", "pixels"), ("time_shift", "steps")):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0:
                raise ValueError(
                    f"expected {name} as a whole number of {unit}, 0 or more, got {value!r}"
                )
        for name, most in (("mix", 0.5), ("drop", 1.0)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"expected {name} in 0..{most:g}, got {getattr(self, name)!r}")

    @property
    def is_spatial(self) -> bool:
        """True if images are changed."""
        return bool(self.shift or self.flip or self.cutout)

    @property
    def is_temporal(self) -> bool:
        """True if anything is changed in time."""
        return bool(self.time_shift or self.mix or self.drop)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Returns a changed copy of items without labels per step; see ``labelled``."""
        return self.labelled(x, torch.zeros(len(x), dtype=torch.int64), lengths)[0]

    def labelled(
        self, x: Tensor, y: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns a changed copy of items, and their labels.

        Args:
            x: ``[B, ...]`` of any type.
            y: Their labels, see ``Split``.
            lengths: Steps of each item ``[B]``; None if all count.

        Raises:
            ValueError: For anything but images if images are changed, or without steps if steps
                are.
        """
        if self.is_spatial and x.ndim < 4:
            raise ValueError(
                f"expected images [B, C, H, W] to shift, flip and cut out of, got {list(x.shape)}"
            )
        if self.is_temporal and x.ndim not in (3, 5):
            raise ValueError(
                f"expected steps [B, T, ...] to shift, mix and drop in, got {list(x.shape)}"
            )
        if self.shift:
            x = _shifted(x, self.shift)
        if self.flip:
            mirrored = torch.rand(len(x)) < 0.5
            x = torch.where(_of_each(mirrored, x), x.flip(-1), x)
        if self.cutout:
            x = _cut_out(x, self.cutout)
        if self.time_shift:
            later = torch.randint(-self.time_shift, self.time_shift + 1, (len(x), 1))
            x = _moved(x, lengths, later, 0)
            if (target := target_of(y)).each_step:
                y = _moved(y[:, : x.shape[1]], lengths, later, target.missing)
        if self.mix:
            other = x[torch.randperm(len(x))]
            x = torch.maximum(x, other * (torch.rand(x.shape) < self.mix))
        if self.drop:
            x = x * (torch.rand(x.shape) >= self.drop)
        return x, y


def _of_each(values: Tensor, x: Tensor) -> Tensor:
    """Returns a value per item, ``[B]``, in a shape that broadcasts with ``x``."""
    return values.view(-1, *[1] * (x.ndim - 1))


def _shifted(x: Tensor, limit: int) -> Tensor:
    batch, height, width = len(x), *x.shape[-2:]
    padded = torch.nn.functional.pad(x, (limit, limit, limit, limit)).flatten(1, -3)
    down, right = torch.randint(0, 2 * limit + 1, (2, batch, 1))
    # Every window there is, as a view: of each item one is copied.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(batch), :, down[:, 0], right[:, 0]].view(x.shape)


def _cut_out(x: Tensor, side: int) -> Tensor:
    """Sets a square of ``side`` pixels about a random pixel to zero."""
    inside = []
    for size in x.shape[-2:]:
        first = torch.randint(0, size, (len(x), 1)) - side // 2
        place = torch.arange(size)
        inside.append((place >= first) & (place < first + side))
    rows, columns = inside
    square = rows.unsqueeze(2) & columns.unsqueeze(1)
    return x * ~square.view(len(x), *[1] * (x.ndim - 3), *x.shape[-2:])


def _moved(x: Tensor, lengths: Tensor | None, later: Tensor, empty: float) -> Tensor:
    """Moves each item ``[B, T, ...]`` by its steps ``[B, 1]``."""
    steps = x.shape[1]
    source = torch.arange(steps) - later
    ends = torch.full((len(x), 1), steps) if lengths is None else lengths.view(-1, 1)
    there = (source >= 0) & (source < ends) & (torch.arange(steps) < ends)
    rows = source.clamp(0, steps - 1) + steps * torch.arange(len(x)).unsqueeze(1)
    moved = x.flatten(0, 1).index_select(0, rows.flatten())
    gone = (~there).flatten().nonzero().squeeze(1)
    return moved.index_fill_(0, gone, empty).view(x.shape)
