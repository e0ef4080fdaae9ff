"""Which synapses and which pooling windows there are, found by walking from tap to tap."""

from dataclasses import dataclass, field
from itertools import product

import numpy as np

from energy.oracle import layers as spec

Place = tuple[int, ...]


@dataclass
class Wires:
    """Every synapse of a layer, one by one.

    Attributes:
        shape: Of one output.
        located: Whether the place of an event must be computed.
        kernels: Places of one kernel times output channels, for the dense address of a convolution.
        leaving: For each input place the synapses that leave it: (output place, weight).
    """

    shape: Place
    located: bool = False
    kernels: int = 0
    leaving: dict[Place, list[tuple[Place, float]]] = field(default_factory=dict)

    def connect(self, source: Place, target: Place, weight: float) -> None:
        """One more synapse."""
        self.leaving.setdefault(source, []).append((target, float(weight)))

    def without_zeros(self) -> "Wires":
        """Only the synapses whose weight is not zero."""
        kept = {s: [wire for wire in wires if wire[1] != 0] for s, wires in self.leaving.items()}
        return Wires(self.shape, self.located, self.kernels, kept)


def linear(layer: spec.Linear, shape: Place) -> Wires:
    """Every input meets every output of its own row."""
    outputs, inputs = layer.weight.shape
    wires = Wires((*shape[:-1], outputs))
    for row in np.ndindex(shape[:-1]):
        for output, input in product(range(outputs), range(inputs)):
            wires.connect((*row, input), (*row, output), layer.weight[output, input])
    return wires


def convolution(layer: spec.Convolution, shape: Place) -> Wires:
    """From each output back over its taps; one that lands in the padding is no synapse."""
    channels, inputs, *kernel = layer.weight.shape
    stride, dilation = layer.stride or (1,) * len(kernel), layer.dilation or (1,) * len(kernel)
    before, after = margins(layer)
    if layer.mode != "zeros":
        before = after = (0,) * len(kernel)  # the margins were made of inputs already
    sizes = []
    for s, k, d, st, a, b in zip(shape[1:], kernel, dilation, stride, before, after, strict=True):
        sizes.append((s + a + b - (d * (k - 1) + 1)) // st + 1)
    wires = Wires((channels, *sizes), True, channels * int(np.prod(kernel)))
    for output, channel, *tap in product(*map(range, layer.weight.shape)):
        group = output // (channels // layer.groups)
        for place in np.ndindex(*sizes):
            at = tuple(
                o * st + k * d - a
                for o, st, k, d, a in zip(place, stride, tap, dilation, before, strict=True)
            )
            if all(0 <= i < s for i, s in zip(at, shape[1:], strict=True)):
                weight = layer.weight[(output, channel, *tap)]
                wires.connect((group * inputs + channel, *at), (output, *place), weight)
    return wires


def margins(layer: spec.Convolution) -> tuple[Place, Place]:
    """Padding before and after each axis; of an uneven one the odd element comes last."""
    kernel = layer.weight.shape[2:]
    if layer.padding != "same":
        padding = tuple(layer.padding) or (0,) * len(kernel)
        return padding, padding
    dilation = layer.dilation or (1,) * len(kernel)
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)


def transposed(layer: spec.Transposed, shape: Place) -> Wires:
    """From each input forward over its taps; one that lands outside the output is no synapse."""
    inputs, outputs, *kernel = layer.weight.shape
    each = zip(
        shape[1:],
        kernel,
        layer.stride,
        layer.padding,
        layer.output_padding,
        layer.dilation,
        strict=True,
    )
    sizes = [(s - 1) * st - 2 * p + d * (k - 1) + extra + 1 for s, k, st, p, extra, d in each]
    channels = outputs * layer.groups
    wires = Wires((channels, *sizes), True, channels * int(np.prod(kernel)))
    for source in np.ndindex(*shape):
        group = source[0] // (inputs // layer.groups)
        for channel, *tap in product(range(outputs), *map(range, kernel)):
            at = tuple(
                i * st + k * d - p
                for i, st, k, d, p in zip(
                    source[1:], layer.stride, tap, layer.dilation, layer.padding, strict=True
                )
            )
            if all(0 <= o < size for o, size in zip(at, sizes, strict=True)):
                weight = layer.weight[(source[0], channel, *tap)]
                wires.connect(source, (group * outputs + channel, *at), weight)
    return wires


def recurrent(weight: np.ndarray) -> Wires:
    """Every neuron back to every neuron."""
    wires = Wires((len(weight),))
    for output, input in np.ndindex(*weight.shape):
        wires.connect((input,), (output,), weight[output, input])
    return wires


@dataclass
class Window:
    """One pooling window: the places in it, and what their sum is divided by."""

    target: Place
    places: list[Place]
    divisor: int


def windows(layer: spec.Pool | spec.Adaptive, shape: Place) -> tuple[Place, list[Window]]:
    """The shape of the result, and every window of every channel."""
    axis = _adaptive_axis if isinstance(layer, spec.Adaptive) else _pool_axis
    axes = [axis(layer, index, size) for index, size in enumerate(shape[1:])]
    found = []
    for channel in range(shape[0]):
        for target in np.ndindex(*map(len, axes)):
            chosen = [axis[i] for axis, i in zip(axes, target, strict=True)]
            places = [(channel, *place) for place in product(*(indices for indices, _ in chosen))]
            divisor = int(np.prod([length for _, length in chosen]))
            if isinstance(layer, spec.Pool) and layer.divisor:
                divisor = layer.divisor
            found.append(Window((channel, *target), places, divisor))
    return (shape[0], *map(len, axes)), found


def _adaptive_axis(layer: spec.Adaptive, index: int, size: int) -> list[tuple[list[int], int]]:
    outputs, found = layer.size[index], []
    for output in range(outputs):
        start, end = output * size // outputs, -(-(output + 1) * size // outputs)
        found.append((list(range(start, end)), end - start))
    return found


def _pool_axis(layer: spec.Pool, index: int, size: int) -> list[tuple[list[int], int]]:
    kernel, stride = layer.kernel[index], layer.stride[index]
    pad, dilation = layer.padding[index], layer.dilation[index]
    found, start = [], -pad
    while True:
        taps = [start + k * dilation for k in range(kernel)]
        fits = taps[-1] < size + pad
        # Rounded up, one more window takes what is left, if it starts within the input.
        left = start - stride + (kernel - 1) * dilation < size + pad - 1
        if not (fits or (layer.ceil and left and start < size)):
            return found
        inside = [i for i in taps if 0 <= i < size]
        within = [i for i in taps if i < size + pad]
        found.append((inside, len(within if layer.count_padding else inside)))
        start += stride
        if not fits:
            return found
