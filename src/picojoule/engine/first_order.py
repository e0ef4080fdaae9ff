"""Gradients without a graph of their own."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from picojoule._torch import transformed


def first_order(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates the backward pass of a function whose gradients cannot be differentiated again.

    Unlike ``once_differentiable`` alone, this raises an error as soon as ``create_graph=True`` asks
    for a graph, even if no incoming gradient requires one, and under a transform, whose values it
    would lose.
    """
    once = once_differentiable(backward)

    @wraps(backward)
    def checked(ctx: Any, *gradients: Any) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "create_graph=True needs gradients that can be differentiated again, and those of "
                "the fused engine cannot: set engine = 'eager' on the neurons"
            )
        if transformed():
            raise RuntimeError(
                "a transform of torch or forward-mode differentiation cannot see into gradients of "
                "the fused engine: set engine = 'eager' on the neurons"
            )
        return once(ctx, *gradients)

    return checked
