"""Items with their labels, and how some of them are held out."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from picojoule.targets import target_of

Index = int | slice | Sequence[int] | Tensor


def picked(count: int, index: Index) -> np.ndarray:
    """Returns the numbers, of 0 to ``count``, that an index picks: a row, or one number.

    Raises:
        IndexError: For a number that is not one of them.
    """
    return np.arange(count)[index.numpy() if isinstance(index, Tensor) else index]


@dataclass(frozen=True, eq=False)
class Split:
    """Items with their labels and, if they differ, their lengths.

    Args:
        x: The items ``[N, ...]``; images are uint8 0..255 or float 0..1, waveforms float in -1..1
            or int16, zero after their end. Anything with ``len(x)`` and ``x[index]`` will do:
            recorded events are ``EventLists``, sounds of unequal length ``Waves``.
        y: What is to be learned of each: a class, ``[N]`` whole numbers, or one for each step,
            ``[N, T]``, -1 where a step has none; or real numbers, ``[N]`` or ``[N, K]``, or for
            each step ``[N, T, K]``, NaN where a step has none. Steps are those of the encoder.
        lengths: How much of each item counts, ``[N]`` int64: in samples of a waveform, in steps
            once an encoder has prepared it. None if all of every item counts.
        fingerprint: The sha256 of the content if it comes from the cache, else empty.

    Raises:
        ValueError: If the three do not hold the same number of items, a class is below 0 (of a
            step, -1), or a number is not finite.
        TypeError: If labels are neither whole nor real numbers.

    Example:
        >>> split = Split(torch.zeros(10, 1, 8, 8), torch.arange(10))
        >>> split[2:5].y, split[[7, 0]].y, split[-1].y
        (tensor([2, 3, 4]), tensor([7, 0]), tensor([9]))
    """

    x: Any
    y: Tensor
    lengths: Tensor | None = None
    fingerprint: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        items, target = len(self.x), target_of(self.y)
        if len(self.y) != items:
            more = ", ..." if self.y.dim() > 1 else ""
            raise ValueError(
                f"expected labels [{items}{more}], those of each item, got {list(self.y.shape)}"
            )
        if self.lengths is not None and self.lengths.shape != (items,):
            raise ValueError(
                f"expected lengths [{items}], one for each item, got {list(self.lengths.shape)}"
            )
        target.check(self.y)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Index) -> "Split":
        """Returns the items at a number, a slice, a list, or a tensor of numbers or bools.

        Raises:
            IndexError: For a number that no item has.
        """
        return self.at(torch.from_numpy(np.atleast_1d(picked(len(self), index)).copy()))

    def __getitems__(self, index: Sequence[int]) -> "Split":
        """Returns a batch, in the way in which torch's loaders and subsets ask for one."""
        return self[index]

    def at(self, index: Tensor) -> "Split":
        """Returns the items at ``index``, ``[M]`` int64, in that order."""
        # Whole items are copied, where x[index] goes from element to element.
        x = self.x.index_select(0, index) if isinstance(self.x, Tensor) else self.x[index]
        return Split(x, self.y[index], None if self.lengths is None else self.lengths[index])


@dataclass(frozen=True, eq=False)
class Splits:
    """The training, validation and test splits.

    No item is in two of them.
    """

    train: Split
    validation: Split
    test: Split

    @property
    def fingerprint(self) -> str:
        """The sha256 of the content of all three if they come from the cache, else empty."""
        parts = [part.fingerprint for part in (self.train, self.validation, self.test)]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest() if all(parts) else ""

    def map(self, function: Callable[[Split], Split]) -> "Splits":
        """Applies a function to each split, as in ``load("fsdd").map(encoder.prepare)``."""
        return Splits(function(self.train), function(self.validation), function(self.test))


@dataclass(frozen=True, eq=False)
class RawSplits:
    """Splits as a reader found them on disk.

    Args:
        train: The items to train on, or all items if ``test`` is None.
        validation: None if the publisher has none: it is then held out of ``train``.
        test: None if the items are not divided at all.
        classes: Number of classes, if these are fewer than the publisher's.
    """

    train: Split
    validation: Split | None
    test: Split | None
    classes: int | None = None


def hold_out(labels: Tensor, count: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Divides items in two, both with the classes in the proportion of the whole.

    If there is a class for each step, an item counts as one of the class that most of its steps
    have. Of numbers there are no proportions: items are drawn whatever their labels.

    The division depends on nothing but the arguments: not on the seed of a run, nor on the release
    of torch (numpy keeps the stream of its ``RandomState`` unchanged for good).

    Args:
        labels: Labels of each item, see ``Split``.
        count: How many to hold out, 0..N.
        seed: Another seed is another division.

    Returns:
        The indices that stay, ``[N - count]``, and those held out, ``[count]``; int64, each
        ascending.

    Raises:
        ValueError: If ``count`` is not in 0..N.
    """
    if not 0 <= count <= len(labels):
        raise ValueError(f"expected to hold out 0 to {len(labels)} items, got {count}")
    classes = target_of(labels).strata(labels).numpy()
    order = np.random.RandomState(seed).permutation(len(classes))
    held = [
        order[classes[order] == label][:share]
        for label, share in zip(*_shares(classes, count), strict=True)
    ]
    index = np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)
    rest = np.setdiff1d(np.arange(len(classes)), index, assume_unique=True)
    return torch.from_numpy(rest.astype(np.int64)), torch.from_numpy(index.astype(np.int64))


def _shares(classes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the classes and their shares: in proportion, the largest remainders rounded up."""
    labels, sizes = np.unique(classes, return_counts=True)
    exact = sizes * (count / max(len(classes), 1))
    shares = np.floor(exact).astype(np.int64)
    largest_first = np.argsort(shares - exact, kind="stable")
    shares[largest_first[: count - shares.sum()]] += 1
    return labels, shares
