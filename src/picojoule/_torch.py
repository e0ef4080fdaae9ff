"""Private names of torch that we touch, and why."""

import torch
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _get_current_dispatch_mode


def transformed() -> bool:
    """Returns whether a transform of ``torch.func`` or forward-mode differentiation is on.

    Both see torch's own functions alone: what reads memory by itself would lose their values.
    """
    functional = torch._C._functorch.peek_interpreter_stack()  # pyright: ignore
    # Deeper in than any level: none is left with -1. ``torch.func.jvp`` opens one, too.
    return functional is not None or forward_ad._current_level >= 0


def watched() -> bool:
    """Returns whether torch has to see each of its functions that runs now.

    It has to while it compiles or traces, under a transform, and under a dispatch mode, such as
    that which counts FLOPs.
    """
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
        or transformed()
        or _get_current_dispatch_mode() is not None
    )
