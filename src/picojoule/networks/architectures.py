"""Networks by name."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from torch import nn

from picojoule._lookup import imported
from picojoule._names import unknown
from picojoule.networks import options as of_builder
from picojoule.networks.convolutional import cnn, cnn7, vgg11, vgg16
from picojoule.networks.dense import Neurons, keyword, mlp
from picojoule.networks.residual import resnet18, resnet19
from picojoule.networks.sequential import Sequential
from picojoule.networks.within_memory import within_memory
from picojoule.neurons import LIF

Builder = Callable[..., Sequential]

NETWORKS: dict[str, Builder] = {
    "mlp": mlp,
    "keyword": keyword,
    "cnn": cnn,
    "cnn7": cnn7,
    "vgg11": vgg11,
    "vgg16": vgg16,
    "resnet18": resnet18,
    "resnet19": resnet19,
}


def network(
    name: str,
    *,
    inputs: tuple[int, ...],
    classes: int,
    neuron: Neurons = LIF,
    **options: Any,
) -> Sequential:
    """Builds a named architecture, or one of your own.

    Args:
        name: One of ``NETWORKS``, or ``"module:function"`` for a function of yours that takes
            ``inputs``, ``classes``, ``neuron`` and the options as keywords and gives a
            ``Sequential``, in which any layers of torch may stand.
        inputs: Shape of one step's input, without batch.
        classes: Number of outputs.
        neuron: Makes the neurons of a layer from their number, such as ``LIF`` itself. ``mlp`` and
            ``keyword`` also take one for each layer.
        options: Further arguments of that architecture, such as ``width``; see its own signature.

    Returns:
        The network: x [T, B, *inputs] to out [T, B, classes] and a state.

    Raises:
        ValueError: If the architecture is unknown, does not take an option, or there is no class,
            or its weights would not fit into memory.
        TypeError: If a function of yours returns something else, or ``neuron`` is not callable.

    Example:
        >>> net = network("resnet18", inputs=(3, 32, 32), classes=10, residual="sew", width=8)
        >>> [name for name, _ in net.named_children()][:3]
        ['stem', 'stage1', 'stage2']
    """
    check_options(name, options)
    if classes < 1:
        raise ValueError(f"classes must be at least 1, got {classes}")
    layered = name in ("mlp", "keyword") and isinstance(neuron, (list, tuple))
    if not callable(neuron) and not layered:
        raise TypeError(
            f"neuron makes the neurons of a layer from their number, got {neuron!r}: give a type "
            "such as picojoule.LIF, or a function (mlp and keyword also take a list, one for each "
            "layer)"
        )
    build = builder(name)
    try:
        with within_memory():
            net = build(inputs=inputs, classes=classes, neuron=neuron, **options)
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "allocate" not in str(error):
            raise
        why = f" ({error})" if isinstance(error, MemoryError) and str(error) else ""
        raise ValueError(
            f"network '{name}' does not fit into memory{why}: choose smaller options, such as width"
        ) from error
    if not isinstance(net, Sequential):
        raise TypeError(
            f"network '{name}' gave a {type(net).__name__}, and a picojoule Sequential was "
            "expected: put its layers in one"
        )
    return net


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Checks that an architecture can be built with these options.

    Raises:
        ValueError: If the architecture or an option is unknown, or a value is not allowed.
    """
    of_builder.check(name, builder(name), options)


def builder(name: str) -> Builder:
    """Returns the function that builds the architecture of a name.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if ":" not in name:
        if name not in NETWORKS:
            raise ValueError(unknown("network", name, NETWORKS))
        return NETWORKS[name]
    found = imported("network", name)
    if not callable(found) or isinstance(found, nn.Module):
        raise ValueError(f"network '{name}' is not a function that makes a network: {found!r}")
    return cast(Builder, found)
