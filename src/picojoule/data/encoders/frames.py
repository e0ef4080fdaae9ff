"""Event lists as frames: counts per time bin."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from picojoule.data.encoders.base import Encoder, check_count
from picojoule.data.recordings import EventLists
from picojoule.data.split import Split
from picojoule.data.zeros import Zeros

logger = logging.getLogger(__name__)

# Cells of one piece of work: 2 MiB of 64-bit counts, which stay in the cache.
_CELLS = 1 << 18
_MOST = 255


@dataclass(frozen=True, kw_only=True)
class Frames(Encoder):
    """Number of events in each time bin, at each pixel and polarity or at each unit.

    Bin t holds the events at times from ``t * step_s`` to before ``(t + 1) * step_s``. A recording
    is as long as the bin of its last event. What comes after ``steps`` bins is cut, and a warning
    says how much that is.

    Args:
        steps: The most bins of a recording.
        step_s: Length of a bin in seconds, to the microsecond; the ``dt`` of the network behind.
        pool: Sums over squares of ``pool x pool`` pixels, or ``pool`` neighbouring units; the last
            one is smaller if this does not divide the size.
        binary: Whether any number of events in a bin is one (the network's input is ``events``),
            or their number, at most 255, goes in (``levels``: n events cost n accumulates). How
            many events are lost so is said by a warning.

    Raises:
        ValueError: For a value out of its range.
        TypeError: For a number of steps or pixels that is not whole.

    Example:
        >>> lists = EventLists(
        ...     times_us=torch.tensor([0, 900, 1_000, 2_500]),
        ...     address=torch.tensor([2, 2, 0, 1], dtype=torch.int32),
        ...     offsets=torch.tensor([0, 4]),
        ...     shape=(3,),
        ... )
        >>> frames = Frames(steps=4, step_s=1e-3, binary=False)
        >>> prepared = frames.prepare(Split(lists, torch.tensor([7])))
        >>> prepared.x.tolist()
        [[[0, 0, 2], [1, 0, 0], [0, 1, 0], [0, 0, 0]]]
        >>> prepared.lengths
        tensor([3])
    """

    steps: int
    step_s: float = 10e-3
    pool: int = 1
    binary: bool = True

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        check_count("pool", self.pool)
        if not 1e-6 <= self.step_s < float("inf"):
            raise ValueError(f"expected step_s of at least 1e-6 s, got {self.step_s}")

    @property
    def kind(self) -> Literal["events", "levels"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The kind of the network's input: ``events`` if ``binary``, else ``levels``."""
        return "events" if self.binary else "levels"

    def inputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of one pooled frame: ``(P, H, W)`` or ``(units,)``."""
        pooled = tuple(-(-size // self.pool) for size in shape[-2:])
        return (*shape[:-2], *pooled)

    def prepare(self, split: Split, zeros: Zeros = np.zeros) -> Split:
        """Computes the frames of every recording.

        Args:
            split: Recordings.
            zeros: Makes the frames, as ``np.zeros`` does.

        Shape:
            ``x`` ``EventLists`` of N recordings, or ``[N, T, P, H, W]`` or ``[N, T, units]`` uint8
            with ``lengths`` in steps, which are frames already, of bins of any length; gives ``x``
            ``[N, steps, *inputs(shape)]`` uint8, zero after the end, and ``lengths`` ``[N]`` in
            steps.

        Raises:
            ValueError: For something else, or labels of other steps.
        """
        self.check_labels(split)
        lists = split.x
        if isinstance(lists, Tensor) and lists.dtype == torch.uint8 and lists.ndim in (3, 5):
            return self._pooled(split, zeros)
        if not isinstance(lists, EventLists):
            raise ValueError(f"expected event lists or frames, got {type(lists).__name__}")
        frame = self.inputs(lists.shape)
        x = zeros((len(lists), self.steps, *frame), np.uint8)
        lengths = np.ones(len(lists), np.int64)
        cut, over = np.zeros(2, np.int64), 0
        for some, index, size in self._pieces(lists, lengths, cut):
            flat = x[some].reshape(-1)
            if self.binary:
                flat[index] = 1
                over += len(index) - int(np.count_nonzero(flat))
            else:
                counts = np.bincount(index, minlength=size)
                flat[:] = np.minimum(counts, _MOST)
                over += int((counts - flat).sum())
        if cut.any():
            logger.warning(
                f"{cut[0]} of {len(lists)} recordings last longer than {self.steps} steps of "
                f"{self.step_s:g} s: {cut[1]} of {len(lists.times_us)} events are cut; more steps "
                "or a longer step_s keep them"
            )
        self._warn_of_full_cells(over, len(lists.times_us))
        return Split(torch.from_numpy(x), split.y, torch.from_numpy(lengths))

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Returns the frames of a batch, as long as its longest recording.

        Shape:
            ``x`` ``[B, steps, ...]`` uint8, ``lengths`` ``[B]``; gives ``[max(lengths), B, ...]``
            float32 and ``lengths``.

        Raises:
            ValueError: For items that are not prepared.
        """
        if (
            not isinstance(x, Tensor)
            or x.dtype != torch.uint8
            or x.shape[1:2] != (self.steps,)
            or lengths is None
        ):
            raise ValueError(
                f"expected frames [B, {self.steps}, ...] uint8 with lengths: prepare the split "
                "first, as in `splits.map(encoder.prepare)`"
            )
        return x[:, : int(lengths.max())].transpose(0, 1).float(), lengths

    def _pieces(
        self, lists: EventLists, lengths: np.ndarray, cut: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray, int]]:
        """Yields pieces of the recordings, with the flat index of each event and their cells."""
        step_us = round(self.step_s * 1e6)
        place = self._places(lists.shape)
        cells = self.steps * int(np.prod(self.inputs(lists.shape)))
        times, address, offsets = (
            each.numpy() for each in (lists.times_us, lists.address, lists.offsets)
        )
        stride = max(1, _CELLS // cells)
        for first in range(0, len(lists), stride):
            some = slice(first, min(first + stride, len(lists)))
            ends = offsets[some.start : some.stop + 1]
            bins = times[ends[0] : ends[-1]] // step_us
            item = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
            heard = ends[1:] > ends[:-1]
            last = bins[ends[1:][heard] - 1 - ends[0]] + 1
            lengths[some][heard] = np.minimum(last, self.steps)
            kept = bins < self.steps
            cut += [(last > self.steps).sum(), len(kept) - kept.sum()]
            where = place[address[ends[0] : ends[-1]]] + bins * (cells // self.steps)
            yield some, (where + item * cells)[kept], cells * (len(ends) - 1)

    def _pooled(self, split: Split, zeros: Zeros) -> Split:
        """Cuts and pools frames of counts and, if wanted, makes them binary."""
        whole = split.lengths
        if whole is None:
            whole = torch.full((len(split),), split.x.shape[1])
        lengths = whole.clamp(max=self.steps)
        shape = tuple(split.x.shape[2:])
        place, cells = self._places(shape), math.prod(self.inputs(shape))
        x = zeros((len(split), self.steps, cells), np.uint8)
        over = total = 0
        for row, frames, length in zip(x, split.x, lengths.tolist(), strict=True):
            counts = np.zeros((cells, length), np.int64)
            np.add.at(counts, place, frames[:length].reshape(length, -1).numpy().T)
            row[:length] = np.minimum(counts.T, 1 if self.binary else _MOST)
            total += int(counts.sum())
            over += int((counts.T - row[:length]).sum())
        if bool((whole > lengths).any()):
            logger.warning(
                f"{int((whole > lengths).sum())} of {len(split)} recordings last longer than "
                f"{self.steps} steps: {int((whole - lengths).sum())} of {int(whole.sum())} steps "
                "are cut; more steps keep them"
            )
        self._warn_of_full_cells(over, total)
        x = x.reshape(len(split), self.steps, *self.inputs(shape))
        return Split(torch.from_numpy(x), split.y, lengths)

    def _places(self, shape: tuple[int, ...]) -> np.ndarray:
        """Returns the place of each address in a frame, ``[addresses]`` int64."""
        frame = self.inputs(shape)
        grid = np.indices(shape)
        grid[-2:] //= self.pool
        return np.ravel_multi_index(tuple(grid), frame).reshape(-1)

    def _warn_of_full_cells(self, over: int, events: int) -> None:
        if over and self.binary:
            logger.warning(
                f"{over} of {events} events share a cell of a frame with others, and count as one "
                "with them: binary=false keeps their number, shorter steps keep them apart"
            )
        elif over:
            logger.warning(
                f"{over} of {events} events are lost, as a cell of a frame counts to {_MOST}: more "
                "and shorter steps, or a smaller pool, keep them"
            )
