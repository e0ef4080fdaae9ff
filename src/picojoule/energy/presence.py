"""The synapses of a weight that there are, while training decides which."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from picojoule._torch import DisableTorchFunction, version_of

_NAME, _WIDE = "picojoule_presence", "picojoule_wide"


@dataclass(frozen=True, eq=False)
class Presence:
    """Ones where there is something and zeros where not, with the graph of what decides it.

    Attributes:
        weight: The weight as it is learned, [O, I, ...].
        outputs: Which outputs there are [O]; None for all.
        inputs: Which inputs there are [I]; None for all.
        each: Which synapses there are, of the weight's shape; None for all.
    """

    weight: Tensor
    outputs: Tensor | None = None
    inputs: Tensor | None = None
    each: Tensor | None = None

    def synapses(self) -> Tensor:
        """Returns 1 for each synapse that there is [O, I or 1, ...], in float64."""
        outputs, axes = self.weight.shape[0], self.weight.dim()
        mask = self.weight.new_ones([outputs, *[1] * (axes - 1)], dtype=torch.float64)
        if self.outputs is not None:
            mask = mask * wide(self.outputs).view(-1, *[1] * (axes - 1))
        if self.inputs is not None:
            mask = mask * wide(self.inputs).view(1, -1, *[1] * (axes - 2))
        return mask if self.each is None else mask * wide(self.each)

    def partners(self) -> Tensor:
        """Returns how many outputs of a linear layer each input meets [I], in float64."""
        if self.each is not None:
            return self.synapses().sum(0).expand(self.weight.shape[1])
        whole = self.weight.new_ones(self.weight.shape[1], dtype=torch.float64)
        inputs = whole if self.inputs is None else wide(self.inputs)
        outputs = self.weight.shape[0] if self.outputs is None else wide(self.outputs).sum()
        return inputs * outputs

    def map(self, change: Callable[[Tensor], Tensor]) -> "Presence":
        """Returns that after ``change`` of what decides it."""
        parts = (self.outputs, self.inputs, self.each)
        return Presence(self.weight, *(None if one is None else change(one) for one in parts))

    def part(self, cut: Callable[[Tensor], Tensor]) -> "Presence":
        """Returns that of some of the inputs."""
        return replace(self, inputs=None if self.inputs is None else cut(self.inputs))


def only(
    weight: Tensor,
    outputs: Callable[[], Tensor] | None = None,
    inputs: Callable[[], Tensor] | None = None,
    each: Callable[[], Tensor] | None = None,
) -> Tensor:
    """Returns a weight of which only some inputs or synapses are not zero, for training.

    What is absent is no synapse for a ``Meter``, which counts it as such with the graph of what
    decides. Outputs that are absent are not zero: nothing that reads them may look at them, and
    they are what they would be if they were there.

    Args:
        weight: [O, I, ...].
        outputs: Returns ones and zeros [O].
        inputs: Returns ones and zeros [I].
        each: Returns ones and zeros of the weight's shape.
    """
    with DisableTorchFunction():  # no function of the network, which modes are to see
        parts = [None if decides is None else decides() for decides in (outputs, inputs, each)]
    left = weight
    if parts[1] is not None:
        left = left * parts[1].view(-1, *[1] * (weight.dim() - 2))
    if parts[2] is not None:
        left = left * parts[2]
    before = presence_of(weight)
    if before is not None:
        held = (before.outputs, before.inputs, before.each)
        parts = [old if new is None else new for old, new in zip(held, parts, strict=True)]
    presence = Presence(weight if before is None else before.weight, *parts)
    return known_as(left.view_as(left) if left is weight else left, presence)


def wide(part: Tensor) -> Tensor:
    """Returns ones and zeros in float64, made once for all who ask."""
    if part.dtype == torch.float64:
        return part
    version, found = getattr(part, _WIDE, (-1, part))
    graph = part.requires_grad and torch.is_grad_enabled()
    if version != version_of(part) or (graph and not found.requires_grad):
        found = part.double()
        setattr(part, _WIDE, (version_of(part), found))
    return found


def known_as(weight: Tensor, presence: Presence) -> Tensor:
    """Returns a weight after saying of it which synapses there are."""
    setattr(weight, _NAME, presence)
    return weight


def presence_of(weight: Any) -> Presence | None:
    """Returns which synapses of a weight there are, None if all are."""
    return getattr(weight, _NAME, None)
