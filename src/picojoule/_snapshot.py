"""Snapshot of modules, to see quickly whether anything was set in them since."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from picojoule._torch import buffers, parameters, submodules

_FIXED = (bool, int, float, str, type(None), torch.dtype)


class Snapshot:
    """All that some modules hold, but for the values of tensors, and for hooks.

    Args:
        modules: The modules.

    Attributes:
        plain: Whether any change in them shows.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = list(modules)
        self._held = [_held(one) for one in self._modules]
        self._tensors = [one for held in self._held for one in held if isinstance(one, Tensor)]
        self._kinds = _kinds(self._tensors)
        self.plain = all(map(_is_plain, self._modules))

    @property
    def holds(self) -> bool:
        """True if nothing was set since."""
        for module, before in zip(self._modules, self._held, strict=True):
            held = _held(module)
            if len(held) != len(before) or not all(map(is_, held, before)):
                return False
        return _kinds(self._tensors) == self._kinds


def _held(module: nn.Module) -> list[Any]:
    """Returns the attributes of a module, with its parameters, buffers and submodules."""
    held = list(vars(module).values())
    for some in (parameters(module), buffers(module), submodules(module)):
        held += some.values()
    return held


def _kinds(tensors: Sequence[Tensor]) -> list[Any]:
    """Returns what may change in place of tensors, beside their values."""
    return [(one.requires_grad, one.dtype, not is_lazy(one) and one.shape) for one in tensors]


def _is_plain(module: nn.Module) -> bool:
    every = vars(nn.Module())
    return all(name in every or _is_fixed(value) for name, value in vars(module).items())


def _is_fixed(value: Any) -> bool:
    """Tells whether a value cannot change without being another object."""
    if isinstance(value, tuple):
        return all(map(_is_fixed, value))
    if is_dataclass(value) and type(value).__dataclass_params__.frozen:  # pyright: ignore
        return all(_is_fixed(getattr(value, field.name)) for field in fields(value))
    return isinstance(value, _FIXED)
