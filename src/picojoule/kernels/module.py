"""Generated Python as a module, and functions that numba compiles and that are kept."""

import hashlib
import linecache
import pickle
import platform
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from picojoule.kernels import private


@cache
def load(source: str) -> ModuleType:
    """Returns the module of a source, which no file holds: only what is given here is run."""
    name = f"picojoule_{hashlib.sha256(source.encode()).hexdigest()[:32]}"
    file = f"<{name}>"
    # Triton, tracebacks and ``kept`` read the source there.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module
    exec(compile(source, file, "exec"), vars(module))
    return module


def kept(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compiles a function by numba, and keeps its machine code for other processes.

    Args:
        options: Those of ``numba.njit``.
    """
    from numba import njit

    from picojoule._numba import set_cache

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        made = njit(**options)(function)
        set_cache(made, _Code(function))
        return made

    return compiled


class _Code:
    """Cache of a function's machine code, in the form that numba asks for.

    Args:
        function: Its code changes with anything in the file it is from.
    """

    cache_path = None

    def __init__(self, function: Callable[..., Any]) -> None:
        import numba

        lines = linecache.getlines(function.__code__.co_filename)
        self._of = (numba.__version__, platform.python_version(), function.__qualname__, *lines)

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Returns the code for arguments of some types, None if none is kept."""
        from picojoule._numba import rebuilt

        context.refresh()
        file = private.find(self._name(signature, context.codegen()))
        return None if file is None else rebuilt(context, pickle.loads(file.read_bytes()))

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keeps the code for arguments of some types."""
        from numba.core.serialize import dumps

        from picojoule._numba import reduced

        if (parts := reduced(compiled)) is not None:
            private.keep(self._name(signature, compiled.codegen), dumps(parts))

    def flush(self) -> None:
        """Forgets nothing: what is kept stays right."""

    def _name(self, signature: Any, codegen: Any) -> str:
        text = repr((self._of, str(signature), codegen.magic_tuple()))
        return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.code"
