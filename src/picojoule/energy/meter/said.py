"""Checks of what a user says of a network and its neurons, and a meter's warnings about neurons."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.contract import NeuronCost
from picojoule.energy.events import Summed, are_whole
from picojoule.energy.kinds import Kind
from picojoule.energy.meter.foreign import Foreign
from picojoule.energy.meter.functions import is_function
from picojoule.energy.meter.population import NeuronLayer, altered, described
from picojoule.energy.meter.recorder import Recorder


def check_network(net: Any) -> None:
    """Checks that a network is a module.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(
            f"net must be a torch.nn.Module, got a {type(net).__name__}: give the network "
            "itself, and run what uses it inside the block"
        )


def checked(neurons: Any) -> Mapping[Any, NeuronCost | Foreign]:
    """Returns ``neurons`` if it names neurons and their costs.

    Raises:
        TypeError: It does not.
    """
    if neurons is None:
        return {}
    if not isinstance(neurons, Mapping) or not all(
        _is_neuron(one) and isinstance(cost, (NeuronCost, Foreign)) for one, cost in neurons.items()
    ):
        raise TypeError(
            "neurons says what an update of each neuron costs, which is a type of module, an "
            "autograd.Function or a function in Python: "
            f"neurons={{Type: NeuronCost(adds=1, multiplies=1, states=1)}}, got {neurons!r}"
        )
    return neurons


def _is_neuron(named: Any) -> bool:
    return (isinstance(named, type) and issubclass(named, nn.Module)) or is_function(named)


def spike_functions(
    neurons: Mapping[Any, NeuronCost | Foreign], dt: float | None
) -> dict[Any, NeuronLayer]:
    """Returns those of the named neurons that are functions."""
    return {
        one: described(said if isinstance(said, Foreign) else Foreign(said), one.__name__, dt)
        for one, said in neurons.items()
        if is_function(one)
    }


def warn_of_none() -> None:
    """Warns that no neuron is known in a network."""
    warnings.warn(
        "no neuron is known in this network: what its layers put out counts as analog. "
        "Name the types of its neurons: Meter(net, neurons={Type: NeuronCost(...)})",
        stacklevel=3,
    )


def warn_of_derived(
    layers: Mapping[nn.Module, NeuronLayer], names: Mapping[nn.Module, str]
) -> None:
    """Warns of neurons that derive from a known type and change what an update does."""
    told: set[type] = set()
    for module, layer in layers.items():
        kind = type(module)
        if layer.named or kind in told or (method := altered(module)) is None:
            continue
        told.add(kind)
        warnings.warn(
            f"'{names[module]}' is a {kind.__name__}, a known neuron or derived from one, with its "
            f"own {method}: an update is counted as one of that neuron, and may cost more. Say "
            f"what it costs: Meter(net, neurons={{{kind.__name__}: NeuronCost(...)}})",
            stacklevel=3,
        )


def warn_of_idle(neurons: Sequence[str]) -> None:
    """Warns of neurons that were not called."""
    if neurons:
        warnings.warn(
            f"neurons that were not called inside the block: {', '.join(neurons)}. If they ran by "
            "one of their methods, it was not seen, and what they put out counts as analog: call "
            "the module itself, or mark what it puts out by pj.spikes",
            stacklevel=3,
        )


def check_named(
    doubts: Sequence[tuple[str, Kind, Tensor]], sums: Sequence[tuple[str, Kind, Summed]]
) -> None:
    """Reads from the device whether values are what they were named, and events are whole.

    Args:
        doubts: The name, the kind and the ``faults`` of each that was named.
        sums: The layer, the kind and the sum of the events that arrived.

    Raises:
        ValueError: They are not.
    """
    for some in _by_device(doubts, lambda faults: faults.device):
        found = torch.stack([faults for _, _, faults in some]).tolist()
        for (name, kind, _), broken in zip(some, found, strict=True):
            if any(broken):
                raise ValueError(f"'{name}' {_fix(kind, *broken)}")
    for some in _by_device(sums, lambda found: found.events.device):
        if not are_whole([found for _, _, found in some]):
            name, kind = next((name, kind) for name, kind, one in some if not are_whole([one]))
            raise ValueError(f"'{name}' {_unfit(kind)}")


class ValueCheck:
    """Check of whether values are what they were named, and events are whole.

    Args:
        recorder: Knows what was named and what was summed.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._done = (0, 0)

    def read(self) -> None:
        """Reads it from the device, unless nothing was taken down since it was read or put off.

        Raises:
            ValueError: As ``check_named``.
        """
        if self._done != (taken := self._taken):
            self._check()()
            self._done = taken

    def put_off(self) -> Callable[[], None]:
        """Returns what reads it, and takes it as read."""
        self._done = self._taken
        return self._check()

    def _check(self) -> Callable[[], None]:
        sums = [(name, kind, one.detach()) for name, kind, one in self._recorder.sums]
        return partial(check_named, self._recorder.doubts, sums)

    @property
    def _taken(self) -> tuple[int, int]:
        return len(self._recorder.doubts), len(self._recorder.sums)


def _by_device(found: Sequence[Any], device_of: Callable[[Any], Any]) -> Iterable[list[Any]]:
    groups: dict[torch.device, list[Any]] = {}
    for one in found:
        groups.setdefault(device_of(one[2]), []).append(one)
    return groups.values()


def _unfit(kind: Kind) -> str:
    """Says that values which arrived are not of their kind, and what to do."""
    worth = "" if kind.is_worth(1) else f" of {kind.scale} each"
    if kind.given:
        return (
            f"counts inputs that were said to be {kind.name}{worth}, but are no whole numbers of "
            'them, or more than one at a place: say what they are, inputs="analog", or "levels" if '
            "they are numbers of events"
        )
    return (
        f"counts {kind.name}{worth}, by what is known of where they come from, but the values are "
        "no whole numbers of them: something changed them where it was not seen (a scripted "
        "function, NumPy, x.data), or puts out something else than it is known for. Say what they "
        'are by pj.spikes(x, "analog")'
    )


def _fix(kind: Kind, fractions: bool, negative: bool, many: bool) -> str:
    """Says what is wrong with values of a kind, and what to do."""
    worth = "" if kind.scale == 1 else f" of {kind.scale} each"
    if fractions:
        return (
            f"should put out {kind.name}{worth}, but its values are no whole numbers of them: "
            "say what one event is worth, Foreign(cost, scale=0.25) or pj.spikes(x, scale=0.25), "
            'or that they are "graded" or "analog"'
        )
    if negative:
        return (
            f"should put out {kind.name}{worth}, but some values are negative: say that "
            "they have signs, Foreign(cost, signed=True) or pj.spikes(x, signed=True)"
        )
    assert many
    return (
        f"should put out events{worth}, but some values are more than one: say that "
        'they are levels, Foreign(cost, output="levels") or pj.spikes(x, "levels")'
    )
