"""The compiled parts of a layer: neurons that step side by side."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from picojoule.contract import Stepping
from picojoule.engine.fingerprint import survey
from picojoule.engine.leaves import flatten
from picojoule.engine.plan import Plan, plan_of


class CompiledPart(NamedTuple):
    """Neurons of a layer that one compiled step runs.

    Attributes:
        plan: Their step.
        neurons: Which of the layer's neurons they are; None for all.
        states: Which of the layer's states, of all in a row, are theirs.
        tensors: Which of the layer's parameters and buffers are theirs.
    """

    plan: Plan
    neurons: slice | None
    states: slice
    tensors: slice

    def of(self, tensor: Tensor, per: int = 1) -> Tensor:
        """Returns their share of [..., N * per]."""
        if self.neurons is None:
            return tensor
        return tensor[..., self.neurons.start * per : self.neurons.stop * per]


def compiled_parts(
    neuron: Stepping, currents: Tensor, state: Any, others: Sequence[Tensor] = ()
) -> tuple[list[CompiledPart], list[Tensor]] | str:
    """Returns the parts of a layer and its parameters and buffers, or why there can be none.

    Args:
        neuron: The layer.
        currents: [T, B, N, ...].
        state: Where it starts.
        others: What else may want a gradient.
    """
    apart = [(one, survey(one), count, flatten(inner)) for one, count, inner in neuron.apart(state)]
    tensors = [one for _, seen, _, _ in apart for one in seen.tensors.values()]
    leaves = [leaf for *_, (some, _) in apart for leaf in some]
    wanting = (currents, *leaves, *others, *tensors)
    learns = torch.is_grad_enabled() and any(
        isinstance(one, Tensor) and one.requires_grad for one in wanting
    )
    parts, first, held, known = [], 0, 0, 0
    for one, seen, count, inner in apart:
        share = currents if count is None else currents.narrow(2, first, count)
        plan = plan_of(one, seen, share, inner, learns=learns)
        if isinstance(plan, str):
            return plan if count is None else f"its {type(one).__name__}: {plan}"
        neurons = None if count is None else slice(first, first + count)
        states = slice(held, held + len(inner[0]))
        parts.append(CompiledPart(plan, neurons, states, slice(known, known + len(seen.tensors))))
        first, held, known = first + (count or 0), states.stop, parts[-1].tensors.stop
    return parts, tensors
