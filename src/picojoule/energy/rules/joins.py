"""Rules of functions that put values side by side, choose among them, or write them into others.

The result holds values of all, and is of their kind if that is one; zeros are of any.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from picojoule.energy.kinds import NOTHING, Kind, Segments, joined, product
from picojoule.energy.rules.arguments import moved_kinds, tensors
from picojoule.energy.rules.beside import layered, padded
from picojoule.energy.rules.call import Call, moved
from picojoule.energy.rules.origins import compared
from picojoule.energy.rules.outcome import DERIVED, Before, Outcome, Rule


def _known(call: Call, values: Iterable[Any]) -> list[Kind]:
    """Returns the kinds of tensors and numbers, none if nothing of the network is among them."""
    given = list(values)
    known = [kind for value in given if (kind := call.kind(value)) is not None]
    if not known or (all(kind is NOTHING for kind in known) and any(map(call.constant, given))):
        return []
    return [call.joining(value) for value in given]


def _together(call: Call, values: Iterable[Any]) -> Outcome:
    """Returns the outcome for a result that holds some of each of these values."""
    kinds = _known(call, values)
    if not kinds:
        return DERIVED
    kind = joined(kinds)
    return Outcome(kind.graded() if kind.uneven else kind)


def beneath(call: Call, tensors: Sequence[Tensor], *_: Any, **__: Any) -> Outcome:
    """Puts values side by side along an axis that depends on their shape."""
    kinds = _known(call, tensors)
    if not kinds:
        return DERIVED
    kind = joined(kinds)
    return Outcome(moved_kinds(call, kind) if kind.uneven else kind)


def stack(call: Call, tensors: Sequence[Tensor], dim: int = 0) -> Outcome:
    """Puts values side by side along a new axis; of several kinds each stays what it is there."""
    return _side_by_side(call, tensors, dim, [1] * len(tensors))


def join(
    call: Call, tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None
) -> Outcome:
    """Puts values side by side along an axis; of several kinds each stays what it is there."""
    dim = dim if axis is None else axis
    sizes = [value.shape[dim] if value.dim() == call.out.dim() else 0 for value in tensors]
    return _side_by_side(call, tensors, dim, sizes)


def join_columns(call: Call, tensors: Sequence[Tensor]) -> Outcome:
    """Puts values side by side along the second axis, or the only one."""
    return join(call, tensors, min(1, call.out.dim() - 1))


def _side_by_side(call: Call, tensors: Sequence[Tensor], dim: int, sizes: Sequence[int]) -> Outcome:
    kinds = _known(call, tensors)
    if not kinds:
        return DERIVED
    kind = joined(kinds)
    several = any(call.beside(value) is not None for value in tensors)
    if kind.sparse or not (several or any(part.sparse for part in kinds)):
        return Outcome(moved_kinds(call, kind) if kind.uneven else kind)
    axis = dim if dim < 0 else dim - call.out.dim()
    if several and (alike := layered([call.beside(value) for value in tensors])) is not None:
        new = call.out.dim() > tensors[0].dim()
        if new or alike.axis != axis:  # a new axis after theirs moves it
            return Outcome(
                kind, beside=alike._replace(axis=alike.axis - (new and axis > alike.axis))
            )
    parts: list[tuple[int, Kind]] = []
    for value, size, part in zip(tensors, sizes, kinds, strict=True):
        held = call.beside(value)
        along = held is not None and held.axis == axis and value.dim() == call.out.dim()
        parts += held.parts if held is not None and along else [(size, moved(part) or part)]
    return Outcome(kind.analog(), beside=Segments(axis, tuple(parts)))


def extreme(call: Call, *values: Any, **named: Any) -> Outcome:
    """Takes the largest or smallest of values, or puts them in that order."""
    return _together(call, tensors((*values, *named.values())))


def running_extreme(call: Call, *args: Any, **kwargs: Any) -> Outcome:
    """Takes the largest or smallest up to each place, which goes on after a sequence's end."""
    outcome = extreme(call, *args, **kwargs)
    return outcome.mapped(lambda kind: replace(kind, within=call.within))


def pad(call: Call, input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Outcome:
    """Pads with a number, zero if none is given, or with copies."""
    kind, held = call.kind(input), call.beside(input)
    if kind is None:
        return DERIVED
    fill = call.joining(value or 0) if mode == "constant" else None
    kind = kind if fill is None else joined([kind, fill])
    if held is not None:
        return Outcome(kind, beside=padded(held, pad, fill))
    return Outcome(moved_kinds(call, kind) if kind.uneven else kind)


def pad_packed(
    call: Call,
    input: Tensor,
    batch_sizes: Tensor,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> Outcome:
    """Takes a packed sequence apart, with a number after the end of each."""
    return _together(call, (input, padding_value))


def masked_fill(call: Call, input: Tensor, mask: Any, value: Any) -> Outcome:
    """Overwrites some values."""
    return _written(call, input, value, mask)


def where(call: Call, condition: Any, input: Any = None, other: Any = None) -> Outcome:
    """Chooses between two, place by place; of values or zero, events choose a value each."""
    if input is None:  # it asks for places
        return DERIVED
    if call.function is Tensor.where:
        condition, input = input, condition
    chooses = call.kind(condition)
    if chooses is not None and chooses.sparse:
        if _is_nothing(call, other):
            return Outcome(product(chooses.fired(), call.joining(input)))
        if _is_nothing(call, input) and isinstance(other, (int, float)):  # the opposite line
            opposite = product(chooses.fired(), call.joining(other))
            return Outcome(replace(opposite, within=call.within))
    if (kinds := _known(call, (input, other))) and _says(call, (input, other), condition):
        return Outcome(joined(kinds))
    if kinds:
        return Outcome(kinds[0].analog())
    numbers = not isinstance(input, Tensor) and not isinstance(other, Tensor)
    return compared(call, condition) if numbers and {input, other} <= {0, 1} else DERIVED


def _is_nothing(call: Call, value: Any) -> bool:
    return call.kind(value) is NOTHING if isinstance(value, Tensor) else value == 0


def _says(call: Call, values: Iterable[Any], places: Any) -> bool:
    """Tells whether constants that are no zeros are chosen by constants or events, if at all."""
    fixed = (call.kind(value) is None and not _is_nothing(call, value) for value in values)
    return call.settled(places) or not any(fixed)


@Before
def copy(call: Call, input: Tensor, src: Tensor, non_blocking: bool = False) -> Outcome:
    """Overwrites values with others."""
    return _overwritten(call, input, src)


def _overwritten(call: Call, input: Tensor, source: Tensor) -> Outcome:
    return Outcome(call.joining(source)) if _known(call, (input, source)) else DERIVED


def _is_all(index: Any) -> bool:
    """Tells whether an index is that of all places."""
    places = index if isinstance(index, tuple) else (index,)
    return all(
        place is ... or (isinstance(place, slice) and place == slice(None)) for place in places
    )


@Before
def setitem(call: Call, input: Tensor, index: Any, value: Any) -> Outcome:
    """Writes values into others, which then hold both, or into all of them."""
    if isinstance(value, Tensor) and _is_all(index):
        return _overwritten(call, input, value)
    return _written(call, input, value, index)


def writing(place: int, *names: str) -> Rule:
    """Returns the rule of a function that writes values into others at some places.

    Args:
        place: Of the values, among the arguments after the first; places are before them.
        names: What they are called.
    """

    def rule(call: Call, input: Tensor, *args: Any, **named: Any) -> Outcome:
        value, after = _value(place, names, args, named)
        if "reduce" in named:
            value = None
        where = [*args[:place], named.get("index"), named.get("indices"), named.get("mask")]
        written = _written(call, input, value, where)
        return _summed(call, value, written) if after or named.get("accumulate") else written

    return Before(rule)


def adding(place: int, *names: str) -> Rule:
    """Returns the rule of a function that adds values to others at some places."""

    def rule(call: Call, input: Tensor, *args: Any, **named: Any) -> Outcome:
        value, _ = _value(place, names, args, named)
        scaled = named.get("alpha", 1) != 1
        return _summed(call, value, _written(call, input, None if scaled else value, None))

    return Before(rule)


def _value(place: int, names: Sequence[str], args: Any, named: dict[str, Any]) -> tuple[Any, bool]:
    """Returns the values to write, and whether they are said to be added to what is there."""
    found = next((named[name] for name in names if name in named), None)
    given = args[place] if len(args) > place else found
    return given, args[place + 1 : place + 2] == (True,)


def _written(call: Call, input: Tensor, value: Any, places: Any) -> Outcome:
    if (fixed := _fixed(call, (input, value))) is not None:
        chosen = [kind for place in tensors([places]) if (kind := call.kind(place)) is not None]
        if not call.settled(places):
            return call.chosen(input, fixed.scale if isinstance(fixed.scale, (int, float)) else 0)
        hidden = any(kind.hidden for kind in chosen)
        return Outcome(replace(fixed, mask=False, hidden=hidden) if chosen else fixed)
    kinds = _known(call, (input, value))
    if kinds and (call.learned(*tensors([places])) or not _says(call, (value,), places)):
        return Outcome(kinds[0].analog())
    return Outcome(joined(kinds)) if kinds else DERIVED


def _summed(call: Call, value: Any, written: Outcome) -> Outcome:
    kind = call.kind(value)
    if not isinstance(written.kind, Kind) or written.kind.mask or kind is None:
        return written
    added = call.sparse("add", value, kind) if kind.counted else call.dense(add=value.numel())
    return Outcome(written.kind.levels(), [added])


def _fixed(call: Call, values: Sequence[Any]) -> Kind | None:
    """Returns the kind of constants of zeros and ones that are put together, None for others."""
    kinds = []
    for value in values:
        kind = call.kind(value) or call.mask(value)
        if isinstance(value, (int, float)):
            kind = call.joining(value)
        if kind is None or (isinstance(value, Tensor) and not (kind is NOTHING or kind.mask)):
            return None
        kinds.append(kind if kind is NOTHING else replace(kind, mask=False))
    kind = joined(kinds)
    return kind.masked() if kind is not NOTHING and kind.sparse else None
