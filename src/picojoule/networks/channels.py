"""The channels of a network that can be left out: who makes them, and who reads them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from picojoule._torch import NormBase
from picojoule.networks.repeat import Repeat
from picojoule.networks.sequential import Residual, Sequential
from picojoule.networks.take import Take
from picojoule.neurons import Mixture, Neuron, Recurrent
from picojoule.neurons.shares import keep

Synapses = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
INPUTS = "inputs"  # the layer in front of the first synapses that takes what these read

# What comes to these in a channel leaves them in that channel.
_PASSING = (
    *(nn.Identity, nn.Flatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, Repeat),
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

    @property
    def neurons(self) -> list[Neuron]:
        """The neurons among the layers along them."""
        return [layer for layer in self.along if isinstance(layer, Neuron)]

    @property
    def places(self) -> int:
        """Inputs of the reader for each of them: more than one if maps were flattened."""
        assert self.reader is not None
        return _inputs(self.reader) // self.size


def channels_of(net: nn.Module) -> list[Channels]:
    """Finds the channels of a ``Sequential`` that can be left out without a change of the rest.

    These are inputs and neurons with one layer that reads them, outside of shortcuts.
    """
    if not isinstance(net, Sequential):
        return []
    found = [Channels(INPUTS)]
    _walk(net, "", found).free = False  # the network's output
    return [
        one
        for one in found
        if one.free and one.size > 1 and one.reader is not None and (one.neurons or not one.maker)
    ]


def _walk(layers: nn.Module, prefix: str, found: list[Channels]) -> Channels:
    """Follows the channels through layers; the last of ``found`` are those that come in."""
    for name, layer in layers.named_children():
        now, dotted = found[-1], prefix + name
        if isinstance(layer, nn.Sequential):
            _walk(layer, f"{dotted}.", found)
        elif isinstance(layer, Residual):
            for part in ("body", "shortcut"):
                found[-1].free = False
                found.append(Channels(dotted, free=False))
                _walk(getattr(layer, part), f"{dotted}.{part}.", found).free = False
            found.append(Channels(dotted, free=False))
        elif isinstance(layer, Synapses):
            _read(now, layer, (layers, name))
            whole = getattr(layer, "groups", 1) == 1
            made = Channels(dotted, _outputs(layer), layer, dotted, free=whole)
            made.flat = isinstance(layer, nn.Linear)
            found.append(made)
        elif isinstance(layer, (Neuron, NormBase)):
            now.name = dotted if isinstance(layer, Neuron) and now.maker else now.name
            now.along.append(layer)
            now.free &= not any(isinstance(part, Mixture) for part in layer.modules())
            now.free &= now.maker is not None
        elif isinstance(layer, _PASSING):
            now.flat |= isinstance(layer, nn.Flatten)
        else:
            now.free = False
            found.append(Channels(dotted, free=False))
    return found[-1]


def _read(now: Channels, layer: Synapses, before: tuple[nn.Module, str]) -> None:
    """Lets a layer read channels."""
    linear = isinstance(layer, nn.Linear)
    if now.maker is None and not now.size:
        now.size, now.flat = _inputs(layer), linear
    alone = now.reader is None and getattr(layer, "groups", 1) == 1 and now.flat == linear
    now.free &= alone and now.size > 0 and _inputs(layer) % now.size == 0
    now.reader, now.before = layer, before


def keep_only(net: nn.Module, kept: Iterable[tuple[Channels, Tensor]]) -> None:
    """Leaves channels out of a network, which is changed and then smaller.

    Args:
        net: The network.
        kept: Channels of it, and the numbers of those of them that stay.
    """
    for channels, index in kept:
        if len(index) < channels.size:
            _cut(channels, index)
            setattr(net, "narrowed", True)  # noqa: B010


def _cut(channels: Channels, index: Tensor) -> None:
    size, places, reader = channels.size, channels.places, channels.reader
    assert reader is not None
    if channels.maker is not None:
        _select(channels.maker, 0, index)
        _set_sizes(channels.maker)
    for layer in channels.along:
        keep(layer, index, size)
        if isinstance(layer, Recurrent):
            _select(layer, 1, index, only="weight")
        if isinstance(layer, NormBase):
            layer.num_features = len(index)
    each = torch.arange(places, device=index.device)
    _select(reader, 1, (index.unsqueeze(1) * places + each).flatten(), only="weight")
    _set_sizes(reader)
    if channels.maker is None:
        assert channels.before is not None
        axis = -1 if isinstance(reader, nn.Linear) else 1
        _insert(*channels.before, Take(index.clone(), axis=axis))
    channels.size = len(index)


def _select(layer: nn.Module, axis: int, index: Tensor, only: str | None = None) -> None:
    """Keeps some rows or columns of a layer's parameters."""
    for name, value in layer.named_parameters(recurse=False):
        if only in (None, name):
            value.data = value.data.index_select(axis, index)
            value.grad = None


def _set_sizes(layer: nn.Module) -> None:
    """Sets the sizes that a layer says of itself to those of its weight."""
    names = ("out", "in")
    ending = "features" if isinstance(layer, nn.Linear) else "channels"
    for name, size in zip(names, layer.get_parameter("weight").shape, strict=False):
        setattr(layer, f"{name}_{ending}", size)


def _insert(container: nn.Module, before: str, layer: nn.Module) -> None:
    """Puts a layer before another; all others keep their names."""
    children = list(container.named_children())
    for name, _ in children:
        delattr(container, name)
    for name, child in children:
        if name == before:
            container.add_module(INPUTS, layer)
        container.add_module(name, child)


def narrow(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Gives a network as many channels as its trained weights have.

    Args:
        net: The network as it was before training.
        weights: Those of the same network, from which channels may have been left out.
    """
    names = {module: name for name, module in net.named_modules()}
    kept: list[tuple[Channels, Tensor]] = []
    for channels in channels_of(net):
        if channels.maker is not None:
            left = weights.get(f"{channels.makes}.weight")
        else:
            assert channels.before is not None
            around = names[channels.before[0]]
            left = weights.get(f"{around}.{INPUTS}.index" if around else f"{INPUTS}.index")
        if left is not None and left.dim() and 0 < len(left) < channels.size:
            kept.append((channels, torch.arange(len(left))))
    keep_only(net, kept)


def _inputs(layer: Synapses) -> int:
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels


def _outputs(layer: Synapses) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
