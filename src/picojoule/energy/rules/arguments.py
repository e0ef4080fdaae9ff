"""The tensors among the arguments and results of a call, and their kinds."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from picojoule.energy.kinds import Kind
from picojoule.energy.rules.call import Call


def tensors(values: Iterable[Any]) -> list[Tensor]:
    """Returns the tensors among values, also those inside lists, dicts and dataclasses."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif value is None or isinstance(value, (int, float, str)):
            continue
        elif isinstance(value, (list, tuple)):
            found.extend(tensors(value))
        elif isinstance(value, dict):
            found.extend(tensors(value.values()))
        elif is_dataclass(value) and not isinstance(value, type):
            found.extend(tensors(getattr(value, field.name, None) for field in fields(value)))
    return found


def plain(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns arguments with Python's numbers in place of NumPy's."""
    for value in values:
        if isinstance(value, np.generic):
            return tuple(one.item() if isinstance(one, np.generic) else one for one in values)
    return values


def moved_kinds(call: Call, kind: Kind) -> list[Kind]:
    """Returns the kind of each result after values of unequal worth were moved.

    The function runs once more, on what the values are worth.
    """

    def worth(argument: Any) -> Any:
        if isinstance(argument, (list, tuple)):
            parts = [worth(part) for part in argument]
            return parts if isinstance(argument, list) else tuple(parts)
        if (known := call.kind(argument)) is None or not known.uneven:
            return argument
        return torch.as_tensor(known.scale).expand(argument.shape).clone()

    named = {name: worth(argument) for name, argument in call.kwargs.items()}
    assert call.function is not None
    result = call.function(*(worth(argument) for argument in call.args), **named)
    return [replace(kind, scale=scale) for scale in tensors([result])]


def first_of(call: Call) -> Tensor | None:
    """Returns the first tensor among the arguments of a call, however it was passed."""
    if call.args and isinstance(call.args[0], Tensor):
        return call.args[0]
    return next(iter(tensors((*call.args, *call.kwargs.values()))), None)


def kind_of(call: Call) -> Kind | None:
    """Returns the kind of the first tensor, also of one that is a mask."""
    first = first_of(call)
    return call.kind(first) or call.mask(first)
