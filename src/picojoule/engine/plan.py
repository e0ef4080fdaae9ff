"""What the fused engine knows of a neuron: its step, traced and compiled."""

import weakref
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from picojoule.engine.description import NotCopyableError, description, hooked
from picojoule.kernels import BATCH, Loops, NotPointwiseError, Program, tier, trace, version

if TYPE_CHECKING:
    from picojoule.neurons.base import Neuron

_DEPTH = 6  # of lists, dictionaries and objects in one another
_MOST = 64  # values of a neuron's parameters whose outcomes are kept
# What every module of torch has, and what is written down of the last run.
_UNSEEN = frozenset({*vars(nn.Module()), "ran"})


class Order:
    """The axes of features as they lie in memory, so that channels may come last there.

    Args:
        currents: [T, B, ...].
        as_they_lie: Whether they may; else in the order of their shape.

    Attributes:
        axes: Those of the features, the outermost in memory first.
    """

    def __init__(self, currents: Tensor, *, as_they_lie: bool = True) -> None:
        strides = currents.stride()[2:]
        order = sorted(range(len(strides)), key=lambda axis: -strides[axis])
        dense = as_they_lie and bool(currents.numel())
        dense = dense and currents[0, 0].permute(order).is_contiguous()
        self.axes = tuple(order if dense else range(len(strides)))
        self._inverse = tuple(sorted(self.axes, key=self.axes.__getitem__))

    def of(self, tensor: Tensor) -> Tensor:
        """[..., features] as they lie in memory; a view."""
        return self._turned(tensor, self.axes)

    def back(self, tensor: Tensor) -> Tensor:
        """The other way round."""
        return self._turned(tensor, self._inverse)

    def _turned(self, tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
        if axes == tuple(range(len(axes))):
            return tensor
        leading = tensor.dim() - len(axes)
        return tensor.permute(*range(leading), *(leading + axis for axis in axes))


class Bound(NamedTuple):
    """A neuron's parameters and buffers for one direction.

    Attributes:
        known: What torch computes from them before the loop; sums are finished with it.
        taken: What the loop takes.
    """

    known: dict[Any, Tensor]
    taken: list[Tensor]


@dataclass(frozen=True)
class Plan:
    """A neuron's step, compiled for one shape and dtype.

    Attributes:
        loops: The compiled loops.
        features: Shape of one sample.
        device: Where it runs.
    """

    loops: Loops
    features: torch.Size
    device: torch.device
    _kept: dict[Any, Bound] = field(default_factory=dict, repr=False, compare=False)

    def bind(
        self, tensors: Sequence[Tensor], order: Order | None = None, *, back: bool = False
    ) -> Bound:
        """A neuron's parameters and buffers as a loop takes them.

        Where these are single numbers, what they gave is kept for when they are the same again.
        """
        program = self.loops.backward_program if back else self.loops.forward_program
        assert program is not None
        seen = [*tensors, *program.constants.values()]
        if any(one.numel() != 1 or not one.is_cpu for one in seen):
            return self._bound(program, tensors, order)
        key = repr([one.item() for one in seen]), back, order and order.axes
        if key not in self._kept:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            copies = [one.detach().clone() for one in tensors]  # theirs may change in place
            self._kept[key] = self._bound(program, copies, order)
        return self._kept[key]

    def _bound(self, program: Program, tensors: Sequence[Tensor], order: Order | None) -> Bound:
        known, taken = program.prepare(tensors), []
        for node, vector in zip(program.parameters, program.vectors, strict=True):
            one = known[node].to(self.device, self.loops.dtype)
            one = (
                one.reshape(one.shape[max(0, one.dim() - len(self.features)) :])
                if one.dim()
                else one
            )
            if not vector:
                taken.append(one.reshape(()))
                continue
            one = one.expand(self.features)
            taken.append((one if order is None else order.of(one)).reshape(-1))
        return Bound(known, taken)


def plan_of(neuron: "Neuron", currents: Tensor, state: Any, *, learns: bool = False) -> Plan | str:
    """The plan of a neuron for these currents [T, B, ...], or why there can be none.

    ``learns`` says that something else than these wants a gradient.
    """
    leaves, spec = pytree.tree_flatten(state)
    step_shape = currents.shape[1:]
    for leaf in leaves:
        if not isinstance(leaf, Tensor) or leaf.shape != step_shape or leaf.dtype != currents.dtype:
            return "its state is not made of tensors of the current's shape and dtype"
    tensors = tensors_of(neuron)
    inputs = (currents, *leaves, *tensors.values())
    learns = learns or any(one.requires_grad for one in inputs)
    learns = learns and torch.is_grad_enabled()
    wanted = tuple(one.requires_grad for one in tensors.values()) if learns else None
    if why := hooked(neuron):
        return why
    kind = (currents.dtype, currents.device, tier(currents.device.type))
    key = (step_shape[1:], kind, spec, wanted, fingerprint(neuron))
    try:
        return _built(_Key(key, weakref.ref(neuron)))
    except NotCopyableError as error:  # not kept: what stands in the way may go
        return str(error)


def tensors_of(neuron: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, by name."""
    return {**dict(neuron.named_parameters()), **dict(neuron.named_buffers())}


def fingerprint(neuron: nn.Module) -> Hashable:
    """All that a step may depend on, but for the values of parameters and buffers."""
    tensors = tensors_of(neuron)
    shapes = tuple((name, one.shape, one.dtype, one.device) for name, one in tensors.items())
    modules = tuple(
        (name, type(module), module.training, _of_class(type(module)), _of_module(module))
        for name, module in neuron.named_modules()
    )
    return shapes, modules


def _of_module(module: nn.Module) -> Hashable:
    return _token({name: one for name, one in vars(module).items() if name not in _UNSEEN})


def _of_class(kind: type) -> Hashable:
    """What a user's classes hold that is no function: it may be changed as well as an attribute."""
    own = (one for one in kind.__mro__ if not one.__module__.startswith(("torch.", "picojoule.")))
    return tuple(
        (name, _token(value))
        for one in own
        if one is not object
        for name, value in vars(one).items()
        if not name.startswith("__") and not callable(value) and not hasattr(value, "__get__")
    )


class _Same:
    """Equal to nothing but the very object, and to a tensor only as long as it is not changed."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing
        self._version: int = version(thing) if isinstance(thing, Tensor) else 0

    def __hash__(self) -> int:
        return id(self._thing)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same) or self._thing is not other._thing:
            return False
        return self._version == other._version


def _token(value: Any, depth: int = 0) -> Hashable:
    """What is equal as long as the value stays what it is; not deeper than people look."""
    if depth > _DEPTH:
        return _Same(value)
    if isinstance(value, dict):
        return "dict", tuple((key, _token(one, depth + 1)) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return type(value), tuple(_token(one, depth + 1) for one in value)
    if isinstance(value, Tensor):
        return _Same(value)
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    try:
        hash(value)
    except TypeError:
        return _object(value, depth)
    plain = type(value).__hash__ is object.__hash__ and not isinstance(value, type)
    return _object(value, depth) if plain else (type(value), value)


def _object(value: Any, depth: int) -> Hashable:
    """What holds others: as they are, as far as they can be seen."""
    if isinstance(value, (set, frozenset)):
        return type(value), frozenset(_token(one, depth + 1) for one in value)
    within = None if callable(value) else getattr(value, "__dict__", None)
    return _Same(value), None if not within else _token(within, depth + 1)


@dataclass(frozen=True)
class _Key:
    """What a plan depends on, and the neuron that it is made from."""

    parts: Hashable
    neuron: weakref.ref = field(compare=False)


@lru_cache(maxsize=256)
def _built(key: _Key) -> Plan | str:
    features, (dtype, device, tier), spec, wanted, _ = key.parts  # pyright: ignore
    like = torch.zeros(BATCH, *features, dtype=dtype, device=device)
    # What a step does to its module is not done to the user's.
    twin = description(key.neuron())  # pyright: ignore
    before = fingerprint(twin)  # pyright: ignore
    try:
        loops = _loops(twin, like, spec, wanted, tier)  # pyright: ignore
    except NotPointwiseError as error:
        return str(error)
    if fingerprint(twin) != before:  # pyright: ignore
        return "its step changes its module"
    return Plan(loops, features, device)


class _Step(nn.Module):
    """A neuron whose call is one step."""

    def __init__(self, neuron: "Neuron") -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, current: Tensor, state: Any) -> Any:
        """One step."""
        given = tensors_of(self.neuron)
        found = self.neuron.step(current, state)
        after = tensors_of(self.neuron)
        if any(one is not after.get(name) for name, one in given.items()):
            raise NotPointwiseError("its step replaces a parameter or a buffer")
        return found


def _loops(
    neuron: "Neuron",
    like: Tensor,
    spec: Any,
    wanted: tuple[bool, ...] | None,
    tier: str,
) -> Loops:
    module, count = _Step(neuron), spec.num_leaves
    tensors = {name: one.detach() for name, one in tensors_of(neuron).items()}
    names = [f"neuron.{name}" for name in tensors]

    def step(current: Tensor, *rest: Tensor) -> list[Tensor]:
        state = pytree.tree_unflatten(list(rest[:count]), spec)
        values = dict(zip(names, rest[count:], strict=True))
        out, after = torch.func.functional_call(module, values, (current, state))
        leaves, found = pytree.tree_flatten(after)
        if found != spec:
            raise NotPointwiseError(f"step gives back a state of another structure: {found}")
        return [out, *leaves]

    def product(*given: Tensor) -> list[Tensor | None]:
        inputs, gradients = given[: -count - 1], given[-count - 1 :]
        return _pulled_back(step, inputs, gradients, [*[True] * (count + 1), *(wanted or ())])

    def examples(names: list[str]) -> dict[str, Tensor]:
        return {name: torch.zeros_like(like) for name in names}

    elements = examples(["x", *(f"s{k}" for k in range(count))])
    forward = trace(step, elements, list(tensors.values()))
    if wanted is None:
        return Loops(forward, None, count, like.dtype, tier)
    after = examples(["g", *(f"d{k}" for k in range(count))])
    backward = trace(product, elements, list(tensors.values()), after, gradients=sum(wanted))
    return Loops(forward, backward, count, like.dtype, tier)


def _pulled_back(
    step: Any, inputs: Sequence[Tensor], gradients: Sequence[Tensor], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """The vector-Jacobian product of a step with respect to the inputs that are wanted."""
    with torch.enable_grad():
        leaves = [
            one.detach().requires_grad_() if asked else one.detach()
            for one, asked in zip(inputs, wanted, strict=True)
        ]
        results = step(*leaves)
        pairs = [
            (one, gradient)
            for one, gradient in zip(results, gradients, strict=True)
            if one.requires_grad
        ]
        asked = [one for one in leaves if one.requires_grad]
        if not pairs:
            return [None for _ in asked]
        outs, given = zip(*pairs, strict=True)
        return list(torch.autograd.grad(outs, asked, given, allow_unused=True))
