"""Survey of a network: what a meter knows of it before it runs."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from torch import nn

from picojoule._snapshot import Snapshot
from picojoule.contract import NeuronCost
from picojoule.energy.meter.foreign import Foreign
from picojoule.energy.meter.names import plain_name
from picojoule.energy.meter.population import NeuronLayer, population
from picojoule.energy.meter.watch import scripted


class Survey(NamedTuple):
    """The findings of one look at a network.

    Attributes:
        names: Its modules with their names.
        scripted: Modules inside which nothing can be seen, each with the module around them.
        layers: Those that are layers of neurons.
        forecasts: What was found when it ran as one function, but for the numbers of events, by
            what that depends on. It is shared by surveys of the same network as it is.
    """

    names: dict[nn.Module, str]
    scripted: dict[nn.Module, nn.Module | None]
    layers: dict[nn.Module, NeuronLayer]
    forecasts: dict[Any, Any]


class _Kept(NamedTuple):
    """A survey of all modules but the network itself, which must not keep that alive.

    Attributes:
        named: These modules, with their names.
        snapshot: What they held.
        survey: What was found.
    """

    named: list[tuple[str, nn.Module]]
    snapshot: Snapshot
    survey: Survey


def survey(net: nn.Module, neurons: Mapping[Any, NeuronCost | Foreign], dt: float | None) -> Survey:
    """Looks at a network once, and again if anything was set in it since.

    Args:
        net: The network.
        neurons: What the user says of neurons.
        dt: Seconds per step of neurons that have none of their own.
    """
    (root, _), *named = net.named_modules()
    if neurons or dt is not None or not named:
        return _survey([(root, net), *named], neurons, dt)
    both = _surveys().setdefault(net, {})  # one for training, and one for use
    kept = both.get(net.training)
    if kept is None or kept.named != named or not kept.snapshot.holds:
        found = _survey([(root, net), *named], neurons, dt)
        snapshot = Snapshot(module for _, module in named)
        both.pop(net.training, None)
        if not snapshot.plain or found.scripted or net in found.layers:
            return found
        del found.names[net]
        both[net.training] = kept = _Kept(named, snapshot, found)
    found = kept.survey
    return found._replace(names={net: plain_name(root) or "network", **found.names})


def _survey(
    named: list[tuple[str, nn.Module]],
    neurons: Mapping[Any, NeuronCost | Foreign],
    dt: float | None,
) -> Survey:
    names = {module: plain_name(name) or "network" for name, module in named}
    unseen = scripted(named[0][1])
    known = {module: population(module, neurons, dt) for module in names}
    layers = {module: layer for module, layer in known.items() if layer is not None}
    return Survey(names, unseen, layers, {})


@cache
def _surveys() -> WeakKeyDictionary[nn.Module, dict[bool, _Kept]]:
    return WeakKeyDictionary()
