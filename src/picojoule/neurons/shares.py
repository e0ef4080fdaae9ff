"""What a layer of several kinds is made of: how many neurons of which kind, and some of them."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.neurons.base import Neuron, neuron

Factory = Callable[..., Neuron]
OFF = "off"
LEAD = 0.1  # of the gate of the kind that a neuron's share gives it


def numbers(kinds: Mapping[Any, float], size: int | None) -> list[int]:
    """Neurons of each kind: as said, or shares of ``size`` by largest remainder.

    Raises:
        ValueError: They do not sum to ``size`` or to one, or leave a kind without a neuron.

    Example:
        >>> numbers({"lif": 0.75, "brf": 0.25}, 6)
        [5, 1]
    """
    said = list(kinds.values())
    if not said or any(isinstance(n, bool) or not n > 0 for n in said):
        raise ValueError(f"kinds must have shares or numbers above zero, got {dict(kinds)}")
    if all(isinstance(n, int) for n in said):
        if size is not None and sum(said) != size:
            raise ValueError(f"the numbers of kinds sum to {sum(said)}, and size is {size}")
        return [int(n) for n in said]
    if size is None or not math.isclose(sum(said), 1):
        raise ValueError(
            f"kinds must be shares that sum to one, with size=, or whole numbers of neurons; got "
            f"{dict(kinds)} and size={size}"
        )
    counts = [math.floor(share * size) for share in said]
    rest = sorted(range(len(said)), key=lambda k: counts[k] - said[k] * size)
    for k in rest[: size - sum(counts)]:
        counts[k] += 1
    if not all(counts):
        raise ValueError(f"shares {said} of {size} neurons leave a kind without one: {counts}")
    return counts


def make(kind: str | Factory, size: int, dt: float) -> Neuron:
    """``size`` neurons of a kind on the clock ``dt``.

    Raises:
        TypeError: A kind that makes no neurons, or makes a layer of layers.
        ValueError: An unknown name, or another clock.
    """
    if isinstance(kind, nn.Module) or not (isinstance(kind, str) or callable(kind)):
        raise TypeError(f"expected a neuron's name, its class, or what makes one, got {kind!r}")
    maker = neuron(kind) if isinstance(kind, str) else kind
    made = maker(size, dt=dt) if isinstance(maker, type) else maker(size)
    if not isinstance(made, Neuron) or sum(isinstance(m, Neuron) for m in made.modules()) > 1:
        raise TypeError(
            f"a mixture is of single neurons, and {kind!r} made a {type(made).__name__}: for a "
            "recurrent layer put the mixture into it, Recurrent(Mixture(...), size)"
        )
    if made.dt != dt:
        raise ValueError(f"one layer has one clock: {kind!r} has dt={made.dt}, the layer {dt}")
    return made


def names(made: Sequence[nn.Module]) -> list[str]:
    """Their lower-case types; the second of a type has a 2 behind it."""
    types = [type(kind).__name__.lower() for kind in made]
    seen = [types[: k + 1].count(name) for k, name in enumerate(types)]
    return [f"{name}{n}" if n > 1 else name for name, n in zip(types, seen, strict=True)]


def keep(layer: nn.Module, index: Tensor, size: int) -> None:
    """Leaves only some of the ``size`` neurons of a layer: those of ``index``."""
    for part in layer.modules():
        if getattr(part, "size", None) == size:
            setattr(part, "size", len(index))  # noqa: B010
        for value in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
            if value.dim() and len(value) == size:
                value.data = value.data.index_select(0, index)


def undecided(counts: Mapping[str, int]) -> nn.ParameterDict:
    """Equal gates of all kinds and of none, but for the lead of the kind of a neuron's share."""
    lead = torch.eye(len(counts) + 1)[:-1].repeat_interleave(
        torch.tensor(list(counts.values())), dim=0
    )
    rows = LEAD * lead.t()
    # A ParameterDict would sort the names of a plain dict.
    gates = OrderedDict(zip([*counts, OFF], rows.clone(), strict=True))
    return nn.ParameterDict(gates)


def along_first(gate: Tensor, axes: int) -> Tensor:
    """[size] shaped to meet values of ``axes`` axes, that of the neurons first."""
    return gate.view(-1, *[1] * (axes - 1))
