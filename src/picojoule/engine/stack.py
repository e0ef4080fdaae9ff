"""Linear layers and neurons in turn, run as one function of autograd.

Small networks spend their time in calls: of modules, of functions, of what decides how to run them.
A stack is decided on once, and computes what its layers compute one after the other, by the same
products and loops.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from picojoule.contract import SUMS
from picojoule.engine import fused
from picojoule.engine.first_order import first_order
from picojoule.engine.leaves import unflatten
from picojoule.engine.order import Order
from picojoule.engine.parts import CompiledPart
from picojoule.kernels import paths_of, product_backward, product_forward


class StackLayer(NamedTuple):
    """A linear layer, and the neurons behind it.

    Attributes:
        bias: Of the linear layer, [N]; None if it has none.
        part: The neurons' compiled step.
        tensors: Their parameters and buffers.
        counts: Whether they put out events or levels, whose totals somebody may want.
    """

    bias: Tensor | None
    part: CompiledPart
    tensors: Sequence[Tensor]
    counts: bool

    @property
    def states(self) -> int:
        """Number of tensors in the neurons' state."""
        return self.part.states.stop


def run(
    layers: Sequence[StackLayer],
    weights: Sequence[Tensor],
    x: Tensor,
    states: Sequence[tuple[list[Tensor], Any]],
) -> tuple[Tensor, list[Any]]:
    """Runs all steps of all layers.

    Args:
        layers: The layers.
        weights: Those of the linear layers, [N, K].
        x: [T, B, K].
        states: The leaves and the structure of where the neurons of each layer start.

    Returns:
        The output of the last neurons [T, B, N], and the last state of each.
    """
    told, tensors = SUMS.get(), []
    for layer, weight, (leaves, _) in zip(layers, weights, states, strict=True):
        tensors += [weight, layer.bias, *leaves, *layer.tensors]
    setup = _Setup(layers, torch.is_grad_enabled(), told)
    found = iter(_Stack.apply(setup, x, *tensors))  # pyright: ignore[reportArgumentType]
    out, last = x, []
    for layer, (leaves, spec) in zip(layers, states, strict=True):
        out, totals = next(found), next(found)
        if told is not None and layer.counts:
            told(out, totals)
        last.append(unflatten([next(found) for _ in leaves], spec))
    return out, last


class _Setup(NamedTuple):
    """The way in which a stack runs.

    Attributes:
        layers: Its layers.
        learns: Whether gradients are recorded.
        told: Who wants totals, None if nobody does.
    """

    layers: Sequence[StackLayer]
    learns: bool
    told: Callable[[Tensor, Tensor], None] | None


class _Part:
    """The context of one of the functions that a stack consists of.

    Attributes:
        needs_input_grad: Which of its arguments want a gradient.
        saved_tensors: What it saved; afterwards the stack keeps that, and lends it.
        place: Where that is among all that the stack keeps.
    """

    def __init__(self, needs: Sequence[bool]) -> None:
        self.needs_input_grad, self.place = needs, slice(0)
        self.saved_tensors: Sequence[Tensor | None] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Saves tensors."""
        self.saved_tensors = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Does nothing: no gradient is filled with zeros."""

    def gives(self, kept: list[Tensor | None]) -> None:
        """Leaves what it saved to the stack."""
        self.place = slice(len(kept), len(kept) + len(self.saved_tensors))
        kept += self.saved_tensors
        self.saved_tensors = ()

    def back(
        self, function: Callable[..., Any], kept: Sequence[Tensor], *gradients: Tensor | None
    ) -> Any:
        """Runs a backward pass with what it had saved."""
        self.saved_tensors = kept[self.place]
        try:
            return function(self, *gradients)
        finally:
            self.saved_tensors = ()


class _Stack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, setup: _Setup, x: Tensor, *tensors: Tensor | None) -> Any:
        ctx.set_materialize_grads(False)
        ctx.layers, ctx.parts = setup.layers, []
        learns, asked = ctx.needs_input_grad[1], ctx.needs_input_grad[2:]
        values, results, fixed, kept, at = x, [], [], [], 0
        for layer in setup.layers:
            stop = at + 2 + layer.states + len(layer.tensors)
            given, needs = tensors[at:stop], asked[at:stop]
            product = _Part((learns, *needs[:2]))
            loop = _Part((False, learns or any(needs[:2]), *needs[2:]))
            learns, at = learns or any(needs), stop
            found = _layer(setup, layer, (product, loop), values, given)
            results += found
            fixed += [] if learns else [one for one in found if one is not None]
            values = found[0].detach()  # what is kept must not refer to a result
            for part in (product, loop):
                part.gives(kept)
            ctx.parts.append((product, loop))
        ctx.save_for_backward(*kept)
        ctx.mark_non_differentiable(*fixed)
        return tuple(results)

    @staticmethod
    @first_order
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        kept, stop, found, gradient = ctx.saved_tensors, len(gradients), [], None
        for layer, (product, loop) in zip(reversed(ctx.layers), reversed(ctx.parts), strict=True):
            start = stop - 2 - layer.states
            (direct, *own), stop = gradients[start:stop], start
            gradient = _sum(gradient, direct)
            of_given, wanted = [None] * (2 + layer.states + len(layer.tensors)), None
            if gradient is not None or any(one is not None for one in own):
                _, wanted, *of_given[2:] = loop.back(fused.backward, kept, gradient, *own)
            gradient = None
            if wanted is not None:
                rows = wanted.flatten(0, 1)
                of_rows, of_weight, of_given[1], *_ = product.back(product_backward, kept, rows)
                of_given[0] = None if of_weight is None else of_weight.t()
                gradient = None if of_rows is None else of_rows.view(*wanted.shape[:2], -1)
            found = [*of_given, *found]
        return None, gradient, *found


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return other if one is None else one if other is None else one + other


def _layer(
    setup: _Setup,
    layer: StackLayer,
    parts: tuple[_Part, _Part],
    values: Tensor,
    given: Sequence[Any],
) -> Sequence[Any]:
    """Runs one layer on [T, B, K]; returns its output, its totals or None, and its last state."""
    (product, loop), (weight, bias, *others) = parts, given
    rows = values.reshape(-1, weight.shape[1])
    paths = paths_of(rows, len(weight), gradient=setup.learns and product.needs_input_grad[1])
    told = setup.told and partial(setup.told, values)
    if layer is not setup.layers[0] or product.needs_input_grad[0]:
        told = None  # neurons tell what they put out
    currents = product_forward(product, rows, weight.detach().t(), bias, paths, told)
    currents = currents.view(*values.shape[:2], -1)
    counts = setup.told is not None and layer.counts
    how = fused.Setup([layer.part], layer.states, Order(currents), counts)
    return fused.forward(loop, how, currents, *others)
