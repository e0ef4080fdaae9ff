"""Sounds of unequal length."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from picojoule.data.split import Split
from picojoule.data.zeros import GrowingRow, Zeros


@dataclass(frozen=True, eq=False)
class Waves:
    """N sounds, end to end: they take no more room than their samples, however long one is.

    An index gives them padded with zeros to the longest of those that it names, ``[M, S]``.

    Args:
        samples: ``[total]`` int16.
        offsets: The start of each sound and the end of the last, ``[N + 1]`` int64.

    Example:
        >>> waves = Waves(torch.tensor([1, 2, 3, 4]), torch.tensor([0, 1, 4]))
        >>> waves.shape, waves[0], waves[:]
        ((2, 3), tensor([1]), tensor([[1, 0, 0],
                [2, 3, 4]]))
    """

    samples: Tensor
    offsets: Tensor

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Tensor:
        """Returns one sound ``[S]`` by its number, or those of a slice, list or tensor padded."""
        numbers = np.arange(len(self))[index]
        waves = [
            self.samples[self.offsets[number] : self.offsets[number + 1]]
            for number in np.atleast_1d(numbers).tolist()
        ]
        if not numbers.ndim:
            return waves[0]
        return pad_sequence(waves, batch_first=True) if waves else self.samples.new_zeros(0, 0)

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
