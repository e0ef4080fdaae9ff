"""The fused engine for recurrent layers: compiled steps, and one product with the weight."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils import _pytree as pytree

from picojoule.kernels.dense import repeated_dense
from picojoule.kernels.events import repeated, weight_gradient
from picojoule.kernels.launch import Each
from picojoule.kernels.pool import lent
from picojoule.neurons.parts import Part, parts_of

_KEPT = 8  # steps of which one state is kept: backward runs those between once more
_SMALL = 64  # neurons up to which a dense product is the quickest, however few spikes there are

if TYPE_CHECKING:
    from picojoule.neurons.fused import AllSteps
    from picojoule.neurons.recurrent import Recurrent


class _How(NamedTuple):
    """How a layer runs: its parts, how many states they have in all, and the products' path."""

    parts: Sequence[Part]
    states: int
    path: str | None


def fuse(layer: "Recurrent", currents: Tensor, state: Any) -> "AllSteps | str":
    """What runs all steps of a recurrent layer without a graph per step, or why nothing can."""
    if torch.is_autocast_enabled(currents.device.type):
        return "its products are to run in the precision of autocast"
    if layer.weight.dtype != currents.dtype:
        return f"its weight is {layer.weight.dtype}, the currents are {currents.dtype}"
    found = parts_of(layer.neuron, currents, state.inner, (layer.weight, state.spikes))
    if isinstance(found, str):
        return found
    parts, tensors = found
    path = "dense" if layer.path is None and layer.size <= _SMALL else layer.path
    how = _How(parts, len(pytree.tree_leaves(state.inner)), path)
    return partial(_run, layer, how, tensors)


def _run(
    layer: "Recurrent", how: _How, tensors: list[Tensor], currents: Tensor, state: Any
) -> tuple[Tensor, Any]:
    leaves, spec = pytree.tree_flatten(state.inner)
    out, spikes, *last = _Feedback.apply(  # pyright: ignore[reportGeneralTypeIssues]
        how, currents, layer.weight, state.spikes, *leaves, *tensors
    )
    return out, type(state)(spikes, pytree.tree_unflatten(last, spec))


class _Feedback(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, how: _How, currents: Tensor, weight: Tensor, spikes: Tensor, *tensors: Tensor
    ) -> Any:
        steps, leaves, learned = len(currents), tensors[: how.states], tensors[how.states :]
        received = lent(currents.shape, currents)
        fired = lent(currents.shape, currents)
        held = [one.clone(memory_format=torch.contiguous_format) for one in leaves]
        kept = [lent((-(-steps // _KEPT), *one.shape), one) for one in held]
        runs = []
        for part in how.parts:
            loops, own = part.plan.loops, held[part.states]
            _, bound = part.plan.bind(loops.forward_program, learned[part.tensors])
            given, out = (Each(part.of(one).unsqueeze(1)) for one in (received, fired))
            runs.append(loops.forward(given, out, bound, own, own))
        multiply = repeated(weight.t().contiguous(), spikes, how.path)
        came = [spikes.contiguous(), *fired.unbind(0)]
        rows = zip(came, currents.unbind(0), received.unbind(0), strict=False)
        for t, (before, current, arrived) in enumerate(rows):
            if t % _KEPT == 0:
                for room, one in zip(kept, held, strict=True):
                    room[t // _KEPT] = one
            multiply(before, current, arrived)
            for run in runs:
                run(t)
        ctx.how = how
        ctx.save_for_backward(received, fired, spikes, weight, *kept, *learned)
        ctx.set_materialize_grads(False)
        return fired, fired[-1].clone(), *held

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Tensor | None, of_spikes: Tensor | None, *last: Tensor | None
    ) -> Any:
        how, (received, fired, spikes, weight, *tensors) = ctx.how, ctx.saved_tensors
        kept, learned = tensors[: how.states], tensors[how.states :]
        asked = ctx.needs_input_grad[4 + how.states :]
        arriving, wanted = torch.zeros_like(received[0]), lent(received.shape, received)
        held = [torch.zeros_like(one[0]) for one in kept]
        for goal, one in zip([arriving, *held], [of_spikes, *last], strict=True):
            if one is not None:
                goal.copy_(one)
        backs = [_Back(part, learned, received, arriving, wanted) for part in how.parts]
        rows, given = wanted.unbind(0), () if gradient is None else gradient.unbind(0)
        multiply = repeated_dense(weight, len(arriving), len(rows))
        if given:
            arriving.add_(given[-1])
        for start in range((len(received) - 1) // _KEPT * _KEPT, -1, -_KEPT):
            now = slice(start, min(start + _KEPT, len(received)))
            before = [one[start // _KEPT] for one in kept]
            runs = [back.steps(now, before, held) for back in backs]
            for t in range(now.stop - 1, start - 1, -1):
                for run in runs:
                    run(t - start)
                if given and t:
                    torch.add(multiply(rows[t]), given[t - 1], out=arriving)
                else:
                    arriving.copy_(multiply(rows[t]))
        of_tensors = [one for back in backs for one in back.of_tensors(asked)]
        of_weight = None
        if ctx.needs_input_grad[2]:  # of all steps at once
            came = fired[:-1].flatten(0, 1), wanted[1:].flatten(0, 1)
            of_weight = wanted[0].t() @ spikes + weight_gradient(*came, path=how.path)
        return None, wanted, of_weight, arriving, *held, *of_tensors


class _Back:
    """The steps of one part, backwards.

    Args:
        part: The part.
        learned: Parameters and buffers of all parts.
        received: Currents of the layer [T, B, N].
        arriving: The gradient of the spikes of one step [B, N].
        wanted: Where the gradient of ``received`` goes.
    """

    def __init__(
        self,
        part: Part,
        learned: Sequence[Tensor],
        received: Tensor,
        arriving: Tensor,
        wanted: Tensor,
    ) -> None:
        self._part, self._loops = part, part.plan.loops
        self._tensors, backward = learned[part.tensors], part.plan.loops.backward_program
        assert backward is not None
        _, self._taken = part.plan.bind(self._loops.forward_program, self._tensors)
        self._known, self._bound = part.plan.bind(backward, self._tensors)
        self._received, self._wanted = part.of(received), part.of(wanted)
        self._arriving = part.of(arriving).unsqueeze(0)
        self._sums = self._loops.sums(self._received[:1], self._arriving, self._wanted[:1])
        each = (_KEPT, *self._received.shape[1:])
        self._states = [lent(each, received) for _ in range(part.states.stop - part.states.start)]

    def steps(self, now: slice, before: Sequence[Tensor], held: Sequence[Tensor]) -> Any:
        """What runs one of the steps ``now``, given all states before the first of them.

        Args:
            now: The steps.
            before: States of the layer before them.
            held: Gradients of the layer's states, changed by each step.
        """
        here = self._received[now].unsqueeze(1)
        self._again(here, before[self._part.states])
        ends = (Each(here), self._arriving, Each(self._wanted[now].unsqueeze(1)))
        given, own = [Each(one) for one in self._states], held[self._part.states]
        return self._loops.backward(ends, (self._taken, self._bound), given, own, own, self._sums)

    def _again(self, here: Tensor, first: Sequence[Tensor]) -> None:
        """Runs the steps once more, for the states before each, from those before the first."""
        for room, one in zip(self._states, first, strict=True):
            room[0] = one
        unused = here.new_empty(here.shape[1:])
        after = [Each(one[1:]) for one in self._states]
        given = [Each(one) for one in self._states]
        step = self._loops.forward(Each(here), unused, self._taken, given, after)
        for t in range(len(here) - 1):
            step(t)

    def of_tensors(self, asked: Sequence[bool]) -> list[Tensor | None]:
        """Gradients of the part's parameters and buffers, after all steps.

        ``asked`` says of those of all parts which learn.
        """
        backward: Any = self._loops.backward_program
        summed = self._loops.summed(self._sums, self._received.shape[1:])
        done = iter(backward.finish(self._known, summed))
        return [next(done) if learns else None for learns in asked[self._part.tensors]]
