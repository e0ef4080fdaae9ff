"""Hooks on the modules of a network, which run in one thread alone."""

import weakref
from collections.abc import Callable
from threading import get_ident
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from picojoule._torch import drop_hook


class Hooks:
    """The hooks of one meter, which do nothing if another thread runs the network.

    A copy of a module gets hooks that do nothing, and loses them when the module loses its own.

    Attributes:
        elsewhere: Whether another thread ran a module with hooks.
    """

    def __init__(self) -> None:
        self.elsewhere = False
        self._thread = get_ident()
        self._handles: list[RemovableHandle] = []
        self._copies: list[weakref.ref[nn.Module]] = []

    def before(self, module: nn.Module, hook: Callable[..., None]) -> None:
        """Calls ``hook(module, args, kwargs)`` before each call of a module."""
        guarded = _Hook(self, module, hook)
        self._handles.append(module.register_forward_pre_hook(guarded, with_kwargs=True))

    def after(self, module: nn.Module, hook: Callable[..., None]) -> None:
        """Calls ``hook(module, args, kwargs, result)`` after each call, also one that failed."""
        guarded = _Hook(self, module, hook)
        handle = module.register_forward_hook(guarded, with_kwargs=True, always_call=True)
        self._handles.append(handle)

    def remove(self) -> None:
        """Removes all hooks, from copies too."""
        for handle in self._handles:
            handle.remove()
        for copied in self._copies:
            if (module := copied()) is not None:
                for handle in self._handles:
                    drop_hook(module, handle)

    def concerns(self) -> bool:
        """Tells whether the thread is the one that the hooks are for."""
        if get_ident() == self._thread:
            return True
        self.elsewhere = True
        return False

    def copied(self, module: nn.Module | None) -> None:
        """Keeps a copy of a module in mind, to remove its hooks with the others."""
        if module is not None:
            self._copies.append(weakref.ref(module))


class _Hook:
    only_looks = True  # the engine may compile a step without calling it

    def __init__(self, hooks: Hooks, module: nn.Module, hook: Callable[..., None]) -> None:
        self._hooks, self._module, self._hook = hooks, module, hook

    # torch may leave the keyword arguments out if another thread removes a hook at that moment.
    def __call__(self, *call: Any) -> None:
        if self._hooks.concerns():
            self._hook(*call)

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        self._hooks.copied(memo.get(id(self._module)))
        return _nothing

    def __reduce__(self) -> Any:
        raise TypeError(
            "a network cannot be pickled while a Meter counts it: save its state_dict(), or save "
            "it after the block"
        )


def _nothing(*call: Any) -> None:
    del call
