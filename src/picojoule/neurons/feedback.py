"""The fused engine for recurrent layers: a compiled step, and one product with the weight."""

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils import _pytree as pytree

from picojoule.kernels.events import product, weight_gradient
from picojoule.kernels.launch import Each
from picojoule.kernels.loop import Loops
from picojoule.neurons.plan import Plan, plan_of, tensors_of

_KEPT = 8  # steps of which one state is kept: backward runs those between once more
_SMALL = 64  # neurons up to which a dense product is the quickest, however few spikes there are

if TYPE_CHECKING:
    from picojoule.neurons.fused import AllSteps
    from picojoule.neurons.recurrent import Recurrent


def fuse(layer: "Recurrent", currents: Tensor, state: Any) -> "AllSteps | str":
    """What runs all steps of a recurrent layer without a graph per step, or why nothing can."""
    if torch.is_autocast_enabled("cpu"):
        return "its products are to run in the precision of autocast"
    if layer.weight.dtype != currents.dtype:
        return f"its weight is {layer.weight.dtype}, the currents are {currents.dtype}"
    plan = plan_of(layer.neuron, currents, state.inner, learns=_learns(layer, currents, state))
    return plan if isinstance(plan, str) else partial(_run, layer, plan)


def _learns(layer: "Recurrent", currents: Tensor, state: Any) -> bool:
    leaves = pytree.tree_leaves(state)
    return any(one.requires_grad for one in (currents, layer.weight, *leaves))


def _run(layer: "Recurrent", plan: Plan, currents: Tensor, state: Any) -> tuple[Tensor, Any]:
    leaves, spec = pytree.tree_flatten(state.inner)
    tensors = tensors_of(layer.neuron).values()
    path = "dense" if layer.path is None and layer.size <= _SMALL else layer.path
    out, spikes, *last = _Feedback.apply(  # pyright: ignore[reportGeneralTypeIssues]
        (plan, len(leaves), path), currents, layer.weight, state.spikes, *leaves, *tensors
    )
    return out, type(state)(spikes, pytree.tree_unflatten(last, spec))


class _Feedback(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        how: tuple[Plan, int, str | None],
        currents: Tensor,
        weight: Tensor,
        spikes: Tensor,
        *tensors: Tensor,
    ) -> Any:
        (plan, count, path), steps = how, len(currents)
        received = torch.empty_like(currents, memory_format=torch.contiguous_format)
        fired = received.new_empty(steps + 1, *spikes.shape)
        fired[0] = spikes
        held = [one.clone(memory_format=torch.contiguous_format) for one in tensors[:count]]
        kept = [one.new_empty(-(-steps // _KEPT), *one.shape) for one in held]
        _, bound = plan.bind(plan.loops.forward_program, tensors[count:])
        ends = Each(received.unsqueeze(1)), Each(fired[1:].unsqueeze(1))
        step = plan.loops.forward(*ends, bound, held, held)
        back = weight.t().contiguous()
        for t in range(steps):
            if t % _KEPT == 0:
                for room, one in zip(kept, held, strict=True):
                    room[t // _KEPT] = one
            product(fired[t], back, currents[t], path=path, out=received[t])
            step(t)
        ctx.how = how
        ctx.save_for_backward(received, fired, weight, *kept, *tensors[count:])
        ctx.set_materialize_grads(False)
        return fired[1:], fired[steps].clone(), *held

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Tensor | None, of_spikes: Tensor | None, *last: Tensor | None
    ) -> Any:
        plan, count, path = ctx.how
        loops: Any = plan.loops
        received, fired, weight, *tensors = ctx.saved_tensors
        kept, tensors = tensors[:count], tensors[count:]
        _, taken = plan.bind(loops.forward_program, tensors)
        known, bound = plan.bind(loops.backward_program, tensors)
        arriving, wanted = torch.zeros_like(received[0]), torch.empty_like(received)
        states = [one.new_empty(_KEPT, *one.shape[1:]) for one in kept]
        held = [torch.zeros_like(arriving) for _ in last]
        for goal, one in zip([arriving, *held], [of_spikes, *last], strict=True):
            if one is not None:
                goal.copy_(one)
        sums: Any = None
        for start in range((len(received) - 1) // _KEPT * _KEPT, -1, -_KEPT):
            now = slice(start, start + _KEPT)
            here = received[now].unsqueeze(1)
            _again(loops, here, taken, [one[start // _KEPT] for one in kept], states)
            ends = (Each(here), arriving.unsqueeze(0), Each(wanted[now].unsqueeze(1)))
            sums = loops.sums(*ends) if sums is None else sums
            before = [Each(one) for one in states]
            step = loops.backward(ends, (taken, bound), before, held, held, sums)
            for t in range(len(here) - 1, -1, -1):
                if gradient is not None:
                    arriving.add_(gradient[start + t])
                step(t)
                torch.mm(wanted[start + t], weight, out=arriving)
        done = iter(loops.backward_program.finish(known, loops.summed(sums, arriving.shape)))
        of_tensors = [next(done) if one.requires_grad else None for one in tensors]
        of_weight = None
        if ctx.needs_input_grad[2]:  # of all steps at once
            came = fired[:-1].flatten(0, 1)
            of_weight = weight_gradient(came, wanted.flatten(0, 1), path=path)
        return None, wanted, of_weight, arriving, *held, *of_tensors


def _again(
    loops: Loops, received: Tensor, taken: list[Tensor], first: list[Tensor], states: list[Tensor]
) -> None:
    """Writes the states [K, B, N] before each of K steps, from those before the first."""
    for room, one in zip(states, first, strict=True):
        room[0] = one
    unused = torch.empty_like(received[0])
    after = [Each(one[1:]) for one in states]
    step = loops.forward(Each(received), unused, taken, [Each(one) for one in states], after)
    for t in range(len(received) - 1):
        step(t)
