"""Rules of the functions that are one layer of synapses."""

from dataclasses import replace

from torch import Tensor

from picojoule.energy.rules.base import DERIVED, Arrival, Call, Outcome, Synapses, absent
from picojoule.energy.rules.fanout import (
    Axes,
    axes_key,
    convolved_map,
    each,
    place_map,
    present,
    transposed_map,
)


def arrived(call: Call, synapses: Synapses) -> Outcome:
    """Returns the outcome of one layer of synapses, into which a norm after it folds."""
    kind = call.arriving(synapses.values)
    if kind is None:
        return DERIVED
    return Outcome(replace(kind.analog(), folds=True), arrivals=[Arrival("", synapses, kind)])


def projection(values: Tensor, weight: Tensor, bias: Tensor | None, skip: bool) -> Synapses:
    """Returns the synapses of a linear layer inside a function or a neuron."""
    fanout = present(weight).sum(0) if skip else weight.shape[0]
    output = absent((*values.shape[:-1], weight.shape[0]), values).numel()
    return Synapses(values, fanout, weight, bias, output)


def linear(
    call: Call,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
) -> Outcome:
    """Lets each input element meet one weight per output."""
    fanout = present(weight).sum(0) if call.convention.skip_zero_weights else weight.shape[0]
    return arrived(call, Synapses(input, fanout, weight, bias, call.out.numel()))


def convolution(
    call: Call,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Axes | str = 0,
    dilation: Axes = 1,
    groups: int = 1,
) -> Outcome:
    """Lets each input element meet the kernel positions that have an output; padding is none."""
    n = weight.dim() - 2
    kernel, dilations = tuple(weight.shape[2:]), each(dilation, n)
    if padding == "same":
        # torch puts the odd element of an uneven padding at the end.
        before = tuple(d * (k - 1) // 2 for d, k in zip(dilations, kernel, strict=True))
    else:
        before = (0,) * n if isinstance(padding, str) else each(padding, n)
    key = axes_key(
        input.shape[-n:], call.out.shape[-n:], kernel, each(stride, n), before, dilations
    )
    if call.convention.skip_zero_weights:
        fanout = convolved_map(key, weight, groups)
    else:
        fanout = place_map(key, weight.shape[0] // groups, False, input.device)
    synapses = Synapses(input, fanout, weight, bias, call.out.numel(), True, weight.shape[0])
    return arrived(call, synapses)


def transposed(
    call: Call,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Axes = 0,
    output_padding: Axes = 0,
    groups: int = 1,
    dilation: Axes = 1,
) -> Outcome:
    """Lets each input element meet the kernel positions that fall inside the output."""
    del output_padding
    n = weight.dim() - 2
    # Seen from the output, a transposed convolution is the convolution it is the transpose of.
    sizes = (call.out.shape[-n:], input.shape[-n:], weight.shape[2:])
    key = axes_key(*sizes, each(stride, n), each(padding, n), each(dilation, n))
    if call.convention.skip_zero_weights:
        fanout = transposed_map(key, weight, groups)
    else:
        fanout = place_map(key, weight.shape[1], True, input.device)
    synapses = Synapses(
        input, fanout, weight, bias, call.out.numel(), True, weight.shape[1] * groups
    )
    return arrived(call, synapses)
