"""Contract between neurons and those who run or price them."""

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

AllSteps = Callable[[Tensor, Any], tuple[Tensor, Any]]  # currents [T, B, ...] and state

# Who wants to know how many events there are sets this while neurons or products run. An engine
# that passes by all that neurons put out anyway calls it with that [T, B, ...] and with the sum
# over the batch, in float64 and with its graph: [...] of all steps, or [T, ...] of each. A product
# that comes by the ones in its input calls it with the input and their number [], if there is
# nothing else but zeros. A network that runs as one function does all this layer by layer, after it
# ran. Others leave it alone.
SUMS: ContextVar[Callable[[Tensor, Tensor], None] | None] = ContextVar("sums", default=None)
# A network that is about to run as one function, its input, and what runs it: who has found that
# out sets this, so that the network need not.
READY: ContextVar[tuple[Any, Tensor, Any] | None] = ContextVar("ready", default=None)


@dataclass(frozen=True)
class NeuronCost:
    """Operations and state of one update of one neuron, by which chips price it.

    Attributes:
        adds: Additions and subtractions per neuron and step, the input included.
        multiplies: Multiplications per neuron and step.
        states: Words of state read and written per neuron and step.
        comparisons: Comparisons with a threshold per neuron and step; no chip prices them alone,
            they are part of its ``update``.

    Raises:
        ValueError: One of them is below zero.
    """

    adds: int = 0
    multiplies: int = 0
    states: int = 0
    comparisons: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            number = getattr(self, field.name)
            if not number >= 0:
                raise ValueError(f"{field.name} must be zero or more, got {number!r}")


class Arrivals(NamedTuple):
    """Events that the synapses inside a layer of neurons received.

    Attributes:
        name: Name, below the neuron's own, under which they are counted.
        values: Events that arrived, [T, B, N], or those of the last steps if none came before.
        weight: Weights of the synapses, [out, N].
        steps: Steps of the layer's own output that the values are; None if they are not.
    """

    name: str
    values: Tensor
    weight: Tensor
    steps: slice | None = None


class Group(NamedTuple):
    """Output of the neurons of one kind in a layer of several.

    Attributes:
        name: Name, below the layer's own, under which they are counted.
        neuron: The neurons, with their output, cost, species and dt.
        values: Their output, [T, B, ...].
        present: 1 for each neuron along axis 2 that is of this kind, else 0; None if all are.
    """

    name: str
    neuron: Any
    values: Tensor
    present: Tensor | None = None


class Verdict(NamedTuple):
    """Engine that ran a layer.

    Attributes:
        engine: ``"fused"`` or ``"eager"``.
        why: The reason that the layer did not run fused; empty if it did.
    """

    engine: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.engine}: {self.why}" if self.why else self.engine


class Stepping(Protocol):
    """Layer that runs through time step by step, as an engine knows it.

    Attributes:
        engine: Engine to run by; None for the fastest that can run it.
        ran: Engine of its last run; None before.
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
