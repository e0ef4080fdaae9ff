"""Rules of functions that make new tensors, or overwrite all of one with numbers."""

from typing import Any

import torch
from torch import Tensor

from picojoule._torch import viewed_by
from picojoule.energy.kinds import NOTHING, Kind, everywhere
from picojoule.energy.rules.arguments import first_of, kind_of
from picojoule.energy.rules.call import Call
from picojoule.energy.rules.moves import in_order
from picojoule.energy.rules.outcome import DERIVED, FRESH, OUTSIDE, Outcome


def fresh(call: Call, *_: Any, **__: Any) -> Outcome:
    """Takes a shape or a type from its argument, but no value."""
    return FRESH


def learning(call: Call, *args: Any, **kwargs: Any) -> Outcome:
    """Runs a part of the network backwards, which is named and not counted, or reads a gradient."""
    if call.name == "grad" and call.function is not torch.autograd.grad:
        return FRESH
    first = first_of(call)
    kind = call.kind(first) if call.out is first else Kind("analog")
    return Outcome(kind, missed={call.name: call.out.numel()})


def drawn(call: Call, *_: Any, **__: Any) -> Outcome:
    """Draws numbers evenly between zero and one."""
    return Outcome(fresh=True, drawn=0.0)


def mask() -> Outcome:
    """Returns the outcome of a function that makes zeros and ones."""
    return Outcome(Kind("events", mask=True), fresh=True)


def ones(call: Call, *_: Any, **__: Any) -> Outcome:
    """Makes a mask of ones, or of ones along a diagonal."""
    return mask()


def zeros(call: Call, *_: Any, **__: Any) -> Outcome:
    """Makes zeros or unwritten memory, which is no event until something is put into it."""
    return Outcome(NOTHING)


def renewed(call: Call, input: Tensor, *sizes: Any, **__: Any) -> Outcome:
    """Makes unwritten memory, or brings values from outside, as ``Tensor.new`` did both."""
    whole = all(isinstance(size, (int, torch.Size)) for size in sizes)
    return Outcome(NOTHING) if whole else OUTSIDE


def numbers(call: Call, *args: Any, fill_value: Any = None, **_: Any) -> Outcome:
    """Makes one number everywhere."""
    return constant(args[-1] if fill_value is None else fill_value)


def constant(value: Any) -> Outcome:
    """Returns the outcome of a function that makes one number everywhere."""
    kind = everywhere(value) if isinstance(value, (int, float)) else None
    if kind is None or not kind.sparse:
        return FRESH
    return Outcome(kind if kind is NOTHING else kind.masked(), fresh=True)


def chosen(call: Call, *bounds: Any, low: int = 0, high: int | None = None, **_: Any) -> Outcome:
    """Draws whole numbers below a bound: below two they are a mask (``randint``)."""
    given = [bound for bound in bounds if isinstance(bound, int)]
    least, most = given[:2] if len(given) > 1 else (low, given[0] if given else high)
    return mask() if most is not None and least >= 0 and most <= 2 else FRESH


def one_hot(call: Call, input: Tensor, num_classes: int = -1) -> Outcome:
    """Makes a one at each index: a mask, or zeros and ones that values of the network chose."""
    if call.constant(input):
        return mask()
    return Outcome(Kind("analog", gate=True), missed={call.name: call.out.numel()})


def outside(call: Call, *args: Any, **kwargs: Any) -> Outcome:
    """Brings values from outside of torch, of which nothing is known but a single number."""
    if isinstance(first_of(call), Tensor):
        return in_order(call, *args, **kwargs)
    if call.out.numel() == 1:
        return constant(next(iter((*args, *kwargs.values())), None))
    return OUTSIDE


def zero(call: Call, *_: Any, **__: Any) -> Outcome:
    """Overwrites values with zeros."""
    return DERIVED if call.learned(first_of(call)) else Outcome(NOTHING)


def filled(call: Call, *args: Any, **kwargs: Any) -> Outcome:
    """Overwrites values with numbers, of a part of a tensor or of all."""
    value = first_of(call)
    number = [*args, *kwargs.values()][1] if call.name == "fill" else None
    if call.learned(value):
        return DERIVED
    if value is not None and call.out is value and viewed_by(value) is None:
        return constant(number)
    if value is None or call.kind(value) is None:
        return DERIVED
    return Outcome(call.joining(number))


def draw(call: Call, *_: Any, **__: Any) -> Outcome:
    """Draws events from rates, or numbers of them (``poisson``)."""
    kind, once = kind_of(call), call.name == "bernoulli"
    if kind is None or kind is NOTHING or kind.mask:
        return mask() if once else FRESH
    return Outcome(Kind("events" if once else "levels", steps=kind.steps))


def cast(call: Call, *args: Any, **kwargs: Any) -> Outcome:
    """Changes the type of values; what a comparison gave is spikes, or a mask, or neither."""
    value, kind = first_of(call), kind_of(call)
    if value is None:
        return DERIVED
    if kind is None:
        return compared(call, value) if call.out.dtype != torch.bool else DERIVED
    if call.out.dtype == torch.bool:
        return Outcome(kind.fired() if kind.sparse and kind is not NOTHING else kind)
    whole = kind if call.out.is_floating_point() else kind.whole()
    return in_order(call, *args, **kwargs) if whole is kind else Outcome(whole)


def compared(call: Call, value: Any, number: float = 1) -> Outcome:
    """Returns the outcome for truth values that become numbers, of which no kind is known.

    If constants were compared they are a mask; see ``Call.chosen`` for values of the network.

    Args:
        call: The call.
        value: The truth values, or anything else, which is not known.
        number: What stands for true.
    """
    if not isinstance(value, Tensor) or value.dtype != torch.bool:
        return DERIVED
    if call.constant(value):
        return Outcome(Kind("events", number, mask=True))
    return call.chosen(value, number)
