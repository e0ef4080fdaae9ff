"""How the parts and the arguments of a network are called, wrapped or not."""

import inspect
from typing import Any

import torch
from torch import nn

_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_PREFIXES = ("module.", "_forward_module.", "_orig_mod.")


def plain_name(name: str) -> str:
    """A dotted name without what wrappers put before it; empty for the network itself."""
    while name.startswith(_PREFIXES):
        name = name.split(".", 1)[1]
    return "" if f"{name}." in _PREFIXES else name


def arguments(net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a call by the names that the network's ``forward`` gives them."""
    parameters = inspect.signature(net.forward).parameters.values()
    while parameters and all(parameter.kind in _ANY for parameter in parameters):  # a wrapper
        inner = getattr(net, "_forward_module", None) or getattr(net, "module", None)
        if inner is None:
            break
        net = inner
        parameters = inspect.signature(net.forward).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind not in _ANY]
    positional = {
        names[i] if i < len(names) else f"argument {i}": value for i, value in enumerate(args)
    }
    return positional | kwargs


def in_backward() -> bool:
    """Whether autograd runs checkpointed layers a second time."""
    return torch._C._current_graph_task_id() != -1
