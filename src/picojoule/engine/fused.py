"""The fused engine: all steps of a pointwise neuron in one compiled loop, and no graph per step.

Backward runs the loop once more from the first state (on a CPU block by block in the cache) instead
of keeping what forward computed: what is kept is the currents and the first state.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from picojoule.contract import SUMS, AllSteps, Stepping
from picojoule.engine.first_order import first_order
from picojoule.engine.leaves import flatten, unflatten
from picojoule.engine.order import Order
from picojoule.engine.parts import CompiledPart, compiled_parts
from picojoule.kernels import NON_TEMPORAL_BYTES, borrow


def fuse(neuron: Stepping, currents: Tensor, state: Any) -> AllSteps | str:
    """Returns what runs all steps in one loop for each kind of neuron, or why nothing can."""
    found = compiled_parts(neuron, currents, state)
    return found if isinstance(found, str) else partial(_run, *found)


def _run(
    parts: list[CompiledPart], tensors: list[Tensor], currents: Tensor, state: Any
) -> tuple[Tensor, Any]:
    leaves, spec = flatten(state)
    order = Order(currents, as_they_lie=len(parts) == 1)
    told = SUMS.get() if all(part.plan.loops.adds_up for part in parts) else None
    how = Setup(parts, len(leaves), order, told is not None)
    out, totals, *last = _Sequence.apply(how, currents, *leaves, *tensors)  # pyright: ignore
    # Turned back here: a view that came from within could not be changed in place any more.
    out = order.back(out)
    if told is not None:
        told(out, order.back(totals))
    return out, unflatten([order.back(one) for one in last], spec)


class Setup(NamedTuple):
    """The way in which a layer runs.

    Attributes:
        parts: Its parts.
        states: How many states they have in all.
        order: Of the axes in memory.
        summed: Whether it gives the totals of what it puts out.
    """

    parts: list[CompiledPart]
    states: int
    order: Order
    summed: bool


def forward(ctx: Any, how: Setup, currents: Tensor, *tensors: Tensor) -> Any:
    """Returns the output, its totals if they are asked for, and the last state."""
    ctx.how = parts, count, order, summed = how
    ctx.save_for_backward(currents, *tensors)
    ctx.set_materialize_grads(False)
    turned = order.of(currents)
    states = [order.of(one).contiguous() for one in tensors[:count]]
    out, last = _new(turned), [torch.empty_like(one) for one in states]
    came, goes, per = flat(turned), flat(out), _per_neuron(turned)
    ctx.bound = []  # what is saved says whether it still holds
    totals = []
    for part in parts:
        loops = part.plan.loops
        bound = part.plan.bind(tensors[count:][part.tensors], order).taken
        ctx.bound.append(bound)
        ends = part.of(came, per), part.of(goes, per)
        room = loops.totals(*ends) if summed else None
        loops.forward(*ends, bound, states[part.states], last[part.states], totals=room)(0)
        totals += [] if room is None else [room.sum((0, 1))]
    return out, torch.cat(totals).view(out.shape[2:]) if summed else None, *last


def backward(
    ctx: Any, gradient: Tensor | None, of_totals: Tensor | None, *last: Tensor | None
) -> Any:
    """Returns the gradients of what ``forward`` takes."""
    parts, count, order, _ = ctx.how
    currents, *tensors = ctx.saved_tensors
    needs = ctx.needs_input_grad[1:]
    turned = order.of(currents)
    states = [order.of(one).contiguous() for one in tensors[:count]]
    wanted = _new(turned) if needs[0] else None
    first = [
        torch.empty_like(one) if asked else None
        for one, asked in zip(states, needs[1:], strict=False)
    ]
    ends = [None if one is None else flat(one) for one in (turned, gradient, wanted)]
    given = [None if one is None else one.contiguous() for one in last]
    if of_totals is not None:
        of_totals = of_totals.to(turned.dtype).reshape(-1)
    of_tensors, learned, per = [], needs[1 + count :], _per_neuron(turned)
    for part, taken in zip(parts, ctx.bound, strict=True):
        own = [None if one is None else part.of(one, per) for one in (*ends, of_totals)]
        held = (states[part.states], given[part.states], first[part.states])
        known = (tensors[count:][part.tensors], learned[part.tensors], taken)
        of_tensors += _back(part, order, own, held, known)
    inputs = (None if one is None else order.back(one) for one in (wanted, *first))
    return None, *inputs, *of_tensors


class _Sequence(torch.autograd.Function):
    forward = staticmethod(forward)
    backward = staticmethod(first_order(backward))


def _back(
    part: CompiledPart,
    order: Order,
    ends: Sequence[Tensor | None],
    held: tuple[Sequence[Tensor], Sequence[Tensor | None], Sequence[Tensor | None]],
    known: tuple[Sequence[Tensor], Sequence[bool], list[Tensor]],
) -> list[Tensor | None]:
    """Runs one part backwards; gives the gradients of its parameters and buffers.

    Args:
        part: The part.
        order: Of the axes in memory.
        ends: Its currents [T, B, F], the gradient of its output, where that of its currents goes,
            and the gradient of the output's totals [F].
        held: Its first states, the gradients of its last ones, where those of the first go.
        known: Its parameters and buffers, which of them learn, and what the forward loop took.
    """
    plan, loops, currents = part.plan, part.plan.loops, ends[0]
    tensors, learned, taken = known
    backward = loops.backward_program
    assert backward is not None
    assert currents is not None
    before, bound = plan.bind(tensors, order, back=True)
    through, of_totals = (currents, ends[1], ends[2]), ends[3]
    sums = loops.sums(*through)
    loops.backward(through, (taken, bound), *held, sums, of_totals=of_totals)(0)
    if not any(learned):
        return [None] * len(learned)
    shape = order.of(torch.empty(currents.shape[1], *plan.features, device="meta")).shape
    summed = (order.back(one) if one.dim() else one for one in loops.summed(sums, shape))
    done = iter(backward.finish(before, list(summed)))
    return [next(done) if asked else None for asked in learned]


def _per_neuron(turned: Tensor) -> int:
    """Elements of each neuron (or channel) of [T, B, N, ...]."""
    return turned.shape[3:].numel()


def _new(like: Tensor) -> Tensor:
    """Returns a contiguous tensor of the shape of another, a large one from the pool."""
    large = like.numel() * like.itemsize >= NON_TEMPORAL_BYTES
    return borrow(like.shape, like) if large else like.new_empty(like.shape)


def flat(tensor: Tensor) -> Tensor:
    """Returns [T, B, ...] as [T, B, F] with a dense last axis, a view if possible."""
    if tensor.dim() == 3 and tensor.stride(2) == 1 and tensor.numel():
        return tensor
    steps, batch = tensor.shape[:2]
    width = tensor.shape[2:].numel()
    if tensor.numel() and not tensor[0, 0].is_contiguous():
        once = steps > 1 and not tensor.stride(0)  # one step for all: a mean's gradient, a Repeat
        dense = tensor[0].contiguous() if once else tensor.contiguous()
        tensor = dense.expand(tensor.shape) if once else dense
    if not tensor.numel():
        return tensor.new_empty(steps, batch, width)
    return tensor.as_strided((steps, batch, width), (*tensor.stride()[:2], 1))
