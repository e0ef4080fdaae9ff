"""The fused engine for recurrent layers: compiled steps, and one product with the weight."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from picojoule.contract import SUMS, AllSteps, Stepping
from picojoule.engine.first_order import first_order
from picojoule.engine.leaves import flatten, unflatten
from picojoule.engine.parts import CompiledPart, compiled_parts
from picojoule.kernels import Band, Call, Each, Recurrence, borrow, shares, weight_gradient

_KEPT = 8  # steps of which one state is kept: backward runs those between once more
_SMALL = 64  # neurons up to which a dense product is the quickest, however few spikes there are


class _FeedbackSetup(NamedTuple):
    """The way in which a layer runs.

    Attributes:
        parts: Its parts.
        states: How many states they have in all.
        path: The products' path.
        summed: Whether it gives the totals of what it puts out at each step.
    """

    parts: Sequence[CompiledPart]
    states: int
    path: str | None
    summed: bool


def fuse(
    neuron: Stepping, weight: Tensor, path: str | None, currents: Tensor, state: Any
) -> AllSteps | str:
    """Returns what runs all steps of a recurrent layer at once, or the reason why nothing can.

    Args:
        neuron: The neurons of the layer.
        weight: From their last spikes to their currents, [N, N].
        path: How to multiply by it: ``"events"``, ``"dense"``, or None for what the density says.
        currents: [T, B, N].
        state: The layer's, with ``spikes`` and ``inner``.
    """
    if torch.is_autocast_enabled(currents.device.type):
        return "its products are to run in the precision of autocast"
    if weight.dtype != currents.dtype:
        return f"its weight is {weight.dtype}, the currents are {currents.dtype}"
    found = compiled_parts(neuron, currents, state.inner, (weight, state.spikes))
    if isinstance(found, str):
        return found
    parts, tensors = found
    path = "dense" if path is None and len(weight) <= _SMALL else path
    return partial(_run, weight, parts, path, tensors)


def _run(
    weight: Tensor,
    parts: list[CompiledPart],
    path: str | None,
    tensors: list[Tensor],
    currents: Tensor,
    state: Any,
) -> tuple[Tensor, Any]:
    leaves, spec = flatten(state.inner)
    told = SUMS.get() if all(part.plan.loops.adds_up for part in parts) else None
    how = _FeedbackSetup(parts, len(leaves), path, told is not None)
    out, spikes, totals, *last = _Feedback.apply(  # pyright: ignore[reportGeneralTypeIssues]
        how, currents, weight, state.spikes, *leaves, *tensors
    )
    if told is not None:
        told(out, totals)
    return out, type(state)(spikes, unflatten(last, spec))


class _Feedback(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        how: _FeedbackSetup,
        currents: Tensor,
        weight: Tensor,
        spikes: Tensor,
        *tensors: Tensor,
    ) -> Any:
        steps, leaves, learned = len(currents), tensors[: how.states], tensors[how.states :]
        received = borrow(currents.shape, currents)
        fired = borrow(currents.shape, currents)
        held = [one.clone(memory_format=torch.contiguous_format) for one in leaves]
        kept = [borrow((-(-steps // _KEPT), *one.shape), one) for one in held]
        rows, apart = shares(currents, how.parts[0].plan.loops.tier)
        parts = [_Bound(part, learned, apart=apart, summed=how.summed) for part in how.parts]
        bands = []
        for some in rows:
            own = _Rows(received[:, some], [one[some] for one in held])
            bands.append(Band(some, forward=[part.forward(own, fired[:, some]) for part in parts]))
        states = list(zip(held, kept, strict=True))
        layer = Recurrence(weight.t().contiguous(), currents, states, _KEPT, bands, apart=apart)
        layer.forward(spikes.contiguous(), fired, received, how.path)
        ctx.how = how
        ctx.save_for_backward(received, fired, spikes, weight, *kept, *learned)
        ctx.set_materialize_grads(False)
        totals = torch.cat([part.totals() for part in parts], -1) if how.summed else None
        return fired, fired[-1].clone(), totals, *held

    @staticmethod
    @first_order
    def backward(
        ctx: Any,
        gradient: Tensor | None,
        of_spikes: Tensor | None,
        of_totals: Tensor | None,
        *last: Tensor | None,
    ) -> Any:
        how, (received, fired, spikes, weight, *tensors) = ctx.how, ctx.saved_tensors
        kept, learned = tensors[: how.states], tensors[how.states :]
        asked = ctx.needs_input_grad[4 + how.states :]
        arriving, wanted = torch.zeros_like(received[0]), borrow(received.shape, received)
        held = [torch.zeros_like(one[0]) for one in kept]
        for goal, one in zip([arriving, *held], [of_spikes, *last], strict=True):
            if one is not None:
                goal.copy_(one)
        # That of each step's totals is the same for all rows.
        more = None if of_totals is None else of_totals.to(received.dtype).contiguous()
        if gradient is not None:
            arriving.add_(gradient[-1] if more is None else gradient[-1] + more[-1])
        elif more is not None:
            arriving.add_(more[-1])
        room = [borrow((_KEPT + 1, *one.shape[1:]), one) for one in kept]
        rows, apart = shares(received, how.parts[0].plan.loops.tier)
        parts = [_Bound(part, learned, apart=apart, backward=True) for part in how.parts]
        bands = []
        for some in rows:
            own = _Rows(received[:, some], [one[:, some] for one in room])
            ends = arriving[some], wanted[:, some], [one[some] for one in held]
            replay = [part.replay(own) for part in parts]
            backward = [part.backward(own, *ends) for part in parts]
            bands.append(Band(some, replay=replay, backward=backward))
        states = [(one[0], old) for one, old in zip(room, kept, strict=True)]
        layer = Recurrence(
            weight.contiguous(), gradient, states, _KEPT, bands, apart=apart, more=more
        )
        layer.backward(wanted, arriving)
        of_tensors = [one for part in parts for one in part.of_tensors(asked)]
        of_weight = None
        if ctx.needs_input_grad[2]:  # of all steps at once
            came = fired[:-1].flatten(0, 1), wanted[1:].flatten(0, 1)
            of_weight = wanted[0].t() @ spikes + weight_gradient(*came, path=how.path)
        return None, wanted, of_weight, arriving, *held, *of_tensors


class _Rows(NamedTuple):
    """Some rows of a layer.

    Attributes:
        received: Their currents [T, B, N].
        states: Parts of their state [B, N]; backward, those before and after the steps that are run
            again [steps + 1, B, N].
    """

    received: Tensor
    states: Sequence[Tensor]


class _Bound:
    """The compiled steps of one part with its parameters; each method is for some rows.

    Args:
        part: The part.
        learned: Parameters and buffers of all parts.
        apart: Whether one thread takes these rows.
        backward: Whether it is to go backwards.
        summed: Whether the totals of its outputs are wanted.
    """

    def __init__(
        self,
        part: CompiledPart,
        learned: Sequence[Tensor],
        *,
        apart: bool,
        backward: bool = False,
        summed: bool = False,
    ) -> None:
        self._part, self._loops = part, part.plan.loops
        self._threads = 1 if apart else None
        tensors = learned[part.tensors]
        self._taken = part.plan.bind(tensors).taken
        self._sums, self._backward = [], part.plan.bind(tensors, back=True) if backward else None
        self._summed, self._totals = summed, []

    def forward(self, own: _Rows, fired: Tensor) -> Call:
        """Returns the call of a step forward, which changes the state in place."""
        states = own.states[self._part.states]
        received, goal, room = self._each(own.received), self._each(fired), None
        if self._summed:
            room = self._loops.totals(received, goal, steps=len(fired), threads=self._threads)
            self._totals.append(room)
            room = Each(room)
        return self._loops.forward(
            received, goal, self._taken, states, states, totals=room, threads=self._threads
        )

    def totals(self) -> Tensor:
        """Sums of what it put out [T, N], after all steps of all rows."""
        return torch.cat([one.flatten(1, 2) for one in self._totals], 1).sum(1)

    def replay(self, own: _Rows) -> Call:
        """Returns the call of a step forward, from each state to the next."""
        unused = torch.empty_like(self._part.of(own.received[:1]))
        before, after = self._before(own), [Each(one[1:]) for one in own.states[self._part.states]]
        received = self._each(own.received)
        return self._loops.forward(
            received, unused, self._taken, before, after, threads=self._threads
        )

    def backward(
        self, own: _Rows, arriving: Tensor, wanted: Tensor, held: Sequence[Tensor]
    ) -> Call:
        """Returns the call of a step backward.

        Args:
            own: The rows.
            arriving: The gradient of one step's spikes [B, N].
            wanted: Where that of all currents goes [T, B, N].
            held: Those of the states [B, N], changed by each step.
        """
        assert self._backward is not None
        spikes = self._part.of(arriving).unsqueeze(0)
        ends = self._each(own.received), spikes, self._each(wanted)
        self._sums.append(sums := self._loops.sums(*ends))
        held = held[self._part.states]
        return self._loops.backward(
            ends,
            parameters=(self._taken, self._backward.taken),
            states=self._before(own),
            last=held,
            first=held,
            sums=sums,
            threads=self._threads,
        )

    def of_tensors(self, asked: Sequence[bool]) -> list[Tensor | None]:
        """Returns the gradients of the part's parameters and buffers, after all steps of all rows.

        ``asked`` says of those of all parts which learn.
        """
        backward = self._loops.backward_program
        assert backward is not None
        assert self._backward is not None
        sums = [torch.cat(one) for one in zip(*self._sums, strict=True)]
        summed = self._loops.summed(sums, torch.Size((-1, *self._part.plan.features)))
        done = iter(backward.finish(self._backward.known, summed))
        return [next(done) if learns else None for learns in asked[self._part.tensors]]

    def _each(self, tensor: Tensor) -> Each:
        return Each(self._part.of(tensor).unsqueeze(1))

    def _before(self, own: _Rows) -> list[Each]:
        return [Each(one[:-1]) for one in own.states[self._part.states]]
