"""Residual networks with four kinds of blocks."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from picojoule.networks.convolutional import finished, image
from picojoule.networks.norm import Drive, Norm
from picojoule.networks.options import Count, NeuronFactory, Steps
from picojoule.networks.repeat import Repeat
from picojoule.networks.sequential import Residual, Sequential, named
from picojoule.neurons import LIF, Barrier

Kind = Literal["spiking", "sew", "ms", "sparse"]
Connect = Literal["add", "and", "iand"]
HALF = math.sqrt(0.5)  # of the weight of each of two norms whose sum drives the same neurons


class Scale(nn.Module):
    """Constant factor: the current that a spike adds to a membrane."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Scales x [B, ...]."""
        return x * self.factor

    def extra_repr(self) -> str:
        """Returns the factor, for ``repr``."""
        return f"{self.factor:g}"


@dataclass(frozen=True)
class Blocks:
    """Factory of residual blocks of two 3x3 convolutions, all of one kind.

    Equations, with SN neurons and BN batch norm::

        body(x) = BN(conv(SN(BN(conv(x)))))
        spiking   out = SN(body(x) + s)          s = x,  or BN(conv(x)) where the shape changes
        sew       out = g(SN(body(x)), s)        s = x,  or SN(BN(conv(x)))
        sparse    out = barrier(SN(body(x)) + s) s = x,  or SN(BN(conv(x)))
        ms        out = body(SN(x)) + s          s = x,  or BN(conv(x));  last norm 0 at first

    With AND a block passes the spikes that its body repeats; its last norm is shifted by twice its
    weight at first, so that the body repeats most of them.

    Args:
        drive: The neurons and their norms.
        kind: ``"spiking"``, ``"sew"``, ``"ms"`` or ``"sparse"``.
        connect: g of ``"sew"``: ``"add"``, ``"and"`` or ``"iand"``.
        levels: Most spikes that the barrier of ``"sparse"`` lets through in one step.

    Raises:
        ValueError: If AND or IAND joins outputs other than 0 and 1, or is given to another kind.

    Reference:
        Zheng et al., AAAI 2021 (spiking); Fang et al., *Deep Residual Learning in Spiking Neural
        Networks*, NeurIPS 2021 (sew); Hu et al., *Advancing Spiking Neural Networks towards Deep
        Residual Learning*, arXiv:2112.08954 (ms); Castagnetti et al., arXiv:2510.24637 (sparse).
    """

    drive: Drive
    kind: Kind = "sew"
    connect: Connect = "add"
    levels: int = 4

    def __post_init__(self) -> None:
        if self.connect != "add" and self.kind != "sew":
            raise ValueError(
                f"connect='{self.connect}' is for residual='sew', got residual='{self.kind}'"
            )

    def stem(self, channels: int, width: int, steps: int) -> Sequential:
        """Makes the first convolution, which an image passes once; for ``"ms"`` without neurons."""
        neurons = self.drive.neuron(width)
        layers: list[nn.Module] = [_conv(channels, width, 3, 1), self.drive.maps(neurons, width)]
        layers += [Repeat(steps)] if steps else []
        return _path(*layers, *([] if self.kind == "ms" else [neurons]))

    def block(self, before: int, after: int, stride: int) -> nn.Module:
        """Makes a block: two convolutions and a shortcut beside them."""
        first, second = (
            self.drive.neuron(before if self.kind == "ms" else after),
            self.drive.neuron(after),
        )
        if self.connect != "add" and second.output != "events":
            raise ValueError(
                f"connect='{self.connect}' is of spikes 0 and 1, and {second.species} puts out "
                f"{second.output}: use connect='add'"
            )
        one, two = _conv(before, after, 3, stride), _conv(after, after, 3, 1)
        shortcut = self._shortcut(before, after, stride)
        if self.kind == "ms":
            last = self.drive.maps(second, after)
            nn.init.zeros_(last.weight)
            body = _path(first, one, self.drive.maps(second, after), second, two, last)
            return Residual(body, shortcut)
        path = one, self.drive.maps(first, after), first, two
        if self.kind == "spiking":
            joined = Residual(_path(*path, self.drive.maps(second, after, share=HALF)), shortcut)
            return named(sum=joined, neuron=second)
        last = self.drive.maps(second, after)
        if self.connect == "and":
            # What a block lets through is what its body repeats: at first, most.
            last.bias.data.copy_(2 * last.weight.data)
        joined = Residual(_path(*path, last, second), shortcut, join=self.connect)
        if self.kind == "sew":
            return joined
        return named(sum=joined, barrier=Barrier(after, levels=self.levels, dt=second.dt))

    def _shortcut(self, before: int, after: int, stride: int) -> Sequential | None:
        """Makes the shortcut: a 1x1 convolution if the shape changes; it spikes if spikes join."""
        if before == after and stride == 1:
            return self._spikes_as_currents(after) if self.kind == "spiking" else None
        neurons = self.drive.neuron(after)
        share = HALF if self.kind == "spiking" else 1.0
        norm = self.drive.maps(neurons, after, share=share)
        layers = _conv(before, after, 1, stride), norm
        return _path(*layers, *([neurons] if self.kind in ("sew", "sparse") else []))

    def _spikes_as_currents(self, channels: int) -> Sequential | None:
        """Makes a factor from spikes to the neurons' currents; None if it is 1, as for LIF."""
        neurons = self.drive.neuron(channels)
        weight = self.drive.weight(neurons, channels).mean()
        factor = float(weight) / getattr(neurons, "levels", 1)
        return None if factor == 1 else _path(Scale(factor))


def resnet18(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: NeuronFactory = LIF,
    width: Count = 64,
    steps: Steps = 4,
    residual: Kind = "sew",
    connect: Connect = "add",
    levels: Count = 4,
    norm: Norm = "batch",
) -> Sequential:
    """Builds ResNet-18 for small images: 4 stages of two blocks, ``width`` to 8 times that."""
    blocks = Blocks(Drive(neuron, norm), residual, connect, levels)
    wide = [width * 2**stage for stage in range(4)]
    return _resnet("resnet18", inputs, classes, blocks, [(one, 2) for one in wide], [], steps)


def resnet19(
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: NeuronFactory = LIF,
    width: Count = 128,
    steps: Steps = 4,
    residual: Kind = "spiking",
    connect: Connect = "add",
    levels: Count = 4,
    norm: Norm = "batch",
) -> Sequential:
    """Builds ResNet-19: 3, 3 and 2 blocks of ``width`` to 4 times that, two linear layers."""
    blocks = Blocks(Drive(neuron, norm), residual, connect, levels)
    stages = [(width, 3), (2 * width, 3), (4 * width, 2)]
    return _resnet("resnet19", inputs, classes, blocks, stages, [2 * width], steps)


def _resnet(
    name: str,
    inputs: tuple[int, ...],
    classes: int,
    blocks: Blocks,
    stages: Sequence[tuple[int, int]],
    hidden: Sequence[int],
    steps: int,
) -> Sequential:
    """Builds a stem, stages of blocks that halve the map (but the first), and linear layers."""
    before = stages[0][0]
    layers = OrderedDict[str, nn.Module](stem=blocks.stem(image(name, inputs)[0], before, steps))
    for stage, (wide, number) in enumerate(stages, start=1):
        made = OrderedDict[str, nn.Module]()
        for place in range(1, number + 1):
            stride = 2 if stage > 1 and place == 1 else 1
            made[f"block{place}"] = blocks.block(before, wide, stride)
            before = wide
        layers[f"stage{stage}"] = Sequential(made)
    if blocks.kind == "ms":
        layers["neuron"] = blocks.drive.neuron(before)
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    return finished(layers, before, hidden, classes, blocks.drive)


def _conv(before: int, after: int, size: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False)


def _path(*layers: nn.Module) -> Sequential:
    """Puts layers in sequence, named by type and number: conv1, norm1, neuron1, conv2."""
    names: list[str] = []
    made = OrderedDict[str, nn.Module]()
    for layer in layers:
        name = _CALLED.get(type(layer), "neuron")
        names.append(name)
        made[f"{name}{names.count(name)}"] = layer
    return Sequential(made)


_CALLED = {nn.Conv2d: "conv", nn.BatchNorm2d: "norm", Repeat: "repeat", Scale: "scale"}
