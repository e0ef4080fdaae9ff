"""The contract between neurons and those who run or price them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class NeuronCost:
    """What one update of one neuron takes, by which chips price it.

    Attributes:
        adds: Additions and subtractions per neuron and step, the input included.
        multiplies: Multiplications per neuron and step.
        states: Words of state read and written per neuron and step.
        comparisons: With a threshold, per neuron and step; no chip prices them alone, they are
            part of its ``update``.
    """

    adds: int = 0
    multiplies: int = 0
    states: int = 0
    comparisons: int = 0


class Arrivals(NamedTuple):
    """What the synapses inside a neuron layer received.

    Attributes:
        name: Under which name, below the neuron's own, they are counted.
        values: Events that arrived, [T, B, N], or of the last steps where none came before.
        weight: Their weights, [out, N].
        steps: Which steps of the layer's own output the values are, None where they are not.
    """

    name: str
    values: Tensor
    weight: Tensor
    steps: slice | None = None


class Group(NamedTuple):
    """What the neurons of one kind put out, in a layer that holds several.

    Attributes:
        name: Under which name, below the layer's own, they are counted.
        neuron: The kind: its output, cost, species and clock.
        values: What they put out, [T, B, ...].
        present: How much of each neuron along axis 2 there is, 0 or 1; None where all are there.
    """

    name: str
    neuron: Any
    values: Tensor
    present: Tensor | None = None
