"""Networks by name."""

import inspect
import math
from collections.abc import Callable
from typing import Any

from torch import nn

from picojoule._names import unknown
from picojoule.networks.sequential import Repeat, Sequential
from picojoule.neurons import LI, LIF, Neuron, Recurrent

NeuronFactory = Callable[[int], Neuron]


def mlp(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: NeuronFactory = LIF,
    width: int = 128,
    layers: int = 2,
    dropout: float = 0.0,
) -> Sequential:
    """Fully connected layers of neurons and a leaky readout."""
    size = math.prod(inputs)
    parts: list[nn.Module] = [nn.Flatten()]
    for _ in range(layers):
        parts += [nn.Linear(size, width), neuron(width)]
        parts += [nn.Dropout(dropout)] if dropout else []
        size = width
    return Sequential(*parts, nn.Linear(size, classes), _readout(parts))


def keyword(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: NeuronFactory = LIF,
    width: int = 128,
    layers: int = 1,
    dropout: float = 0.0,
) -> Sequential:
    """Recurrent layers of neurons and a leaky readout, for sounds."""
    size = math.prod(inputs)
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Linear(size, width), Recurrent(neuron(width), width)]
        parts += [nn.Dropout(dropout)] if dropout else []
        size = width
    return Sequential(*parts, nn.Linear(size, classes), _readout(parts))


def cnn(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: NeuronFactory = LIF,
    width: int = 32,
    steps: int = 4,
) -> Sequential:
    """Four convolutions and one linear layer for small static images.

    The image passes the first convolution once (stride 2, ``width / 2`` channels); the spikes of
    ``steps`` steps pass the others (``width``, ``2 width``, ``2 width`` channels, batch norm,
    max pooling of spikes).
    """
    channels, height, breadth = inputs
    stem = width // 2
    parts: list[nn.Module] = [
        nn.Conv2d(channels, stem, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(stem),
        Repeat(steps),
        neuron(stem),
    ]
    for before, after, pool in (
        (stem, width, False),
        (width, 2 * width, True),
        (2 * width, 2 * width, True),
    ):
        parts += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
        parts += [neuron(after)]
        parts += [nn.MaxPool2d(2)] if pool else []
    rows, columns = ((side + 1) // 2 // 4 for side in (height, breadth))
    parts += [nn.Flatten(), nn.Linear(2 * width * rows * columns, classes)]
    return Sequential(*parts, _readout(parts))


NETWORKS: dict[str, Callable[..., Sequential]] = {"mlp": mlp, "keyword": keyword, "cnn": cnn}


def network(
    name: str,
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: NeuronFactory = LIF,
    **options: Any,
) -> Sequential:
    """Builds a named architecture.

    Args:
        name: One of ``NETWORKS``.
        inputs: Shape of one step's input, without batch.
        classes: Number of outputs.
        neuron: Makes the neurons of a layer from their number; ``LIF`` itself will do.
        options: What that architecture also takes, such as ``width``; see its own signature.

    Returns:
        The network: x [T, B, *inputs] to out [T, B, classes] and a state.

    Raises:
        ValueError: An unknown architecture, or an option it does not take.
    """
    if name not in NETWORKS:
        raise ValueError(unknown("network", name, NETWORKS))
    builder = NETWORKS[name]
    known = [
        option
        for option in inspect.signature(builder).parameters
        if option not in ("inputs", "classes", "neuron")
    ]
    for option in options:
        if option not in known:
            raise ValueError(unknown(f"option of network '{name}'", option, known))
    return builder(inputs=inputs, classes=classes, neuron=neuron, **options)


def _readout(parts: list[nn.Module]) -> LI:
    """A leaky readout on the clock of the neurons before it."""
    clocks = [part.dt for part in parts if isinstance(part, Neuron)]
    taus = [
        float(t.mean()) for part in parts for n, t in part.named_parameters() if n.endswith("tau")
    ]
    return LI(dt=clocks[-1], tau=taus[-1]) if clocks and taus else LI()
