"""Rules of pooling: in how many windows each value lies, and what comes out of a window."""

from dataclasses import replace
from math import prod

from torch import Tensor

from picojoule.energy.counts import OpCounts
from picojoule.energy.rules.call import Call
from picojoule.energy.rules.fanout import (
    Axes,
    axes_key,
    each,
    outer,
    place_map,
    share_map,
    window_lengths,
)
from picojoule.energy.rules.outcome import DERIVED, Outcome


def _pooled(call: Call, input: Tensor, fanout: Tensor, share: float | Tensor | None) -> Outcome:
    """Counts pairs of a value and a window.

    Args:
        call: The call.
        input: What arrived.
        fanout: In how many windows each element lies: a map over the last axes of ``input``.
        share: What one element contributes to its window's result; None if the largest wins.
    """
    kind = call.kind(input)
    if kind is None:
        return DERIVED
    if kind.sparse:
        pairs = (call.events(input, kind, fanout) * fanout).sum()
        counts = OpCounts(pool=pairs, hidden=OpCounts(pool=pairs) if kind.hidden else None)
    else:
        counts = call.dense(pool=input.numel() // fanout.numel() * fanout.sum())
    if share is None:  # a norm can turn the largest into the smallest
        kind = replace(kind.graded() if kind.uneven else kind, folds=False)
    else:
        kind = kind.levels(share)
    return Outcome(kind, [counts])


def average_pool(
    call: Call,
    input: Tensor,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Axes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    n: int,
) -> Outcome:
    """Takes the mean of each window; the divisor at the border is torch's."""
    kernel = each(kernel_size, n)
    strides, pads = each(stride or kernel_size, n), each(padding, n)
    sizes, outs = input.shape[-n:], call.out.shape[-n:]
    key = axes_key(sizes, outs, kernel, strides, pads, (1,) * n)
    share: float | Tensor = 1 / (divisor_override or prod(kernel))
    uneven = ceil_mode or (any(pads) and not count_include_pad)
    if uneven and not divisor_override:
        share = share_map([window_lengths(axis, count_include_pad) for axis in key], input.device)
    return _pooled(call, input, place_map(key, 1, False, input.device), share)


def max_pool(
    call: Call,
    input: Tensor,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Axes = 0,
    dilation: Axes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    n: int,
) -> Outcome:
    """Takes the largest of each window."""
    del ceil_mode, return_indices
    kernel = each(kernel_size, n)
    strides = each(stride or kernel_size, n)
    sizes = (input.shape[-n:], call.out.shape[-n:], kernel)
    key = axes_key(*sizes, strides, each(padding, n), each(dilation, n))
    return _pooled(call, input, place_map(key, 1, False, input.device), None)


def adaptive_pool(
    call: Call,
    input: Tensor,
    output_size: object,
    return_indices: bool = False,
    *,
    n: int,
    largest: bool,
) -> Outcome:
    """Pools windows from floor(i * size / outputs) to ceil((i + 1) * size / outputs)."""
    del output_size, return_indices
    axes = list(zip(input.shape[-n:], call.out.shape[-n:], strict=True))
    bounds = [[(i * s // o, -((-(i + 1) * s) // o)) for i in range(o)] for s, o in axes]
    touched = [
        [sum(start <= i < end for start, end in axis) for i in range(size)]
        for axis, (size, _) in zip(bounds, axes, strict=True)
    ]
    share = share_map([[b - a for a, b in axis] for axis in bounds], input.device)
    return _pooled(call, input, outer(touched, input.device), None if largest else share)
