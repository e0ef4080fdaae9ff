"""Rules of functions that rearrange or copy values: they change no kind and cost nothing."""

from dataclasses import replace
from typing import Any

from picojoule.energy.kinds import Kind
from picojoule.energy.rules.arguments import first_of, kind_of, moved_kinds
from picojoule.energy.rules.beside import viewed
from picojoule.energy.rules.call import Call
from picojoule.energy.rules.outcome import DERIVED, Outcome


def reordered(call: Call, *_: Any, **__: Any) -> Outcome:
    """Gives the results the kind of the first argument, whose values they hold in any order."""
    kind = kind_of(call)
    if kind is None:
        return DERIVED
    if kind.uneven:
        return Outcome(moved_kinds(call, kind))
    if not kind.sparse and (outcome := viewed(call)) is not None:
        return outcome
    return Outcome(kind if kind.number is None else replace(kind, number=None))


def in_order(call: Call, *_: Any, **__: Any) -> Outcome:
    """Gives the result the kind of the first argument, all of whose values it holds in order."""
    kind = kind_of(call)
    if kind is None:
        return DERIVED
    return Outcome(moved_kinds(call, kind) if kind.uneven else kind, in_order=True)


def copies(call: Call, *args: Any, **kwargs: Any) -> Outcome:
    """Copies values along new or longer axes; copies along the first axis are steps."""
    outcome = reordered(call, *args, **kwargs)
    value, out = first_of(call), call.out
    assert value is not None
    same = out.dim() == value.dim() and value.shape[0] if value.dim() else False
    times = out.shape[0] // value.shape[0] if same else 1
    return outcome if times == 1 else outcome.mapped(lambda kind: _lasting(kind, times))


def _lasting(kind: Kind, times: int) -> Kind:
    """Returns a kind of so many times the steps."""
    return replace(kind, steps=kind.steps * times) if kind.steps else kind
