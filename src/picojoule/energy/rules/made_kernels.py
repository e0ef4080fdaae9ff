"""Convolutions whose kernels are values of the network, such as the features of another image."""

from collections.abc import Callable

from torch import Tensor

from picojoule.energy.kinds import NOTHING, Kind
from picojoule.energy.rules.call import Call, analog
from picojoule.energy.rules.fanout import Key, kernel_map
from picojoule.energy.rules.outcome import Arrival, Outcome, Synapses
from picojoule.energy.rules.products import coincidence


def made(call: Call, input: Tensor, weight: Tensor) -> Kind | None:
    """Returns the kind of a kernel that holds events, or whose input is constant; None for others.

    Other values of the network count as learned weights do.
    """
    kind = call.kind(weight)
    if kind is None or kind is NOTHING:
        return None
    return kind if kind.sparse or call.operand(input) is None else None


def met(
    call: Call, synapses: Synapses, kind: Kind, key: Key, through: Callable[[Tensor], Tensor]
) -> Outcome:
    """Counts a convolution with such a kernel, as the product that it is.

    Events of the kernel meet all inputs that are not events. Where both are, those that coincide
    count.

    Args:
        call: The call.
        synapses: Its synapses, as if its kernel were learned.
        kind: The kind of the kernel.
        key: The properties of its axes.
        through: Gives the sum of a kernel that each input element meets.
    """
    values, weight = synapses.values, synapses.weight
    assert weight is not None
    given = call.operand(values)
    alone = Synapses(values, synapses.fanout, None, synapses.bias, synapses.output)
    if given is not None and given.sparse:
        kind, there = coincidence(given, kind, weight)
        assert isinstance(alone.fanout, Tensor)
        dense = int(alone.fanout.sum()) * (values.numel() // max(1, alone.fanout.numel()))
        alone = alone._replace(fanout=through(there), dense=dense)
    else:
        batch = values.shape[0] if values.dim() == weight.dim() else 1
        fanout = kernel_map(key, batch, weight.device)
        alone = alone._replace(values=weight, fanout=fanout, weight=None if given else values)
    return Outcome(analog(given, kind), arrivals=[Arrival("", alone, kind)], reached=(values,))
