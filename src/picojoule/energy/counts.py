"""The closed vocabulary of what can cost energy."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import torch
from torch import Tensor

COUNTS = (
    "mac",
    "ac",
    "add",
    "multiply",
    "update",
    "spike",
    "event_read",
    "weight_read",
    "state_read",
    "state_write",
    "output_write",
    "address",
    "pool",
    "bias",
    "second",
)

# Stands for "this layer does nothing of the kind"; told from a measured zero by identity, because
# looking at a value would make a training step wait for the device.
_ABSENT = torch.zeros((), dtype=torch.float64)


@dataclass(frozen=True)
class Sizes:
    """The constant sizes of a layer, which memory prices depend on.

    Attributes:
        weights: Words of its weight array.
        bias: Words of its bias array.
        inputs: Elements of one step's input; the features alone for a linear layer of a foreign
            network, because it is not known which other axes are steps.
        potentials: Elements of one step's output, one potential each.
        neuron: The type of its neurons, empty for a layer of synapses.
        events: Whether its inputs (or a neuron's outputs) are events in a queue.
        given: Whether its inputs are the network's own, and analog.
        dtype: Type of its weights, else of what its neurons put out, such as ``"float32"``; empty
            if that is no type of real numbers.
    """

    weights: int = 0
    bias: int = 0
    inputs: int = 0
    potentials: int = 0
    neuron: str = ""
    events: bool = True
    given: bool = False
    dtype: str = ""


@dataclass(frozen=True, eq=False)
class OpCounts:
    """Counts of what one layer did: 0-d float64 tensors, per sample and summed over time.

    Attributes:
        mac: Multiply-accumulates by analog values.
        ac: Accumulates, one for each pair of an arriving event and an existing synapse.
        add: Additions outside accumulates: neuron updates, residual additions, unfolded norms.
        multiply: Multiplications outside MACs: neuron updates, unfolded norms, event coordinates.
        update: Neuron updates (neurons x steps).
        spike: Spikes put out; a level of n is n.
        event_read: Inputs read.
        weight_read: Weights read.
        state_read: Potentials and other state words read.
        state_write: Potentials and other state words written.
        output_write: Outputs written.
        address: Integer additions to find addresses.
        pool: Pairs of a value and a pooling window it lies in.
        bias: Biases added.
        second: Neurons times the seconds they are switched on.
        hidden: The part of these counts that hidden spikes caused, which training can change. It is
            an upper bound: input events that are added to hidden spikes, or joined with them,
            count as hidden.
        sizes: The layer's constant sizes.
    """

    mac: Tensor = _ABSENT
    ac: Tensor = _ABSENT
    add: Tensor = _ABSENT
    multiply: Tensor = _ABSENT
    update: Tensor = _ABSENT
    spike: Tensor = _ABSENT
    event_read: Tensor = _ABSENT
    weight_read: Tensor = _ABSENT
    state_read: Tensor = _ABSENT
    state_write: Tensor = _ABSENT
    output_write: Tensor = _ABSENT
    address: Tensor = _ABSENT
    pool: Tensor = _ABSENT
    bias: Tensor = _ABSENT
    second: Tensor = _ABSENT
    hidden: "OpCounts | None" = None
    sizes: Sizes = Sizes()

    @classmethod
    def of(
        cls,
        counts: dict[str, Tensor],
        hidden: dict[str, Tensor] | None = None,
        sizes: Sizes = Sizes(),
    ) -> "OpCounts":
        """Makes a record of counts by name; ``hidden`` are those that hidden spikes caused."""
        part = cls(**cast(Any, hidden)) if hidden else None
        return cls(**cast(Any, counts), hidden=part, sizes=sizes)

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Yields the counts that this layer has, by name."""
        for name in COUNTS:
            value = getattr(self, name)
            if value is not _ABSENT:
                yield name, value

    def __add__(self, other: "OpCounts") -> "OpCounts":
        """Returns the sum; each size is the larger of both."""
        done: dict[tuple[int, int], Tensor] = {}  # what stands for several counts is added once

        def plus(first: OpCounts | None, second: OpCounts | None) -> dict[str, Tensor]:
            sums = {} if first is None else dict(first.items())
            for name, value in () if second is None else second.items():
                if name in sums:
                    pair = id(sums[name]), id(value)
                    if pair not in done:
                        done[pair] = sums[name] + value
                    value = done[pair]
                sums[name] = value
            return sums

        sizes = _larger(self.sizes, other.sizes)
        return OpCounts.of(plus(self, other), plus(self.hidden, other.hidden), sizes)

    def __mul__(self, factor: float | Tensor) -> "OpCounts":
        """Returns every count times ``factor``."""
        return self.map(lambda value: value * factor)

    def __truediv__(self, divisor: float | Tensor) -> "OpCounts":
        """Returns every count over ``divisor``."""
        return self.map(lambda value: value / divisor)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy must not turn what is absent into a measured zero.
        return _restored, (dict(self.items()), self.hidden, self.sizes)

    def detach(self) -> "OpCounts":
        """Returns the same counts, cut from the graph."""
        return self.map(Tensor.detach)

    def map(self, change: Callable[[Tensor], Tensor]) -> "OpCounts":
        """Returns the counts after ``change`` of each; what stands for several is changed once."""
        done: dict[int, Tensor] = {}
        parts = []
        for one in (self, self.hidden):
            changed = {}
            for name, value in () if one is None else one.items():
                if id(value) not in done:
                    done[id(value)] = change(value)
                changed[name] = done[id(value)]
            parts.append(changed)
        return OpCounts.of(*parts, sizes=self.sizes)


def as_counts(numbers: Mapping[str, float | Tensor]) -> dict[str, Tensor]:
    """Returns numbers as 0-d float64 tensors; equal ones are one tensor."""
    made: dict[float, Tensor] = {}
    counts: dict[str, Tensor] = {}
    for name, number in numbers.items():
        if isinstance(number, Tensor):
            counts[name] = number.double()
            continue
        if number not in made:
            made[number] = torch.scalar_tensor(number, dtype=torch.float64)
        counts[name] = made[number]
    return counts


def dtype_name(weight: Tensor | None, values: Tensor) -> str:
    """Returns the type of the weights, else of the values if these are real numbers, else nothing.

    Args:
        weight: The weights, None if there are none.
        values: What arrives at them, or what neurons put out.

    Example:
        >>> dtype_name(None, torch.zeros(3)), dtype_name(None, torch.zeros(3) > 0)
        ('float32', '')
    """
    if weight is None and not values.is_floating_point():
        return ""
    return str((values if weight is None else weight).dtype).removeprefix("torch.")


def _restored(counts: dict[str, Tensor], hidden: OpCounts | None, sizes: Sizes) -> OpCounts:
    return replace(OpCounts.of(counts, sizes=sizes), hidden=hidden)


def _larger(first: Sizes, second: Sizes) -> Sizes:
    if first == second:
        return first
    pairs = {f.name: (getattr(first, f.name), getattr(second, f.name)) for f in fields(Sizes)}
    return Sizes(**{name: max(pair) for name, pair in pairs.items()})
