"""The channels of a network that can be left out: who makes them, and who reads them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from picojoule._torch import NormBase, parameters
from picojoule.networks.repeat import Repeat
from picojoule.networks.sequential import Residual, Sequential
from picojoule.neurons import Mixture, Neuron

Synapses = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
INPUTS = "inputs"  # the layer in front of the first synapses that takes what these read

# What comes to these in a channel leaves them in that channel.
_PASSING = (
    *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, Repeat),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
)


@dataclass(eq=False)
class Channels:
    """Channels between layers of a network: neurons, maps of a convolution, or inputs.

    Attributes:
        name: Dotted name of their neurons; ``"inputs"`` for those of the network.
        size: How many there are.
        maker: The layer whose outputs they are; None for the network's inputs.
        makes: Its dotted name.
        along: Layers with parameters for each of them: norms and neurons.
        reader: The layer that reads them.
        before: The container of that layer, and its name there.
        free: Whether nothing else depends on how many they are.
        flat: Whether they are the last axis.
        alone: Whether they were so and then flattened, so that there can be no axis beside them.
    """

    name: str
    size: int = 0
    maker: Synapses | None = None
    makes: str = ""
    along: list[nn.Module] = field(default_factory=list)
    reader: Synapses | None = None
    before: tuple[nn.Module, str] | None = None
    free: bool = True
    flat: bool = False
    alone: bool = False

    @property
    def neurons(self) -> list[Neuron]:
        """The neurons among the layers along them."""
        return [layer for layer in self.along if isinstance(layer, Neuron)]

    @property
    def places(self) -> int:
        """Inputs of the reader for each of them: more than one if maps were flattened."""
        assert self.reader is not None
        return inputs_of(self.reader) // self.size


def channels_of(net: nn.Module) -> list[Channels]:
    """Finds the channels of a ``Sequential`` that can be left out without a change of the rest.

    These are inputs and neurons with one layer that reads them, outside of shortcuts. Those of
    mixtures are not among them, see ``mixtures_of``.
    """
    return [one for one in _free(net) if not _mixtures(one)]


def mixtures_of(net: nn.Module) -> dict[Mixture, Channels]:
    """Finds the channels that can be left out as ``channels_of`` does, but those of mixtures."""
    found = ((one, _mixtures(one)) for one in _free(net) if len(one.neurons) == 1)
    return {mixed[0]: one for one, mixed in found if mixed}


def _mixtures(channels: Channels) -> list[Mixture]:
    parts = (part for layer in channels.neurons for part in layer.modules())
    return [part for part in parts if isinstance(part, Mixture)]


def _free(net: nn.Module) -> list[Channels]:
    """Finds channels on whose number nothing else depends."""
    if not (isinstance(net, Sequential) and _as_made(net)):
        return []
    found = _followed(net)
    shared = _shared(found)
    several = _in_several_places(net)
    return [
        one
        for one in found
        if one.free and one.size > 1 and one.reader is not None and (one.neurons or not one.maker)
        if shared.isdisjoint(one.along) and several.isdisjoint(_parameters(one))
    ]


def sizes_of(net: nn.Module) -> dict[Neuron, int]:
    """Finds how many neurons (or channels) the layers of neurons in a ``Sequential`` have.

    Left out are those of which it is not known, such as one layer of neurons in several places.
    """
    if not isinstance(net, Sequential):
        return {}
    found = _followed(net)
    shared = _shared(found)
    sized = {layer: one.size for one in found for layer in one.neurons if one.size}
    return {layer: size for layer, size in sized.items() if layer not in shared}


def _followed(net: Sequential) -> list[Channels]:
    """Follows the channels through a network."""
    found = [Channels(INPUTS)]
    _walk(net, "", found).free = False  # the network's output
    return found


def _shared(found: list[Channels]) -> set[nn.Module]:
    """Returns the layers that stand in several places."""
    everywhere = [layer for one in found for layer in one.along]
    return {layer for layer in everywhere if everywhere.count(layer) > 1}


def _in_several_places(net: nn.Module) -> set[nn.Parameter]:
    """Returns the parameters that stand in several places, but those of levers."""
    layers = (layer for _, layer in net.named_modules(remove_duplicate=False))
    held = (
        parameters(layer).values()
        for layer in layers
        if not type(layer).__module__.startswith("picojoule.training.")
    )
    counted = Counter(one for some in held for one in some if one is not None)
    return {one for one, times in counted.items() if times > 1}


def _parameters(channels: Channels) -> Iterator[nn.Parameter]:
    """Yields all parameters that change with the number of channels."""
    for layer in (channels.maker, channels.reader, *channels.along):
        if layer is not None:
            yield from layer.parameters()


def _as_made(layer: nn.Module) -> bool:
    """Tells whether calls of a layer do what its type says, with weights that can be cut.

    Of those that are made anew at each call, as by weight norm and pruning, only those of levers
    can, which are taken off before.
    """
    if not getattr(layer.forward, "__module__", "").startswith(("torch.nn.", "picojoule.")):
        return False
    made: Any = getattr(layer, "parametrizations", {})
    own = {
        name
        for name, each in made.items()
        if all(type(one).__module__.startswith("picojoule.") for one in each)
    }
    return not isinstance(layer, Synapses) or {"weight", "bias"} <= parameters(layer).keys() | own


def _walk(layers: nn.Module, prefix: str, found: list[Channels]) -> Channels:
    """Follows the channels through layers; the last of ``found`` are those that come in."""
    for name, layer in layers.named_modules(remove_duplicate=False):
        if not name or "." in name:
            continue
        now, dotted = found[-1], prefix + name
        if not _as_made(layer):
            now.free = False
            found.append(Channels(dotted, free=False))
        elif isinstance(layer, nn.Sequential):
            _walk(layer, f"{dotted}.", found)
        elif isinstance(layer, Residual):
            ends: list[Channels] = []
            for part in ("body", "shortcut"):
                found[-1].free = False
                found.append(Channels(dotted, free=False))
                ends.append(_walk(getattr(layer, part), f"{dotted}.{part}.", found))
                ends[-1].free = False
            # A sum has as many channels as each of its terms, of which an empty one says nothing.
            found.append(Channels(dotted, max(end.size for end in ends), free=False))
        elif isinstance(layer, Synapses):
            _read(now, layer, (layers, name))
            whole = getattr(layer, "groups", 1) == 1
            made = Channels(dotted, outputs_of(layer), layer, dotted, free=whole)
            made.flat = isinstance(layer, nn.Linear)
            found.append(made)
        elif isinstance(layer, (Neuron, NormBase)) and now.flat != isinstance(now.maker, nn.Linear):
            now.free = False  # maps that were flattened: each place is a channel of its own
            found.append(Channels(dotted, free=False))
        elif isinstance(layer, (Neuron, NormBase)):
            now.name = dotted if isinstance(layer, Neuron) and now.maker else now.name
            now.along.append(layer)
            now.free &= now.maker is not None
        elif isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1):
            now.alone, now.flat = now.flat, True
        elif not isinstance(layer, _PASSING):
            now.free = False
            found.append(Channels(dotted, free=False))
    return found[-1]


def _read(now: Channels, layer: Synapses, before: tuple[nn.Module, str]) -> None:
    """Lets a layer read channels."""
    linear = isinstance(layer, nn.Linear)
    if now.maker is None and not now.size:
        now.size, now.flat = inputs_of(layer), linear
    whole = now.reader is None and getattr(layer, "groups", 1) == 1 and now.flat == linear
    now.free &= whole and now.size > 0 and inputs_of(layer) % now.size == 0
    now.free &= not now.alone or inputs_of(layer) == now.size
    now.reader, now.before = layer, before


def inputs_of(layer: Synapses) -> int:
    """Returns the number of inputs (or channels) of a layer."""
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels


def outputs_of(layer: Synapses) -> int:
    """Returns the number of outputs (or channels) of a layer."""
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
