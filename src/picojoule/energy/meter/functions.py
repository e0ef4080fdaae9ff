"""Spike functions of anyone's, followed while a meter is on."""

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Any

from torch.autograd import Function

_APPLY = inspect.unwrap(Function.apply).__code__


def is_function(named: Any) -> bool:
    """Tells whether calls of something can be followed: an autograd Function or one in Python."""
    if isinstance(named, type):
        return issubclass(named, Function)
    return hasattr(inspect.unwrap(named), "__code__") if callable(named) else False


class Functions:
    """Watcher that tells when one of some functions is called or returns, by whatever name.

    An ``autograd.Function`` is seen with the graph of its result, since what is followed is its
    ``apply``. Functions that one ``def`` made are one function. Other threads are not followed.

    Args:
        functions: The functions.

    Attributes:
        ran: The functions that ran.
    """

    def __init__(self, functions: Mapping[Any, Any]) -> None:
        self.ran: set[Any] = set()
        self._tell: tuple[Callable[[Any, Any], None], Callable[[Any, Any], None]] | None = None
        self._classes = tuple(one for one in functions if isinstance(one, type))
        self._codes = {
            inspect.unwrap(one).__code__: one for one in functions if not isinstance(one, type)
        }
        self._outer: Any = None

    def attach(
        self, enter: Callable[[Any, Any], None], leave: Callable[[Any, Any], None], undo: ExitStack
    ) -> None:
        """Follows the functions until ``undo`` is closed.

        Args:
            enter: Is called with the function and its arguments when it is called.
            leave: Is called with the function and its result, None after an error.
            undo: What ends it.

        Raises:
            RuntimeError: If a profiler runs in this thread.
        """
        if not (self._classes or self._codes):
            return
        self._outer = sys.getprofile()
        if self._outer is not None and not callable(self._outer):
            raise RuntimeError(
                "functions named in neurons= cannot be followed while a profiler runs in this "
                "thread: stop it, or mark what they return by pj.spikes"
            )
        self._tell = enter, leave
        undo.callback(self._stop)
        sys.setprofile(self._see)

    def _stop(self) -> None:
        sys.setprofile(self._outer)
        self._tell = None  # they hold what was measured

    def _see(self, frame: FrameType, event: str, value: Any) -> None:
        if self._outer is not None:
            self._outer(frame, event, value)
        if event not in ("call", "return") or (called := self._named(frame)) is None:
            return
        assert self._tell is not None
        enter, leave = self._tell
        if event == "call":
            self.ran.add(called)
            # At a call these are the arguments, and variables of the functions around.
            enter(called, tuple(frame.f_locals.values()))
        else:
            leave(called, value)

    def _named(self, frame: FrameType) -> Any:
        if frame.f_code is _APPLY:
            kind = frame.f_locals["cls"]
            return next((one for one in self._classes if issubclass(kind, one)), None)
        return self._codes.get(frame.f_code)
