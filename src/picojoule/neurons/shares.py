"""Parts of a layer of several kinds: their numbers of neurons, their names, their gates."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from picojoule._torch import replace_data
from picojoule.neurons.base import Neuron, neuron

Factory = Callable[..., Neuron]
OFF = "off"
LEAD = 0.1  # of the gate of the kind that a neuron's share gives it


def numbers(kinds: Mapping[Any, float], size: int | None) -> list[int]:
    """Computes the number of neurons of each kind, of shares by the largest remainder.

    Raises:
        ValueError: If they do not sum to ``size`` or to one, or leave a kind without a neuron.

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
    """Makes ``size`` neurons of a kind with steps of ``dt`` seconds.

    Raises:
        TypeError: If the kind does not make neurons, or makes a layer of layers.
        ValueError: If the name is unknown, or the neurons have another ``dt``.
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
    """Names layers by their lower-case types; the second of a type has a 2 behind it."""
    types = [type(kind).__name__.lower() for kind in made]
    seen = [types[: k + 1].count(name) for k, name in enumerate(types)]
    return [f"{name}{n}" if n > 1 else name for name, n in zip(types, seen, strict=True)]


def keep(layer: nn.Module, index: Tensor, size: int) -> None:
    """Keeps only some of the ``size`` neurons of a layer: those of ``index``."""
    for part in layer.modules():
        if getattr(part, "size", None) == size:
            setattr(part, "size", len(index))  # noqa: B010
        for value in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
            if value.dim() and len(value) == size:
                replace_data(value, value.data.index_select(0, index))


def undecided(counts: Mapping[str, int]) -> nn.ParameterDict:
    """Makes equal gates of all kinds and of none, with a small lead of the kind of the share."""
    lead = torch.eye(len(counts) + 1)[:-1].repeat_interleave(
        torch.tensor(list(counts.values())), dim=0
    )
    rows = LEAD * lead.t()
    # A ParameterDict would sort the names of a plain dict.
    gates = OrderedDict(zip([*counts, OFF], rows.clone(), strict=True))
    return nn.ParameterDict(gates)


def along_first(gate: Tensor, axes: int) -> Tensor:
    """Reshapes [size] to broadcast with values of ``axes`` axes, that of the neurons first."""
    return gate.view(-1, *[1] * (axes - 1))
