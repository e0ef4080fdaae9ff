"""Sequences of unequal length: which steps of a batch lie within them."""

import torch
from torch import Tensor

from picojoule._torch import assert_later, vectorized, watched

_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def valid_steps(x: Tensor, lengths: Tensor) -> Tensor:
    """Returns which steps [T, B] of a batch lie within its sequences; see ``check_lengths``."""
    check_lengths(x, lengths)
    return torch.arange(x.shape[0], device=x.device).unsqueeze(1) < lengths


def check_lengths(x: Tensor, lengths: Tensor) -> None:
    """Checks that lengths are those of the sequences of a batch.

    Args:
        x: The batch [T, B, ...].
        lengths: Steps of each sequence [B], whole numbers from 1 to T.

    Raises:
        TypeError: If lengths are no tensor.
        ValueError: If they are of another shape, type or device, or outside of 1..T.
        RuntimeError: If they are outside on CUDA, where the device says so later, since to look
            would wait for it, or while torch traces or transforms its functions.
    """
    steps, batch = x.shape[:2]
    if not isinstance(lengths, Tensor):
        raise TypeError(
            f"lengths must be a tensor [B] of whole numbers, got a {type(lengths).__name__}: give "
            "torch.tensor(lengths)"
        )
    if lengths.shape != (batch,):
        raise ValueError(
            f"lengths must be [B] = [{batch}], the steps of each sequence of a batch [T, B, ...] = "
            f"{list(x.shape)}, got {list(lengths.shape)}"
        )
    if lengths.dtype not in _WHOLE:
        raise ValueError(
            f"lengths must be whole numbers of steps, got {lengths.dtype}: give lengths.long()"
        )
    if lengths.device != x.device:
        raise ValueError(
            f"lengths are on {lengths.device} and the batch on {x.device}: give "
            f"lengths.to('{x.device}')"
        )
    _check_range(lengths, steps)


def _check_range(lengths: Tensor, steps: int) -> None:
    if lengths.is_cuda or watched():
        lengths = lengths.long()  # a small type could not hold the number of steps
        if not vectorized():
            inside = ((lengths >= 1) & (lengths <= steps)).all()
            assert_later(inside, f"lengths must be within 1..T = 1..{steps}")
        return
    numbers = lengths.tolist()  # one call, where a meter looks at each
    place = next((place for place, number in enumerate(numbers) if not 1 <= number <= steps), None)
    if place is not None:
        raise ValueError(
            f"lengths must be within 1..T = 1..{steps}, the steps of the batch, got "
            f"{numbers[place]} for sequence {place} of {len(numbers)}"
        )


def cut(x: Tensor, valid: Tensor) -> Tensor:
    """Returns ``x`` [T, B, ...] with zeros, whatever stood there, where a step is not valid."""
    return torch.where(valid.view(*valid.shape, *[1] * (x.dim() - 2)), x, 0)
