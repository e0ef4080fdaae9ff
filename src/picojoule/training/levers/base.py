"""The base of levers, which let training leave out parts of a network to save energy."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.utils import parametrize

from picojoule._lookup import class_named, classes_in
from picojoule._torch import parameters
from picojoule.energy import only
from picojoule.neurons import Neuron

_START = 2.0  # the most that gates lean to being open at first
_ROOM = "picojoule.training.levers"


class Lever(ABC):
    """A part of the energy that weights alone cannot save, and that training may save by it.

    Levers are attached to a network before its first step and leave it plain and smaller after the
    last. In between what is absent is counted as absent by the ordinary rules of a ``Meter``, so
    that the energy and its floor, what neither hidden spikes nor levers can change, are those of
    the network that will be left.

    Args:
        lr: How fast it learns, by Adam; it falls as the learning rate of the weights does.

    Raises:
        ValueError: If ``lr`` is not above 0.
    """

    def __init__(self, lr: float = 0.05) -> None:
        if not (math.isfinite(lr) and lr > 0):
            raise ValueError(f"lr must be above 0, got {lr}")
        self.lr = lr

    @abstractmethod
    def attach(self, net: nn.Module) -> list[nn.Parameter]:
        """Lets training decide what there is.

        Returns:
            What it learns that by.

        Raises:
            ValueError: If the network has no place for it.
        """

    @abstractmethod
    def decided(self, net: nn.Module) -> Callable[[], None]:
        """Reads what training decided.

        Returns:
            What leaves out the rest once the network is plain, its absent weights zero.
        """

    def rate(self, parameter: nn.Parameter) -> float:
        """Returns the learning rate of something that it learns by, ``lr`` in the base."""
        del parameter
        return self.lr

    def pace(self, done: float) -> float:
        """Returns how fast it learns by now, as a share of its rate; 1 in the base.

        Args:
            done: The share of the epochs that are done.
        """
        del done
        return 1.0

    def fit(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Gives a network the parts and shapes of one that this lever left, to load its weights.

        In the base it does nothing, which is right for levers that leave a network of the same
        parts and shapes. Several levers may do so in any order.

        Args:
            net: The network as it was before training.
            weights: The ``state_dict`` of the same network after it; it may be damaged, and what
                does not fit is left to those who load it.
        """
        del net, weights


class Gate(nn.Module):
    """Gates that are open or closed, at least one of them open.

    They start open, each a little further from closing than others: those that go first show
    whether more have to.

    Equation::

        out = 1 where lean >= min(0, max(lean)), else 0;   d out / d lean = sigmoid'(lean)

    Args:
        shape: How many there are.
        like: Tensor with their type and device.

    Attributes:
        opened: What ``forward`` returns to all that ask in one step; None outside of steps.
    """

    __slots__ = ("opened",)  # apart from what it holds: of this step alone, and in no copy

    def __init__(self, shape: Sequence[int], like: Tensor) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.opened: Tensor | None = None
        start = _START * torch.rand(math.prod(shape), dtype=like.dtype)
        self.lean = nn.Parameter(start.to(like.device))

    def forward(self) -> Tensor:
        """Returns 1 for each gate that is open, else 0."""
        now = getattr(self, "opened", None)  # which a copy has not
        return opened([self])[0] if now is None else now

    def __getstate__(self) -> dict[str, Any]:
        return vars(self)


def opened(gates: Sequence[Gate]) -> list[Tensor]:
    """Returns for each of these what its ``forward`` does, by one function for all."""
    found = step_of([gate.lean for gate in gates], lambda one: one >= one.max().clamp(max=0))
    return [one.view(gate.shape) for one, gate in zip(found, gates, strict=True)]


def step_of(lean: Sequence[Tensor], holds: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
    """Returns ones and zeros, with the gradient of a sigmoid.

    Args:
        lean: Numbers, of any shapes.
        holds: Returns which of a tensor of them are 1; all others are 0.
    """
    return _Decision.apply(holds, *lean) if lean else ()


class _Decision(Function):
    """Ones and zeros with the gradient of a sigmoid."""

    @staticmethod
    def forward(ctx: Any, holds: Callable[[Tensor], Tensor], *lean: Tensor) -> tuple[Tensor, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(*lean)
        return tuple(holds(one).to(one.dtype) for one in lean)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        shares = map(torch.sigmoid, ctx.saved_tensors)
        return None, *(g * share * (1 - share) for g, share in zip(grads, shares, strict=True))


# Gates, or a function that returns which are open.
Opened = Gate | Callable[[], Tensor]


class Masked(nn.Module):
    """Parametrization of a weight of which only some outputs, inputs or synapses are there.

    Args:
        outputs: Gates of the outputs, None if all are there.
        inputs: Gates of the inputs, each for ``places`` of them side by side.
        places: Inputs for each of its gates.
        each: Gates of the synapses.

    Attributes:
        left: What ``forward`` returns to all that ask in one step; None outside of steps.
    """

    __slots__ = ("left",)
    leaves_out = True  # and nothing else, so that a network may run as one function

    def __init__(
        self,
        *,
        outputs: Opened | None = None,
        inputs: Opened | None = None,
        places: int = 1,
        each: Gate | None = None,
    ) -> None:
        super().__init__()
        self.outputs, self.inputs, self.places, self.each = outputs, inputs, places, each
        self.left: Tensor | None = None

    def forward(self, weight: Tensor) -> Tensor:
        """Returns what is left of a weight [O, I, ...]."""
        if (left := getattr(self, "left", None)) is not None:  # which a copy has not
            return left
        parts = (self.outputs, self.inputs, self.each)
        outputs, inputs, each = (None if one is None else _opens(one) for one in parts)
        if inputs is not None and self.places > 1:
            inputs = partial(_repeated, inputs, self.places)
        return only(weight, outputs, inputs, each)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self)


def _repeated(opens: Callable[[], Tensor], places: int) -> Tensor:
    return opens().repeat_interleave(places)


def _opens(gate: Opened) -> Callable[[], Tensor]:
    """Returns the function that opens gates, past the hooks of modules."""
    return gate.forward if isinstance(gate, Gate) else gate


def mask(layer: nn.Module, **parts: Any) -> None:
    """Lets training leave out a part of a layer's weight, beside those that it may already.

    Args:
        layer: The layer.
        parts: The arguments of ``Masked``.
    """
    held = next((one for known, one in masks(layer) if known is layer), None)
    if held is None:
        parametrize.register_parametrization(layer, "weight", Masked(**parts))
    else:
        for name, part in parts.items():
            setattr(held, name, part)


def masks(net: nn.Module) -> Iterator[tuple[nn.Module, Masked]]:
    """Yields each part of a weight that training may leave out, and its layer."""
    for layer in list(net.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            for one in changes_of(layer):
                if isinstance(one, Masked):
                    yield layer, one


def changes_of(layer: nn.Module) -> Any:
    """Returns what changes the weight of a layer in its use, in order."""
    return layer.parametrizations["weight"]  # pyright: ignore


def settle(net: nn.Module, levers: Sequence[Lever]) -> None:
    """Leaves a network plain: what training left out is zero, or gone."""
    leave_out = [lever.decided(net) for lever in levers]
    for layer, _ in list(masks(net)):
        make_plain(layer)
    for neuron in net.modules():
        if isinstance(neuron, Neuron) and "present" in vars(neuron):
            del neuron.present
    for one in leave_out:
        one()


def make_plain(layer: nn.Module) -> None:
    """Replaces the parametrization of a weight by a parameter with the values that it gives.

    The weight stays the first parameter of its layer.
    """
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    held = parameters(layer)
    for name in [name for name in held if name != "weight"]:
        held[name] = held.pop(name)


def kinds() -> dict[str, type[Lever]]:
    """Finds every lever of ours by its class's name: those in the files of this room."""
    return classes_in(_ROOM, Lever)


def lever(name: str) -> type[Lever]:
    """Returns the class of a lever.

    Args:
        name: That of the class in whatever case, or ``"module:Class"`` for one of your own.

    Raises:
        ValueError: If there is none; the message names the nearest.

    Example:
        >>> lever("gates").__name__
        'Gates'
    """
    return class_named("lever", name, _ROOM, Lever)
