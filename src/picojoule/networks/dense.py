"""Fully connected and recurrent networks."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from picojoule.networks.norm import gain
from picojoule.networks.options import Count, Dropout, Layers, NeuronFactory
from picojoule.networks.sequential import Sequential
from picojoule.neurons import LI, LIF, Neuron, Recurrent

Neurons = NeuronFactory | Sequence[NeuronFactory]
STEPS = 20  # for how long neurons are tried that will meet a sequence
SPREAD = 0.6  # of the currents that spikes of every fifth or sixth input make
_TRIED = 4096  # neurons that are tried, of a wider layer


def mlp(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: Neurons = LIF,
    width: Count = 128,
    layers: Layers = 2,
    dropout: Dropout = 0.0,
) -> Sequential:
    """Builds fully connected layers of ``width`` neurons and a leaky readout.

    ``neuron`` may be one factory for each layer.
    """
    parts: list[nn.Module] = [nn.Flatten()]
    parts += _hidden(math.prod(inputs), neuron, width, layers, dropout, recurrent=False)
    return with_readout(parts, width, classes)


def keyword(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: Neurons = LIF,
    width: Count = 128,
    layers: Layers = 1,
    recurrent: bool = True,
    dropout: Dropout = 0.0,
) -> Sequential:
    """Builds one to three layers of ``width`` neurons, recurrent or not, for sounds.

    ``neuron`` may be one factory for each layer. Sequences of unequal length are given with their
    lengths, ``net(x, lengths=lengths)``: what comes after an end is zero, costs nothing, and is no
    part of a readout's mean.
    """
    if layers > 3:
        raise ValueError(f"network.layers of keyword must be 1, 2 or 3, got {layers}")
    parts = _hidden(math.prod(inputs), neuron, width, layers, dropout, recurrent=recurrent)
    return with_readout(parts, width, classes)


def with_readout(parts: list[nn.Module], features: int, classes: int) -> Sequential:
    """Adds a linear layer for the classes and a leaky readout."""
    return Sequential(*parts, nn.Linear(features, classes), readout(parts))


def readout(parts: Sequence[nn.Module]) -> LI:
    """Builds a leaky readout with the ``dt`` of the neurons before it.

    Its time constant is the mean of theirs, or 20 steps if they have none.
    """
    modules = [module for part in parts for module in part.modules()]
    neurons = [module for module in modules if isinstance(module, Neuron)]
    if not neurons:
        return LI()
    dt = neurons[-1].dt
    found = [getattr(module, "tau", None) for module in modules]
    taus = [float(tau.mean()) for tau in found if isinstance(tau, Tensor)]
    return LI(dt=dt, tau=taus[-1] if taus else 20 * dt)


def _hidden(
    size: int, neuron: Neurons, width: int, layers: int, dropout: float, *, recurrent: bool
) -> list[nn.Module]:
    """Builds linear layers, each with its neurons."""
    parts: list[nn.Module] = []
    for make in _each(neuron, layers):
        neurons = make(width)
        tried = neurons if width <= _TRIED else make(_TRIED)
        scale = gain(tried, min(width, _TRIED), steps=STEPS, spread=SPREAD)
        parts.append(linear(size, width, scale))
        if recurrent:
            neurons = Recurrent(neurons, width)
            neurons.weight.data.mul_(scale)
        parts.append(neurons)
        parts += [nn.Dropout(dropout)] if dropout else []
        size = width
    return parts


def _each(neuron: Neurons, layers: int) -> Sequence[NeuronFactory]:
    """Returns the factory of each layer's neurons."""
    if not isinstance(neuron, Sequence):
        return [neuron] * layers
    if len(neuron) != layers:
        raise ValueError(
            f"neuron has factories for {len(neuron)} layers, and there are {layers}: give "
            f"layers={len(neuron)}, or one neuron for all"
        )
    return neuron


def linear(inputs: int, outputs: int, scale: float) -> nn.Linear:
    """Builds a layer for sparse spikes, whose neurons torch's own first weights leave silent."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    layer.weight.data.mul_(scale)
    return layer
