"""From what arrived in one call to what it cost in operations and accesses."""

from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from picojoule.energy.counts import OpCounts, Sizes
from picojoule.energy.kinds import Kind
from picojoule.energy.rules import Synapses, Windows


@dataclass(frozen=True, eq=False)
class Traffic:
    """What arrived at one layer in one call.

    Attributes:
        layer: Dotted name of the layer that consumed it.
        values: What arrived, with its graph.
        kind: Its kind.
        fanout: Synapses of each element: one number, or a map over the last axes of ``values``.
        synapses: The call as its rule describes it.
        valid: Share of the rows that lie within their sequences.
    """

    layer: str
    values: Tensor
    kind: Kind
    fanout: int | Tensor
    synapses: Synapses
    valid: float | Tensor = 1.0

    @property
    def scale(self) -> float | Tensor:
        """What one event is worth in ``values``."""
        return self.kind.scale

    @property
    def sizes(self) -> Sizes:
        """The constant sizes of the layer, for one step and one sample."""
        call = self.synapses
        return Sizes(
            weights=0 if call.weight is None else call.weight.numel(),
            bias=0 if call.bias is None else call.bias.numel(),
            inputs=_per_row(call.values, self.fanout, call.located),
            potentials=_outputs(call),
            events=self.kind.sparse,
            bits=call.values.element_size() * 8,
        )


def count_synapses(call: Traffic) -> OpCounts:
    """Totals over the call: exact pairs of events and synapses, or dense ones of analog values."""
    located, bias = call.synapses.located, call.synapses.bias is not None
    fixed = {"bias": _number(call.synapses.output * call.valid)} if bias else {}
    if not call.kind.sparse:
        return OpCounts.of(_dense(call, call.valid) | fixed, sizes=call.sizes)
    events = event_map(call.values, call.kind, call.fanout)
    arrived, pairs = events.sum(), (events * call.fanout).sum()
    caused = {
        "ac" if call.kind.counted else "mac": pairs,
        "event_read": arrived,
        "weight_read": pairs,
        "state_read": pairs,
        "state_write": pairs,
        # Lemaire et al. 2022: two multiply-accumulates place an event, one addition each synapse.
        "address": pairs + 2 * arrived if located else pairs,
        **({"multiply": 2 * arrived} if located else {}),
    }
    return OpCounts.of(caused | fixed, caused if call.kind.hidden else None, call.sizes)


def count_dense(call: Traffic, steps: int) -> OpCounts:
    """Totals over the call as a layer of a dense ANN that runs ``steps`` times."""
    share = call.valid * (steps / call.kind.steps if call.kind.steps else 1.0)
    bias = {} if call.synapses.bias is None else {"bias": _number(call.synapses.output * share)}
    return OpCounts.of(_dense(call, share) | bias, sizes=replace(call.sizes, events=False))


def count_windows(windows: Windows, kind: Kind, valid: float | Tensor) -> OpCounts:
    """Pairs of a value and a pooling window."""
    if not kind.sparse:
        rows = windows.values.numel() // windows.fanout.numel()
        return OpCounts(pool=_number(rows * valid) * windows.fanout.sum())
    pairs = (event_map(windows.values, kind, windows.fanout) * windows.fanout).sum()
    return OpCounts(pool=pairs, hidden=OpCounts(pool=pairs) if kind.hidden else None)


def event_map(values: Tensor, kind: Kind, fanout: int | Tensor) -> Tensor:
    """Events at each position of the fan-out map, summed over all other axes, in float64.

    A level of n is n events; a graded value is one. Each position is summed in at least float32 and
    stays exact up to 2^24 events, all positions together in float64.
    """
    if kind.counted:
        events = (
            values if isinstance(kind.scale, float) and kind.scale == 1 else values / kind.scale
        )
        if kind.signed:
            events = events.abs()
        if not torch.is_grad_enabled():
            events = events.round()
    else:
        events = values != 0
    kept = fanout.shape if isinstance(fanout, Tensor) else events.shape[-1:]
    wide = torch.float32 if events.element_size() < 4 else events.dtype
    return events.reshape(-1, *kept).sum(0, dtype=wide).double()


def _dense(call: Traffic, share: float | Tensor) -> dict[str, Tensor]:
    values, fanout, located = call.values, call.fanout, call.synapses.located
    pairs = _pairs(values, fanout) * share
    inputs, outputs = values.numel() * share, call.synapses.output * share
    weights = 0 if call.synapses.weight is None else call.synapses.weight.shape[0]
    rows = values.numel() // max(1, call.sizes.inputs)
    kernel = fanout_kernel(call.synapses) * weights * rows * share
    return {
        "mac": _number(pairs),
        "event_read": _number(pairs if located else inputs),
        "weight_read": _number(pairs),
        "output_write": _number(outputs),
        "address": _number(inputs + outputs + kernel if located else pairs),
    }


def fanout_kernel(call: Synapses) -> int:
    """Kernel positions of a convolution, 1 for other synapses."""
    return prod(call.weight.shape[2:]) if call.located and call.weight is not None else 1


def _pairs(values: Tensor, fanout: int | Tensor) -> float | Tensor:
    if isinstance(fanout, Tensor):
        return fanout.sum() * (values.numel() // fanout.numel())
    return values.numel() * fanout


def _per_row(values: Tensor, fanout: int | Tensor, located: bool) -> int:
    """Input elements of one sample and step."""
    if located and isinstance(fanout, Tensor):
        axes = fanout.dim() + 1
        return prod(values.shape[-axes:])
    return values.shape[-1] if values.dim() else 1


def _outputs(call: Synapses) -> int:
    """Output elements of one sample and step."""
    if call.located and call.weight is not None:
        rows = prod(call.values.shape[: -(call.weight.dim() - 1)])
        return call.output // max(1, rows)
    rows = call.values.numel() // max(1, call.values.shape[-1] if call.values.dim() else 1)
    return call.output // max(1, rows)


def _number(value: float | Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)
