"""Roster of a network: what a meter knows of it before it runs."""

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

_FIXED = ("picojoule.", "torch.nn.")  # whose classes stay as they are


class Roster(NamedTuple):
    """The findings of one look at a network.

    Attributes:
        names: Its modules with their names.
        scripted: Modules inside which nothing can be seen, each with the module around them.
        layers: Those that are layers of neurons.
        forecasts: What was found when it ran as one function, but for the numbers of events, by
            what that depends on. It is shared by rosters of the same network as it is.
    """

    names: dict[nn.Module, str]
    scripted: dict[nn.Module, nn.Module | None]
    layers: dict[nn.Module, NeuronLayer]
    forecasts: dict[Any, Any]


class _KeptRoster(NamedTuple):
    """A roster of all modules but the network itself, which must not keep that alive.

    Attributes:
        named: These modules, with their names.
        snapshot: What they held.
        roster: What was found.
    """

    named: list[tuple[str, nn.Module]]
    snapshot: Snapshot
    roster: Roster


def roster(net: nn.Module, neurons: Mapping[Any, NeuronCost | Foreign], dt: float | None) -> Roster:
    """Looks at a network once, and again if anything was set in it since.

    Args:
        net: The network.
        neurons: What the user says of neurons.
        dt: Seconds per step of neurons that have none of their own.
    """
    (root, _), *named = net.named_modules()
    ours = all(type(module).__module__.startswith(_FIXED) for _, module in named)
    if neurons or dt is not None or not (named and ours):
        return _looked_up([(root, net), *named], neurons, dt)
    both = _rosters().setdefault(net, {})  # one for training, and one for use
    kept = both.get(net.training)
    if kept is None or kept.named != named or not kept.snapshot.holds:
        found = _looked_up([(root, net), *named], neurons, dt)
        snapshot = Snapshot(module for _, module in named)
        both.pop(net.training, None)
        if not snapshot.plain or found.scripted or net in found.layers:
            return found
        del found.names[net]
        both[net.training] = kept = _KeptRoster(named, snapshot, found)
    found = kept.roster
    return found._replace(names={net: plain_name(root) or "network", **found.names})


def _looked_up(
    named: list[tuple[str, nn.Module]],
    neurons: Mapping[Any, NeuronCost | Foreign],
    dt: float | None,
) -> Roster:
    names = {module: plain_name(name) or "network" for name, module in named}
    unseen = scripted(named[0][1])
    known = {module: population(module, neurons, dt) for module in names}
    layers = {module: layer for module, layer in known.items() if layer is not None}
    return Roster(names, unseen, layers, {})


@cache
def _rosters() -> WeakKeyDictionary[nn.Module, dict[bool, _KeptRoster]]:
    return WeakKeyDictionary()
