"""Readouts: from the outputs of the last layer over time to one score for each output."""

from collections.abc import Callable

import torch
from torch import Tensor

from picojoule._lengths import cut, valid_steps
from picojoule._names import unknown

Readout = Callable[[Tensor, Tensor | None], Tensor]


def mean(out: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Computes the mean over time.

    Args:
        out: Outputs [T, B, K].
        lengths: Steps of each sequence [B], from 1 to T; None if all have T.

    Returns:
        Scores [B, K].

    Raises:
        ValueError: If lengths are not of the batch, no whole numbers, or outside of 1..T.

    Example:
        >>> mean(torch.tensor([[[1.0]], [[3.0]]]))
        tensor([[2.]])
    """
    if lengths is None:
        return out.mean(0)
    return count(out, lengths) / lengths.to(out).unsqueeze(-1)


def max(out: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Computes the largest value over time; arguments and result as for ``mean``."""
    if lengths is None:
        return out.amax(0)
    return out.masked_fill(~valid_steps(out, lengths).unsqueeze(-1), -torch.inf).amax(0)


def last(out: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Returns the value at each sequence's last step; arguments and result as for ``mean``."""
    if lengths is None:
        return out[-1]
    final = valid_steps(out, lengths).sum(0) - 1
    index = final.view(1, -1, 1).expand(1, -1, out.shape[-1])
    return out.gather(0, index).squeeze(0)


def count(out: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Computes the sum over time, of spikes their number; arguments and result as for ``mean``."""
    if lengths is None:
        return out.sum(0)
    return cut(out, valid_steps(out, lengths)).sum(0)


def each(out: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Returns the values at each step [T, B, K], for labels per step, and 0 after the last.

    Arguments and errors as for ``mean``.
    """
    return out if lengths is None else cut(out, valid_steps(out, lengths))


EACH = "each"
# Those that can be told after each step, of what came up to it.
SO_FAR = ("count", "last", "max", "mean")

READOUTS: dict[str, Readout] = {
    "mean": mean,
    "max": max,
    "last": last,
    "count": count,
    EACH: each,
}


def after_each_step(name: str, out: Tensor) -> Tensor:
    """Computes what a readout says after each step, of what came up to it.

    Args:
        name: Its name.
        out: Outputs [T, B, K].

    Returns:
        Scores [T, B, K].

    Raises:
        ValueError: If there is none of that name that can be told so.

    Example:
        >>> after_each_step("mean", torch.tensor([[[1.0]], [[3.0]]])).flatten()
        tensor([1., 2.])
    """
    if name not in SO_FAR:
        raise ValueError(unknown("readout", name, SO_FAR))
    if name == "last":
        return out
    if name == "max":
        return out.cummax(0).values
    sums = out.cumsum(0)
    if name == "count":
        return sums
    steps = torch.arange(1, len(out) + 1, dtype=out.dtype, device=out.device)
    return sums / steps.view(-1, 1, 1)


def readout(name: str) -> Readout:
    """Returns the readout of a name.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if name not in READOUTS:
        raise ValueError(unknown("readout", name, READOUTS))
    return READOUTS[name]
