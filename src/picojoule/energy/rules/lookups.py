"""Functions that look rows up, pair two inputs, or pool in other ways than means and maxima."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from picojoule.energy.counts import Sizes, dtype_name
from picojoule.energy.kinds import Kind, product
from picojoule.energy.rules.call import Call, analog, moved
from picojoule.energy.rules.fanout import Axes, each, present
from picojoule.energy.rules.outcome import DERIVED, Arrival, Outcome, Synapses, absent
from picojoule.energy.rules.windows import average_pool


def embedding(
    call: Call,
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Outcome:
    """Reads one row for each index, that of the padding too; rows are analog."""
    del padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
    if input.is_floating_point():  # torch.embedding names its table first
        input, weight = weight, input
    counts = call.dense(_table(weight), event_read=input.numel(), weight_read=call.out.numel())
    return Outcome(Kind("analog"), [counts], reached=(weight,))


def embedding_bag(
    call: Call,
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Outcome:
    """Reads and accumulates the rows of a bag; a mean multiplies once for each output."""
    del offsets, max_norm, norm_type, scale_grad_by_freq, sparse, include_last_offset
    if input.is_floating_point():
        input, weight = weight, input
    rows = input.numel() if padding_idx is None else (input != padding_idx).sum()
    read = rows * weight.shape[1]
    counts: dict[str, float | Tensor] = {"event_read": input.numel(), "weight_read": read}
    if mode != "max":
        counts["add"] = read
    if per_sample_weights is not None:
        counts["multiply"] = read
    elif mode == "mean":
        counts["multiply"] = call.out.numel()
    missed = {"max": call.out.numel()} if mode == "max" else {}
    done = call.dense(_table(weight), **counts)
    return Outcome(Kind("analog"), [done], missed=missed, reached=(weight,))


def _table(weight: Tensor) -> Sizes:
    dtype = dtype_name(weight, weight)
    return Sizes(weights=weight.numel(), inputs=1, potentials=weight.shape[1], dtype=dtype)


def bilinear(
    call: Call,
    input1: Tensor,
    input2: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
) -> Outcome:
    """Lets the product of each pair of elements, one of each input, meet one weight per output.

    Products of events are events (n times m of levels), each an accumulate per output. Products of
    an event and an analog value are graded: one multiplication, and one multiply-accumulate per
    output. Those of two analog inputs are dense.
    """
    if call.arriving(input1) is None and call.operand(input2) is None:
        return DERIVED
    after = analog(call.factor(input1), call.factor(input2))
    kinds = call.factor(input1) or after, call.factor(input2) or after
    kind = product(*kinds)
    width = weight[0].numel()
    if kind.uneven:
        kind = kind.graded()
    skip = call.convention.skip_zero_weights
    fanout = present(weight).sum(0).flatten() if skip else weight.shape[0]
    if kind.sparse:
        values = (input1.unsqueeze(-1) * input2.unsqueeze(-2)).flatten(-2)
    else:
        values = absent((*input1.shape[:-1], width), input1)
    synapses = Synapses(values, fanout, weight, bias, call.out.numel())
    counts = []
    if not kind.counted:
        pairs = (_arriving(input1, kinds[0]) * _arriving(input2, kinds[1])).sum()
        counts = [call.dense(multiply=pairs)]
    return Outcome(after, counts, [Arrival("", synapses, kind)], reached=(input1, input2))


def _arriving(values: Tensor, kind: Kind) -> Tensor:
    """Counts the elements of each row that are multiplied: those not zero, or all analog ones."""
    if kind.sparse:
        return (values.detach() != 0).sum(-1)
    return torch.full(values.shape[:-1], values.shape[-1], device=values.device)


def lp_pool(
    call: Call,
    input: Tensor,
    norm_type: float,
    kernel_size: Axes,
    stride: Axes | None = None,
    ceil_mode: bool = False,
    *,
    n: int,
) -> Outcome:
    """Sums powers over windows; powers and roots are named, first powers are sum pooling."""
    kind = call.arriving(input)
    if kind is not None and kind.counted and not kind.signed and norm_type == 1:
        means = average_pool(call, input, kernel_size, stride, 0, ceil_mode, n=n)
        assert isinstance(means.kind, Kind)
        return replace(means, kind=means.kind.scaled(prod(each(kernel_size, n))))
    pairs = call.out.numel() * prod(each(kernel_size, n))
    missed = {"power": input.numel() + call.out.numel()}
    if kind is None:
        return DERIVED
    return Outcome(analog(kind), [call.dense(pool=pairs)], missed=missed)


def fractional_pool(
    call: Call,
    input: Tensor,
    kernel_size: Axes,
    output_size: Axes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
    *,
    n: int,
) -> Outcome:
    """Takes the largest of windows at random places: all their values count, events or not."""
    del output_size, output_ratio, return_indices, _random_samples
    pairs = call.out.numel() * prod(each(kernel_size, n))
    kind = moved(call.arriving(input))
    return DERIVED if kind is None else Outcome(kind, [call.dense(pool=pairs)])


def unpool(
    call: Call,
    input: Tensor,
    indices: Tensor,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Axes = 0,
    output_size: Sequence[int] | None = None,
) -> Outcome:
    """Puts values back to where they were the largest, with zeros elsewhere: nothing but moves."""
    del indices, kernel_size, stride, padding, output_size
    return Outcome(moved(call.arriving(input)))
