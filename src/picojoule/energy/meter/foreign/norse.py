"""Neurons of Norse 1.1.0.

A cell is one step ``z, state = cell(x, state)``, a layer without "Cell" in its name is all of them.
The recurrent ones hold the weights of their input as well as those of their last spikes.

The membrane ``v' = v + a (v_leak - v + i)`` and its current ``i' = (1 - b) (i + x)`` are counted as
``v' = (1 - a) v + i``, ``i' = (1 - b) (i + x)``.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from picojoule.contract import NeuronCost
from picojoule.energy.meter.foreign.describe import (
    Arrived,
    Foreign,
    Inner,
    Table,
    argument,
    first,
)
from picojoule.energy.rules.synapses import projection


def _last_spikes(state: Any) -> Tensor | None:
    """Finds the spikes in a state, which refractory neurons keep one level down."""
    if state is None or hasattr(state, "z"):
        return None if state is None else state.z
    return next((part.z for part in state if hasattr(part, "z")), None)


def _membrane(state: Any) -> Tensor | None:
    if state is None or hasattr(state, "v"):
        return None if state is None else state.v
    return next((part.v for part in state if hasattr(part, "v")), None)


def _arrivals(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip: bool = False
) -> Arrived:
    x, state = first(args, kwargs), argument(1, "state", args, kwargs)

    def inner(result: Any) -> Iterable[Inner]:
        call = projection(x, module.input_weights, None, skip)
        yield Inner("input_weights", call, "input")
        if hasattr(module, "recurrent_weights"):
            yield from _recurrent(module, state, result[0], skip)
        if hasattr(module, "g_coupling") and (v := _membrane(state)) is not None:
            yield Inner("g_coupling", projection(v, module.g_coupling, None, skip), "analog")

    return inner


def _recurrent(module: Any, state: Any, out: Tensor, skip: bool) -> Iterable[Inner]:
    """Yields the spikes of the step before each; those before the first are in ``state``."""
    before, steps = _last_spikes(state), None
    if not hasattr(module, "record_states"):  # a cell: one step
        if before is None:
            return
        values = before
    elif before is None:
        values, steps = out[:-1], slice(0, -1)
    else:
        values = torch.cat([before.unsqueeze(0), out[:-1]])
    call = projection(values, module.recurrent_weights, None, skip)
    yield Inner("recurrent_weights", call, "output", steps)


def _neuron(adds: int, multiplies: int, states: int, output: str = "events") -> Any:
    def known(module: Any) -> Foreign:
        return Foreign(
            NeuronCost(adds, multiplies, states),
            output,
            leading=2 if hasattr(module, "record_states") else 1,
            dt=module.dt,
            arrivals=_arrivals if hasattr(module, "input_weights") else None,
        )

    return known


def _all(name: str, known: Any, *forms: str) -> Table:
    return {name + form: known for form in forms}


_FORMS = ("Cell", "", "RecurrentCell", "Recurrent")

NORSE: Table = {
    **_all("IAF", _neuron(1, 0, 1), "Cell", ""),
    **_all("LIF", _neuron(2, 2, 2), *_FORMS),
    "LIFBoxCell": _neuron(1, 1, 1),
    # an exponential of the membrane, with its factor
    **_all("LIFEx", _neuron(3, 3, 2), *_FORMS),
    # and an adaptation a' = (1 - c) a + d v, subtracted from the membrane
    **_all("LIFAdEx", _neuron(5, 5, 3), *_FORMS),
    # a counter of refractory steps
    **_all("LIFRefrac", _neuron(3, 2, 3), "Cell", "RecurrentCell", "Recurrent"),
    **_all("LIFAdExRefrac", _neuron(6, 5, 4), "Cell", "RecurrentCell", "Recurrent"),
    # compartments meet through synapses from membrane to membrane
    "LIFMCRecurrentCell": _neuron(3, 2, 2),
    "LIFMCRefracRecurrentCell": _neuron(4, 2, 3),
    # a threshold that decays to its resting value
    **_all("LSNN", _neuron(2, 3, 3), *_FORMS),
    # v' = v (c v + d) + x - u, u' = e u + f v
    **_all("Izhikevich", _neuron(4, 4, 2), *_FORMS),
    # v' = a v + g_e (E_e - v) + g_i (E_i - v), and two decaying conductances
    "CobaLIFCell": _neuron(6, 5, 3),
    **_all("LI", _neuron(2, 2, 2, "analog"), "Cell", "", "LinearCell"),
    "LIBoxCell": _neuron(1, 1, 1, "analog"),
}
