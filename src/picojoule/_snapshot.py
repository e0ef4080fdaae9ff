"""Snapshot of modules, to see quickly whether anything was set in them since."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from picojoule._torch import held_by

_FIXED = (bool, int, float, str, type(None), torch.dtype)
_ASKED = ("present",)  # a function whose answer counts, and which is asked in each run


class Snapshot:
    """All that some modules hold, but for the values of tensors, and for hooks.

    Args:
        modules: The modules.

    Attributes:
        plain: Whether any change in them shows.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = list(modules)
        self._held = held_by(self._modules)
        self._tensors = [one for one in self._held if isinstance(one, Tensor)]
        self._kinds = _kinds(self._tensors)
        self.plain = all(map(_is_plain, self._modules))

    @property
    def holds(self) -> bool:
        """True if nothing was set since."""
        held = held_by(self._modules)
        same = len(held) == len(self._held) and all(map(is_, held, self._held))
        return same and _kinds(self._tensors) == self._kinds


def _kinds(tensors: Sequence[Tensor]) -> list[Any]:
    """Returns what may change in place of tensors, beside their values."""
    return [(one.requires_grad, one.dtype, not is_lazy(one) and one.shape) for one in tensors]


def _is_plain(module: nn.Module) -> bool:
    every = {*vars(nn.Module()), *_ASKED}
    return all(name in every or _is_fixed(value) for name, value in vars(module).items())


def _is_fixed(value: Any) -> bool:
    """Tells whether a value cannot change without being another object."""
    if isinstance(value, tuple):
        return all(map(_is_fixed, value))
    if is_dataclass(value) and type(value).__dataclass_params__.frozen:  # pyright: ignore
        return all(_is_fixed(getattr(value, field.name)) for field in fields(value))
    return isinstance(value, _FIXED)
