"""From what arrived in one call to what it cost in operations and accesses."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from picojoule.energy.counts import OpCounts, Sizes
from picojoule.energy.kinds import Kind
from picojoule.energy.rules import Synapses, Windows


@dataclass(frozen=True, eq=False)
class Traffic:
    """What arrived at one layer in one call, or what a layer of neurons put out.

    Attributes:
        layer: Dotted name of the layer that consumed it, or that fired.
        values: What arrived or was put out, with its graph.
        kind: Its kind.
        fanout: Synapses of each element: one number, or a map over the last axes of ``values``.
        synapses: The call as its rule describes it; None for what neurons put out.
        events: Events at each place of the last axes of ``values``, summed over all others; as
            few axes as the fan-out map has, or as were known. None for analog values. Reduced
            while the network runs, because it may change its tensors in place later.
        multiplied: Whether a level is one multiply-accumulate (see ``Convention``).
        within: Which steps [T, B] of ``values`` lie within their sequences, None for all.
        valid: Share of the rows of a call that lie within their sequences (1 for neurons' outputs).
        steps: Steps of the network's input.
        leading: How many of the first axes of ``values`` are no part of a neuron's place: 2 for
            [T, B, ...], 1 for [B, ...].
        samples: Samples that ran in the whole block, by which sums are divided.
        version: How often ``values`` had been changed in place, None where that is not known.
    """

    layer: str
    values: Tensor
    kind: Kind
    fanout: int | Tensor
    synapses: Synapses | None
    events: Tensor | None
    multiplied: bool = False
    within: Tensor | None = None
    valid: float | Tensor = 1.0
    steps: int = 1
    leading: int = 1
    samples: int = 1
    version: int | None = None

    @property
    def scale(self) -> float | Tensor:
        """What one event is worth in ``values``."""
        return self.kind.scale

    @property
    def fired(self) -> bool:
        """Whether these are the outputs of a layer of neurons."""
        return self.synapses is None

    def number(self, power: float = 1.0) -> Tensor:
        """Events at each element of ``values``, each number to a power, with their graph.

        Raises:
            RuntimeError: The network changed these values in place after they were counted.
        """
        if self.version is not None and self.values._version != self.version:
            raise RuntimeError(
                f"what arrived at or left '{self.layer}' was changed in place later: write "
                "x = x + y in the network, not x += y, or take a penalty that needs sums alone "
                "(EnergyBudget, FixedPrice, p=1)"
            )
        number = events_of(inside(self.values, self.within), self.kind, self.multiplied)
        return number if power == 1 else number.to(self.values.dtype) ** power

    @property
    def sizes(self) -> Sizes:
        """The constant sizes of a layer of synapses, for one step and one sample."""
        call = self.synapses
        if call is None:
            return Sizes()
        return Sizes(
            weights=0 if call.weight is None else call.weight.numel(),
            bias=0 if call.bias is None else call.bias.numel(),
            inputs=_inputs(call),
            potentials=_outputs(call),
            events=self.kind.sparse,
            bits=call.values.element_size() * 8,
        )


def count_synapses(call: Traffic) -> OpCounts:
    """Totals over the call: exact pairs of events and synapses, or dense ones of analog values."""
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
    """Totals over the call as a layer of a dense ANN that runs ``steps`` times."""
    assert call.synapses is not None
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


def merged(calls: Iterable[Traffic]) -> list[Traffic]:
    """The same totals in fewer records: events that met the same synapses are added up.

    A layer that is called at every step is then counted once, not once a step.
    """
    groups: dict[object, list[Traffic]] = {}
    for index, call in enumerate(calls):
        fanout = call.fanout if isinstance(call.fanout, int) else id(call.fanout)
        alone = index if call.events is None or isinstance(call.valid, Tensor) else None
        shape = None if call.events is None else call.events.shape
        kind = (call.kind.name, call.kind.hidden)
        key = (call.layer, fanout, kind, shape, call.sizes, call.valid, alone)
        groups.setdefault(key, []).append(call)
    return [_sum(group) if len(group) > 1 else group[0] for group in groups.values()]


def _sum(group: list[Traffic]) -> Traffic:
    first = group[0]
    synapses = first.synapses
    assert synapses is not None
    output = sum(call.synapses.output for call in group if call.synapses is not None)
    events = torch.stack([call.events for call in group if call.events is not None]).sum(0)
    return replace(first, events=events, synapses=synapses._replace(output=output))


def version_of(values: Tensor) -> int | None:
    """How often a tensor was changed in place, None where torch does not keep count."""
    return None if values.is_inference() else values._version


def event_map(values: Tensor, kind: Kind, fanout: int | Tensor, multiplied: bool = False) -> Tensor:
    """Events at each place of a fan-out map, summed over all axes before it, in float64.

    Where the fan-out is one number, all events [] are enough. A level of n is n events, or one where levels are
    ``multiplied``; a graded value is one. The numbers are whole, also where the values are not
    quite; the gradient is that of the values.
    """
    known = kind.tally
    places = fanout.shape if isinstance(fanout, Tensor) else None
    if known is not None and not multiplied and (places is None or known.shape == places):
        return known
    events = events_of(values, kind, multiplied)
    if places is None:
        return _total(events)
    rows = events.reshape(-1, *places)
    return rows.sum(0, dtype=_wide(events, rows.shape[0])).double()


def _total(events: Tensor) -> Tensor:
    """All events, summed along the last axes first, which lie side by side in memory."""
    axes, along = events.dim(), 1
    while axes and along < 256:
        axes -= 1
        along *= events.shape[axes]
    rows = events.sum(tuple(range(axes, events.dim())), dtype=_wide(events, along))
    return rows.double().sum()


def step_map(out: Tensor, kind: Kind, within: Tensor | None) -> Tensor:
    """Events of each step at each place: from [T, B, N] to [T, N], or [T, B, C, ...] to [T, ...].

    Args:
        out: What neurons put out.
        kind: Its kind.
        within: Which steps [T, B] lie within their sequences, None for all.
    """
    events = events_of(inside(out, within), kind, multiplied=False)
    axes = (1, 2) if out.dim() > 3 else 1
    rows = out.shape[1] * (out.shape[2] if out.dim() > 3 else 1)
    return events.sum(axes, dtype=_wide(events, rows)).double()


def inside(values: Tensor, within: Tensor | None) -> Tensor:
    """Values [T, B, ...] with zeros after the end of their sequences."""
    if within is None:
        return values
    return values * within.view(*within.shape, *[1] * (values.dim() - 2))


def events_of(values: Tensor, kind: Kind, multiplied: bool) -> Tensor:
    """How many events each element is."""
    if not kind.counted:
        return values != 0
    scale = kind.scale
    if isinstance(scale, Tensor):
        scale = scale.masked_fill(scale == 0, torch.inf)  # nothing passes
    if isinstance(scale, Tensor) or scale != 1:
        values = values / scale
        values = values + (values.round() - values).detach()
    values = values.abs() if kind.signed else values
    # Where levels are multiplied the first one counts, and is the one with a gradient.
    return values.clamp(max=1) if multiplied else values


def _wide(events: Tensor, rows: int) -> torch.dtype:
    # float32 holds whole numbers up to 2^24: 16 events in each of 2^20 rows.
    return torch.float64 if rows > 1 << 20 else torch.promote_types(events.dtype, torch.float32)


def _dense(call: Traffic, share: float | Tensor) -> dict[str, Tensor]:
    values, synapses = call.values, call.synapses
    assert synapses is not None
    located, weight = synapses.located, synapses.weight
    pairs = _pairs(synapses) * share
    inputs, outputs = values.numel() * share, synapses.output * share
    rows = values.numel() // max(1, call.sizes.inputs)
    kernel = fanout_kernel(synapses) * (0 if weight is None else weight.shape[0]) * rows * share
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


def _pairs(call: Synapses) -> float | Tensor:
    """Pairs of an element and a synapse of a dense ANN."""
    if call.dense is not None:
        return call.dense
    if isinstance(call.fanout, Tensor):
        return call.fanout.sum() * (call.values.numel() // max(1, call.fanout.numel()))
    return call.values.numel() * call.fanout


def _axes(call: Synapses) -> int:
    """How many of the last axes are one sample and step of the input."""
    if not call.located:
        return 1
    if call.weight is not None:
        return call.weight.dim() - 1
    return call.fanout.dim() + 1 if isinstance(call.fanout, Tensor) else 1


def _inputs(call: Synapses) -> int:
    """Input elements of one sample and step."""
    return prod(call.values.shape[-_axes(call) :])


def _outputs(call: Synapses) -> int:
    """Output elements of one sample and step."""
    return call.output // max(1, call.values.numel() // max(1, _inputs(call)))


def _number(value: float | Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)
