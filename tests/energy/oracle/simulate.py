"""Runs a described network one event, one synapse and one neuron at a time, and counts."""

from collections import Counter
from functools import cache
from itertools import product

import numpy as np

from energy.oracle import elements
from energy.oracle import layers as spec
from energy.oracle.outcome import Outcome
from energy.oracle.signal import Signal
from energy.oracle.walks import Wires, convolution, linear, recurrent, transposed, windows


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

    @cache  # noqa: B019  # a run lives for one test
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

    def each_element(self, layer: str, signal: Signal, *names: str) -> None:
        """One more of each for every element within the sequences."""
        for at in self.alive(signal.steps):
            for _, name in product(np.ndindex(signal.values[at].shape), names):
                self.count(layer, name)

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
                signal = elements.surrounded(signal, layer)
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
                    self.each_element(name, signal, "multiply")
                return elements.scaled(signal, layer.factor)
            case spec.Clip():
                return elements.clipped(signal, layer.high)
            case spec.Change():
                if layer.how == "half" and not signal.sparse:
                    self.each_element(name, signal, "multiply")
                return elements.changed(signal, layer.how)
            case spec.Complement():
                return elements.complement(signal, self.silent).mapped(self.inside)
            case spec.Repeat():
                return signal.mapped(lambda a: np.repeat(a, layer.steps, 0))
            case spec.Flatten() if len(shape) == 1:
                return signal
            case spec.Flatten():
                return signal.mapped(lambda a: a.reshape(*a.shape[:2], -1))
            case spec.Upsample():
                return elements.upsampled(signal, layer.factor)

    def synapses(self, name: str, wires: Wires, layer, signal: Signal) -> Signal:
        """Events or values over synapses, and one potential for each output."""
        potentials = np.zeros((signal.steps, self.batch, *wires.shape))
        shape, bias, words = signal.shape, layer.bias, layer.weight.size
        words = (words, 0 if bias is None else bias.size, np.prod(shape), np.prod(wires.shape))
        self.outcome.sizes[name] = words
        self.outcome.places |= {name} if not wires.located and len(shape) > 1 else set()
        wires = wires.without_zeros() if self.skip_zero_weights else wires
        if signal.beside and not (wires.located or len(shape) == 1):
            signal = signal.analog(signal.values)  # weights along another axis than the channels
        for at in self.alive(signal.steps):
            for source in np.ndindex(*shape):
                part, place = signal.part(source)
                if part.sparse:
                    self.events(name, wires, part, at, source, place)
                else:
                    self.value(name, wires, source)
                for target, weight in wires.leaving.get(source, ()):
                    potentials[at][target] += weight * signal.values[(*at, *source)]
            if any(not part.sparse for part in signal.beside or [signal]):
                self.outputs(name, wires)
            for target in np.ndindex(*wires.shape):
                if bias is not None:
                    potentials[at][target] += bias[target[0 if wires.located else -1]]
                    self.count(name, "bias")
        for _ in self.alive(self.steps):
            self.outcome.dense[name, "mac"] += sum(map(len, wires.leaving.values()))
        return Signal("analog", potentials, folds=True)

    def events(self, name, wires, signal, at, source, place=None) -> None:
        """Each event is read and located, and each of its synapses works once."""
        multiplied = signal.kind == "levels" and self.multiply_levels
        exact = signal.counted and not multiplied
        number = signal.number(at, source if place is None else place)
        for _ in range(min(1, number) if multiplied else number):
            self.count(name, "event_read")
            if wires.located:
                for _ in range(2):
                    self.count(name, "multiply")
                    self.count(name, "address")
            for _ in wires.leaving.get(source, ()):
                self.count(name, "ac" if exact else "mac")
                for each in ("weight_read", "state_read", "state_write", "address"):
                    self.count(name, each)

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
                    for _ in range(signal.number(at, place) if signal.sparse else 1):
                        self.count(name, "pool")
        if layer.largest:
            return elements.largest(signal, shape, found)
        return elements.averaged(signal, shape, found)

    def norm(self, name: str, layer: spec.Norm, signal: Signal) -> Signal:
        """Folded into the synapses before it where there are any."""
        if not (signal.folds and self.fold):
            self.each_element(name, signal, "multiply", "add")
        return elements.normed(signal, layer)

    def join(self, name: str, how: str, first: Signal, second: Signal) -> Signal:
        """A residual addition or subtraction costs one addition for each event, or element."""
        both = first.counted and second.counted
        self.outcome.mixed |= first.hidden != second.hidden and both
        if how == "join":
            return elements.joined(first, second)
        if how in ("larger", "unlike"):
            return getattr(elements, how)(first, second)
        for at in self.alive(first.steps):
            for place in np.ndindex(*first.shape):
                events = first.number(at, place) + second.number(at, place)
                for _ in range(events if both else 1):
                    self.count(name, "add")
        return elements.summed(first, second, -1 if how == "subtract" else 1)

    def neurons(self, name: str, layer, signal: Signal) -> Signal:
        """One neuron, one sample and one step after the other."""
        loops = isinstance(layer, spec.Recurrent)
        wires, neuron = (recurrent(layer.weight), layer.neuron) if loops else (None, layer)
        wires = wires.without_zeros() if wires is not None and self.skip_zero_weights else wires
        fires = isinstance(neuron, spec.Fire)
        kind, alpha = "events" if fires else "analog", np.exp(-spec.DT / neuron.tau)
        out, membrane = np.zeros_like(signal.values), np.zeros(signal.values.shape[1:])
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
                self.outcome.dense[name, "mac"] += int(at[0] + 1 < self.steps)
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
            membrane[place] = 0.0 if neuron.reset == "zero" else membrane[place] - neuron.threshold
            if not self.silent:
                out[place] = 1.0
                self.count(name, "spike")
                self.count(name, "output_write")
