"""What happens to values, one at a time, outside synapses and neurons."""

from dataclasses import replace

import numpy as np

from energy.oracle import layers as spec
from energy.oracle.signal import Signal
from energy.oracle.walks import Window, margins


def scaled(signal: Signal, factor: float) -> Signal:
    """Events that are worth something else."""
    worth = signal.worth * factor if signal.counted else signal.worth
    parts = tuple(scaled(part, factor) for part in signal.beside)
    return replace(signal, values=signal.values * factor, worth=worth, folds=False, beside=parts)


def clipped(signal: Signal, high: float | None) -> Signal:
    """What is above zero, up to a limit: whole numbers of events where the limit is one."""
    values = np.clip(signal.values, 0, high)
    if not signal.counted:
        parts = tuple(clipped(part, high) for part in signal.beside)
        return Signal(signal.kind, values, hidden=signal.hidden, beside=parts)
    if high is None:
        return replace(signal, values=values, folds=False)
    most = high / np.max(signal.worth)
    fits = most >= 1 if signal.kind == "events" else most == round(most)
    if signal.uneven or not fits:
        return Signal("graded", values, hidden=signal.hidden)
    kind = "events" if most <= 1 else signal.kind
    return replace(signal, kind=kind, values=values, folds=False)


def complement(signal: Signal, silent: bool) -> Signal:
    """The opposite line. Where neurons decide, none of its events is sure to come."""
    values = 1 - signal.values
    if signal.kind != "events":
        return signal.analog(values)
    return replace(signal, values=values * 0 if silent and signal.hidden else values)


def changed(signal: Signal, how: str) -> Signal:
    """Whole numbers made of numbers of events."""
    values = {
        "any": lambda: (signal.values > 0) * 1.0,
        "half": lambda: np.floor(signal.values / 2),
        "odd": lambda: np.mod(signal.values, 2),
    }[how]()
    if not signal.sparse:
        return signal.analog(values)
    if how == "any":
        return replace(signal, kind="events", values=values, worth=1.0, folds=False, beside=())
    if signal.uneven:
        graded = Signal("graded", values, hidden=signal.hidden)
        return graded if how == "half" else signal.analog(values)
    worth = float(np.max(signal.worth))
    if how == "odd":
        whole = worth == 1 and not isinstance(signal.worth, np.ndarray)
        return Signal("events", values, 1.0, signal.hidden) if whole else signal.analog(values)
    if (worth / 2).is_integer():
        return replace(signal, values=values, worth=worth / 2, folds=False)
    return Signal("levels", values, 1.0, signal.hidden)


def larger(first: Signal, second: Signal) -> Signal:
    """The larger of two at each place, which is of the kind of both."""
    values = np.maximum(first.values, second.values)
    if not (first.counted and second.counted and _worth_the_same(first, second)):
        return Signal("analog", values)
    hidden = first.hidden or second.hidden
    if first.uneven:
        return Signal("graded", values, hidden=hidden)
    kind = first.kind if first.kind == second.kind else "levels"
    return Signal(kind, values, float(np.max(first.worth)), hidden)


def unlike(first: Signal, second: Signal) -> Signal:
    """Whether two are unlike: an event where they are, if both are zero where none came."""
    values = (first.values != second.values) * 1.0
    kind = "events" if first.sparse and second.sparse else "analog"
    return Signal(kind, values, hidden=first.hidden or second.hidden)


def upsampled(signal: Signal, factor: int) -> Signal:
    """Each value many times along each axis of space."""
    first = signal.values.ndim - len(signal.shape) + 1

    def copies(array: np.ndarray) -> np.ndarray:
        for axis in range(first, array.ndim):
            array = np.repeat(array, factor, axis)
        return array

    return replace(signal.mapped(copies), beside=())


def largest(signal: Signal, shape: tuple[int, ...], found: list[Window]) -> Signal:
    """The largest of each window; of events of unequal worth it is a graded value."""
    values = np.zeros((*signal.values.shape[:2], *shape))
    for at in np.ndindex(*values.shape[:2]):
        for window in found:
            values[at][window.target] = max(signal.values[at][place] for place in window.places)
    if signal.uneven:
        return Signal("graded", values, hidden=signal.hidden)
    worth = signal.worth if np.ndim(signal.worth) == 0 else float(np.max(signal.worth))
    return replace(signal, values=values, worth=worth, folds=False, beside=())


def averaged(signal: Signal, shape: tuple[int, ...], found: list[Window]) -> Signal:
    """The mean of each window: a level, since it holds a whole number of events."""
    values = np.zeros((*signal.values.shape[:2], *shape))
    worth = np.zeros(shape)
    for window in found:
        worth[window.target] = np.max(signal.worth) / window.divisor
        for at in np.ndindex(*values.shape[:2]):
            total = sum(signal.values[at][place] for place in window.places)
            values[at][window.target] = total / window.divisor
    if not signal.counted:
        return Signal("analog", values)
    if signal.uneven:
        return Signal("graded", values, hidden=signal.hidden)
    return Signal("levels", values, worth, signal.hidden)


def _worth_the_same(first: Signal, second: Signal) -> bool:
    return bool(np.allclose(first.worth, second.worth))


def summed(first: Signal, second: Signal, sign: int) -> Signal:
    """A level where both hold events worth the same."""
    values = first.values + sign * second.values
    if not (first.counted and second.counted):
        return Signal("analog", values)
    hidden = first.hidden or second.hidden
    if not _worth_the_same(first, second):
        return Signal("graded", values, hidden=hidden)
    return Signal("levels", values, first.worth, hidden)


def joined(first: Signal, second: Signal) -> Signal:
    """Side by side along the channels: what both are, if they are the same; else each its own."""
    values = np.concatenate([first.values, second.values], 2)
    hidden = first.hidden or second.hidden
    counted = first.counted and second.counted
    each = (*(first.beside or (first,)), *(second.beside or (second,)))
    parts = tuple(replace(part, kind="graded") if part.uneven else part for part in each)
    if counted and not _worth_the_same(first, second):
        return Signal("analog", values, beside=parts)
    if first.kind == second.kind:
        kind = first.kind
    elif counted:
        kind = "levels"
    else:
        return Signal("analog", values, beside=parts)
    if kind == "analog":
        return Signal("analog", values, beside=parts if len(parts) > 2 else ())
    worth = first.worth
    if isinstance(worth, np.ndarray):
        worth = np.concatenate([worth, np.broadcast_to(second.worth, second.shape)], 0)
    return Signal(kind, values, worth, hidden)


def surrounded(signal: Signal, layer: spec.Convolution) -> Signal:
    """Circular, reflected and replicated margins are inputs once more."""
    if layer.mode == "zeros":
        return signal
    mode = {"circular": "wrap", "reflect": "reflect", "replicate": "edge"}[layer.mode]
    axes = list(zip(*margins(layer), strict=True))

    def padded(array: np.ndarray) -> np.ndarray:
        return np.pad(array, [(0, 0)] * (array.ndim - len(axes)) + axes, mode)

    return signal.mapped(padded)


def normed(signal: Signal, layer: spec.Norm) -> Signal:
    """Batch norm at inference: a factor and an offset for each channel."""
    spread = np.sqrt(layer.variance + layer.epsilon)
    shape = (-1, *[1] * (len(signal.shape) - 1))
    factor = (layer.weight / spread).reshape(shape)
    offset = (layer.bias - layer.mean * layer.weight / spread).reshape(shape)
    return Signal("analog", signal.values * factor + offset, folds=signal.folds)
