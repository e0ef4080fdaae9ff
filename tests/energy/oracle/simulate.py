"""Runs a described network one event, one synapse and one neuron at a time, and counts."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from energy.oracle import elements
from energy.oracle import layers as spec
from energy.oracle.signal import Signal
from energy.oracle.walks import Wires, convolution, linear, margins, recurrent, transposed, windows

Counts = Counter[tuple[str, str]]


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        counts: Totals over the batch, by layer and name of the count.
        hidden: Of these, what would not have been counted had no neuron fired.
        dense: Multiply-accumulates of the same layers in a dense ANN.
        fired: What each layer of neurons put out, [T, B, ...].
        output: What the network put out.
        sizes: Words of weights, biases, inputs and potentials of each layer of synapses.
        margin: How near a membrane came to its threshold.
        mixed: Whether hidden spikes were added to or joined with other events.
    """

    counts: Counts = field(default_factory=Counter)
    hidden: Counts = field(default_factory=Counter)
    dense: Counts = field(default_factory=Counter)
    fired: dict[str, np.ndarray] = field(default_factory=dict)
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    output: np.ndarray = field(default_factory=lambda: np.zeros(0))
    margin: float = np.inf
    mixed: bool = False


def simulate(
    layers: tuple[spec.Layer, ...],
    x: np.ndarray,
    kind: str,
    *,
    lengths: list[int] | None = None,
    multiply_levels: bool = False,
    skip_zero_weights: bool = False,
    fold_batch_norm: bool = True,
) -> Outcome:
    """Runs ``layers`` on ``x`` [T, B, ...], which carries ``kind``."""
    conventions = (multiply_levels, skip_zero_weights, fold_batch_norm)
    runs = []
    for silent in (False, True):
        run = _Run(x.shape[:2], lengths, silent, *conventions)
        signal = Signal.given(kind, run.inside(x))
        run.outcome.output = run.through("", layers, signal).values
        runs.append(run.outcome)
    loud, quiet = runs
    loud.hidden = Counter({key: n - quiet.counts[key] for key, n in loud.counts.items()})
    return loud


class _Run:
    """One pass; in a ``silent`` one no neuron's spikes arrive anywhere."""

    def __init__(self, size, lengths, silent, multiply_levels, skip_zero_weights, fold) -> None:
        self.steps, self.batch = size
        self.lengths = lengths
        self.silent, self.multiply_levels = silent, multiply_levels
        self.skip_zero_weights, self.fold = skip_zero_weights, fold
        self.outcome = Outcome()

    def alive(self, steps: int) -> list[tuple[int, int]]:
        """Step and sample of all that lies within the sequences."""
        lengths = self.lengths or [steps] * self.batch
        return [(t, b) for t, b in product(range(steps), range(self.batch)) if t < lengths[b]]

    def inside(self, x: np.ndarray) -> np.ndarray:
        """Zeros after the ends of sequences."""
        kept = np.zeros_like(x)
        for at in self.alive(len(x)):
            kept[at] = x[at]
        return kept

    def count(self, layer: str, name: str) -> None:
        """One more."""
        self.outcome.counts[layer, name] += 1

    def through(self, above: str, layers: tuple[spec.Layer, ...], signal: Signal) -> Signal:
        """All layers in a row, named by their place below ``above``."""
        for index, layer in enumerate(layers):
            signal = self.one(f"{above}{index}", layer, signal)
        return signal

    def one(self, name: str, layer: spec.Layer, signal: Signal) -> Signal:
        """One layer on all steps and samples."""
        shape = signal.shape
        match layer:
            case spec.Linear():
                return self.synapses(name, linear(layer, shape), layer, signal)
            case spec.Convolution():
                signal = _made_of_inputs(layer, signal)
                return self.synapses(name, convolution(layer, signal.shape), layer, signal)
            case spec.Transposed():
                return self.synapses(name, transposed(layer, shape), layer, signal)
            case spec.Pool() | spec.Adaptive():
                return self.pool(name, layer, signal)
            case spec.Fire() | spec.Leak() | spec.Recurrent():
                return self.neurons(name, layer, signal)
            case spec.Branch():
                other = self.through(f"{name}.branch.", layer.layers, signal)
                return self.join(name, layer.how, signal, other)
            case spec.Norm():
                return self.norm(name, layer, signal)
            case spec.Scale():
                if not signal.sparse:  # of events it folds into the next weights
                    for at in self.alive(signal.steps):
                        for _ in np.ndindex(signal.values[at].shape):
                            self.count(name, "multiply")
                return elements.scaled(signal, layer.factor)
            case spec.Complement():
                result = elements.complement(signal, self.silent)
                return result.mapped(self.inside)
            case spec.Repeat():
                return signal.mapped(lambda a: np.repeat(a, layer.steps, 0))
            case spec.Flatten():
                return signal.mapped(lambda a: a.reshape(*a.shape[: a.ndim - len(shape)], -1))
            case spec.Upsample():
                return elements.upsampled(signal, layer.factor)

    def arriving(self, signal: Signal, at: tuple[int, int], place: tuple[int, ...]) -> int:
        """How many times the synapses of a place work."""
        number = signal.number(at, place)
        return min(1, number) if signal.kind == "levels" and self.multiply_levels else number

    def synapses(self, name: str, wires: Wires, layer, signal: Signal) -> Signal:
        """Events or values over synapses, and one potential for each output."""
        potentials = np.zeros((signal.steps, self.batch, *wires.shape))
        shape, bias = signal.shape, layer.bias
        words = (layer.weight.size, 0 if bias is None else bias.size)
        self.outcome.sizes[name] = (*words, int(np.prod(shape)), int(np.prod(wires.shape)))
        wires = wires.without_zeros() if self.skip_zero_weights else wires
        for at in self.alive(signal.steps):
            for source in np.ndindex(*shape):
                if signal.sparse:
                    self.events(name, wires, signal, at, source)
                else:
                    self.value(name, wires, source)
                for target, weight in wires.leaving.get(source, ()):
                    potentials[at][target] += weight * signal.values[(*at, *source)]
            if not signal.sparse:
                self.outputs(name, wires)
            for target in np.ndindex(*wires.shape):
                if bias is not None:
                    potentials[at][target] += bias[target[0 if wires.located else -1]]
                    self.count(name, "bias")
        steps = len(self.alive(self.steps))
        self.outcome.dense[name, "mac"] += sum(map(len, wires.leaving.values())) * steps
        return Signal("analog", potentials, folds=True)

    def events(self, name, wires, signal, at, source) -> None:
        """Each event is read and located, and each of its synapses works once."""
        exact = signal.counted and not (signal.kind == "levels" and self.multiply_levels)
        for _ in range(self.arriving(signal, at, source)):
            self.count(name, "event_read")
            if wires.located:
                for _ in range(2):
                    self.count(name, "multiply")
                    self.count(name, "address")
            for _ in wires.leaving.get(source, ()):
                self.count(name, "ac" if exact else "mac")
                self.count(name, "weight_read")
                self.count(name, "state_read")
                self.count(name, "state_write")
                self.count(name, "address")

    def value(self, name: str, wires: Wires, source) -> None:
        """An analog value is there at every step; in a convolution each tap reads it again."""
        if not wires.located:
            self.count(name, "event_read")
        else:
            self.count(name, "address")
        for _ in wires.leaving.get(source, ()):
            self.count(name, "mac")
            self.count(name, "weight_read")
            self.count(name, "event_read" if wires.located else "address")

    def outputs(self, name: str, wires: Wires) -> None:
        """What a dense layer writes, and the addresses of outputs and kernels."""
        for _ in np.ndindex(*wires.shape):
            self.count(name, "output_write")
            if wires.located:
                self.count(name, "address")
        for _ in range(wires.kernels):
            self.count(name, "address")

    def pool(self, name: str, layer: spec.Pool | spec.Adaptive, signal: Signal) -> Signal:
        """Each value, or event, once for every window that it lies in."""
        shape, found = windows(layer, signal.shape)
        for at in self.alive(signal.steps):
            for window in found:
                for place in window.places:
                    times = signal.number(at, place) if signal.sparse else 1
                    for _ in range(times):
                        self.count(name, "pool")
        if layer.largest:
            return elements.largest(signal, shape, found)
        return elements.averaged(signal, shape, found)

    def norm(self, name: str, layer: spec.Norm, signal: Signal) -> Signal:
        """Folded into the synapses before it where there are any."""
        spread = np.sqrt(layer.variance + layer.epsilon)
        shape = (-1, *[1] * (len(signal.shape) - 1))
        factor = (layer.weight / spread).reshape(shape)
        offset = (layer.bias - layer.mean * layer.weight / spread).reshape(shape)
        if not (signal.folds and self.fold):
            for at in self.alive(signal.steps):
                for _ in np.ndindex(signal.values[at].shape):
                    self.count(name, "multiply")
                    self.count(name, "add")
        return Signal("analog", signal.values * factor + offset, folds=signal.folds)

    def join(self, name: str, how: str, first: Signal, second: Signal) -> Signal:
        """A residual addition or subtraction costs one addition for each event, or element."""
        both = first.counted and second.counted
        self.outcome.mixed |= both and first.hidden != second.hidden
        if how == "join":
            return elements.joined(first, second)
        for at in self.alive(first.steps):
            for place in np.ndindex(*first.shape):
                number = first.number(at, place) + second.number(at, place) if both else 1
                for _ in range(number):
                    self.count(name, "add")
        return elements.summed(first, second, -1 if how == "subtract" else 1)

    def neurons(self, name: str, layer, signal: Signal) -> Signal:
        """One neuron, one sample and one step after the other."""
        wires = recurrent(layer.weight) if isinstance(layer, spec.Recurrent) else None
        neuron = layer.neuron if isinstance(layer, spec.Recurrent) else layer
        fires = isinstance(neuron, spec.Fire)
        alpha = np.exp(-spec.DT / neuron.tau)
        membrane = np.zeros(signal.values.shape[1:])
        out = np.zeros_like(signal.values)
        kind = "events" if fires else "analog"
        for t in range(signal.steps):
            current = signal.values[t].copy()
            for b in range(self.batch):
                if wires is not None and t and (t, b) in self.alive(signal.steps):
                    before = Signal(kind, out)
                    self.back(f"{name}.recurrent", wires, before, (t - 1, b), current[b])
            membrane = alpha * membrane + current
            for place in np.ndindex(*membrane.shape):
                if (t, place[0]) in self.alive(signal.steps):
                    self.update(name, neuron, membrane, place, out[t])
            if not fires:
                out[t] = membrane
        out = self.inside(out)
        self.outcome.fired[name] = out
        return Signal(kind, out, hidden=fires)

    def back(self, name: str, wires: Wires, before: Signal, at, current: np.ndarray) -> None:
        """A neuron's last output comes back through one weight to each of them."""
        for source in np.ndindex(*before.shape):
            if before.sparse:
                self.events(name, wires, before, at, source)
            else:
                self.value(name, wires, source)
            for target, weight in wires.leaving.get(source, ()):
                current[target] += weight * before.values[(*at, *source)]
                if at[0] + 1 < self.steps:  # an ANN runs as often as the network has inputs
                    self.outcome.dense[name, "mac"] += 1
        if not before.sparse:
            self.outputs(name, wires)

    def update(self, name: str, neuron, membrane: np.ndarray, place, out: np.ndarray) -> None:
        """The leak is a multiplication, the current an addition, the membrane one word."""
        for each in ("update", "add", "multiply", "state_read", "state_write", "second"):
            self.count(name, each)
        if not isinstance(neuron, spec.Fire):
            return
        distance = abs(membrane[place] - neuron.threshold)
        self.outcome.margin = min(self.outcome.margin, distance)
        if membrane[place] >= neuron.threshold:
            membrane[place] = (
                0.0 if neuron.reset == "zero" else membrane[place] - neuron.threshold
            )
            if not self.silent:
                out[place] = 1.0
                self.count(name, "spike")
                self.count(name, "output_write")


def _made_of_inputs(layer: spec.Convolution, signal: Signal) -> Signal:
    """Circular, reflected and replicated margins are inputs once more."""
    if layer.mode == "zeros":
        return signal
    mode = {"circular": "wrap", "reflect": "reflect", "replicate": "edge"}[layer.mode]
    axes = list(zip(*margins(layer), strict=True))

    def padded(array: np.ndarray) -> np.ndarray:
        return np.pad(array, [(0, 0)] * (array.ndim - len(axes)) + axes, mode)

    return signal.mapped(padded)
