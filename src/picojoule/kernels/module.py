"""Generated Python, kept as a file so that numba can keep what it compiles from it."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

from picojoule.kernels.cc import _folder as folder


@cache
def load(source: str) -> ModuleType:
    """Loads the source as a module, from the same file in every process."""
    name = f"picojoule_{hashlib.sha256(source.encode()).hexdigest()[:32]}"
    file = folder() / f"{name}.py"
    if not file.exists():
        handle, written = tempfile.mkstemp(suffix=".py", dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(source)
        os.utime(written, (0, 0))  # numba compiles anew for a newer file, even of the same source
        Path(written).replace(file)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
