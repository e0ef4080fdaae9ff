"""Sounds of unequal length."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from picojoule.data.split import Index, Split, picked
from picojoule.data.zeros import GrowingRow, Zeros


@dataclass(frozen=True, eq=False)
class Waves:
    """N sounds, end to end: they take no more room than their samples, however long one is.

    Args:
        samples: ``[total]`` int16.
        offsets: The start of each sound and the end of the last, ``[N + 1]`` int64.

    Example:
        >>> waves = Waves(torch.tensor([1, 2, 3, 4]), torch.tensor([0, 1, 4]))
        >>> waves[1].samples, waves.padded()
        (tensor([2, 3, 4]), tensor([[1, 0, 0],
                [2, 3, 4]]))
    """

    samples: Tensor
    offsets: Tensor

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Index) -> "Waves":
        """Returns the sounds at a number, a slice, a list, or a tensor of numbers or bools."""
        numbers = np.atleast_1d(picked(len(self), index)).tolist()
        waves = [self.samples[self.offsets[n] : self.offsets[n + 1]] for n in numbers]
        ends = torch.tensor([0, *map(len, waves)]).cumsum(0)
        return Waves(torch.cat([self.samples[:0], *waves]), ends)

    def padded(self) -> Tensor:
        """Returns all sounds with zeros after the end of each, ``[N, S]``."""
        out = self.samples.new_zeros(self.shape)
        for row, wave in zip(out, self, strict=True):
            row[: len(wave)] = wave
        return out

    def __iter__(self) -> Iterator[Tensor]:
        """Yields each sound, ``[S]``."""
        return iter(self.samples.split(self.lengths.tolist()))

    @property
    def lengths(self) -> Tensor:
        """Samples of each sound, ``[N]`` int64."""
        return self.offsets.diff()

    @property
    def shape(self) -> tuple[int, int]:
        """Number of sounds, and samples of the longest."""
        return len(self), int(self.lengths.max()) if len(self) else 0

    @property
    def ndim(self) -> int:
        """Number of dimensions of the padded sounds: 2."""
        return 2

    @property
    def dtype(self) -> torch.dtype:
        """Type of the samples."""
        return self.samples.dtype


def joined(sounds: Iterable[tuple[np.ndarray, int]], zeros: Zeros = np.zeros) -> Split:
    """Joins sounds, ``[S]`` int16 each, with their labels into one split.

    Args:
        sounds: Samples and class of each.
        zeros: Makes the array, as ``np.zeros`` does.
    """
    samples, offsets, labels = GrowingRow(np.int16, zeros), [0], []
    for wave, label in sounds:
        samples.add(wave)
        offsets.append(samples.size)
        labels.append(label)
    waves = Waves(samples.done(), torch.tensor(offsets))
    return Split(waves, torch.tensor(labels, dtype=torch.int64), waves.lengths)
