"""What operations on elements cost: additions and multiplications outside synapses."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from picojoule.energy.counts import OpCounts
from picojoule.energy.events import event_map
from picojoule.energy.kinds import Kind
from picojoule.energy.rules.provenance import KindOf, constant

Share = float | Tensor


def dense(count: str, elements: int, valid: Share) -> OpCounts:
    """One operation for each element, within the sequences."""
    return OpCounts.of({count: torch.as_tensor(elements * valid, dtype=torch.float64)})


def sparse(
    count: str, values: Tensor, kind: Kind, *, copies: int = 1, once: bool = False
) -> OpCounts:
    """One operation for each event and copy; a level of n is n, or one where it counts ``once``."""
    number = event_map(values, kind, 1, once).sum() * copies
    return OpCounts.of({count: number}, {count: number} if kind.hidden else None)


def _add(of: KindOf, valid: Share, input: Any, other: Any, **_: Any) -> list[OpCounts]:
    """Events join at one addition each; anything else is an addition for each element."""
    terms = [(value, of(value)) for value in (input, other)]
    if all(kind is not None and kind.counted for _, kind in terms):
        elements = _elements(input, other)
        return [
            sparse("add", value, kind, copies=elements // max(1, value.numel()))
            for value, kind in terms
            if kind is not None
        ]
    if any(not isinstance(value, Tensor) and value == 0 for value, _ in terms):
        return []  # sum([...]) in Python starts from 0
    return [dense("add", _elements(input, other), valid)]


def _complement(of: KindOf, valid: Share, input: Any, other: Any, **_: Any) -> list[OpCounts]:
    """``1 - events`` asks for the opposite line and costs nothing."""
    kind = of(input)
    if kind is not None and kind.counted and not isinstance(other, Tensor):
        return []
    return _add(of, valid, input, other)


def _multiply(of: KindOf, valid: Share, input: Any, other: Any, **_: Any) -> list[OpCounts]:
    """Events times a constant fold into the next weights; analog values are multiplied."""
    factors = [(value, of(value)) for value in (input, other)]
    sparses = [(value, kind) for value, kind in factors if kind is not None and kind.sparse]
    rest = [value for value, kind in factors if kind is None or not kind.sparse]
    gates = not rest or (isinstance(rest[0], Tensor) and rest[0].dtype == torch.bool)
    if sparses and (gates or (of(rest[0]) is None and constant(rest[0]))):
        return []
    if sparses:
        value, kind = sparses[0]
        copies = _elements(input, other) // max(1, value.numel())
        return [sparse("multiply", value, kind, copies=copies, once=kind.counted)]
    masks = [v for v in rest if isinstance(v, Tensor) and v.dtype == torch.bool]
    return [] if masks else [dense("multiply", _elements(input, other), valid)]


def reduction(out: Tensor, input: Tensor, kind: Kind, valid: Share) -> OpCounts:
    """A sum or mean: one addition for each event; for analog values one less than they are."""
    if kind.counted:
        return sparse("add", input, kind)
    return dense("add", input.numel() - out.numel(), valid)


def _elements(input: Any, other: Any) -> int:
    shapes = [value.shape for value in (input, other) if isinstance(value, Tensor)]
    return torch.broadcast_shapes(*shapes).numel()


# Counted before they run, since they may change their arguments in place.
ELEMENTWISE: dict[str, Callable[..., list[OpCounts]]] = {
    "add": _add,
    "sub": _add,
    "rsub": _complement,
    "mul": _multiply,
    "div": _multiply,
}
