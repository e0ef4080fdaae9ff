"""What a function that holds several products tells the recorder, and helpers to say it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from picojoule.energy.counts import Sizes
from picojoule.energy.kinds import Kind
from picojoule.energy.rules.provenance import KindOf
from picojoule.energy.rules.synapses import Synapses, linear

Product = tuple[str, Synapses, Kind]


@dataclass(frozen=True, eq=False)
class Composite:
    """What happened in one call.

    Attributes:
        products: Name of the part (empty for the call itself), what arrived at which synapses, and
            its kind.
        counts: Further totals over the call.
        missed: What is met and not counted, with its elements.
        kind: That of the results, None for analog.
        reached: Weights that were counted without being the weight or bias of a product.
        sizes: Sizes of the layer, for the prices of ``counts``.
    """

    products: Sequence[Product] = ()
    counts: dict[str, float | Tensor] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    kind: Kind | None = None
    reached: Sequence[Tensor] = ()
    sizes: Sizes = field(default_factory=Sizes)


def absent(shape: Sequence[int], like: Tensor) -> Tensor:
    """Stands for analog values that exist only inside a function: a shape and a type."""
    return torch.empty(tuple(shape), dtype=like.dtype, device="meta")


def projection(values: Tensor, weight: Tensor, bias: Tensor | None, skip: bool) -> Synapses:
    """A linear layer inside a function; its result does not exist outside."""
    out = absent((*values.shape[:-1], weight.shape[0]), values)
    return linear(out, values, weight, bias, skip_zero_weights=skip)


def analog(*kinds: Kind | None) -> Kind:
    """The analog kind over the steps of those that are known."""
    return Kind("analog", steps=next((kind.steps for kind in kinds if kind and kind.steps), None))


def respelled(rule: Callable[..., Composite], **names: str) -> Callable[..., Composite]:
    """A rule of several functions, under the names that one of them gives to its arguments."""

    def spelled(of: KindOf, out: Tensor, *args: Any, **kwargs: Any) -> Composite:
        return rule(of, out, *args, **{names.get(name, name): v for name, v in kwargs.items()})

    return spelled


def moved(kind: Kind | None) -> Kind | None:
    """The kind of the same values elsewhere: events of unequal worth lose what they are worth."""
    if kind is None:
        return None
    return kind.graded() if kind.uneven else kind.untallied()
