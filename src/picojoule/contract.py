"""The contract between neurons and those who run or price them."""

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

AllSteps = Callable[[Tensor, Any], tuple[Tensor, Any]]  # currents [T, B, ...] and state

# Who wants to know how much neurons put out sets this while they run. An engine that passes by all
# of it anyway calls it with the output [T, B, ...] and with the sum over the batch, in float64 and
# with its graph: [...] of all steps, or [T, ...] of each. Others leave it alone.
SUMS: ContextVar[Callable[[Tensor, Tensor], None] | None] = ContextVar("sums", default=None)


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


class Verdict(NamedTuple):
    """The engine that ran a layer.

    Attributes:
        engine: ``"fused"`` or ``"eager"``.
        why: The reason that the layer did not run fused; empty if it did.
    """

    engine: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.engine}: {self.why}" if self.why else self.engine


class Stepping(Protocol):
    """A layer that runs through time step by step, as an engine knows it.

    Attributes:
        engine: The engine asked for; None for the fastest that can run it.
        ran: The engine of its last run, None before.
    """

    engine: str | None
    ran: Verdict | None

    def init_state(self, current: Tensor) -> Any:
        """Returns the state before the first step, for one step's current [B, ...]."""
        ...

    def step(self, current: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Takes current [B, ...] and state to output [B, ...] and the next state."""
        ...

    def fuse(self, currents: Tensor, state: Any) -> AllSteps | str:
        """Returns what runs all steps at once, or the reason why nothing can."""
        ...

    def apart(self, state: Any) -> Sequence[tuple[nn.Module, int | None, Any]]:
        """Returns the neurons that step side by side: each kind, how many, and their state."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """Returns the layer and all modules in it."""
        ...
