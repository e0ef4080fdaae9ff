"""From what arrived in one call to what it cost in operations and accesses."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from picojoule.energy.counts import OpCounts
from picojoule.energy.traffic import Traffic, dense_pairs, inputs_of, kernel_positions


def count_synapses(call: Traffic) -> OpCounts:
    """Totals a call: exact pairs of events and synapses, or dense ones of analog values."""
    synapses = call.synapses
    assert synapses is not None
    fixed = {}
    if synapses.bias is not None:
        fixed = {"bias": _number(synapses.output * call.valid)}
    events = call.events
    if events is None:
        return OpCounts.of(_dense(call, call.valid) | fixed, sizes=call.sizes)
    arrived, pairs = events.sum(), (events * call.fanout).sum()
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
    return OpCounts.of(caused | fixed, caused if call.kind.hidden else None, call.sizes)


def count_dense(call: Traffic, steps: int | None) -> OpCounts:
    """Totals a call as a layer of a dense ANN that runs ``steps`` times."""
    assert call.synapses is not None
    times = max(0, (call.steps if steps is None else steps) - call.lag)
    share = call.valid * (times / call.kind.steps if call.kind.steps else 1.0)
    bias = {} if call.synapses.bias is None else {"bias": _number(call.synapses.output * share)}
    return OpCounts.of(_dense(call, share) | bias, sizes=replace(call.sizes, events=False))


def merged(calls: Iterable[Traffic]) -> list[Traffic]:
    """Merges records of the same totals: events that met the same synapses are added up.

    A layer that is called at every step is then counted once, not once a step.
    """
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


def _dense(call: Traffic, share: float | Tensor) -> dict[str, Tensor]:
    values, synapses = call.values, call.synapses
    assert synapses is not None
    located = synapses.located
    pairs = dense_pairs(synapses) * share
    inputs, outputs = values.numel() * share, synapses.output * share
    rows = values.numel() // max(1, inputs_of(synapses))
    kernel = kernel_positions(synapses) * synapses.channels * rows * share
    return {
        "mac": _number(pairs),
        "event_read": _number(pairs if located else inputs),
        "weight_read": _number(pairs),
        "output_write": _number(outputs),
        "address": _number(inputs + outputs + kernel if located else pairs),
    }


def _number(value: float | Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)
