"""Random small networks for hypothesis, as descriptions for the oracle."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from hypothesis import strategies as st

from energy.oracle import layers as spec
from energy.oracle.walks import convolution, transposed, windows

Shape = tuple[int, ...]


@cache
def _below(count: int) -> st.SearchStrategy[int]:
    """A place among so many; hypothesis looks long at a strategy that it has not seen."""
    return st.integers(0, count - 1)


@dataclass(frozen=True)
class Case:
    """A network, an input [T, B, ...] for it, the kind of that, and lengths where it has any."""

    layers: tuple[spec.Layer, ...]
    x: np.ndarray
    inputs: str
    lengths: list[int] | None


class Maker:
    """Draws layers that fit a shape, and follows the shape."""

    def __init__(self, draw: st.DrawFn, shape: Shape, kind: str) -> None:
        self.draw, self.shape, self.kind = draw, shape, kind
        self.random = np.random.default_rng(draw(st.integers(0, 10_000)))

    def pick(self, *choices):
        """One of the choices."""
        return choices[self.draw(_below(len(choices)))]

    def weight(self, *shape: int) -> np.ndarray:
        """Multiples of 1/64, some of them zero."""
        return self.random.integers(-32, 64, shape) / 64 * (self.random.random(shape) < 0.9)

    def bias(self, size: int) -> np.ndarray | None:
        """Biases, or none."""
        return self.random.integers(-16, 32, size) / 64 if self.pick(True, False) else None

    def each(self, *choices: int) -> Shape:
        """One of the choices for each axis of space."""
        return tuple(self.pick(*choices) for _ in self.shape[1:])

    def linear(self) -> spec.Linear:
        """A linear layer on the last axis."""
        outputs = self.pick(1, 2, 4)
        layer = spec.Linear(self.weight(outputs, self.shape[-1]), self.bias(outputs))
        self.shape, self.kind = (*self.shape[:-1], outputs), "analog"
        return layer

    def convolution(self, *, same: bool = False) -> spec.Convolution:
        """Any convolution, or one that keeps the sizes."""
        groups = self.pick(1, self.shape[0])
        outputs = self.shape[0] if same else groups * self.pick(1, 2)
        mode = self.pick("zeros", "zeros", "circular", "reflect", "replicate")
        kernel, dilation = list(self.each(1, 2, 3)), self.each(1, 1, 2)
        stride = self.each(1) if same else self.each(1, 2, 3)
        alike = same or (set(stride) == {1} and self.pick(True, False))
        padding = "same" if alike else self.each(0, 1, 2)
        for axis, size in enumerate(self.shape[1:]):
            reach = dilation[axis] * (kernel[axis] - 1)
            margin = (reach + 1) // 2 if alike else padding[axis]
            too_small = (mode == "reflect" and margin >= size) or margin > size
            if (mode != "zeros" and too_small) or (not alike and reach >= size + 2 * margin):
                kernel[axis] = 1
                padding = padding if alike else (*padding[:axis], 0, *padding[axis + 1 :])
        weight = self.weight(outputs, self.shape[0] // groups, *kernel)
        bias = self.bias(outputs)
        layer = spec.Convolution(weight, bias, stride, padding, dilation, groups, mode)
        self.shape, self.kind = self._after(layer), "analog"
        return layer

    def _after(self, layer: spec.Convolution) -> Shape:
        if layer.padding == "same":
            return (len(layer.weight), *self.shape[1:])
        sizes = self.shape[1:]
        if layer.mode != "zeros":
            sizes = tuple(s + 2 * p for s, p in zip(sizes, layer.padding, strict=True))
        return convolution(layer, (self.shape[0], *sizes)).shape

    def transposed(self) -> spec.Transposed:
        """Any transposed convolution."""
        groups = self.pick(1, self.shape[0])
        kernel, dilation, stride = self.each(1, 2, 3), self.each(1, 2), self.each(1, 2)
        padding, extra = list(self.each(0, 1)), list(self.each(0, 1))
        for axis, size in enumerate(self.shape[1:]):
            if extra[axis] >= max(stride[axis], dilation[axis]):
                extra[axis] = 0
            reach = (size - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1
            if reach - 2 * padding[axis] < 1:
                padding[axis] = 0
        outputs = self.pick(1, 2)
        layer = spec.Transposed(
            self.weight(self.shape[0], outputs, *kernel),
            self.bias(outputs * groups),
            *(stride, tuple(padding), tuple(extra), dilation, groups),
        )
        self.shape, self.kind = transposed(layer, self.shape).shape, "analog"
        return layer

    def pool(self) -> spec.Pool:
        """Average, sum or largest, overlapping or not."""
        largest = self.pick(True, False)
        kernel = tuple(min(k, s) for k, s in zip(self.each(1, 2, 3), self.shape[1:], strict=True))
        padding = tuple(self.pick(*range(k // 2 + 1)) for k in kernel)
        dilation = (1,) * len(kernel)
        if largest and not any(padding):
            fits = zip(kernel, self.shape[1:], strict=True)
            dilation = tuple(2 if 2 * (k - 1) < s and self.pick(0, 1) else 1 for k, s in fits)
        divisor = self.pick(None, 1, 3) if not largest and len(kernel) > 1 else None
        ceil, counted = self.pick(True, False), self.pick(True, False)
        layer = spec.Pool(
            largest, kernel, self.each(1, 2), padding, dilation, ceil, counted, divisor
        )
        return self._pooled(layer)

    def adaptive(self) -> spec.Adaptive:
        """Windows of unequal sizes."""
        return self._pooled(spec.Adaptive(self.pick(True, False), self.each(1, 2, 3)))

    def _pooled(self, layer):
        self.shape, _ = windows(layer, self.shape)
        if not layer.largest:
            self.kind = "levels" if self.kind in ("events", "levels") else "analog"
        return layer

    def norm(self) -> spec.Norm:
        """Batch norm with statistics of its own."""
        size, random = self.shape[0], self.random
        self.kind = "analog"
        mean, bias = random.integers(-8, 8, (2, size)) / 64
        return spec.Norm(mean, random.random(size) + 0.5, random.random(size) + 0.5, bias)

    def fire(self) -> spec.Fire:
        """Neurons with a threshold that no sum of weights meets exactly."""
        self.kind = "events"
        threshold, tau = self.pick(0.2718, 0.6931), self.pick(2e-3, 20e-3)
        return spec.Fire(tau, threshold, self.pick("zero", "subtract"))

    def recurrent(self) -> spec.Recurrent:
        """Neurons with a weight among them."""
        neuron = self.fire() if self.pick(True, True, False) else spec.Leak(5e-3)
        self.kind = "events" if isinstance(neuron, spec.Fire) else "analog"
        return spec.Recurrent(neuron, self.weight(self.shape[-1], self.shape[-1]))

    def branch(self) -> spec.Branch:
        """A sum, a difference or a joint with what a few layers make of the same input."""
        before, how = self.kind, self.pick("add", "add", "subtract", "join", "larger", "unlike")
        inner: list[spec.Layer] = []
        if self.pick(True, False):
            space = len(self.shape) > 1
            size = self.shape[-1]
            inner.append(
                self.convolution(same=True)
                if space
                else spec.Linear(self.weight(size, size), self.bias(size))
            )
        if not inner or self.pick(True, False):
            inner.append(self.fire())
        self.shape = (2 * self.shape[0], *self.shape[1:]) if how == "join" else self.shape
        alike = before in ("events", "levels") and isinstance(inner[-1], spec.Fire)
        if how == "unlike" and not alike:  # of analog values, rounding would decide
            how = "larger"
        self.kind = "levels" if alike else "analog"
        return spec.Branch(how, tuple(inner))

    def scale(self) -> spec.Scale:
        """A constant."""
        self.kind = "levels" if self.kind == "events" else self.kind
        return spec.Scale(self.pick(0.5, 2.0))

    def clip(self) -> spec.Clip:
        """A rectifier, or a clamp to zero and one."""
        self.kind = "levels" if self.kind == "events" else self.kind
        return spec.Clip(self.pick(None, 1.0))

    def change(self) -> spec.Change:
        """Whole numbers of what are events or levels."""
        self.kind = "levels"
        return spec.Change(self.pick("any", "half", "odd"))

    def complement(self) -> spec.Complement:
        """One minus events."""
        return spec.Complement()

    def flatten(self) -> spec.Flatten:
        """One axis."""
        self.shape = (int(np.prod(self.shape)),)
        return spec.Flatten()

    def upsample(self) -> spec.Upsample:
        """Twice the size."""
        self.shape = (self.shape[0], *(2 * size for size in self.shape[1:]))
        return spec.Upsample(2)

    def leak(self) -> spec.Leak:
        """A readout."""
        self.kind = "analog"
        return spec.Leak(10e-3)

    def any(self) -> spec.Layer:
        """A layer that fits, neurons more often than others."""
        fits = [self.linear, self.fire, self.norm, self.branch, self.scale, self.clip]
        if self.kind == "analog":
            fits += [self.fire] * 4
        else:
            fits += [self.branch, self.branch, self.scale, self.change]
        if self.kind == "events":
            fits.append(self.complement)
        if len(self.shape) == 1:
            return self.pick(*fits, self.recurrent, self.recurrent, self.leak)()
        small = np.prod(self.shape) <= 24
        space = [self.convolution, self.convolution, self.transposed, self.pool, self.pool]
        space += [self.adaptive, self.flatten, *([self.upsample] if small else [])]
        return self.pick(*fits, *space)()


_SIZES = {0: (3, 5), 1: (2, 3, 5), 2: (2, 3, 4), 3: (1, 2, 3)}


_FLAT = ("recurrent", "leak")
_SPACE = ("convolution", "transposed", "pool", "adaptive", "upsample", "flatten")


@st.composite
def cases(draw: st.DrawFn, most: int = 5, of: str | None = None) -> Case:
    """A network of one to ``most`` layers, four more at its end, and an input for it.

    Args:
        draw: Given by hypothesis.
        most: Layers at most, without the four at the end.
        of: The layer that comes first or second; left out, any.
    """
    inputs = draw(st.sampled_from(["events", "levels", "analog"]))
    counts = (0,) if of in _FLAT else (1, 2, 2, 3) if of in _SPACE else (0, 1, 1, 2, 2, 3)
    axes = draw(st.sampled_from(counts))
    shape = (draw(st.sampled_from((1, 2) if axes else _SIZES[0])),)
    shape += tuple(draw(st.sampled_from(_SIZES[axes])) for _ in range(axes))
    maker = Maker(draw, shape, inputs)
    steps, batch = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    many = st.lists(st.integers(1, steps), min_size=batch, max_size=batch)
    lengths = draw(st.one_of(st.none(), many))
    at = draw(st.integers(0, most)) if lengths is None else -1
    layers: list[spec.Layer] = [maker.fire()] if of and draw(st.booleans()) else []
    layers += [getattr(maker, of)()] if of else []
    for index in range(draw(st.integers(0 if of else 1, most))):
        if index == at:
            layers.append(spec.Repeat(steps))
            steps = 1
        layers.append(maker.any())
    highest = {"events": 1, "levels": 3, "analog": 32}[inputs]
    x = maker.random.integers(0, highest + 1, (steps, batch, *shape)) * 1.0
    x = x / 16 if inputs == "analog" else x
    x = x * (maker.random.random(x.shape) < 0.7)
    # Synapses, so that whatever came out is received, and then hidden spikes are.
    ends = (maker.linear(), maker.fire(), maker.linear(), maker.fire())
    return Case((*layers, *ends), x, inputs, lengths)
