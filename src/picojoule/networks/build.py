"""Networks by name."""

import inspect
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from torch import Tensor, nn

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
        parts += [_linear(size, width), neuron(width)]
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
        parts += [_linear(size, width), Recurrent(neuron(width), width)]
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
    """Three convolutions with batch norm and one linear layer, for small static images.

    The image passes the first convolution (``width / 2`` channels, stride 2) once; spikes of
    ``steps`` steps pass the others (``width`` and ``2 width`` channels, their currents max-pooled).
    """
    if len(inputs) != 3 or min(inputs[1:]) < 7:
        raise ValueError(
            f"cnn expects inputs (channels, rows, columns) of at least 7 x 7: {inputs}"
        )
    if width < 2:
        raise ValueError(f"network.width of cnn must be at least 2, got {width}")
    channels, rows, columns = inputs
    parts: list[nn.Module] = [
        nn.Conv2d(channels, width // 2, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width // 2),
        Repeat(steps),
        neuron(width // 2),
    ]
    for before, after in ((width // 2, width), (width, 2 * width)):
        parts += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.MaxPool2d(2),
            neuron(after),
        ]
    features = 2 * width * ((rows + 1) // 8) * ((columns + 1) // 8)
    return Sequential(*parts, nn.Flatten(), nn.Linear(features, classes), _readout(parts))


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
    check_options(name, options)
    return NETWORKS[name](inputs=inputs, classes=classes, neuron=neuron, **options)


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Whether an architecture can be built with these options.

    Raises:
        ValueError: An unknown architecture or option, or a value it cannot have.
    """
    if name not in NETWORKS:
        raise ValueError(unknown("network", name, NETWORKS))
    known = inspect.signature(NETWORKS[name]).parameters
    for option, value in options.items():
        if option not in known or option in ("inputs", "classes", "neuron"):
            names = [one for one in known if one not in ("inputs", "classes")]
            raise ValueError(unknown(f"option of network '{name}'", option, names))
        if known[option].annotation is int and not (_is_number(value, Integral) and value >= 1):
            raise ValueError(
                f"network.{option} must be a whole number of at least 1, got {value!r}"
            )
        if option == "dropout" and not (_is_number(value, Real) and 0 <= value < 1):
            raise ValueError(f"network.dropout must be at least 0 and below 1, got {value!r}")


def _is_number(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer for sparse spikes, which torch's own start for dense inputs would leave silent."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    return layer


def _readout(parts: list[nn.Module]) -> LI:
    """A leaky readout on the clock of the neurons before it.

    Its time constant is the mean of theirs, or 20 steps where they have none.
    """
    neurons = [part for part in parts if isinstance(part, Neuron)]
    if not neurons:
        return LI()
    dt = neurons[-1].dt
    found = [getattr(module, "tau", None) for part in neurons for module in part.modules()]
    taus = [float(tau.mean()) for tau in found if isinstance(tau, Tensor)]
    return LI(dt=dt, tau=taus[-1] if taus else 20 * dt)
