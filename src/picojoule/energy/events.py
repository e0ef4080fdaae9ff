"""How many events there are in values, summed once and exactly."""

import torch
from torch import Tensor

from picojoule.energy.kinds import Kind


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
    places = fanout.shape if isinstance(fanout, Tensor) else None
    # A sum made without a graph, say by a frozen part, does not serve one who wants gradients.
    graph = values.requires_grad and torch.is_grad_enabled()
    fits = known is not None and (places is None or known.shape == places)
    if known is not None and fits and not multiplied and (known.requires_grad or not graph):
        return known
    events = events_of(values, kind, multiplied)
    if places is None:
        return _total(events, kind)
    rows = events.reshape(-1, *places)
    limit = _whole(kind)
    parts = [rows] if len(rows) <= limit else rows.split(limit)
    sums = [_wide_sum(part, 0, kind).double() for part in parts]
    return sums[0] if len(sums) == 1 else torch.stack(sums).sum(0)


def _total(events: Tensor, kind: Kind) -> Tensor:
    """Sums all events, along the last axes first, which lie side by side in memory."""
    real = events.dtype in (torch.float32, torch.float64) and not events.requires_grad
    if kind.given and kind.name == "events" and real and events.numel() <= 1 << 24:
        flat = events.reshape(-1)
        return torch.dot(flat, flat).double()  # ones of either sign, in the quickest way there is
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
    events = events_of(inside(out, within), kind, multiplied=False)
    axes = (1, 2) if out.dim() > 3 else (1,)
    rows = out.shape[1] * (out.shape[2] if out.dim() > 3 else 1)
    if rows > _whole(kind):
        return _wide_sum(events.double(), axes, kind)
    return _wide_sum(events, axes, kind).double()


def inside(values: Tensor, within: Tensor | None) -> Tensor:
    """Returns values [T, B, ...] or [T*B, ...] with zeros after the end of their sequences."""
    if within is None:
        return values
    if values.shape[:2] != within.shape:
        within = within.flatten()
    return values * within.view(*within.shape, *[1] * (values.dim() - within.dim()))


def events_of(values: Tensor, kind: Kind, multiplied: bool) -> Tensor:
    """Returns how many events each element is."""
    if values.layout is not torch.strided:
        values = values.to_dense()
    if not kind.counted:
        number = kind.number
        if number is None or number.numel() != values.numel():
            return values != 0
        number = number.reshape(values.shape)
        return number + ((values != 0).to(number.dtype) - number).detach()
    scale = kind.scale
    if isinstance(scale, Tensor):
        scale = scale.masked_fill(scale == 0, torch.inf)  # nothing passes
    if isinstance(scale, Tensor) or scale != 1:
        values = values / scale
        values = values + (values.round() - values).detach()
    values = values.abs() if kind.signed else values
    if kind.within is not None:
        values = inside(values, kind.within)
    # Where levels are multiplied the first one counts, and is the one with a gradient.
    return values.clamp(max=1) if multiplied else values


@torch.no_grad()
def faults(values: Tensor, kind: Kind) -> Tensor:
    """Returns which rules of its kind values break, as three truth values on their device.

    The first is for numbers that are not whole, the second for negative ones, the third for more
    than one event at a place. Values that are not finite break none.
    """
    if values.layout is not torch.strided:
        values = values.to_dense()
    number = values.detach().double() / kind.scale
    size = number.abs() if kind.signed else number
    many = size > 1.5 if kind.name == "events" else torch.zeros_like(size, dtype=torch.bool)
    broken = ((number - number.round()).abs() > 1e-3, size < -0.5, many)
    return torch.stack([one.any() for one in broken])


def _whole(kind: Kind) -> int:
    # float32 holds whole numbers up to 2^24: 16 events in each of 2^20 rows, or levels of 4096 in
    # each of 2^12.
    return 1 << (12 if kind.name == "levels" else 20)


def _wide_sum(events: Tensor, axes: int | tuple[int, ...], kind: Kind) -> Tensor:
    wide = torch.promote_types(events.dtype, torch.float32)
    if kind.given and events.is_floating_point() and not events.requires_grad:
        # Inputs may have signs, such as the polarity of a pixel; in one pass, without a copy.
        return torch.linalg.vector_norm(events, 1, axes, dtype=wide)
    if kind.given and events.requires_grad:  # not abs(), which has no gradient at zero
        events = torch.where(events < 0, -events, events)
    return events.sum(axes, dtype=wide)
