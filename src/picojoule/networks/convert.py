"""Conversion of an ANN to a spiking network with the same weights."""

import copy
import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval, fuse_linear_bn_eval

from picojoule._names import unknown
from picojoule._torch import hooks, parameters, submodules
from picojoule.networks.clip import ClipFloorShift
from picojoule.networks.repeat import Repeat
from picojoule.networks.sequential import Sequential
from picojoule.neurons import IF, MultiLevelIF, Neuron

_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_CLIPS = (nn.ReLU, nn.ReLU6, nn.Hardtanh, ClipFloorShift)
_KEPT = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.MaxPool1d, nn.MaxPool2d, nn.Flatten)
_DROPPED = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Identity)
_NEURONS = ("if", "multilevel")
_KNOWN = ("torch.nn.", "picojoule.")  # whose forward does what the type of a layer says


class Conversion(NamedTuple):
    """Converted network, and its differences from the ANN.

    Attributes:
        net: The spiking network: x [1, B, ...] to currents [T, B, classes], whose mean over the
            steps stands for the ANN's output.
        thresholds: Threshold of each layer of neurons, by its name in ``net``.
        errors: Mean absolute difference between a layer's rates times its threshold and the ANN's
            activations, as a share of the mean activation; the last entry, ``"output"``, is that of
            the network's output.
    """

    net: Sequential
    thresholds: dict[str, float]
    errors: dict[str, float]


@torch.no_grad()
def convert(
    ann: nn.Module,
    loader: Iterable[Any],
    steps: int,
    *,
    neuron: Literal["if", "multilevel"] = "if",
    levels: int = 4,
    percentile: float = 99.9,
) -> Conversion:
    """Converts an ANN to a spiking network with the same weights.

    Batch norm is folded into the weights; each ReLU becomes integrate-and-fire neurons that reset
    by subtraction, whose rate stands for the activation as a share of their threshold. Each
    threshold is the ``percentile`` of the activations on the batches of ``loader`` (the mean over
    them), or the learned one of a ``ClipFloorShift``. Neurons round to the nearest count instead of
    down, because half a spike's worth of charge is spread over their bias.

    An image passes the layers before the first neurons once. Average pooling converts as it is; the
    largest of several spikes at each step is more than the largest of their rates, so that an ANN
    with max-pooling loses more, and does not come nearer with more steps.

    Args:
        ann: A ``Sequential`` of torch (nested or not) of convolutions and linear layers, batch
            norm, ReLU, ReLU6, Hardtanh from 0 or ``ClipFloorShift``, pooling, flatten and dropout.
            It is not changed.
        loader: Batches of its inputs, x [B, ...] or tuples that begin with it.
        steps: Number of steps of the network, T.
        neuron: ``"if"``, or ``"multilevel"`` for up to ``levels`` spikes in one step.
        levels: Levels of the multi-level neurons.
        percentile: Percentile of the activations, in (0, 100].

    Returns:
        The network, its thresholds and its conversion errors on the first batch.

    Raises:
        TypeError: If a module cannot be converted, or has a ``forward``, hooks or weights that are
            no part of its type; the message names it.
        ValueError: If the neuron is unknown, there is no step or no batch, the percentile is not in
            (0, 100], a batch norm follows no weights, or activations are all zero.

    Example:
        >>> ann = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> done = convert(ann, [torch.rand(16, 4)], 32)
        >>> out, _ = done.net(torch.rand(1, 16, 4))
        >>> out.shape, list(done.errors)
        (torch.Size([32, 16, 2]), ['neuron1', 'output'])

    Reference:
        Rueckauer et al., *Conversion of Continuous-Valued Deep Networks to Efficient Event-Driven
        Networks for Image Classification*, Frontiers in Neuroscience 11, 2017 (percentiles);
        Deng and Gu, *Optimal Conversion of Conventional Artificial Neural Networks to Spiking
        Neural Networks*, ICLR 2021 (the shift).
    """
    if neuron not in _NEURONS:
        raise ValueError(unknown("neuron to convert to", str(neuron), _NEURONS))
    if steps < 1 or levels < 1 or not 0 < percentile <= 100:
        raise ValueError(
            "expected steps and levels of at least 1 and a percentile in (0, 100], got "
            f"{steps}, {levels} and {percentile}"
        )
    layers = _folded(list(_flat(ann, "")))
    thresholds, first = _thresholds(layers, loader, percentile)
    if neuron == "if":
        worths, made = thresholds, [IF(threshold=one, reset="subtract") for one in thresholds]
    else:
        worths = [one / levels for one in thresholds]
        made = [MultiLevelIF(levels=levels, threshold=one) for one in thresholds]
    net = _spiking(copy.deepcopy(layers), made, worths, steps).to(first)
    names = [name for name, layer in net.named_children() if isinstance(layer, Neuron)]
    wanted = [values for _, values in _activations(layers, first)]
    wanted[-1] = copy.deepcopy(ann).eval()(first)
    errors = _errors(net, first, worths, wanted)
    return Conversion(net, dict(zip(names, thresholds, strict=True)), errors)


def _flat(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Copies the layers in their order, without those that do nothing in evaluation."""
    what = f"'{name}' is a {type(module).__name__}" if name else type(module).__name__
    if (own := _own(module)) is not None:
        raise TypeError(f"{what} {own}, which would be lost: convert the network without it")
    if type(module) is nn.Sequential:
        # A module that stands in two places, such as one ReLU for all, is two layers.
        for child, layer in submodules(module).items():
            assert layer is not None
            yield from _flat(layer, f"{name}.{child}".lstrip("."))
    elif isinstance(module, (*_WEIGHTED, *_NORMS, *_CLIPS, *_KEPT)):
        if isinstance(module, nn.Hardtanh) and module.min_val != 0:
            raise TypeError(f"'{name}' is clipped at {module.min_val}: rates are from 0 upwards")
        yield name, copy.deepcopy(module).eval()
    elif not isinstance(module, _DROPPED):
        raise TypeError(
            f"{what}, and cannot be converted: put convolutions, linear layers, batch norm, ReLU, "
            "pooling, flatten and dropout in a torch.nn.Sequential"
        )


def _own(module: nn.Module) -> str | None:
    """Returns what a layer does beside what its type says, None if nothing."""
    known = isinstance(module, (nn.Sequential, *_WEIGHTED, *_NORMS, *_CLIPS, *_KEPT))
    if known and not getattr(module.forward, "__module__", "").startswith(_KNOWN):
        return "with a forward of its own"
    if isinstance(module, nn.Sequential) and any(True for _ in hooks(module)):
        return "with hooks"
    if isinstance(module, _WEIGHTED) and not {"weight", "bias"} <= parameters(module).keys():
        return "that makes its weights anew at each call (weight norm, pruning, parametrizations)"
    return None


def _folded(layers: Sequence[tuple[str, nn.Module]]) -> list[nn.Module]:
    """Folds each batch norm into the weights before it."""
    done: list[nn.Module] = []
    weighted = False
    for name, layer in layers:
        if isinstance(layer, _CLIPS) and not weighted:
            raise ValueError(
                f"activation '{name}' follows no weights that could hold a spike's worth"
            )
        weighted = isinstance(layer, _WEIGHTED) or (weighted and not isinstance(layer, _CLIPS))
        if not isinstance(layer, _NORMS):
            done.append(layer)
            continue
        if layer.running_mean is None:
            raise ValueError(
                f"batch norm '{name}' keeps no statistics that could fold into weights"
            )
        if layer.weight is None:
            layer.weight = nn.Parameter(torch.ones_like(layer.running_mean))
            layer.bias = nn.Parameter(torch.zeros_like(layer.running_mean))
        if done and isinstance(done[-1], nn.Linear):
            done[-1] = fuse_linear_bn_eval(done[-1], layer)
        elif done and isinstance(done[-1], (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            done[-1] = fuse_conv_bn_eval(done[-1], layer)
        else:
            raise ValueError(f"batch norm '{name}' follows no weights into which it could fold")
    if not done or not isinstance(done[-1], _WEIGHTED):
        raise ValueError("expected an ANN that ends in a convolution or a linear layer")
    if not any(isinstance(layer, _CLIPS) for layer in done):
        raise ValueError("expected an ANN with activations, which become neurons; it has none")
    return done


def _thresholds(
    layers: Sequence[nn.Module], loader: Iterable[Any], percentile: float
) -> tuple[list[float], Tensor]:
    """Finds the threshold of each activation, and returns the first batch too."""
    found: list[list[float]] = []
    first: Tensor | None = None
    like = next(one.weight for one in layers if isinstance(one, _WEIGHTED))
    for batch in loader:
        x = (batch if isinstance(batch, Tensor) else batch[0]).to(like)
        first = x if first is None else first
        seen = list(_activations(layers, x))[:-1]
        found.append([_top(layer, one, percentile) for layer, one in seen])
    if first is None:
        raise ValueError("the loader has no batch: thresholds are balanced on real inputs")
    means = [sum(column) / len(found) for column in zip(*found, strict=True)]
    for place, mean in enumerate(means, start=1):
        if not 0 < mean < math.inf:
            what = "zero" if mean == 0 else "not finite"
            raise ValueError(
                f"the activations of layer {place} are {what} on these inputs: train the ANN "
                "first, or give inputs like those it was trained on"
            )
    return means, first


def _top(layer: nn.Module, values: Tensor, percentile: float) -> float:
    if isinstance(layer, ClipFloorShift):
        return layer.threshold.item()
    rank = max(1, round(values.numel() * percentile / 100))
    return values.flatten().kthvalue(rank).values.item()


def _activations(layers: Sequence[nn.Module], x: Tensor) -> Iterator[tuple[nn.Module, Tensor]]:
    """Runs the layers; yields each activation with its values, and the output at last."""
    for layer in layers:
        x = layer(x)
        if isinstance(layer, _CLIPS) or layer is layers[-1]:
            yield layer, x


def _spiking(
    layers: Sequence[nn.Module], neurons: Sequence[Neuron], worths: Sequence[float], steps: int
) -> Sequential:
    """Puts neurons in place of activations, and the worth of their spikes into the weights."""
    made = OrderedDict[str, nn.Module]()
    worth, place, last = 1.0, 0, layers[0]
    for layer in layers:
        kind = type(layer).__name__.lower()
        if isinstance(layer, _WEIGHTED):
            kind, last = kind.rstrip("123d"), layer
            layer.weight.data.mul_(worth)
            worth = 1.0
        elif isinstance(layer, _CLIPS):
            if not place:
                made["repeat"] = Repeat(steps)
            kind, worth, layer = "neuron", worths[place], neurons[place]
            place += 1
            _charge(last, worth / 2 / steps)
        made[f"{kind}{1 + sum(name.startswith(kind) for name in made)}"] = layer
    return Sequential(made).eval()


def _charge(layer: nn.Module, amount: float) -> None:
    """Adds to the bias of a layer."""
    assert isinstance(layer, _WEIGHTED)
    bias: Tensor | None = layer.bias
    before = layer.weight.new_zeros(len(layer.weight)) if bias is None else bias
    layer.bias = nn.Parameter(before + amount)


def _errors(
    net: Sequential, x: Tensor, worths: Sequence[float], wanted: Sequence[Tensor]
) -> dict[str, float]:
    """Computes the differences of rates and activations, as shares of the activations."""
    found: dict[str, Tensor] = {}
    y = x.unsqueeze(0)
    for name, layer in net.named_children():
        y = Sequential(layer)(y)[0]
        if isinstance(layer, Neuron):
            found[name] = y.mean(0) * worths[len(found)]
    found["output"] = y.mean(0)
    return {
        name: float((one - other).abs().mean() / other.abs().mean().clamp(min=1e-30))
        for (name, one), other in zip(found.items(), wanted, strict=True)
    }
