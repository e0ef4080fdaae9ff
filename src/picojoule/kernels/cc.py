"""C without headers of torch: compiled where a compiler is found, kept, and called by ctypes.

``PICOJOULE_KERNELS`` says which tier runs: ``c``, ``numba`` or ``off`` (torch alone). Left out, it
is the first of these that this machine has. A tier that was asked for by name is used or is an
error. Loops over tensors on CUDA are Triton's where it is there, unless ``off`` is asked for.
Compiled files are kept under ``PICOJOULE_CACHE``, or the user's cache folder.
"""

import ctypes
import errno
import hashlib
import importlib.util
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from picojoule._names import unknown
from picojoule.kernels import private

TIERS = ("c", "numba", "off")
# No fast-math: infinite and undefined values must stay what they are. No contraction: a product
# and a sum round as torch's do, one after the other.
FLAGS = (
    "-march=native",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-std=gnu11",
    "-fPIC",
    "-shared",
)

_log = logging.getLogger(__name__)


def tier(device: str = "cpu") -> str:
    """Returns the tier that runs on that kind of device.

    ``"c"``, ``"numba"`` or ``"off"`` on ``"cpu"``, ``"triton"`` or ``"off"`` on ``"cuda"``.

    Raises:
        ValueError: ``PICOJOULE_KERNELS`` is none of them.
        RuntimeError: It names a tier that this machine lacks.
    """
    asked, compiler_name = os.environ.get("PICOJOULE_KERNELS", ""), os.environ.get("CC", "")
    of_cpu = _tier(asked, compiler_name)
    if device == "cpu":
        return of_cpu
    fits = device == "cuda" and asked != "off"
    return "triton" if fits and _has_triton(compiler_name) else "off"


@cache
def _has_triton(compiler_name: str) -> bool:
    """Returns whether Triton is here, and the compiler by which it makes its launchers."""
    found = importlib.util.find_spec("triton") is not None
    return found and _compiler(compiler_name) is not None


@cache
def _tier(asked: str, compiler_name: str) -> str:
    if asked and asked not in TIERS:
        raise ValueError(unknown("PICOJOULE_KERNELS", asked, TIERS))
    there = {
        "c": (compiler := _compiler(compiler_name)) is not None and _flags(compiler) is not None,
        "numba": importlib.util.find_spec("numba") is not None,
        "off": True,
    }
    if asked and not there[asked]:
        missing = "a C compiler that works" if asked == "c" else "the package numba"
        raise RuntimeError(
            f"PICOJOULE_KERNELS={asked} needs {missing}, which this machine lacks: install it, or "
            "leave the variable out"
        )
    return asked or next(name for name in TIERS if there[name])


def shared_object(source: str, level: str = "-O2") -> ctypes.CDLL | None:
    """Compiles C once for this machine and loads it; gives None if tier ``c`` does not run.

    Args:
        source: One translation unit. ``#pragma omp`` works where the compiler has OpenMP and is
            ignored where it has not; so ``omp.h`` is better not included.
        level: Of optimisation. Steps of neurons run as fast at ``-O2``, and compile in two thirds
            of the time.

    Raises:
        RuntimeError: The compiler refuses the source.
    """
    if tier() != "c":
        return None
    return _load(source, level, os.environ.get("CC", ""))


def source_of(names: Sequence[str], real: str, head: str = "") -> str:
    """Returns the C of files beside this one as one source.

    Args:
        names: The files.
        real: ``"float"`` or ``"double"``: what ``REAL`` stands for in them.
        head: C that comes before them.
    """
    folder = Path(__file__).parent
    text = "".join((folder / name).read_text("utf-8") for name in names)
    return f"#include <stdint.h>\n#define REAL {real}\n{head}{text}"


def functions_of(source: str, types: Mapping[str, Sequence[Any]]) -> Any:
    """Returns the functions of a C source; each gives an ``int64_t``.

    Args:
        source: As ``shared_object`` takes it.
        types: Of the arguments of each function.
    """
    library = shared_object(source, "-O3")  # products are a tenth slower at -O2
    assert library is not None
    for name, arguments in types.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, ctypes.c_int64
    return library


@cache
def _load(source: str, level: str, compiler_name: str) -> ctypes.CDLL:
    import torch  # noqa: F401  # first, so that both share torch's own OpenMP and its threads

    compiler = _compiler(compiler_name)
    assert compiler is not None
    made = [compiler, level, *(_flags(compiler) or FLAGS)]
    text = "\0".join([source, *made, _version(compiler), _machine()])
    name = f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.so"
    file = private.find(name)
    if file is None:
        code = _compiled(made, source)
        file = private.keep(name, code) or private.lend(name, code)
    try:
        return ctypes.CDLL(str(file))
    except OSError as error:  # as from a disk that runs no programs
        _log.warning("%s: loaded from a temporary folder", error)
        return ctypes.CDLL(str(private.lend(name, file.read_bytes())))


def _compiled(command: list[str], source: str) -> bytes:
    """Compiles C; returns the shared object.

    Raises:
        OSError: If the disk of temporary files is full.
        RuntimeError: If the compiler refuses the source.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, "-x", "c", "-", "-o", f"{folder}/one.so", "-lm"],
            input=source,
            capture_output=True,
            text=True,
            env=os.environ | {"LC_ALL": "C"},  # so that its words are known
        )
        for number in (errno.ENOSPC, errno.EDQUOT):
            if done.returncode and os.strerror(number) in done.stderr:
                raise OSError(
                    number,
                    f"{command[0]} had no room for a kernel ({os.strerror(number)}): make some, or "
                    f"let TMPDIR name a folder on another disk than {tempfile.gettempdir()}",
                )
        if done.returncode:
            raise RuntimeError(
                f"{command[0]} could not compile a kernel (PICOJOULE_KERNELS=numba runs without "
                f"it):\n{done.stderr[:2000]}"
            )
        return Path(folder, "one.so").read_bytes()


@cache
def _compiler(name: str) -> str | None:
    """Returns the path of the compiler ``name``, or of the first that is found; None if none is."""
    for candidate in (name,) if name else ("cc", "gcc", "clang"):
        if found := shutil.which(candidate):
            return found
    return None


@cache
def _flags(compiler: str) -> tuple[str, ...] | None:
    """Returns the flags of a shared object, with OpenMP if it can; None if it makes none."""
    for flags in ((*FLAGS, "-fopenmp"), FLAGS):
        if _tries([compiler, *flags]):
            return flags
    return None


def _tries(command: list[str]) -> bool:
    try:
        place = tempfile.TemporaryDirectory()
    except OSError as error:
        _log.warning("no C is compiled: %s", error.strerror)
        return False
    with place as folder:
        source = "#include <math.h>\nint one(void) { return 1; }\n"
        line = [*command, "-x", "c", "-", "-o", f"{folder}/one.so"]
        return not subprocess.run(line, input=source, capture_output=True, text=True).returncode


@cache
def _version(compiler: str) -> str:
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True)
    return done.stdout


def _machine() -> str:
    """Returns what ``-march=native`` depends on: machines may share a home folder."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    lines = [line for line in text.splitlines() if line.startswith(("flags", "model name"))]
    return "\n".join([platform.machine(), platform.processor(), *sorted(set(lines))])
