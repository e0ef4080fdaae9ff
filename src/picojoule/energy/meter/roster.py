"""Roster of a network: what a meter knows of it before it runs."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from torch import nn
from torch.nn.utils.parametrize import ParametrizationList

from picojoule._snapshot import Snapshot
from picojoule._torch import submodules
from picojoule.contract import NeuronCost
from picojoule.energy.meter.foreign import Foreign
from picojoule.energy.meter.names import plain_name
from picojoule.energy.meter.population import NeuronLayer, population
from picojoule.energy.meter.watch import scripted

_FIXED = ("picojoule.", "torch.nn.")  # whose classes stay as they are


class Roster(NamedTuple):
    """The findings of one look at a network.

    Attributes:
        names: Its modules with their names, but for those that leave out parts of weights.
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
        children: The layers of the network, by name.
        snapshot: What all modules in it held.
        roster: What was found.
    """

    children: list[tuple[str, nn.Module | None]]
    snapshot: Snapshot
    roster: Roster


def roster(net: nn.Module, neurons: Mapping[Any, NeuronCost | Foreign], dt: float | None) -> Roster:
    """Looks at a network once, and again if anything was set in it since.

    Args:
        net: The network.
        neurons: What the user says of neurons.
        dt: Seconds per step of neurons that have none of their own.
    """
    said = neurons or dt is not None
    both, children = _rosters().get(net, {}), list(submodules(net).items())
    kept = None if said else both.get(net.training)  # one for training, and one for use
    if kept is None or kept.children != children or not kept.snapshot.holds:
        (root, _), *named = net.named_modules()
        found = _looked_up([(root, net), *named], neurons, dt)
        if said:
            return found
        both.pop(net.training, None)
        ours = all(type(module).__module__.startswith(_FIXED) for _, module in named)
        if not (named and ours) or found.scripted or net in found.layers:
            return found
        snapshot = Snapshot(module for _, module in named)
        if not snapshot.plain:
            return found
        del found.names[net]
        kept = _KeptRoster(children, snapshot, found)
        _rosters().setdefault(net, {})[net.training] = kept
    return kept.roster._replace(names={net: "network", **kept.roster.names})


def _looked_up(
    named: list[tuple[str, nn.Module]],
    neurons: Mapping[Any, NeuronCost | Foreign],
    dt: float | None,
) -> Roster:
    apart = _masks(module for _, module in named)
    names = {module: plain_name(name) or "network" for name, module in named if module not in apart}
    unseen = scripted(named[0][1])
    known = {module: population(module, neurons, dt) for module in names}
    layers = {module: layer for module, layer in known.items() if layer is not None}
    return Roster(names, unseen, layers, {})


def _masks(modules: Iterable[nn.Module]) -> set[nn.Module]:
    """Finds the modules that leave out a part of a weight, whose calls are no part of a network."""
    lists = (one for one in modules if isinstance(one, ParametrizationList))
    return {
        inner
        for changes in lists
        if all(getattr(one, "leaves_out", False) for one in changes)
        for inner in changes.modules()
    }


@cache
def _rosters() -> WeakKeyDictionary[nn.Module, dict[bool, _KeptRoster]]:
    return WeakKeyDictionary()
