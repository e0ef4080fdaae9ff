"""Numbers of events in values, summed once and exactly."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.energy.kinds import Kind

_BLOCK = 1 << 17  # numbers of which a copy stays in the cache


class Summed(NamedTuple):
    """Events that were summed, and how far their values were from being events.

    Attributes:
        events: The events at each place, in float64.
        rest: By how much the sum of the values differs, at each place or in all, or that of their
            squares; of levels the squares of how far each is from a whole number. None if the
            events are that sum.
        rounding: By how much of the events it may, because numbers of that type are rounded.
    """

    events: Tensor
    rest: Tensor | None = None
    rounding: float = 1e-5

    def detach(self) -> "Summed":
        """Returns the same without its graph."""
        return self._replace(events=self.events.detach())


def event_map(
    values: Tensor,
    kind: Kind,
    fanout: int | Tensor,
    multiplied: bool = False,
    known: Tensor | None = None,
) -> Tensor:
    """Sums the events at each place of a fan-out map over all axes before it, in float64.

    Where the fan-out is one number, all events [] are enough. A level of n is n events, or one
    where levels are ``multiplied``; a graded value is one. The numbers are whole, also where the
    values are not quite; the gradient is that of the values. A sum that is ``known`` already is
    given back if it serves.
    """
    if known is not None and not multiplied and serves(known, values, fanout):
        return known
    if kind.counted and not multiplied:
        return summed(values, kind, fanout).events
    return _sum_at(events_of(values, kind, multiplied), kind, fanout)


def serves(known: Tensor, values: Tensor, fanout: int | Tensor) -> bool:
    """Tells whether a sum that is known has the places and the graph that are asked for."""
    # A sum made without a graph, say by a frozen part, does not serve one who wants gradients.
    graph = values.requires_grad and torch.is_grad_enabled()
    fits = not isinstance(fanout, Tensor) or known.shape == fanout.shape
    return fits and (known.requires_grad or not graph)


def summed(values: Tensor, kind: Kind, fanout: int | Tensor) -> Summed:
    """Sums events or levels as ``event_map`` does, and compares the sum with that of the values."""
    number = _number(values, kind)
    total = _sum_at(number, kind, fanout)
    if not kind.is_worth(1) or kind.rounding:
        with torch.no_grad():
            whole = _sum_at(number.round(), kind, fanout)
            rest = whole - total
        rounding = max(1e-5, 4 * torch.finfo(number.dtype).eps, 4 * kind.rounding)
        return Summed(total + rest if total.requires_grad else whole, rest, rounding)
    if not number.is_floating_point():
        return Summed(total)
    number = number.detach()
    if kind.name == "events":
        return Summed(total, _squares(number) - total.detach().sum())  # more than one, or less
    return Summed(total, _squares(number - number.round()))


def _squares(values: Tensor) -> Tensor:
    """Sums the squares of all values."""
    flat = values.reshape(-1)
    flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
    return torch.stack([torch.dot(part, part).double() for part in flat.split(1 << 24)]).sum()


@torch.no_grad()
def are_whole(sums: Sequence[Summed]) -> bool:
    """Reads from the device whether all these are sums of events.

    A sum of events is a whole number; that of other values is none but by chance. What is no number
    says nothing.
    """
    numbers, plain = [], []
    for one in sums:
        if one.rest is None:
            single = one.events.is_cpu and not one.events.dim()
            (numbers if single else plain).append(one.events)
    if any(_is_off(one.item()) for one in numbers):
        return False
    off, most = [], []
    if plain:
        events = torch.cat([one.reshape(-1) for one in plain])
        off.append(events - events.round())
        most.append(events * 1e-5)
    for events, rest, rounding in sums:
        if rest is not None:
            off.append(rest.reshape(-1))
            most.append((events if rest.dim() else events.sum()).reshape(-1) * rounding)
    return not off or not bool((torch.cat(off).abs() > 1e-3 + torch.cat(most).abs()).any())


def _is_off(events: float) -> bool:
    return math.isfinite(events) and abs(events - round(events)) > 1e-3 + abs(events) * 1e-5


def _sum_at(events: Tensor, kind: Kind, fanout: int | Tensor) -> Tensor:
    """Sums events at each place of a fan-out map, or all."""
    if not isinstance(fanout, Tensor):
        return _total(events, kind)
    rows = events.reshape(-1, *fanout.shape)
    limit = _whole(kind)
    parts = [rows] if len(rows) <= limit else rows.split(limit)
    sums = [_wide_sum(part, 0, kind).double() for part in parts]
    return sums[0] if len(sums) == 1 else torch.stack(sums).sum(0)


def _total(events: Tensor, kind: Kind) -> Tensor:
    """Sums all events, along the last axes first, which lie side by side in memory."""
    axes, along = events.dim(), 1
    while axes and along < 256:
        axes -= 1
        along *= events.shape[axes]
    last = tuple(range(axes, events.dim()))
    if along > _whole(kind):
        return _wide_sum(events.double(), last, kind).sum()
    return _wide_sum(events, last, kind).double().sum()


def step_map(out: Tensor, kind: Kind, within: Tensor | None) -> Tensor:
    """Sums events of each step at each place: [T, B, N] to [T, N], [T, B, C, ...] to [T, ...].

    Args:
        out: What neurons put out.
        kind: Its kind.
        within: Which steps [T, B] lie within their sequences, None for all.
    """
    if within is not None:
        return step_maps(out, kind, [within])[0]
    events = events_of(out, kind, multiplied=False)
    axes = (1, 2) if out.dim() > 3 else (1,)
    rows = out.shape[1] * (out.shape[2] if out.dim() > 3 else 1)
    if rows > _whole(kind):
        return _wide_sum(events.double(), axes, kind)
    return _wide_sum(events, axes, kind).double()


def step_maps(out: Tensor, kind: Kind, masks: Sequence[Tensor]) -> Sequence[Tensor]:
    """Returns a ``step_map`` for each of some masks [T, B], by one product: no masked copy is made.

    The factors are zeros and ones, which a product in any precision keeps.
    """
    fit = kind.name == "events" and all(mask.shape == out.shape[:2] for mask in masks)
    if not fit or out.shape[1:3].numel() > _whole(kind):
        return [step_map(inside(out, mask), kind, None) for mask in masks]
    events = events_of(out, kind, multiplied=False).flatten(2)
    events = events.to(torch.promote_types(events.dtype, torch.float32))
    with torch.autocast(out.device.type, enabled=False):
        sums = torch.bmm(torch.stack(list(masks), 1).to(events), events)
    places = sums.unflatten(2, out.shape[2:]) if out.dim() > 3 else sums
    return (places.sum(2) if out.dim() > 3 else places).double().unbind(1)


def inside(values: Tensor, within: Tensor | None) -> Tensor:
    """Returns values [T, B, ...] or [T*B, ...] with zeros after the end of their sequences.

    Others are returned as they are: which of them are after an end is not known.
    """
    if within is None:
        return values
    if values.shape[:2] != within.shape:
        within = within.flatten()
        if values.shape[:1] != within.shape:
            return values
    return values * within.view(*within.shape, *[1] * (values.dim() - within.dim()))


def events_of(values: Tensor, kind: Kind, multiplied: bool) -> Tensor:
    """Returns how many events each element is."""
    if not kind.counted:
        if values.layout is not torch.strided:
            values = values.to_dense()
        number, some = kind.number, values != 0
        if number is not None and number.numel() == values.numel():
            number = number.reshape(values.shape)
            some = number + (some.to(number.dtype) - number).detach()
        return inside(some, kind.within)
    values = _number(values, kind)
    if not kind.is_worth(1):
        values = values + (values.round() - values).detach()
    # Where levels are multiplied the first one counts, and is the one with a gradient.
    return values.clamp(max=1) if multiplied else values


def _number(values: Tensor, kind: Kind) -> Tensor:
    """Returns how many events each element is worth, which is not quite whole if it was scaled."""
    if values.layout is not torch.strided:
        values = values.to_dense()
    scale = kind.scale
    if isinstance(scale, Tensor):
        scale = scale.masked_fill(scale == 0, torch.inf)  # nothing passes
    if not kind.is_worth(1):
        values = values / scale
    values = values.real if values.is_complex() else values
    values = values.abs() if kind.signed else values
    return values if kind.within is None else inside(values, kind.within)


@torch.no_grad()
def faults(values: Tensor, kind: Kind) -> Tensor:
    """Returns which rules of its kind values break, as three truth values on their device.

    The first is for numbers that are not whole, or so small that they would be none; the second for
    negative ones, the third for more than one event at a place. Values that are not finite break
    none.
    """
    if values.layout is not torch.strided:
        values = values.to_dense()
    values = values.detach()
    values = torch.view_as_real(values) if values.is_complex() else values
    if values.is_cpu and _are_plain(values, kind):  # elsewhere a look would wait for the device
        return torch.zeros(3, dtype=torch.bool)
    number = values.double() / kind.scale
    size = number.abs() if kind.signed else number
    many = size > 1.5 if kind.name == "events" else torch.zeros_like(size, dtype=torch.bool)
    eps = torch.finfo(values.dtype).eps if values.is_floating_point() else 0
    near = 1e-3 + 4 * max(eps, kind.rounding) * number.abs()
    whole = number.round()
    fractions = ((number - whole).abs() > near) | ((whole == 0) & (number != 0))
    broken = (fractions, size < -0.5, many)
    return torch.stack([one.any() for one in broken])


def _are_plain(values: Tensor, kind: Kind) -> bool:
    """Tells whether values are exactly those of their kind, as those of most neurons are."""
    number = values if kind.is_worth(1) else values / kind.scale
    if kind.name == "events" and not kind.signed:
        return bool(((number == 0) | (number == 1)).all())
    right = number == (number.round() if number.is_floating_point() else number)
    if not kind.signed:
        right &= number >= 0
    return bool((right & (number.abs() <= 1) if kind.name == "events" else right).all())


def _whole(kind: Kind) -> int:
    # float32 holds whole numbers up to 2^24: 16 events in each of 2^20 rows, or levels of 4096 in
    # each of 2^12.
    return 1 << (12 if kind.name == "levels" else 20)


def _wide_sum(events: Tensor, axes: int | tuple[int, ...], kind: Kind) -> Tensor:
    wide = torch.promote_types(events.dtype, torch.float32)
    if kind.given and events.is_floating_point() and not events.requires_grad:
        # Inputs may have signs, such as the polarity of a pixel; without a copy of all.
        if axes == 0 and events.is_cpu:
            return _sizes(events, wide)
        return torch.linalg.vector_norm(events, 1, axes, dtype=wide)
    if kind.given and events.requires_grad:  # not abs(), which has no gradient at zero
        events = torch.where(events < 0, -events, events)
    return events.sum(axes, dtype=wide)


def _sizes(rows: Tensor, wide: torch.dtype) -> Tensor:
    """Sums the magnitudes of rows, block by block; over the first axis torch's norm takes long."""
    blocks = rows.split(max(1, _BLOCK // max(1, rows.shape[1:].numel())))
    sums = [block.abs().sum(0, dtype=wide) for block in blocks]
    return sums[0] if len(sums) == 1 else torch.stack(sums).sum(0)
