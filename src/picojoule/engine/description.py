"""A module without its hooks: what a step is traced on."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from picojoule._torch import buffers, parameters, submodules, unsaved_buffers


class NotCopyableError(TypeError):
    """An attribute of a neuron that cannot be copied."""


def description(module: nn.Module) -> nn.Module:
    """Returns a copy of a module and its submodules without any hooks.

    Raises:
        NotCopyableError: An attribute cannot be copied; the message names it.
    """
    memo: dict[int, Any] = {}
    bare = {one: _bare(one, memo) for one in module.modules()}
    for one, twin in bare.items():
        _fill(one, twin, memo)
    return bare[module]


def _bare(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    if isinstance(module, torch.jit.ScriptModule):
        memo[id(module)] = copy.deepcopy(module)
        return memo[id(module)]
    kind = type(module)
    memo[id(module)] = twin = kind.__new__(kind)
    vars(twin).update(vars(nn.Module()))
    return twin


def _fill(module: nn.Module, twin: nn.Module, memo: dict[int, Any]) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        return
    own, fresh = vars(twin), frozenset(vars(twin))
    own["training"] = module.training
    unsaved_buffers(twin).update(unsaved_buffers(module))
    for held in (parameters, buffers):
        held(twin).update({name: _tensor(one, memo) for name, one in held(module).items()})
    submodules(twin).update(
        {name: one if one is None else memo[id(one)] for name, one in submodules(module).items()}
    )
    for name, value in vars(module).items():
        if name in fresh:
            continue
        try:
            own[name] = copy.deepcopy(value, memo)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise NotCopyableError(f"its '{name}' cannot be copied: {error}") from error


def _tensor(one: Tensor | None, memo: dict[int, Any]) -> Tensor | None:
    return None if one is None else copy.deepcopy(one if one.is_leaf else one.detach(), memo)
