"""Hooks on the modules of a network, which run in one thread alone."""

import weakref
from collections.abc import Callable
from threading import get_ident
from typing import Any

from torch import nn

from picojoule._torch import drop_hooks, new_hook, put_hooks


class Hooks:
    """The hooks of one meter, which do nothing if another thread runs the network.

    A copy of a module gets hooks that do nothing, and loses them when the module loses its own.

    Attributes:
        elsewhere: Whether another thread ran a module with hooks.
    """

    def __init__(self) -> None:
        self.elsewhere = False
        self._thread, self._number = get_ident(), new_hook()
        self._followed: list[nn.Module] = []
        self._copies: list[weakref.ref[nn.Module]] = []

    def follow(
        self,
        module: nn.Module,
        before: Callable[..., None],
        after: Callable[..., None],
        *,
        innermost: bool = False,
    ) -> None:
        """Calls hooks at each call of a module.

        Args:
            module: The module.
            before: Is called with (module, args, kwargs) before it.
            after: Is called with (module, args, kwargs, result) after it, also if it failed.
            innermost: Whether that is before all other hooks, which may change the result.
        """
        self._followed.append(module)
        hooks = (_Hook(self, module, one) for one in (before, after))
        put_hooks(module, self._number, *hooks, innermost=innermost)

    def remove(self) -> None:
        """Removes all hooks, from copies too."""
        copies = (copied() for copied in self._copies)
        for module in (*self._followed, *(one for one in copies if one is not None)):
            drop_hooks(module, self._number)

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
