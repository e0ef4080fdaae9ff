"""Every private name of numba that we touch, and why.

No other file does, so that what a new version of it may break stands here.
"""

from typing import Any

from numba.core.compiler import CompileResult


def set_cache(function: Any, cache: Any) -> None:
    """Makes a compiled function look for its machine code in another cache than numba's own.

    Numba's own loads pickles, which run code, from any folder that it may write to, and ends with
    an error or a crash where one is damaged.
    """
    function._cache = cache


def reduced(compiled: CompileResult) -> tuple[Any, ...] | None:
    """Returns what a pickle of compiled code holds, None if the code is of this process alone."""
    if compiled.library.has_dynamic_globals or any(not one.can_cache for one in compiled.lifted):
        return None
    return compiled._reduce()


def rebuilt(context: Any, parts: tuple[Any, ...]) -> CompileResult:
    """Returns the compiled code that ``reduced`` took apart, for a target's context."""
    return CompileResult._rebuild(context, *parts)
