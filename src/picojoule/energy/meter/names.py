"""Names of a network's parts and arguments, wrapped or not."""

import inspect
from contextlib import nullcontext
from functools import lru_cache
from types import MethodType
from typing import Any

from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from picojoule._torch import WRAPPED, DisableTorchFunction, inner_module, transformed

_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_PREFIXES = ("module.", *(f"{name}." for name in WRAPPED))


def plain_name(name: str) -> str:
    """Returns a dotted name without what wrappers put before it; empty for the network itself."""
    while name.startswith(_PREFIXES):
        name = name.split(".", 1)[1]
    parts = [part for part in name.split(".") if part not in WRAPPED]
    return "" if f"{name}." in _PREFIXES else ".".join(parts)


def arguments(net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Finds the arguments of a call by the names that the network's ``forward`` gives them."""
    parameters = _parameters(net)
    while parameters and all(parameter.kind in _ANY for parameter in parameters):  # a wrapper
        inner = inner_module(net)
        if inner is None:
            break
        net = inner
        parameters = _parameters(net)
    names = [parameter.name for parameter in parameters if parameter.kind not in _ANY]
    positional = {
        names[i] if i < len(names) else f"argument {i}": value for i, value in enumerate(args)
    }
    return positional | kwargs


def _parameters(net: nn.Module) -> tuple[inspect.Parameter, ...]:
    function = getattr(net.forward, "__func__", None)
    if function is None:  # a forward that was set on this module alone
        return tuple(inspect.signature(net.forward).parameters.values())
    return _of_method(function)


@lru_cache(maxsize=64)
def _of_method(function: Any) -> tuple[inspect.Parameter, ...]:
    return tuple(inspect.signature(MethodType(function, object())).parameters.values())


class Unseen:
    """Context in which a meter works unseen by other meters and by activation checkpointing.

    A checkpointed region is run again for its gradient, then without a meter, and must save the
    same tensors: those of the meter are kept out of its sight.
    """

    def __enter__(self) -> None:
        self._quiet = DisableTorchFunction()
        self._quiet.__enter__()
        # torch.func.grad allows no such hooks, and no checkpointing.
        self._apart = nullcontext() if transformed() else saved_tensors_hooks(_same, _same)
        self._apart.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._apart.__exit__(*error)
        self._quiet.__exit__(*error)


def _same(value: Any) -> Any:
    return value
