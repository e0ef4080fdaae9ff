"""The torch network of a description."""

import torch
from torch import Tensor, nn

from energy.oracle import layers as spec
from picojoule.networks import Repeat, Sequential
from picojoule.neurons import LI, LIF, Neuron, Recurrent


def build(layers: tuple[spec.Layer, ...]) -> nn.Module:
    """The network in torch's layers and our neurons, in evaluation mode."""
    modules = [_module(layer) for layer in layers]
    if any(isinstance(layer, spec.Branch) for layer in layers):
        return Steps(modules).eval()
    return Sequential(*modules).eval()


class Steps(nn.Module):
    """Somebody's own container: neurons through time, all else on all steps at once."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        for index, layer in enumerate(layers):
            self.add_module(str(index), layer)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[T, B, ...] to [T, B, ...]."""
        x = _inside(x, lengths)
        for layer in self.children():
            if isinstance(layer, Neuron):
                x = _inside(layer(x)[0], lengths)
            elif isinstance(layer, Two):
                x = layer(x, lengths)
            elif isinstance(layer, Repeat) or getattr(layer, "through_time", False):
                x = layer(x)
            else:
                x = layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return x


class Two(nn.Module):
    """What arrives, and what a branch makes of it."""

    def __init__(self, how: str, branch: list[nn.Module]) -> None:
        super().__init__()
        self.how, self.branch = how, Steps(branch)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """[T, B, C, ...] to the same, or to twice the channels."""
        other = self.branch(x, lengths)
        if self.how == "join":
            return torch.cat([x, other], 2)
        if self.how == "larger":
            return torch.maximum(x, other)
        if self.how == "unlike":
            return (x != other).to(x)
        return x + other if self.how == "add" else x - other


class Function(nn.Module):
    """An element-wise function without weights."""

    def __init__(self, layer: spec.Scale | spec.Clip | spec.Complement | spec.Change) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """[B, ...] to [B, ...]."""
        if isinstance(self.layer, spec.Clip):
            high = self.layer.high
            return torch.relu(x) if high is None else x.clamp(0, high)
        if isinstance(self.layer, spec.Change):
            changed = {"any": lambda: (x > 0).to(x), "half": lambda: x // 2, "odd": lambda: x % 2}
            return changed[self.layer.how]()
        return x * self.layer.factor if isinstance(self.layer, spec.Scale) else 1 - x


def _inside(x: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return x
    within = torch.arange(x.shape[0]).unsqueeze(1) < lengths
    return x * within.view(*within.shape, *[1] * (x.dim() - 2))


def _module(layer: spec.Layer) -> nn.Module:
    match layer:
        case spec.Linear():
            outputs, inputs = layer.weight.shape
            return _learned(nn.Linear(inputs, outputs, layer.bias is not None), layer)
        case spec.Convolution() | spec.Transposed():
            return _learned(_convolution(layer), layer)
        case spec.Pool() | spec.Adaptive():
            return _pool(layer)
        case spec.Norm():
            return _norm(layer)
        case spec.Fire() | spec.Leak():
            return _neuron(layer)
        case spec.Recurrent():
            return _learned(Recurrent(_neuron(layer.neuron), len(layer.weight)), layer)
        case spec.Flatten():
            return nn.Flatten()
        case spec.Scale() | spec.Clip() | spec.Complement() | spec.Change():
            return Function(layer)
        case spec.Upsample():
            return nn.Upsample(scale_factor=layer.factor)
        case spec.Repeat():
            return Repeat(layer.steps)
        case spec.Branch():
            return Two(layer.how, [_module(inner) for inner in layer.layers])


def _learned(module: nn.Module, layer) -> nn.Module:
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(layer.weight))
        if getattr(layer, "bias", None) is not None:
            module.bias.copy_(torch.from_numpy(layer.bias))
    return module


def _convolution(layer: spec.Convolution | spec.Transposed) -> nn.Module:
    n = layer.weight.ndim - 2
    first, second = layer.weight.shape[0], layer.weight.shape[1] * layer.groups
    common = {
        "kernel_size": layer.weight.shape[2:],
        "stride": layer.stride or 1,
        "padding": layer.padding or 0,
        "dilation": layer.dilation or 1,
        "groups": layer.groups,
        "bias": layer.bias is not None,
    }
    if isinstance(layer, spec.Convolution):
        kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[n - 1]
        return kind(second, first, padding_mode=layer.mode, **common)
    kind = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[n - 1]
    return kind(first, second, output_padding=layer.output_padding, **common)


def _pool(layer: spec.Pool | spec.Adaptive) -> nn.Module:
    n = len(layer.size if isinstance(layer, spec.Adaptive) else layer.kernel)
    name = "Adaptive" * isinstance(layer, spec.Adaptive) + ("Max" if layer.largest else "Avg")
    kind = getattr(nn, f"{name}Pool{n}d")
    if isinstance(layer, spec.Adaptive):
        return kind(layer.size)
    common = (layer.kernel, layer.stride, layer.padding)
    if layer.largest:
        return kind(*common, dilation=layer.dilation, ceil_mode=layer.ceil)
    extra = {} if n == 1 else {"divisor_override": layer.divisor}
    return kind(*common, ceil_mode=layer.ceil, count_include_pad=layer.count_padding, **extra)


def _norm(layer: spec.Norm) -> nn.Module:
    module = Norm(len(layer.mean), layer.epsilon)
    for tensor, array in (
        (module.running_mean, layer.mean),
        (module.running_var, layer.variance),
        (module.weight, layer.weight),
        (module.bias, layer.bias),
    ):
        tensor.data.copy_(torch.from_numpy(array))
    return module


class Norm(nn.modules.batchnorm._BatchNorm):
    """Batch norm for samples of any number of axes."""

    def _check_input_dim(self, input: Tensor) -> None:
        del input


def _neuron(layer: spec.Fire | spec.Leak) -> Neuron:
    if isinstance(layer, spec.Leak):
        return LI(tau=layer.tau, dt=spec.DT)
    return LIF(tau=layer.tau, dt=spec.DT, threshold=layer.threshold, reset=layer.reset)
