"""Plans of the fused engine: a neuron's step, traced and compiled."""

import weakref
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from picojoule.engine.description import NotCopyableError, description
from picojoule.engine.fingerprint import Survey, survey, tensors_of
from picojoule.engine.leaves import flatten, unflatten
from picojoule.engine.order import Order
from picojoule.kernels import BATCH, Loops, NotPointwiseError, Program, periodic, tier, trace

_MOST = 64  # values of a neuron's parameters whose outcomes are kept
_KEPT = torch.float32, torch.float64
_SMALL = 4096  # elements of a parameter up to which a look at all of them is the quickest


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
        """Returns a neuron's parameters and buffers as a loop takes them.

        What small ones gave is kept for when they are, bit for bit, the same again.
        """
        program = self.loops.backward_program if back else self.loops.forward_program
        assert program is not None
        seen = [*tensors, *program.constants.values()]
        if not all(one.numel() <= _SMALL and one.is_cpu and one.dtype in _KEPT for one in seen):
            return self._bound(program, tensors, order)
        key = *map(_bits, seen), back, order and order.axes
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
            taken.append(periodic((one if order is None else order.of(one)).reshape(-1)))
        return Bound(known, taken)


def _bits(tensor: Tensor) -> bytes:
    return tensor.detach().numpy().tobytes()


def plan_of(
    neuron: nn.Module,
    seen: Survey,
    currents: Tensor,
    state: tuple[list[Any], Any],
    *,
    learns: bool = False,
) -> Plan | str:
    """Returns the plan of a neuron for these currents [T, B, ...], or why there can be none.

    Args:
        neuron: The neuron.
        seen: What ``survey`` finds in it.
        currents: [T, B, ...].
        state: The leaves and the structure of where it starts.
        learns: Whether anything wants a gradient.
    """
    leaves, spec = state
    step_shape = currents.shape[1:]
    for leaf in leaves:
        if not isinstance(leaf, Tensor) or leaf.shape != step_shape or leaf.dtype != currents.dtype:
            return "its state is not made of tensors of the current's shape and dtype"
    if seen.hooks:
        return seen.hooks
    wanted = tuple(one.requires_grad for one in seen.tensors.values()) if learns else None
    kind = (currents.dtype, currents.device, tier(currents.device.type))
    key = (step_shape[1:], kind, spec, wanted, seen.fingerprint)
    try:
        return _built(_Key(key, weakref.ref(neuron)))
    except NotCopyableError as error:  # not kept: what stands in the way may go
        return str(error)


@dataclass(frozen=True)
class _Key:
    """Everything a plan depends on, and the neuron that it is made from."""

    parts: Hashable
    neuron: weakref.ref = field(compare=False)


@lru_cache(maxsize=256)
def _built(key: _Key) -> Plan | str:
    features, (dtype, device, tier), spec, wanted, _ = key.parts  # pyright: ignore
    like = torch.zeros(BATCH, *features, dtype=dtype, device=device)
    # What a step does to its module is not done to the user's.
    twin = description(key.neuron())  # pyright: ignore
    before = survey(twin)
    try:
        loops = _loops(twin, before.tensors, like, spec, wanted, tier)  # pyright: ignore
    except NotPointwiseError as error:
        return str(error)
    if survey(twin).fingerprint != before.fingerprint:
        return "its step changes its module"
    return Plan(loops, features, device)


class _Step(nn.Module):
    """A neuron whose call is one step."""

    def __init__(self, neuron: Any) -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, current: Tensor, state: Any) -> Any:
        """Runs one step."""
        given = tensors_of(self.neuron)
        found = self.neuron.step(current, state)
        after = tensors_of(self.neuron)
        if any(one is not after.get(name) for name, one in given.items()):
            raise NotPointwiseError("its step replaces a parameter or a buffer")
        return found


def _loops(
    neuron: nn.Module,
    found: dict[str, Tensor],
    like: Tensor,
    spec: Any,
    wanted: tuple[bool, ...] | None,
    tier: str,
) -> Loops:
    module, count = _Step(neuron), spec.num_leaves
    tensors = {name: one.detach() for name, one in found.items()}
    names = [f"neuron.{name}" for name in tensors]

    def step(current: Tensor, *rest: Tensor) -> list[Tensor]:
        state = unflatten(list(rest[:count]), spec)
        values = dict(zip(names, rest[count:], strict=True))
        out, after = torch.func.functional_call(module, values, (current, state))
        leaves, found = flatten(after)
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
    """Returns the vector-Jacobian product of a step for the inputs that are wanted."""
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
