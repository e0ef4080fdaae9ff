"""Functions that look rows up, pair two inputs, or pool in other ways than means and maxima."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from picojoule.energy.counts import Sizes
from picojoule.energy.kinds import Kind, product
from picojoule.energy.rules.base import Composite, absent, analog, moved
from picojoule.energy.rules.fanout import Axes, each, present
from picojoule.energy.rules.provenance import KindOf
from picojoule.energy.rules.synapses import Synapses


def embedding(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """One row read for each index, that of the padding too; rows are analog."""
    del of, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, skip_zero_weights
    if input.is_floating_point():  # torch.embedding names its table first
        input, weight = weight, input
    counts: dict[str, float | Tensor] = {"event_read": input.numel(), "weight_read": out.numel()}
    return Composite((), counts, reached=(weight,), sizes=_table(weight))


def embedding_bag(
    of: KindOf,
    out: Tensor,
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
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """The rows of a bag are read and accumulated; a mean multiplies once for each output."""
    del of, offsets, max_norm, norm_type, scale_grad_by_freq, sparse, include_last_offset
    del skip_zero_weights
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
        counts["multiply"] = out.numel()
    missed = {"max": out.numel()} if mode == "max" else {}
    return Composite((), counts, missed, reached=(weight,), sizes=_table(weight))


def _table(weight: Tensor) -> Sizes:
    bits = weight.element_size() * 8
    return Sizes(weights=weight.numel(), inputs=1, potentials=weight.shape[1], bits=bits)


def bilinear(
    of: KindOf,
    out: Tensor,
    input1: Tensor,
    input2: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """Each pair of elements, one of each input, makes a product that meets one weight per output.

    Products of events are events (n times m of levels), each an accumulate per output. Products of
    an event and an analog value are graded: one multiplication, and one multiply-accumulate per
    output. Those of two analog inputs are dense.
    """
    after = analog(of(input1), of(input2))
    kinds = of(input1) or after, of(input2) or after
    kind = product(*kinds)
    width = weight[0].numel()
    if kind.uneven:
        kind = kind.graded()
    fanout = present(weight).sum(0).flatten() if skip_zero_weights else weight.shape[0]
    if kind.sparse:
        values = (input1.unsqueeze(-1) * input2.unsqueeze(-2)).flatten(-2)
    else:
        values = absent((*input1.shape[:-1], width), input1)
    call = Synapses(values, fanout, weight, bias, out.numel())
    counts: dict[str, float | Tensor] = {}
    if not kind.counted:
        counts["multiply"] = (_arriving(input1, kinds[0]) * _arriving(input2, kinds[1])).sum()
    return Composite([("", call, kind)], counts, kind=after, reached=(input1, input2))


def _arriving(values: Tensor, kind: Kind) -> Tensor:
    """Elements of each row that are multiplied: those that are not zero, or all analog ones."""
    if kind.sparse:
        return (values.detach() != 0).sum(-1)
    return torch.full(values.shape[:-1], values.shape[-1], device=values.device)


def lp_pool(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    norm_type: float,
    kernel_size: Axes,
    stride: Axes | None = None,
    ceil_mode: bool = False,
    *,
    n: int,
    skip_zero_weights: bool = False,
) -> Composite:
    """Powers summed over windows, all of them whole; powers and roots are named."""
    del norm_type, stride, ceil_mode, skip_zero_weights
    pairs = out.numel() * prod(each(kernel_size, n))
    missed = {"power": input.numel() + out.numel()}
    return Composite((), {"pool": pairs}, missed, analog(of(input)))


def fractional_pool(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    kernel_size: Axes,
    output_size: Axes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
    *,
    n: int,
    skip_zero_weights: bool = False,
) -> Composite:
    """The largest of windows at random places: all their values count, events or not."""
    del output_size, output_ratio, return_indices, _random_samples, skip_zero_weights
    pairs = out.numel() * prod(each(kernel_size, n))
    return Composite((), {"pool": pairs}, kind=moved(of(input)))


def unpool(
    of: KindOf,
    out: Tensor,
    input: Tensor,
    indices: Tensor,
    kernel_size: Axes,
    stride: Axes | None = None,
    padding: Axes = 0,
    output_size: Sequence[int] | None = None,
    *,
    skip_zero_weights: bool = False,
) -> Composite:
    """Values put back where they were the largest, zeros elsewhere: nothing but moves."""
    del out, indices, kernel_size, stride, padding, output_size, skip_zero_weights
    return Composite(kind=moved(of(input)))
