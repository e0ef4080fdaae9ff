"""The synapses of a weight that there are, while training decides which."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from picojoule._torch import DisableTorchFunction

_NAME = "picojoule_presence"


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
            mask = mask * self.outputs.double().view(-1, *[1] * (axes - 1))
        if self.inputs is not None:
            mask = mask * self.inputs.double().view(1, -1, *[1] * (axes - 2))
        return mask if self.each is None else mask * self.each.double()

    def partners(self) -> Tensor:
        """Returns how many outputs of a linear layer each input meets [I], in float64."""
        if self.each is not None:
            return self.synapses().sum(0).expand(self.weight.shape[1])
        whole = self.weight.new_ones(self.weight.shape[1], dtype=torch.float64)
        inputs = whole if self.inputs is None else self.inputs.double()
        outputs = self.weight.shape[0] if self.outputs is None else self.outputs.double().sum()
        return inputs * outputs

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
    presence = presence_of(weight) or Presence(weight)
    known: dict[str, Any] = {}
    left = weight
    with DisableTorchFunction():  # no function of the network, which modes are to see
        for name, decides in (("outputs", outputs), ("inputs", inputs), ("each", each)):
            if decides is not None:
                known[name] = decides()
        if inputs is not None:
            left = left * known["inputs"].view(1, -1, *[1] * (weight.dim() - 2))
        if each is not None:
            left = left * known["each"]
        left = left.view_as(left) if left is weight else left
    setattr(left, _NAME, replace(presence, **known))
    return left


def presence_of(weight: Any) -> Presence | None:
    """Returns which synapses of a weight there are, None if all are."""
    return getattr(weight, _NAME, None)
