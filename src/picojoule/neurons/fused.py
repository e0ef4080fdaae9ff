"""The fused engine: all steps of a pointwise neuron in one compiled loop, and no graph per step.

Backward runs the loop once more from the first state (on a CPU block by block in the cache) instead
of keeping what forward computed: what is kept is the currents and the first state.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils import _pytree as pytree

from picojoule.kernels.loop import FAR
from picojoule.kernels.pool import lent
from picojoule.neurons.plan import Order, Plan, plan_of, tensors_of

if TYPE_CHECKING:
    from picojoule.neurons.base import Neuron

AllSteps = Callable[[Tensor, Any], tuple[Tensor, Any]]  # currents [T, B, ...] and state


def fuse(neuron: "Neuron", currents: Tensor, state: Any) -> AllSteps | str:
    """What runs all steps of a pointwise neuron in one loop, or why nothing can."""
    plan = plan_of(neuron, currents, state)
    return plan if isinstance(plan, str) else partial(_run, neuron, plan)


def _run(neuron: "Neuron", plan: Plan, currents: Tensor, state: Any) -> tuple[Tensor, Any]:
    leaves, spec = pytree.tree_flatten(state)
    tensors = tensors_of(neuron).values()
    out, *last = _Sequence.apply(plan, len(leaves), currents, *leaves, *tensors)  # pyright: ignore
    return out, pytree.tree_unflatten(last, spec)


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, count: int, currents: Tensor, *tensors: Tensor) -> Any:
        ctx.plan, ctx.count = plan, count
        ctx.save_for_backward(currents, *tensors)
        ctx.set_materialize_grads(False)
        order = Order(currents)
        rows = flat(order.of(currents))
        states = [order.of(one).contiguous() for one in tensors[:count]]
        out = _new(order.of(currents))
        last = [torch.empty_like(one) for one in states]
        _, bound = plan.bind(plan.loops.forward_program, tensors[count:], order)
        plan.loops.forward(rows, flat(out), bound, states, last)(0)
        return order.back(out), *map(order.back, last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor | None, *last: Tensor | None) -> Any:
        plan, count = ctx.plan, ctx.count
        loops: Any = plan.loops
        currents, *tensors = ctx.saved_tensors
        order = Order(currents)
        turned = order.of(currents)
        states = [order.of(one).contiguous() for one in tensors[:count]]
        needs = ctx.needs_input_grad[2:]
        wanted = _new(turned) if needs[0] else None
        first = [
            torch.empty_like(one) if asked else None
            for one, asked in zip(states, needs[1:], strict=False)
        ]
        _, taken = plan.bind(loops.forward_program, tensors[count:], order)
        known, bound = plan.bind(loops.backward_program, tensors[count:], order)
        gradient = None if gradient is None else order.of(gradient)
        ends = tuple(None if one is None else flat(one) for one in (turned, gradient, wanted))
        sums = loops.sums(*ends)
        given = [None if one is None else order.of(one).contiguous() for one in last]
        loops.backward(ends, (taken, bound), states, given, first, sums)(0)
        summed = [
            order.back(one) if one.dim() else one for one in loops.summed(sums, turned.shape[1:])
        ]
        learned = iter(loops.backward_program.finish(known, summed))
        of_tensors = [next(learned) if one.requires_grad else None for one in tensors[count:]]
        given = (None if one is None else order.back(one) for one in (wanted, *first))
        return None, None, *given, *of_tensors


def _new(like: Tensor) -> Tensor:
    """A contiguous tensor of the shape of another; only what no cache holds is worth a pool."""
    large = like.numel() * like.itemsize >= FAR
    return lent(like.shape, like) if large else like.new_empty(like.shape)


def flat(tensor: Tensor) -> Tensor:
    """[T, B, ...] as [T, B, F] with a dense last axis; a view where that is possible."""
    steps, batch = tensor.shape[:2]
    width = tensor.shape[2:].numel()
    if tensor.numel() and not tensor[0, 0].is_contiguous():
        once = steps > 1 and not tensor.stride(0)  # one step for all: a mean's gradient, a Repeat
        dense = tensor[0].contiguous() if once else tensor.contiguous()
        tensor = dense.expand(tensor.shape) if once else dense
    if not tensor.numel():
        return tensor.new_empty(steps, batch, width)
    return tensor.as_strided((steps, batch, width), (*tensor.stride()[:2], 1))
