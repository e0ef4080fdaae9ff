"""Neurons of one layer that compiled steps run side by side."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils import _pytree as pytree

from picojoule.contract import Stepping
from picojoule.engine.fingerprint import tensors_of
from picojoule.engine.plan import Plan, plan_of


class Part(NamedTuple):
    """Neurons that one compiled step runs.

    Attributes:
        plan: Their step.
        neurons: Which of the layer's they are; None for all.
        states: Which of its states are theirs, of all in a row.
        tensors: Which of its parameters and buffers.
    """

    plan: Plan
    neurons: slice | None
    states: slice
    tensors: slice

    def of(self, tensor: Tensor, per: int = 1) -> Tensor:
        """Their share of [..., N * per]."""
        if self.neurons is None:
            return tensor
        return tensor[..., self.neurons.start * per : self.neurons.stop * per]


def parts_of(
    neuron: Stepping, currents: Tensor, state: Any, others: Sequence[Tensor] = ()
) -> tuple[list[Part], list[Tensor]] | str:
    """The parts of a layer and its parameters and buffers, or why there can be none.

    Args:
        neuron: The layer.
        currents: [T, B, N, ...].
        state: Where it starts.
        others: What else may want a gradient.
    """
    leaves = pytree.tree_leaves(state)
    apart = neuron.apart(state)
    tensors = [list(tensors_of(one).values()) for one, _, _ in apart]
    wanting = (currents, *leaves, *others, *(one for own in tensors for one in own))
    learns = any(isinstance(one, Tensor) and one.requires_grad for one in wanting)
    parts, first, held, known = [], 0, 0, 0
    for (one, count, inner), own in zip(apart, tensors, strict=True):
        share = currents if count is None else currents.narrow(2, first, count)
        plan = plan_of(one, share, inner, learns=learns)
        if isinstance(plan, str):
            return plan if count is None else f"its {type(one).__name__}: {plan}"
        neurons = None if count is None else slice(first, first + count)
        states = slice(held, held + len(pytree.tree_leaves(inner)))
        parts.append(Part(plan, neurons, states, slice(known, known + len(own))))
        first, held, known = first + (count or 0), states.stop, known + len(own)
    return parts, [one for own in tensors for one in own]
