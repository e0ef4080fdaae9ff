"""Convolutional networks without shortcuts."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain

from torch import nn

from picojoule.networks.dense import readout, with_readout
from picojoule.networks.norm import Drive, Norm, before_pooling
from picojoule.networks.options import Count, NeuronFactory, Steps
from picojoule.networks.repeat import Repeat
from picojoule.networks.sequential import Sequential
from picojoule.neurons import LIF


def cnn(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: NeuronFactory = LIF,
    width: Count = 32,
    steps: Count = 4,
) -> Sequential:
    """Builds three convolutions and a linear layer, the smallest network for images.

    The image passes the first convolution (``width / 2`` channels, stride 2) once; spikes of
    ``steps`` steps pass the others (``width`` and ``2 width`` channels, their currents max-pooled).
    Each convolution has a batch norm.
    """
    channels, rows, columns = image("cnn", inputs)
    if min(rows, columns) < 7:
        raise ValueError(
            f"cnn expects inputs (channels, rows, columns) of at least 7 x 7: {inputs}"
        )
    if width < 2:
        raise ValueError(f"network.width of cnn must be at least 2, got {width}")
    drive = Drive(neuron)
    neurons = [neuron(size) for size in (width // 2, width, 2 * width)]
    parts: list[nn.Module] = [
        nn.Conv2d(channels, width // 2, 3, stride=2, padding=1, bias=False),
        drive.maps(neurons[0], width // 2),
        Repeat(steps),
        neurons[0],
    ]
    for layer, before, after in ((1, width // 2, width), (2, width, 2 * width)):
        parts += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            before_pooling(drive.maps(neurons[layer], after)),
            nn.MaxPool2d(2),
            neurons[layer],
        ]
    features = 2 * width * ((rows + 1) // 8) * ((columns + 1) // 8)
    return with_readout([*parts, nn.Flatten()], features, classes)


def cnn7(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: NeuronFactory = LIF,
    width: Count = 64,
    steps: Steps = 4,
    norm: Norm = "batch",
) -> Sequential:
    """Builds six 3x3 convolutions, in pairs of ``width`` to 4 times that, and a linear layer."""
    drive = Drive(neuron, norm)
    stages = [[width] * 2, [2 * width] * 2, [4 * width] * 2]
    return _stacked("cnn7", inputs, classes, steps, drive, stages, [])


def vgg11(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: NeuronFactory = LIF,
    width: Count = 64,
    steps: Steps = 4,
    norm: Norm = "batch",
) -> Sequential:
    """Builds VGG-11: eight 3x3 convolutions of ``width`` to 8 times that, three linear layers."""
    drive = Drive(neuron, norm)
    stages = [[width], [2 * width], [4 * width] * 2, [8 * width] * 2, [8 * width] * 2]
    hidden = [8 * width] * 2
    return _stacked("vgg11", inputs, classes, steps, drive, stages, hidden)


def vgg16(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: NeuronFactory = LIF,
    width: Count = 64,
    steps: Steps = 4,
    norm: Norm = "batch",
) -> Sequential:
    """Builds VGG-16: 13 3x3 convolutions of ``width`` to 8 times that, three linear layers."""
    drive = Drive(neuron, norm)
    stages = [[width] * 2, [2 * width] * 2, *[[wide * width] * 3 for wide in (4, 8, 8)]]
    hidden = [8 * width] * 2
    return _stacked("vgg16", inputs, classes, steps, drive, stages, hidden)


def _stacked(
    name: str,
    inputs: tuple[int, ...],
    classes: int,
    steps: int,
    drive: Drive,
    stages: Sequence[Sequence[int]],
    hidden: Sequence[int],
) -> Sequential:
    """Builds stages of 3x3 convolutions, each halved by max-pooling, and linear layers."""
    channels, *sizes = image(name, inputs)
    layers = OrderedDict[str, nn.Module]()
    ends = [len(list(chain(*stages[: stage + 1]))) for stage in range(len(stages))]
    for place, wide in enumerate(chain(*stages), start=1):
        neurons = drive.neuron(wide)
        layers[f"conv{place}"] = nn.Conv2d(channels, wide, 3, padding=1, bias=False)
        layers[f"norm{place}"] = norm = drive.maps(neurons, wide)
        if place in ends and min(sizes) > 1:
            before_pooling(norm)
            layers[f"pool{place}"] = nn.MaxPool2d(2)
            sizes = [size // 2 for size in sizes]
        if steps and place == 1:
            layers["repeat"] = Repeat(steps)
        layers[f"neuron{place}"] = neurons
        channels = wide
    layers["flatten"] = nn.Flatten()
    return finished(layers, channels * sizes[0] * sizes[1], hidden, classes, drive)


def finished(
    layers: OrderedDict[str, nn.Module],
    features: int,
    hidden: Sequence[int],
    classes: int,
    drive: Drive,
) -> Sequential:
    """Adds linear layers with neurons, one for the classes, and a leaky readout."""
    before = sum(name.startswith("conv") for name in layers)
    for place, wide in enumerate(hidden, start=before + 1):
        neurons = drive.neuron(wide)
        layers[f"linear{place}"] = nn.Linear(features, wide, bias=False)
        layers[f"norm{place}"] = drive.units(neurons, wide)
        layers[f"neuron{place}"] = neurons
        features = wide
    layers["classifier"] = nn.Linear(features, classes)
    layers["readout"] = readout(list(layers.values()))
    return Sequential(layers)


def image(name: str, inputs: tuple[int, ...]) -> tuple[int, int, int]:
    """Returns channels, rows and columns of one step's input.

    Raises:
        ValueError: If the input is not an image.
    """
    if len(inputs) != 3:
        raise ValueError(f"{name} expects inputs (channels, rows, columns), got {inputs}")
    return inputs
