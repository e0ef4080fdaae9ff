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
        events: Events at each position of the fan-out map, None for analog values. Reduced while
            the network runs, because it may change its tensors in place later.
        valid: Share of the rows that lie within their sequences.
        steps: Steps of the network's input.
    """

    layer: str
    values: Tensor
    kind: Kind
    fanout: int | Tensor
    synapses: Synapses
    events: Tensor | None
    valid: float | Tensor = 1.0
    steps: int = 1

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
    events = call.events
    if events is None:
        return OpCounts.of(_dense(call, call.valid) | fixed, sizes=call.sizes)
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


def count_dense(call: Traffic, steps: int | None) -> OpCounts:
    """Totals over the call as a layer of a dense ANN that runs ``steps`` times."""
    times = call.steps if steps is None else steps
    share = call.valid * (times / call.kind.steps if call.kind.steps else 1.0)
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

    A level of n is n events; a graded value is one. The numbers are whole, also where the values
    are not quite; the gradient is that of the values.
    """
    events = _events(values, kind)
    kept = fanout.shape if isinstance(fanout, Tensor) else events.shape[-1:]
    rows = events.reshape(-1, *kept)
    # float32 holds whole numbers up to 2^24: 16 events in each of 2^20 rows.
    wide = torch.promote_types(events.dtype, torch.float32)
    return rows.sum(0, dtype=torch.float64 if rows.shape[0] > 1 << 20 else wide).double()


def _events(values: Tensor, kind: Kind) -> Tensor:
    if not kind.counted:
        return values != 0
    scale = kind.scale
    if isinstance(scale, Tensor):
        scale = scale.masked_fill(scale == 0, torch.inf)  # nothing passes
    if isinstance(scale, Tensor) or scale != 1:
        values = values / scale
        values = values + (values.round() - values).detach()
    return values.abs() if kind.signed else values


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
