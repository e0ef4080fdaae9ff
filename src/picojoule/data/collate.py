"""Batches of a split, encoded."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Generator, Tensor
from torch.utils.data import DataLoader, Subset

from picojoule.data.augment import Augment
from picojoule.data.encoders.base import Encoder
from picojoule.data.split import Split
from picojoule.targets import target_of

Batch = tuple[Tensor, Tensor, Tensor | None]


def loader(
    split: Split | Subset[Any],
    encoder: Encoder,
    *,
    batch_size: int,
    shuffle: bool = False,
    augment: Augment | None = None,
    generator: Generator | None = None,
) -> DataLoader[Any]:
    """Returns the encoded batches of a split; the last may be shorter than the others.

    Each is ``(x [T, B, ...] float32, y, lengths [B] int64 or None)``, with ``y`` as in the split,
    but ``[T, B]`` or ``[T, B, K]`` if it is per step.

    Args:
        split: What ``encoder.prepare`` gave, or a ``torch.utils.data.Subset`` of it.
        encoder: What turns a batch into steps.
        batch_size: Number of items in a batch.
        shuffle: In a new order each time, drawn from torch's global random state (so that a run
            goes on as before once that state is restored) unless there is a ``generator``.
        augment: Changes the raw items before they are encoded; for training only.
        generator: What the order is drawn from.

    Raises:
        ValueError: For an empty split or a batch size below one.

    Example:
        >>> from picojoule.data import Latency, load
        >>> batches = loader(load("digits").test, Latency(steps=16), batch_size=64)
        >>> x, y, lengths = next(iter(batches))
        >>> x.shape
        torch.Size([16, 64, 1, 8, 8])
    """
    if not len(split):
        raise ValueError("expected a split with items in it, got an empty one")
    if batch_size < 1:
        raise ValueError(f"expected batch_size of at least 1, got {batch_size}")
    return DataLoader(
        split,  # pyright: ignore[reportArgumentType]
        batch_size=batch_size,
        shuffle=shuffle,
        generator=generator,
        collate_fn=_Collate(encoder, augment),
    )


@dataclass(frozen=True)
class _Collate:
    encoder: Encoder
    augment: Augment | None

    @property
    def kind(self) -> str:
        """The kind of the network's input, for the meter."""
        return self.encoder.kind

    @property
    def plain(self) -> "_Collate":
        """The same without augmentation, as batches come in use."""
        return replace(self, augment=None)

    def __call__(self, batch: Any) -> Batch:
        x, y = batch.x, batch.y
        if self.augment is not None:
            x, y = self.augment.labelled(x, y, batch.lengths)
        steps, lengths = self.encoder(x, batch.lengths)
        if target_of(y).each_step:
            # A batch has the steps of its longest item.
            y = y[:, : len(steps)] if lengths is not None else y
            if y.shape[1] != len(steps):
                raise ValueError(
                    f"labels are of {y.shape[1]} steps, and the encoder made {len(steps)}: give a "
                    "label for each of its steps"
                )
            y = y.transpose(0, 1)
        return steps, y, lengths
