"""Recordings as lists of events: when, and at which pixel or unit."""

import math
from collections.abc import Iterable
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from picojoule.data.split import Split
from picojoule.data.zeros import GrowingRow, Zeros

_PIECE = 1 << 20


@dataclass(frozen=True, eq=False)
class EventLists:
    """The events of N recordings, end to end, in 12 bytes each.

    Args:
        times_us: When each event happened, ``[E]`` int64: microseconds from the start of its
            recording, never going back within one.
        address: The place of each event, ``[E]`` int32: the flat index ``(p * H + y) * W + x`` of
            polarity p (1: ON) at a pixel, or the number of a unit.
        offsets: The start of each recording and the end of the last, ``[N + 1]`` int64.
        shape: What an address is an index into: ``(P, H, W)`` or ``(units,)``.
        check: Whether to check every event; off if they are known to be right.

    Raises:
        ValueError: If the four do not fit together.

    Example:
        >>> lists = EventLists(
        ...     torch.tensor([0, 5, 2]),
        ...     torch.tensor([3, 0, 1], dtype=torch.int32),
        ...     torch.tensor([0, 2, 3]),
        ...     shape=(4,),
        ... )
        >>> len(lists)
        2
        >>> lists[torch.tensor([1])].times_us
        tensor([2])
    """

    times_us: Tensor
    address: Tensor
    offsets: Tensor
    shape: tuple[int, ...]
    check: InitVar[bool] = True

    def __post_init__(self, check: bool) -> None:
        kinds = {"times_us": torch.int64, "address": torch.int32, "offsets": torch.int64}
        for name, dtype in kinds.items():
            given: Tensor = getattr(self, name)
            if given.ndim != 1 or given.dtype != dtype:
                raise ValueError(
                    f"expected {name} as one row of {dtype}, got {list(given.shape)} {given.dtype}"
                )
        _check_offsets(self.offsets, len(self.times_us), len(self.address))
        if check and len(self.times_us):
            _check_events(self.times_us, self.address, self.offsets, math.prod(self.shape))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Tensor) -> "EventLists":
        """Returns the recordings at ``index``, ``[M]`` int64, in that order."""
        starts, ends = self.offsets[:-1][index], self.offsets[1:][index]
        sizes = ends - starts
        offsets = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        events = torch.arange(int(offsets[-1])) + (starts - offsets[:-1]).repeat_interleave(sizes)
        return EventLists(
            self.times_us[events], self.address[events], offsets, self.shape, check=False
        )


class Recording(NamedTuple):
    """The events of one recording, numpy arrays ``[E]``, and its class."""

    times_us: np.ndarray
    address: np.ndarray
    label: int


def shape_of(split: Split) -> tuple[int, ...]:
    """Returns the shape of an item or, if its length varies, of one step of it."""
    if isinstance(split.x, EventLists):
        return split.x.shape
    is_picture = split.x.ndim == 4
    return tuple(split.x.shape[1 if is_picture else 2 :])


def collect(
    recordings: Iterable[Recording], shape: tuple[int, ...], where: Path, zeros: Zeros = np.zeros
) -> Split:
    """Joins recordings into one split, and sorts the events of each by time.

    Args:
        recordings: Events within ``shape``, at times from 0.
        shape: ``(P, H, W)`` or ``(units,)``.
        where: The path that an error names.
        zeros: Makes the arrays, as ``np.zeros`` does.

    Raises:
        ValueError: For no recording at all.
    """
    times, address = GrowingRow(np.int64, zeros), GrowingRow(np.int32, zeros)
    offsets, labels = [0], []
    for recording in recordings:
        order = slice(None)
        if (recording.times_us[1:] < recording.times_us[:-1]).any():
            order = np.argsort(recording.times_us, kind="stable")
        times.add(recording.times_us[order])
        address.add(recording.address[order])
        offsets.append(times.size)
        labels.append(recording.label)
    if not labels:
        raise ValueError(f"{where} holds no recording that can be read")
    lists = EventLists(times.done(), address.done(), torch.tensor(offsets), shape)
    return Split(lists, torch.tensor(labels))


def _check_offsets(offsets: Tensor, times: int, addresses: int) -> None:
    if times != addresses:
        raise ValueError(f"expected an address for each of {times} times, got {addresses}")
    if (
        not len(offsets)
        or offsets[0] != 0
        or offsets[-1] != times
        or (offsets[1:] < offsets[:-1]).any()
    ):
        raise ValueError(
            f"expected offsets that rise from 0 to the number of events, {times}, got "
            f"{offsets[:3].tolist()} ... {offsets[-3:].tolist()}"
        )


def _check_events(times: Tensor, address: Tensor, offsets: Tensor, places: int) -> None:
    # Piece by piece, each with the last event before it: they need not fit into memory.
    for first in range(0, len(times), _PIECE):
        some = slice(max(0, first - 1), first + _PIECE)
        now, where = times[some], address[some]
        low, high = where.aminmax()
        if low < 0 or high >= places:
            raise ValueError(f"expected addresses 0 to {places - 1}, got {int(low)} to {int(high)}")
        if now.min() < 0:
            raise ValueError(f"expected times from 0 us, got {int(now.min())} us")
        back = (now[1:] < now[:-1]).nonzero().flatten() + some.start + 1
        within = back[~torch.isin(back, offsets)]
        if len(within):
            event = int(within[0])
            raise ValueError(
                f"expected times that never go back within a recording, got {int(times[event])} us "
                f"after {int(times[event - 1])} us at event {event}"
            )
