"""Networks of linear layers and neurons in turn, prepared to run as one function."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

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
        pairs: The linear layers and their neurons.
        before: Number of layers of the network before them.
        layers: The same as the engine takes them; None if it cannot.
        snapshot: What they held when they were prepared.
    """

    pairs: Pairs
    before: int
    layers: Sequence[StackLayer] | None
    snapshot: Snapshot

    def __call__(self, x: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
        """Runs all steps of x [T, B, ...]; see ``Sequential.forward``."""
        assert self.layers is not None
        starts = []
        for linear, neuron in self.pairs:
            current = x.new_empty(()).expand(x.shape[1], len(linear.weight))
            starts.append(flatten(neuron.init_state(current)))
        out, last = run(self.layers, x.flatten(2), starts)
        states = [None] * self.before
        for state in last:
            states += [None, state]
        return out, tuple(states)


def stack_of(net: nn.Module, x: Tensor) -> Stack | None:
    """Returns what runs a sequence of layers as one function, None if nothing can.

    Args:
        net: The sequence.
        x: Its input [T, B, ...].
    """
    pairs, before = _pairs(list(submodules(net).values()), x)
    if not pairs or not suits(x, axes=x.dim()) or not x.numel() or tier() != "c":
        return None
    if sees_functions() or have_global_hooks():
        return None
    kept = _stacks().setdefault(net, {})
    key = (x.shape, x.dtype, x.requires_grad, torch.is_grad_enabled(), net.training)
    found = kept.get(key)
    if found is None or found.pairs != pairs or not found.snapshot.holds:
        if len(kept) >= _MOST:
            kept.clear()
        kept[key] = found = _prepared(pairs, before, x)
    if found.layers is None or any(
        _acts(hook) for pair in pairs for one in pair for hook in hooks(one)
    ):
        return None
    return found


def _acts(hook: Any) -> bool:
    """Tells whether a hook may do more than look."""
    return not getattr(hook, "only_looks", False)


@cache
def _stacks() -> WeakKeyDictionary[nn.Module, dict[Any, Stack]]:
    return WeakKeyDictionary()


def _pairs(layers: Sequence[Any], x: Tensor) -> tuple[Pairs, int]:
    """Returns linear layers with their neurons and how many layers come before; none of others."""
    before = int(len(layers) % 2)
    if before and not (
        type(layers[0]) is nn.Flatten and (layers[0].start_dim, layers[0].end_dim) == (1, -1)
    ):
        return [], 0
    if not before and x.dim() != 3:
        return [], 0
    pairs = list(zip(layers[before::2], layers[before + 1 :: 2], strict=True))
    fits = all(type(one) is nn.Linear and isinstance(other, Neuron) for one, other in pairs)
    return (pairs, before) if fits else ([], 0)


def _prepared(pairs: Pairs, before: int, x: Tensor) -> Stack:
    layers: list[StackLayer] | None = []
    learns, size = x.requires_grad, x.shape[2:].numel()
    for linear, neuron in pairs:
        layer = _layer(linear, neuron, x, size, learns=learns)
        if layer is None or not (layer.counts or neuron is pairs[-1][1]):
            layers = None
            break
        layers.append(layer)
        given = (layer.weight, layer.bias, *layer.tensors)
        learns = learns or any(one is not None and one.requires_grad for one in given)
        size = len(layer.weight)
    if layers is not None:
        for _, neuron in pairs:
            neuron.ran = _FUSED
    snapshot = Snapshot(one for pair in pairs for one in pair)
    return Stack(pairs, before, layers if snapshot.plain else None, snapshot)


def _layer(
    linear: nn.Linear, neuron: Neuron, x: Tensor, size: int, *, learns: bool
) -> StackLayer | None:
    """Returns a linear layer and its neurons as the engine takes them, None if it cannot."""
    weight, bias = linear.weight, linear.bias
    if list(neuron.children()):
        return None
    ours = type(neuron).__module__.startswith("picojoule.") and neuron.present is None
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
    return StackLayer(weight, bias, part, tensors, neuron.output != "analog")
