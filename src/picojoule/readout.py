"""Readouts: from the outputs of the last layer over time to one score for each class."""

from collections.abc import Callable

import torch
from torch import Tensor

from picojoule._names import unknown

Readout = Callable[[Tensor, Tensor | None], Tensor]


def mean(out: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Computes the mean over time.

    Args:
        out: Outputs [T, B, K].
        lengths: Steps of each sequence [B], at least 1; None if all have T.

    Returns:
        Scores [B, K].

    Raises:
        ValueError: If lengths are not of the batch.

    Example:
        >>> mean(torch.tensor([[[1.0]], [[3.0]]]))
        tensor([[2.]])
    """
    if lengths is None:
        return out.mean(0)
    return (out * _valid(out, lengths)).sum(0) / lengths.to(out).unsqueeze(-1)


def max(out: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Computes the largest value over time; arguments and result as for ``mean``."""
    if lengths is None:
        return out.amax(0)
    return out.masked_fill(~_valid(out, lengths), -torch.inf).amax(0)


def last(out: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Returns the value at each sequence's last step; arguments and result as for ``mean``."""
    if lengths is None:
        return out[-1]
    _check(out, lengths)
    index = (lengths.to(out.device) - 1).view(1, -1, 1).expand(1, -1, out.shape[-1])
    return out.gather(0, index).squeeze(0)


def count(out: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Computes the sum over time, of spikes their number; arguments and result as for ``mean``."""
    if lengths is None:
        return out.sum(0)
    return (out * _valid(out, lengths)).sum(0)


READOUTS: dict[str, Readout] = {"mean": mean, "max": max, "last": last, "count": count}


def readout(name: str) -> Readout:
    """Returns the readout of a name.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if name not in READOUTS:
        raise ValueError(unknown("readout", name, READOUTS))
    return READOUTS[name]


def _check(out: Tensor, lengths: Tensor) -> None:
    if lengths.shape != out.shape[1:2]:
        raise ValueError(
            f"lengths must be [B] = [{out.shape[1]}] for out [T, B, K], got {list(lengths.shape)}"
        )


def _valid(out: Tensor, lengths: Tensor) -> Tensor:
    """Returns which steps [T, B, 1] lie within each sequence."""
    _check(out, lengths)
    steps = torch.arange(out.shape[0], device=out.device).unsqueeze(1)
    return (steps < lengths.to(out.device)).unsqueeze(-1)
