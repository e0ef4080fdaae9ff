"""The answer of a counting rule: what arrived at which synapses, other counts, and kinds.

The one signature of a rule is ``rule(call, *args, **kwargs) -> Outcome``. It takes the function's
own arguments under their own names, and a ``Call``, which knows the rest. It looks at shapes only,
unless the convention asks it to skip weights of zero.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from picojoule.energy.counts import OpCounts
from picojoule.energy.kinds import Kind, Segments
from picojoule.energy.presence import Presence
from picojoule.energy.rules.straight import Rest


class Synapses(NamedTuple):
    """Values that arrived at the synapses of one call.

    Attributes:
        values: The values that arrived.
        fanout: Synapses of each element: one number, or a map over the last axes of ``values``.
        weight: The weights, None if the synapses have none.
        bias: The biases, None if there are none.
        output: Elements of the result, one potential each.
        located: Whether an event's position must be computed (convolutions).
        channels: Output channels of a convolution.
        dense: Pairs of a dense ANN, None if they are each of ``values`` with its fan-out. If two
            tensors of events meet, the fan-out counts events.
        beside: Input elements of other kinds, of one sample and step, at the same synapses.
        presence: Which of the synapses there are, if training decides it; None if all are.
    """

    values: Tensor
    fanout: int | Tensor
    weight: Tensor | None
    bias: Tensor | None
    output: int
    located: bool = False
    channels: int = 0
    dense: int | None = None
    beside: int = 0
    presence: Presence | None = None


class Arrival(NamedTuple):
    """Values of one kind at their synapses.

    Attributes:
        part: Name of the product within its function, empty for the function itself.
        synapses: The values and their synapses.
        kind: The kind of the values.
    """

    part: str
    synapses: Synapses
    kind: Kind


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome of one call.

    Attributes:
        kind: The kind of its results, or one for each; None if they are weights or constants.
        counts: Counts outside synapses.
        arrivals: What arrived at which synapses.
        missed: What is met and not counted, with its elements.
        reached: Weights that were counted without being the weight or bias of an arrival.
        in_order: Whether the result holds the values of the first argument in their order.
        fresh: Whether a result without kind is made of nothing but shapes and numbers.
        drawn: The least of a result that was drawn evenly from there to one above, None for others.
        outside: Whether a result comes from where nothing can be seen.
        beside: The kinds along an axis of the result, or of each, if it holds several.
        rest: Kind of the result without one of its terms, if that is known.
    """

    kind: Kind | Sequence[Kind] | None = None
    counts: Sequence[OpCounts] = ()
    arrivals: Sequence[Arrival] = ()
    missed: dict[str, int] | None = None
    reached: Sequence[Tensor] = ()
    in_order: bool = False
    fresh: bool = False
    drawn: float | None = None
    outside: bool = False
    beside: Segments | Sequence[Segments | None] | None = None
    rest: Rest | None = None

    def mapped(self, change: Callable[[Kind], Kind]) -> "Outcome":
        """Returns the same outcome after a change of each kind in it."""
        alone = isinstance(self.kind, Kind)
        kinds = [self.kind] if isinstance(self.kind, Kind) else self.kind
        held = [self.beside] if isinstance(self.beside, Segments) else self.beside
        changed = None if kinds is None else [change(kind) for kind in kinds]
        beside = None if held is None else [one and one.mapped(change) for one in held]
        return replace(self, kind=changed[0] if alone and changed else changed, beside=beside)


# Nothing of the network took part: the result is made of weights and constants, or of shapes.
DERIVED = Outcome()
FRESH = Outcome(fresh=True)
OUTSIDE = Outcome(outside=True)

Rule = Callable[..., Outcome]


class Before:
    """A rule that is asked before its call, which may change the arguments in place.

    Its call has no ``out``.
    """

    __slots__ = ("rule",)

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __call__(self, call: Any, *args: Any, **kwargs: Any) -> Outcome:
        """Asks the rule."""
        return self.rule(call, *args, **kwargs)


def respelled(rule: Rule, **names: str) -> Rule:
    """Returns a rule of several functions, under the names that one gives to its arguments."""

    def spelled(call: Any, *args: Any, **kwargs: Any) -> Outcome:
        return rule(call, *args, **{names.get(name, name): v for name, v in kwargs.items()})

    return spelled


def absent(shape: Sequence[int], like: Tensor) -> Tensor:
    """Returns a shape and a type in place of values that exist only inside a function."""
    return torch.empty(tuple(shape), dtype=like.dtype, device="meta")
