"""Rules of the functions that are one layer of synapses."""

from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from picojoule.energy.kinds import Kind, Segments
from picojoule.energy.presence import presence_of
from picojoule.energy.rules.call import Call
from picojoule.energy.rules.fanout import (
    Axes,
    axes_key,
    convolved_map,
    each,
    place_map,
    present,
    transposed_map,
)
from picojoule.energy.rules.made_kernels import made, met
from picojoule.energy.rules.outcome import DERIVED, Arrival, Outcome, Synapses, absent
from picojoule.energy.rules.products import linear_labels, product


def arrived(call: Call, synapses: Synapses) -> Outcome:
    """Returns the outcome of one layer of synapses, into which a norm after it folds."""
    kind = call.arriving(synapses.values)
    if kind is None:
        return DERIVED
    return Outcome(replace(kind.analog(), folds=True), arrivals=arriving(call, "", synapses, kind))


def arriving(call: Call, part: str, synapses: Synapses, kind: Kind) -> list[Arrival]:
    """Returns what arrived at the synapses of a part of a function, each kind apart."""
    beside = call.beside(synapses.values)
    assert synapses.weight is not None
    inputs = max(1, synapses.weight.dim() - 1)  # the axis of features or channels, from the end
    if beside is None or beside.axis != -inputs:
        return [Arrival(part, synapses, kind)]
    return [one._replace(part=part) for one in _each_kind(synapses, beside)]


def _each_kind(synapses: Synapses, beside: Segments) -> list[Arrival]:
    """Lets each kind meet its own columns of the weights; all that is dense is one arrival.

    The first of the arrivals has the outputs and biases.
    """
    values, fanout, axis = synapses.values, synapses.fanout, beside.axis
    place = prod(values.shape[axis:]) // values.shape[axis]

    def part(stretches: list[tuple[int, int]], values_of: Tensor | None, kind: Kind) -> Arrival:
        size = sum(length for _, length in stretches)
        shape = [*values.shape[:axis], size, *values.shape[len(values.shape) + axis + 1 :]]
        met, presence = fanout, synapses.presence
        if presence is not None:
            presence = presence.part(
                lambda inputs: torch.cat([inputs.narrow(0, *stretch) for stretch in stretches])
            )
        if isinstance(fanout, Tensor) and fanout.dim() == -axis:
            met = torch.cat([fanout.narrow(axis, *stretch) for stretch in stretches], axis)
        return Arrival(
            "",
            synapses._replace(
                values=absent(shape, values) if values_of is None else values_of,
                fanout=met,
                beside=(values.shape[axis] - size) * place,
                presence=presence,
            ),
            kind,
        )

    dense: list[tuple[int, int]] = []
    found: list[Arrival] = []
    first, analog = 0, None
    for size, kind in beside.parts:
        if size and kind.sparse:
            found.append(part([(first, size)], values.narrow(axis, first, size), kind))
        elif size:
            dense.append((first, size))
            analog = analog or kind
        first += size
    if analog is not None:
        found.insert(0, part(dense, None, analog))
    without = [
        Arrival("", arrival.synapses._replace(bias=None, output=0, channels=0), arrival.kind)
        for arrival in found[1:]
    ]
    return [*found[:1], *without]


def projection(values: Tensor, weight: Tensor, bias: Tensor | None, skip: bool) -> Synapses:
    """Returns the synapses of a linear layer inside a function or a neuron."""
    outputs = weight.shape[0] if weight.dim() > 1 else 1
    output = values.shape[:-1].numel() * outputs
    fanout = _outputs(weight, skip)
    return Synapses(values, fanout, weight, bias, output, presence=presence_of(weight))


def _outputs(weight: Tensor, skip: bool) -> int | Tensor:
    """Returns how many outputs each input of a linear layer meets, which has one if it is a row."""
    rows, presence = weight if weight.dim() > 1 else weight.unsqueeze(0), presence_of(weight)
    if presence is None:
        return present(rows).sum(0) if skip else rows.shape[0]
    return (presence.synapses() * present(weight)).sum(0) if skip else presence.partners()


def _mask(weight: Tensor, skip: bool) -> Tensor | None:
    """Returns 1 for each synapse that there is if training decides which, None if it does not."""
    if (presence := presence_of(weight)) is None:
        return None
    return presence.synapses() * present(weight) if skip else presence.synapses()


def linear(
    call: Call,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
) -> Outcome:
    """Lets each input element meet one weight per output."""
    if made(call, input, weight) is not None:
        return product(call, (input, weight), linear_labels(input, weight), bias=bias)
    return arrived(call, projection(input, weight, bias, call.convention.skip_zero_weights))


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
    skip, presence = call.convention.skip_zero_weights, presence_of(weight)
    mask = _mask(weight, skip)
    if mask is None:
        mask = present(weight) if skip else None
    if mask is None:
        fanout = place_map(key, weight.shape[0] // groups, False, input.device)
    elif mask.shape[2:].numel() == 1 < weight[0, 0].numel() and groups == 1:
        alike = mask.shape[1] == 1  # for all channels
        fanout = place_map(key, 1, False, input.device) * (mask.sum() if alike else mask.sum(0))
    else:
        fanout = convolved_map(key, mask.expand(weight.shape), groups)
    synapses = Synapses(input, fanout, weight, bias, call.out.numel(), True, weight.shape[0])
    if (kind := made(call, input, weight)) is not None:
        return met(call, synapses, kind, key, lambda there: convolved_map(key, there, groups))
    return arrived(call, synapses._replace(presence=presence))


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
        fanout = transposed_map(key, present(weight), groups)
    else:
        fanout = place_map(key, weight.shape[1], True, input.device)
    synapses = Synapses(
        input, fanout, weight, bias, call.out.numel(), True, weight.shape[1] * groups
    )
    if (kind := made(call, input, weight)) is not None:
        return met(call, synapses, kind, key, lambda there: transposed_map(key, there, groups))
    return arrived(call, synapses)
