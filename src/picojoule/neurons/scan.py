"""The only loop over time, and the only place where an engine is chosen."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from picojoule._names import unknown

if TYPE_CHECKING:
    from picojoule.neurons.base import Neuron

ENGINES = ("eager",)


def scan(
    neuron: "Neuron", currents: Tensor, state: Any = None, *, engine: str = "eager"
) -> tuple[Tensor, Any]:
    """Runs a neuron's ``step`` over time.

    Args:
        neuron: Whose ``step`` to run.
        currents: [T, B, ...].
        state: Where to start; None for the neuron's initial state.
        engine: ``"eager"``, one ``step`` after the other. An engine is a contract: it is never
            replaced by another in silence.

    Returns:
        Outputs [T, B, ...] and the state after the last step.

    Raises:
        ValueError: Unknown engine, or no step at all.
    """
    if engine not in ENGINES:
        raise ValueError(unknown("engine", engine, ENGINES))
    if not currents.shape[0]:
        raise ValueError("currents [T, B, ...] have no step: T must be at least 1")
    if state is None:
        state = neuron.init_state(currents[0])
    elif (got := _shapes(state)) != (expected := _shapes(neuron.init_state(currents[0]))):
        raise ValueError(f"the state is of shapes {got}, these currents need {expected}")
    outputs = []
    # unbind, not currents[t]: its backward is one stack, not T full-size zero tensors.
    for current in currents.unbind(0):
        out, state = neuron.step(current, state)
        outputs.append(out)
    return torch.stack(outputs), state


def _shapes(state: Any) -> list[list[int]]:
    if isinstance(state, torch.Tensor):
        return [list(state.shape)]
    parts = state if isinstance(state, (tuple, list)) else ()
    return [shape for part in parts for shape in _shapes(part)]
