"""All that a compiled step depends on, as a key."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from torch import Tensor, nn

from picojoule.kernels import version

_DEPTH = 6  # of lists, dictionaries and objects in one another
# What every module of torch has, and what is written down of the last run.
_UNSEEN = frozenset({*vars(nn.Module()), "ran"})


def tensors_of(neuron: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, by name."""
    return {**dict(neuron.named_parameters()), **dict(neuron.named_buffers())}


def fingerprint(neuron: nn.Module) -> Hashable:
    """All that a step may depend on, but for the values of parameters and buffers."""
    tensors = tensors_of(neuron)
    shapes = tuple((name, one.shape, one.dtype, one.device) for name, one in tensors.items())
    modules = tuple(
        (name, type(module), module.training, _of_class(type(module)), _of_module(module))
        for name, module in neuron.named_modules()
    )
    return shapes, modules


def _of_module(module: nn.Module) -> Hashable:
    return _token({name: one for name, one in vars(module).items() if name not in _UNSEEN})


def _of_class(kind: type) -> Hashable:
    """Returns the class attributes of a user's classes, which may change as attributes may."""
    own = (one for one in kind.__mro__ if not one.__module__.startswith(("torch.", "picojoule.")))
    return tuple(
        (name, _token(value))
        for one in own
        if one is not object
        for name, value in vars(one).items()
        if not name.startswith("__") and not callable(value) and not hasattr(value, "__get__")
    )


class _Same:
    """Equal to nothing but the very object, and to a tensor only as long as it is not changed."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing
        self._version: int = version(thing) if isinstance(thing, Tensor) else 0

    def __hash__(self) -> int:
        return id(self._thing)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same) or self._thing is not other._thing:
            return False
        return self._version == other._version


def _token(value: Any, depth: int = 0) -> Hashable:
    """Returns a hashable token that stays equal while the value is unchanged, nested to a limit."""
    if depth > _DEPTH:
        return _Same(value)
    if isinstance(value, dict):
        return "dict", tuple((key, _token(one, depth + 1)) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return type(value), tuple(_token(one, depth + 1) for one in value)
    if isinstance(value, Tensor):
        return _Same(value)
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    try:
        hash(value)
    except TypeError:
        return _object(value, depth)
    plain = type(value).__hash__ is object.__hash__ and not isinstance(value, type)
    return _object(value, depth) if plain else (type(value), value)


def _object(value: Any, depth: int) -> Hashable:
    """Returns the token of a container or object, by its contents if they can be seen."""
    if isinstance(value, (set, frozenset)):
        return type(value), frozenset(_token(one, depth + 1) for one in value)
    within = None if callable(value) else getattr(value, "__dict__", None)
    return _Same(value), None if not within else _token(within, depth + 1)
