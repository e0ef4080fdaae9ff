"""The base of all neurons: a state, a step and a cost."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from picojoule._lookup import class_named, classes_in
from picojoule.contract import AllSteps, Verdict
from picojoule.contract import Arrivals as Arrivals
from picojoule.contract import Group as Group
from picojoule.contract import NeuronCost as NeuronCost
from picojoule.engine import fused
from picojoule.engine.scan import engine_for
from picojoule.engine.scan import scan as scan
from picojoule.surrogate import Surrogate

_CONSTANTS = (bool, int, float, str, Surrogate)
_UNSAID = {"training", "output"}


class Neuron(nn.Module, ABC):
    """A layer of neurons: currents in, spikes out, over all steps.

    A derived class has ``init_state``, ``step`` and ``cost``. State never lives on the module: it
    is returned, and may be passed to the next call.

    Attributes:
        output: Kind of the output: ``"events"`` (0 or 1), ``"levels"`` (0, 1, 2, ...) or
            ``"analog"``.
        cost: Operations and state of one update.
        dt: Seconds per step.
        engine: Name of the engine to run by (see ``scan``); None for the fastest that can run it.
        ran: Engine of the last run, and the reason if that was not the fused one; None before.
        present: Returns 1 for each neuron (or channel) that there is and else 0, while training
            decides which to keep; None if all are there. What is absent runs and is not counted.
    """

    output: str = "events"
    cost: NeuronCost
    dt: float
    engine: str | None = None
    ran: Verdict | None = None
    present: Callable[[], Tensor] | None = None

    def __init_subclass__(cls) -> None:
        if not hasattr(cls, "cost"):
            raise TypeError(
                f"{cls.__name__} needs a cost, such as cost = NeuronCost(adds=1, multiplies=1, "
                "states=1): chips price its updates by it"
            )

    @property
    def species(self) -> str:
        """Type of neuron by which chips price spikes and static power."""
        return type(self).__name__

    @abstractmethod
    def init_state(self, current: Tensor) -> Any:
        """Returns the state before the first step, for one step's current [B, ...]."""

    @abstractmethod
    def step(self, current: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Runs one step.

        Args:
            current: Current of the step, [B, ...].
            state: State before it.

        Returns:
            The output [B, ...] and the next state.
        """

    def forward(self, currents: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Runs all steps.

        Args:
            currents: Currents [T, B, ...].
            state: State to start from; None for that of ``init_state``.

        Returns:
            The output [T, B, ...] and the last state.

        Raises:
            ValueError: If the currents have no axes of time and batch.
        """
        if currents.dim() < 2:
            raise ValueError(
                f"{type(self).__name__} expects currents [T, B, ...], got a tensor of shape "
                f"{list(currents.shape)}: add the time and batch axes"
            )
        return scan(self, currents, state)

    def extra_repr(self) -> str:
        """Returns its own parameters and constants, for ``repr``."""
        said = [f"{name}={_short(one)}" for name, one in self.named_parameters(recurse=False)]
        constants = (item for item in vars(self).items() if isinstance(item[1], _CONSTANTS))
        said += [f"{name}={one!r}" for name, one in constants if name not in _UNSAID]
        return ", ".join(said)

    def engine_for(self, currents: Tensor, state: Any = None) -> str:
        """Returns the engine that would run currents [T, B, ...]: ``"eager"`` or ``"fused"``."""
        return engine_for(self, currents, state)

    def fuse(self, currents: Tensor, state: Any) -> AllSteps | str:
        """Returns a function that runs all steps at once, or the reason why there is none.

        The fused engine calls it. It compiles ``step``, in which every operation has to be
        pointwise; a layer with another kind of step overrides it.
        """
        return fused.fuse(self, currents, state)

    def apart(self, state: Any) -> "Sequence[tuple[Neuron, int | None, Any]]":
        """Returns the kinds of neurons that step independently, side by side.

        Each with its number of neurons and its state; a layer of one kind returns itself, with None
        for the number.
        """
        return [(self, None, state)]

    def arrivals(self, out: Tensor, state: Any) -> Iterable[Arrivals]:
        """Returns what the layer's own synapses received while it put out ``out``."""
        del out, state
        return ()

    def groups(self, out: Tensor, before: Any, after: Any) -> Iterable[Group] | None:
        """Returns the output of each kind in a layer of several; None for a layer of one kind.

        Args:
            out: Output of the layer.
            before: State that it was given; None for the initial one.
            after: State that it returned.
        """
        del out, before, after
        return None


def _short(parameter: Tensor) -> str:
    several = parameter.numel() != 1 or parameter.is_meta
    return f"{list(parameter.shape)} values" if several else f"{parameter.item():g}"


def detach(state: Any) -> Any:
    """Detaches a state from the graph, for streaming or truncated backpropagation."""
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(detach(part) for part in state))
    if isinstance(state, (tuple, list)):
        return type(state)(detach(part) for part in state)
    if isinstance(state, dict):
        return {name: detach(part) for name, part in state.items()}
    return state


def per_neuron(value: float | Tensor, size: int | None) -> nn.Parameter:
    """Makes a parameter shared by all neurons [] or one for each [size], without a gradient."""
    tensor = torch.as_tensor(value, dtype=torch.get_default_dtype())
    shape = () if size is None else (size,)
    if tensor.dim() and tensor.shape != shape:
        raise ValueError(
            f"expected one value or {list(shape)}, got shape {list(tensor.shape)}: give size= the "
            "number of neurons (or channels)"
        )
    return nn.Parameter(tensor.expand(shape).clone(), requires_grad=False)


def along(parameter: Tensor, current: Tensor) -> Tensor:
    """Reshapes a parameter ([] or [N]) to broadcast with a current [B, N, ...].

    Raises:
        ValueError: If the current has another number of neurons.
    """
    if not parameter.dim():
        return parameter
    if current.shape[1:2] != parameter.shape:
        raise ValueError(
            f"expected currents [T, B, {len(parameter)}, ...], got one step of shape "
            f"{list(current.shape)}: give size= the number of neurons (or channels)"
        )
    return parameter.view(-1, *[1] * (current.dim() - 2))


def positive(name: str, value: float | Tensor) -> float | Tensor:
    """Returns ``value`` if it is finite and above zero.

    Raises:
        ValueError: If it is not.
    """
    tensor = torch.as_tensor(value)
    check_all(f"{name} must be positive and finite", value, (tensor > 0) & torch.isfinite(tensor))
    return value


def check_all(rule: str, value: float | Tensor, kept: Tensor) -> None:
    """Checks that numbers keep a rule.

    Args:
        rule: The rule in words.
        value: One number or several.
        kept: Where they keep it.

    Raises:
        ValueError: With the rule, and the first number that does not keep it.
    """
    if not bool(kept.all()):
        wrong = value[~kept].flatten()[0].item() if isinstance(value, Tensor) else value
        raise ValueError(f"{rule}, got {wrong}")


def kinds() -> dict[str, type[Neuron]]:
    """Finds every neuron of ours by its class's name: those in the files of this room."""
    return classes_in("picojoule.neurons", Neuron)


def neuron(name: str) -> type[Neuron]:
    """Returns the class of a neuron.

    Args:
        name: That of the class in whatever case, or ``"module:Class"`` for one of your own.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    return class_named("neuron", name, "picojoule.neurons", Neuron)
