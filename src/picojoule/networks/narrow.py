"""Channels that are left out of a network, which is changed and then smaller."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from picojoule._torch import NormBase, replace_data, submodules
from picojoule.networks.channels import INPUTS, Channels, channels_of
from picojoule.networks.take import Take
from picojoule.neurons import Recurrent
from picojoule.neurons.shares import keep


def keep_only(net: nn.Module, kept: Iterable[tuple[Channels, Tensor]]) -> None:
    """Leaves channels out of a network, which is changed and then smaller.

    Args:
        net: The network.
        kept: Channels of it, and the numbers of those of them that stay, in the order in which they
            are to be.
    """
    for channels, index in kept:
        if len(index) < channels.size:
            setattr(net, "narrowed", True)  # noqa: B010
        elif torch.equal(index, torch.arange(channels.size, device=index.device)):
            continue
        _cut(channels, index)


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
            replace_data(value, value.data.index_select(axis, index))


def _set_sizes(layer: nn.Module) -> None:
    """Sets the sizes that a layer says of itself to those of its weight."""
    names = ("out", "in")
    ending = "features" if isinstance(layer, nn.Linear) else "channels"
    for name, size in zip(names, layer.get_parameter("weight").shape, strict=False):
        setattr(layer, f"{name}_{ending}", size)


def _insert(container: nn.Module, before: str, layer: nn.Module) -> None:
    """Puts a layer before another; all others keep their names."""
    children = dict(submodules(container))  # also one that stands in several places
    for name in children:
        delattr(container, name)
    for name, child in children.items():
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
