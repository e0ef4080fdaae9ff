"""Operations and accesses of one call, from what arrived in it."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from picojoule.energy.counts import OpCounts, as_counts
from picojoule.energy.presence import wide
from picojoule.energy.rules.outcome import Synapses
from picojoule.energy.traffic import Traffic, dense_pairs, inputs_of, kernel_positions


def count_synapses(call: Traffic) -> OpCounts:
    """Totals a call: exact pairs of events and synapses, or dense ones of analog values."""
    synapses = call.synapses
    assert synapses is not None
    outputs = synapses.output * _outputs(synapses)
    fixed = {} if synapses.bias is None else {"bias": outputs * call.valid}
    events, fanout = call.events, call.fanout
    if events is None:
        counts = as_counts(_dense(call, call.valid) | fixed)
        return OpCounts.of(counts, None if synapses.presence is None else counts, call.sizes)
    arrived = _read(events, synapses)
    pairs = arrived * fanout if isinstance(fanout, int) else (events * fanout).sum()
    caused = {
        "ac" if call.kind.counted and not call.multiplied else "mac": pairs,
        "event_read": arrived,
        "weight_read": pairs,
        "state_read": pairs,
        "state_write": pairs,
        # Lemaire et al. 2022: two multiply-accumulates place an event, one addition each synapse.
        "address": pairs + 2 * arrived if synapses.located else pairs,
        **({"multiply": 2 * arrived} if synapses.located else {}),
    }
    counts = caused | as_counts(fixed)
    if synapses.presence is not None:  # training can change all of it
        return OpCounts.of(counts, counts, call.sizes)
    return OpCounts.of(counts, caused if call.kind.hidden else None, call.sizes)


def _outputs(synapses: Synapses) -> float | Tensor:
    """Returns the share of the outputs that there are."""
    outputs = None if synapses.presence is None else synapses.presence.outputs
    return 1.0 if outputs is None else wide(outputs).mean()


def _inputs(synapses: Synapses) -> float | Tensor:
    """Returns the share of the inputs that there are."""
    inputs = None if synapses.presence is None else synapses.presence.inputs
    return 1.0 if inputs is None else wide(inputs).mean()


def _read(events: Tensor, synapses: Synapses) -> Tensor:
    """Returns how many events arrived, of the inputs that there are."""
    presence = synapses.presence
    if presence is not None and presence.inputs is not None:
        places = events.dim() - 1 if synapses.located else 0
        events = events * wide(presence.inputs).view(-1, *[1] * places)
    return events.sum() if events.dim() else events


def count_dense(call: Traffic, steps: int | None) -> OpCounts:
    """Totals a call as a layer of a dense ANN that runs ``steps`` times."""
    assert call.synapses is not None
    times = max(0, (call.steps if steps is None else steps * call.part) - call.lag)
    ran = call.valid if steps is None else 1.0  # so many steps run of every sample
    share = ran * (times / call.kind.steps if call.kind.steps else 1.0)
    bias = {} if call.synapses.bias is None else {"bias": call.synapses.output * share}
    sizes = replace(call.sizes, events=False)
    return OpCounts.of(as_counts(_dense(call, share) | bias), sizes=sizes)


def merged(calls: Iterable[Traffic]) -> list[Traffic]:
    """Merges records of the same totals: events that met the same synapses are added up.

    A layer that is called at every step is then counted once, not once a step.
    """
    calls = list(calls)
    if len({call.layer for call in calls}) == len(calls):
        return calls
    groups: dict[object, list[Traffic]] = {}
    for index, call in enumerate(calls):
        fanout = call.fanout if isinstance(call.fanout, int) else id(call.fanout)
        alone = index if call.events is None or isinstance(call.valid, Tensor) else None
        shape = None if call.events is None else call.events.shape
        kind = (call.kind.name, call.kind.hidden)
        output = 0 if call.synapses is None else call.synapses.output
        key = (call.layer, fanout, kind, shape, call.sizes, output, call.valid, alone)
        groups.setdefault(key, []).append(call)
    return [_sum(group) if len(group) > 1 else group[0] for group in groups.values()]


def _sum(group: list[Traffic]) -> Traffic:
    events = torch.stack([call.events for call in group if call.events is not None]).sum(0)
    return replace(group[0], events=events, valid=group[0].valid * len(group))


def by_layer(counted: Iterable[tuple[str, OpCounts]]) -> dict[str, OpCounts]:
    """Adds up the counts of each layer."""
    totals: dict[str, OpCounts] = {}
    for layer, counts in counted:
        totals[layer] = totals[layer] + counts if layer in totals else counts
    return totals


def _dense(call: Traffic, share: float | Tensor) -> dict[str, float | Tensor]:
    values, synapses = call.values, call.synapses
    assert synapses is not None
    located = synapses.located
    pairs = dense_pairs(synapses) * share
    inputs = values.numel() * share * _inputs(synapses)
    outputs = synapses.output * share * _outputs(synapses)
    rows = values.numel() // max(1, inputs_of(synapses))
    channels = synapses.channels * _outputs(synapses)
    kernel = kernel_positions(synapses) * channels * rows * share
    return {
        "mac": pairs,
        "event_read": pairs if located else inputs,
        "weight_read": pairs,
        "output_write": outputs,
        "address": inputs + outputs + kernel if located else pairs,
    }
