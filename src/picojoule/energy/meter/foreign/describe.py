"""Descriptions of neurons of other libraries."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from picojoule._names import unknown
from picojoule.contract import NeuronCost
from picojoule.energy.convention import Convention
from picojoule.energy.kinds import KINDS
from picojoule.energy.rules.call import Call
from picojoule.energy.rules.outcome import Synapses
from picojoule.energy.rules.synapses import convolution


class Inner(NamedTuple):
    """Values that arrived at synapses inside a neuron layer during one call.

    Attributes:
        name: Name under which they are counted, below that of the layer.
        call: The values that arrived and at how many synapses.
        source: Where the values come from: ``"input"``, of the kind of the layer's first argument;
            ``"output"``, of the kind of what the layer puts out; ``"analog"``, its state.
        steps: Steps of the layer's own output that the values are, None if they are not from it.
    """

    name: str
    call: Synapses
    source: str
    steps: slice | None = None


# What has arrived, once the result of a call is there.
Arrived = Callable[[Any], Iterable[Inner]]
# Called when a module is entered, since some overwrite what arrived while they run: with the
# module, its args, its kwargs, and whether a weight of zero is no synapse.
Arriving = Callable[..., Arrived]


@dataclass(frozen=True)
class Foreign:
    """A neuron of another library, as a meter must know it.

    The synapses inside such a layer (``nn.Linear``, ``F.conv2d``, a product) are counted like all
    others if they run as functions of torch. ``arrivals`` is for those that do not: weights in a
    scripted or compiled kernel, or neurons that overwrite what arrived while they run. It is called
    as ``arrivals(module, args, kwargs, skip)`` when the layer is entered, where ``skip`` says
    whether weights of zero are no synapses, and returns a function of the layer's result that gives
    an ``Inner`` for each set of synapses. Nothing that runs inside is then counted otherwise. Both
    ``Inner`` and the ``Synapses`` that it holds are in ``picojoule.energy``.

    Attributes:
        cost: Operations and state of one update.
        output: The kind of the first tensor that a call gives back, or of a list of spikes, one for
            each step.
        leading: First axes of that tensor that are no part of a neuron's place: 2 if one call is
            all steps [T, B, ...], 1 if it is one step [B, ...].
        signed: Whether events are counted by magnitude.
        scale: Worth of one event in that tensor.
        dt: Seconds per step, None if the library has none.
        species: The type of neuron of picojoule whose circuit it is, by which chips price; its own
            name if left empty.
        covers: Parameters of two or more dimensions that are part of the update and no synapses.
        arrivals: The synapses inside that cannot be seen, None if there are none.
        levels: The most events that one neuron puts out in one step.

    Raises:
        ValueError: The kind is unknown, an event is worth nothing, or ``levels`` is below one.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from picojoule.energy import Inner, Meter, Synapses
        >>> class Kernel(nn.Module):  # its weights meet no function of torch that a meter knows
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.weight = nn.Parameter(torch.ones(2, 3))
        ...     def forward(self, x):
        ...         return torch.from_numpy(x.numpy() @ self.weight.detach().numpy().T >= 2).float()
        >>> def arrivals(module, args, kwargs, skip):
        ...     x, weight = args[0], module.weight
        ...     fanout = (weight != 0).sum(0).double() if skip else len(weight)
        ...     met = Synapses(x, fanout, weight, None, output=len(x) * len(weight))
        ...     return lambda result: [Inner("weight", met, "input")]
        >>> neurons = {Kernel: Foreign(NeuronCost(adds=1, states=1), arrivals=arrivals)}
        >>> net = nn.Sequential(Kernel())
        >>> with Meter(net, samples=1, inputs="events", neurons=neurons) as meter:
        ...     out = net(torch.tensor([[1.0, 0.0, 1.0]]))
        >>> {name: int(count.ac) for name, count in meter.counts.items()}
        {'0.weight': 4, '0': 0}
    """

    cost: NeuronCost
    output: str = "events"
    leading: int = 1
    signed: bool = False
    scale: float = 1.0
    dt: float | None = None
    species: str = ""
    covers: tuple[str, ...] = ()
    arrivals: Arriving | None = None
    levels: int = 1

    def __post_init__(self) -> None:
        if self.output not in KINDS:
            raise ValueError(unknown("kind of output", self.output, KINDS))
        if not (math.isfinite(self.scale) and self.scale):
            raise ValueError(
                f"scale is what one event is worth, a number other than zero, got {self.scale!r}"
            )
        if not self.levels >= 1:
            raise ValueError(f"levels must be at least 1, got {self.levels!r}")


Table = dict[str, Foreign | Callable[[Any], Foreign]]


def argument(
    index: int, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Tensor | Any | None:
    """Returns an argument of a call by its place or its name, None if it was left out."""
    return args[index] if len(args) > index else kwargs.get(name)


def first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Returns the first argument of a call, however it was passed."""
    return args[0] if args else next(iter(kwargs.values()))


def absent(like: Tensor, *shape: int) -> Tensor:
    """Returns a tensor of which only shape and device matter, in place of one that is not there."""
    return like.new_zeros(1).expand(shape)


def convolved(
    out: Tensor,
    values: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    padding: Any = 0,
    groups: int = 1,
    skip: bool,
) -> Synapses:
    """Returns the synapses of a convolution that ran inside."""
    call = Call(Convention(skip_zero_weights=skip))
    call.out = out
    return (
        convolution(call, values, weight, bias, padding=padding, groups=groups).arrivals[0].synapses
    )
