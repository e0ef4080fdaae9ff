"""Networks of linear layers and neurons in turn, prepared to run as one function."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from picojoule._snapshot import Snapshot
from picojoule._torch import have_global_hooks, hooks, sees_functions, submodules
from picojoule.contract import Verdict
from picojoule.engine.leaves import flatten
from picojoule.engine.parts import compiled_parts
from picojoule.engine.stack import StackLayer, run
from picojoule.kernels import suits, tier
from picojoule.neurons import Neuron

_FUSED = Verdict("fused")
_MOST = 16  # shapes and modes for which a network is kept prepared
_PLAIN = ("forward", "fuse", "apart", "arrivals", "groups")  # of neurons of one kind, as they come

Pairs = list[tuple[nn.Linear, Neuron]]


class Stack(NamedTuple):
    """A network of linear layers, each with neurons behind it, prepared for one shape of input.

    Attributes:
        children: All layers of the network, and their types.
        pairs: The linear layers and their neurons.
        before: Number of layers of the network before them.
        after: Number of layers behind them, which pass on what they are given.
        layers: The same as the engine takes them; None if it cannot.
        read: Return the weights of the linear layers, of which training may leave out a part.
        snapshot: What they held when they were prepared.
        weights: Weights of the linear layers as they are in this run [N, K].
    """

    children: Sequence[Any]
    pairs: Pairs
    before: int
    after: int
    layers: Sequence[StackLayer] | None
    read: Sequence[Callable[[], Tensor]]
    snapshot: Snapshot
    weights: Sequence[Tensor] = ()

    def __call__(self, x: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
        """Runs all steps of x [T, B, ...]; see ``Sequential.forward``."""
        assert self.layers is not None
        starts = []
        for weight, (_, neuron) in zip(self.weights, self.pairs, strict=True):
            current = x.new_empty(()).expand(x.shape[1], len(weight))
            starts.append(flatten(neuron.init_state(current)))
        out, last = run(self.layers, self.weights, x.flatten(2), starts)
        states = [None] * self.before
        for state in last:
            states += [None, state]
        return out, (*states, *[None] * self.after)


def stack_of(net: nn.Module, x: Tensor) -> Stack | None:
    """Returns what runs a sequence of layers as one function, None if nothing can.

    Args:
        net: The sequence.
        x: Its input [T, B, ...].
    """
    if not suits(x, axes=x.dim()) or not x.numel() or tier() != "c":
        return None
    if sees_functions() or have_global_hooks():
        return None
    layers: list[Any] = list(submodules(net).values())
    kept = _stacks().setdefault(net, {})
    children = [*layers, *map(type, layers)]
    key = (x.shape, x.dtype, x.requires_grad, torch.is_grad_enabled(), net.training)
    found = kept.get(key)
    if found is None or found.children != children or not found.snapshot.holds:
        if len(kept) >= _MOST:
            kept.clear()
        kept[key] = found = _prepared(layers, x)._replace(children=children)
    if found.layers is None or any(_acts(hook) for one in layers for hook in hooks(one)):
        return None
    return found._replace(weights=[read() for read in found.read])


def _acts(hook: Any) -> bool:
    """Tells whether a hook may do more than look."""
    return not getattr(hook, "only_looks", False)


@cache
def _stacks() -> WeakKeyDictionary[nn.Module, dict[Any, Stack]]:
    return WeakKeyDictionary()


def _parts(layers: Sequence[Any], x: Tensor) -> tuple[Pairs, int, int]:
    """Finds linear layers with their neurons; none between others.

    Args:
        layers: Those of a network.
        x: Its input.

    Returns:
        The pairs, and how many layers come before and after them.
    """
    after = int(bool(layers) and getattr(type(layers[-1]), "passes_on", False))
    layers = layers[: len(layers) - after]
    before = int(len(layers) % 2)
    flat = before and type(layers[0]) is nn.Flatten
    if before and not (flat and (layers[0].start_dim, layers[0].end_dim) == (1, -1)):
        return [], 0, 0
    if not before and x.dim() != 3:
        return [], 0, 0
    pairs = list(zip(layers[before::2], layers[before + 1 :: 2], strict=True))
    fits = all(_is_linear(one) and isinstance(other, Neuron) for one, other in pairs)
    return (pairs, before, after) if fits else ([], 0, 0)


def _is_linear(layer: Any) -> bool:
    """Tells whether a layer is linear, of whose weight training may leave out a part."""
    if type(layer) is nn.Linear:
        return True
    return isinstance(layer, nn.Linear) and _mask(layer) is not None


def _mask(layer: nn.Linear) -> nn.Module | None:
    """Returns what leaves out a part of a layer's weight, None if nothing or more changes it."""
    if not parametrize.is_parametrized(layer):
        return None
    changes: Any = layer.parametrizations
    own = parametrize.type_before_parametrizations(layer) is nn.Linear
    alone = own and [*changes] == ["weight"] and len(changes.weight) == 1
    return changes.weight[0] if alone and getattr(changes.weight[0], "leaves_out", False) else None


def _read(layer: nn.Linear) -> Callable[[], Tensor]:
    """Returns a function that returns a layer's weight as it is by then, past all hooks."""
    if (mask := _mask(layer)) is None:
        weight = layer.weight
        return lambda: weight
    return partial(mask.forward, layer.parametrizations["weight"].original)  # pyright: ignore


def _prepared(children: Sequence[Any], x: Tensor) -> Stack:
    pairs, before, after = _parts(children, x)
    layers: list[StackLayer] | None = []
    learns, size = x.requires_grad, x.shape[2:].numel()
    read = [_read(linear) for linear, _ in pairs]
    for weight, (linear, neuron) in zip((one() for one in read), pairs, strict=True):
        layer = _layer(weight, linear.bias, neuron, x, size, learns=learns)
        if layer is None or not (layer.counts or neuron is pairs[-1][1]):
            layers = None
            break
        layers.append(layer)
        given = (weight, layer.bias, *layer.tensors)
        learns = learns or any(one is not None and one.requires_grad for one in given)
        size = len(weight)
    if layers is not None:
        for _, neuron in pairs:
            neuron.ran = _FUSED
    held = children if pairs else ()
    snapshot = Snapshot(one for layer in held for one in layer.modules())
    layers = layers if pairs and snapshot.plain else None
    return Stack(children, pairs, before, after, layers, read, snapshot)


def _layer(
    weight: Tensor, bias: Tensor | None, neuron: Neuron, x: Tensor, size: int, *, learns: bool
) -> StackLayer | None:
    """Returns a linear layer and its neurons as the engine takes them, None if it cannot."""
    if list(neuron.children()):
        return None
    ours = type(neuron).__module__.startswith("picojoule.")
    if not ours or any(getattr(type(neuron), name) is not getattr(Neuron, name) for name in _PLAIN):
        return None
    if neuron.engine not in (None, "fused") or weight.shape[1:] != (size,) or not weight.numel():
        return None
    if not suits(weight) or weight.dtype != x.dtype:
        return None
    if bias is not None and (not suits(bias, axes=1) or bias.dtype != x.dtype):
        return None
    learns = learns or weight.requires_grad or (bias is not None and bias.requires_grad)
    current = x.new_empty(()).requires_grad_(learns and torch.is_grad_enabled())
    currents = current.expand(*x.shape[:2], len(weight))
    found = compiled_parts(neuron, currents, neuron.init_state(currents[0]))
    if isinstance(found, str):
        return None
    (part,), tensors = found
    if not part.plan.loops.adds_up:
        return None
    return StackLayer(bias, part, tensors, neuron.output != "analog")
