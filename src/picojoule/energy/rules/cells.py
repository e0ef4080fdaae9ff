"""Recurrent layers and cells of torch, which run all their steps in one call.

Each layer and direction is two products: its inputs (``ih``), events or levels where its input
carries such, and the last outputs (``hh``), which are analog and dense at every step, unless a cell
is given events in their place. The first step is one of them: the hidden state is a tensor then
too, of zeros or not. Outputs are analog.

What a unit does at each step beside these products, whose sums go on in one accumulator:

    LSTM   c = f c + i g; h = o tanh(c)           3 multiplications, 1 addition
    GRU    n = tanh(a + r b); h = (1 - z) n + z h 3 multiplications, 3 additions
    RNN                                           nothing

The non-linearities are named and not counted.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from picojoule.energy.kinds import NOTHING, Kind
from picojoule.energy.rules.call import Call, analog
from picojoule.energy.rules.outcome import Arrival, Outcome, Rule, absent
from picojoule.energy.rules.synapses import arriving, projection


class _Unit(NamedTuple):
    """Gates of a unit, and what it does at each step beside its products."""

    gates: int
    adds: int
    multiplies: int
    functions: dict[str, int]


_UNITS = {
    "lstm": _Unit(4, 1, 3, {"sigmoid": 3, "tanh": 2}),
    "gru": _Unit(3, 3, 3, {"sigmoid": 2, "tanh": 1}),
    "rnn_tanh": _Unit(1, 0, 0, {"tanh": 1}),
    "rnn_relu": _Unit(1, 0, 0, {"relu": 1}),
}


def _steps(
    call: Call, unit: _Unit, updates: int, products: Sequence[Arrival], kind: Kind
) -> Outcome:
    """Counts the products of ``updates`` updates, and what these do beside them."""
    done = {"add": unit.adds * updates, "multiply": unit.multiplies * updates}
    counts = {name: n for name, n in done.items() if n}
    missed = {name: n * updates for name, n in unit.functions.items()}
    return Outcome(kind.analog(), [call.dense(**counts)] if counts else [], products, missed)


def layers(unit: _Unit) -> Rule:
    """Returns the rule of layers of such units."""

    def rule(call: Call, input: Tensor, *args: Any) -> Outcome:
        call.arriving(input)
        skip = call.convention.skip_zero_weights
        # Padded: hidden, weights, whether there are biases; packed: lengths before these.
        packed = not isinstance(args[2], bool)
        weights, has_biases, depth, _, _, bidirectional = args[2 if packed else 1 :][:6]
        directions = 2 if bidirectional else 1
        size = len(weights) // (depth * directions)
        values, kind = input, call.factor(input) or analog()
        products: list[Arrival] = []
        for layer in range(depth):
            outputs = 0
            for direction in range(directions):
                first = (layer * directions + direction) * size
                name = f"l{layer}" + ("_reverse" if direction else "")
                own = weights[first : first + size]
                products += _layer(call, name, values, kind, own, has_biases, skip)
                outputs += own[1].shape[1]
            values = absent((*input.shape[:-1], outputs), input)
            kind = kind.analog()
        rows = input.numel() // max(1, input.shape[-1])
        units = weights[0].shape[0] // unit.gates
        return _steps(call, unit, rows * units * depth * directions, products, kind)

    return rule


def _layer(
    call: Call,
    name: str,
    values: Tensor,
    kind: Kind,
    weights: Sequence[Tensor],
    has_biases: bool,
    skip: bool,
) -> list[Arrival]:
    """Counts one layer in one direction: inputs, last outputs, and their projection if any."""
    bias = weights[2:4] if has_biases else (None, None)
    hidden = absent((*values.shape[:-1], weights[1].shape[1]), values)
    after = kind.analog()
    found = [
        *arriving(call, f"ih_{name}", projection(values, weights[0], bias[0], skip), kind),
        Arrival(f"hh_{name}", projection(hidden, weights[1], bias[1], skip), after),
    ]
    if len(weights) % 2:  # the cell's outputs are projected to fewer
        cell = absent((*values.shape[:-1], weights[-1].shape[1]), values)
        found.append(Arrival(f"hr_{name}", projection(cell, weights[-1], None, skip), after))
    return found


def cell(unit: _Unit) -> Rule:
    """Returns the rule of one step of such units."""

    def rule(
        call: Call,
        input: Tensor,
        hx: Tensor | Sequence[Tensor],
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None = None,
        b_hh: Tensor | None = None,
    ) -> Outcome:
        call.arriving(input)
        skip = call.convention.skip_zero_weights
        hidden = hx if isinstance(hx, Tensor) else hx[0]
        kind, last = call.factor(input) or analog(), call.factor(hidden)
        if last is None or last is NOTHING or not last.sparse:
            hidden, last = absent(hidden.shape, input), kind.analog()
        products = [
            *arriving(call, "ih", projection(input, w_ih, b_ih, skip), kind),
            *arriving(call, "hh", projection(hidden, w_hh, b_hh, skip), last),
        ]
        return _steps(call, unit, call.out.numel(), products, kind)

    return rule


CELLS: dict[str, Rule] = {
    **{name: layers(unit) for name, unit in _UNITS.items()},
    **{f"{name}_cell": cell(unit) for name, unit in _UNITS.items()},
}
