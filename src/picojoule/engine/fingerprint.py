"""Walk over a neuron: its tensors, and all that its compiled step depends on, as a key."""

from abc import ABC
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from picojoule._torch import buffers, hooks, parameters, version_of

_PLAIN = frozenset((bool, int, float, str, type(None)))
_DEPTH = 6  # of lists, dictionaries and objects in one another
# What every module of torch has, and what is written down of the last run.
_UNSEEN = frozenset({*vars(nn.Module()), "ran"})


class Survey(NamedTuple):
    """The findings of one walk over a neuron.

    Attributes:
        tensors: Its parameters and then its buffers, by name.
        fingerprint: All that a step may depend on, but for the values of these tensors.
        hooks: Why hooks keep its step from being compiled; empty if none do.
    """

    tensors: dict[str, Tensor]
    fingerprint: Hashable
    hooks: str


def survey(neuron: nn.Module) -> Survey:
    """Walks over a neuron and the modules in it once."""
    modules = list(neuron.named_modules())
    tensors = _tensors(modules)
    shapes = tuple((name, one.shape, one.dtype, one.device) for name, one in tensors.items())
    seen = tuple(
        (name, type(module), module.training, _of_class(type(module)), _of_module(module))
        for name, module in modules
    )
    return Survey(tensors, (shapes, seen), _hooked(modules))


def tensors_of(neuron: nn.Module) -> dict[str, Tensor]:
    """Returns the parameters and then the buffers of a neuron, by name."""
    return _tensors(list(neuron.named_modules()))


def _tensors(modules: Iterable[tuple[str, nn.Module]]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for held in (parameters, buffers):
        for prefix, module in modules:
            for name, one in held(module).items():
                if one is not None and id(one) not in seen:
                    seen.add(id(one))
                    found[f"{prefix}.{name}" if prefix else name] = one
    return found


def _hooked(modules: Iterable[tuple[str, nn.Module]]) -> str:
    """Returns why hooks keep a step from being compiled, or an empty string.

    A step calls no hooks of the neuron itself or of neurons inside, but those of other submodules,
    and these may change what passes by.
    """
    for name, module in modules:
        if hasattr(module, "init_state"):
            continue
        if any(not getattr(hook, "only_looks", False) for hook in hooks(module)):
            return f"its '{name}' has hooks, and a compiled step calls none"
    return ""


def _of_module(module: nn.Module) -> Hashable:
    return tuple(
        (name, type(one), one) if type(one) in _PLAIN else (name, _token(one))
        for name, one in vars(module).items()
        if name not in _UNSEEN
    )


def _of_class(kind: type) -> Hashable:
    """Returns the class attributes of a user's classes, which may change as attributes may."""
    return tuple(
        (name, _token(value))
        for one in _users(kind)
        for name, value in vars(one).items()
        if not name.startswith("__") and not callable(value) and not hasattr(value, "__get__")
    )


@lru_cache(maxsize=256)
def _users(kind: type) -> tuple[type, ...]:
    """Returns a class and its bases without those of torch and of ours."""
    ours = ("torch.", "picojoule.")
    return tuple(
        one
        for one in kind.__mro__
        if one not in (object, ABC) and not one.__module__.startswith(ours)
    )


class _Same:
    """A token of one object; that of a tensor is another once the tensor has changed in place."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing
        self._changes = version_of(thing) if isinstance(thing, Tensor) else 0

    def __hash__(self) -> int:
        return id(self._thing)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same) or self._thing is not other._thing:
            return False
        return self._changes == other._changes


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
