"""Memory of a network, looked at before it is taken."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy

_GIB = 1 << 30


@contextmanager
def within_memory(copies: int = 1) -> Iterator[None]:
    """Refuses, in a block that makes a network, weights for which there is no memory.

    They are refused before they are filled. Else the system promises more than it has, and the
    process is killed while it fills that, or takes minutes before it fails.

    Args:
        copies: How many times the memory of each is needed, such as for a gradient beside it.

    Raises:
        MemoryError: If there is no memory for a weight beside all that were made before.
    """
    there, taken = available(), 0

    def look(module: Any, name: str, weight: Tensor | None) -> None:
        nonlocal taken
        if weight is None or there is None or is_lazy(weight):
            return
        taken += copies * weight.numel() * weight.element_size()
        if taken > there:
            raise MemoryError(
                f"it takes {taken / _GIB:,.1f} GiB or more, and {there / _GIB:,.1f} GiB are free"
            )

    hook = register_module_parameter_registration_hook(look)
    try:
        yield
    finally:
        hook.remove()


def available() -> int | None:
    """Returns the bytes that a process may still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines}
        there = sizes["MemAvailable"] + sizes["SwapFree"]
    except (OSError, ValueError, LookupError):
        return None
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # no container, or one without a limit
        most, taken = (
            int((group / f"memory.{name}").read_text("ascii")) for name in ("max", "current")
        )
        there = min(there, most - taken)
    return max(0, there)
