"""The layers of a stream: each runs one step at a time and keeps its state."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from picojoule._torch import buffers, parameters, submodules, version_of
from picojoule.engine.fingerprint import survey
from picojoule.engine.fused import flat
from picojoule.engine.leaves import flatten, unflatten
from picojoule.engine.plan import Plan, plan_of
from picojoule.engine.scan import checked
from picojoule.kernels import RowProduct
from picojoule.networks import Repeat, Residual, Sequential
from picojoule.networks.sequential import ResidualState
from picojoule.neurons import Neuron, Recurrent
from picojoule.neurons.recurrent import RecurrentState


class StreamLayer(ABC):
    """A layer that runs one step at a time."""

    @abstractmethod
    def step(self, x: Tensor) -> Tensor:
        """Runs one step; the next may overwrite its result."""

    def state(self) -> Any:
        """Returns a copy of the state, as the layer returns it; None if it has none (yet)."""
        return None

    def start(self, state: Any) -> None:
        """Sets the state to continue from; None to start anew."""
        del state

    def products(self) -> Iterator[tuple[str, RowProduct]]:
        """Yields the products of this layer that may go by events, with their names."""
        return iter(())


class Plain(StreamLayer):
    """A torch layer without a state."""

    def __init__(self, layer: nn.Module) -> None:
        self._layer = layer

    def step(self, x: Tensor) -> Tensor:
        """Runs the layer on [B, ...]."""
        return self._layer(x)


class Linear(StreamLayer):
    """A linear layer, by events if these are few."""

    def __init__(self, layer: nn.Linear, path: str | None) -> None:
        self._own, self._product = parameters(layer), RowProduct(path)  # quicker than the layer

    def step(self, x: Tensor) -> Tensor:
        """Multiplies spikes [B, K] by the weight, to currents [B, N]."""
        weight = self._own["weight"]
        assert weight is not None
        return self._product(x, weight, self._own["bias"])

    def products(self) -> Iterator[tuple[str, RowProduct]]:
        """Yields the only product."""
        yield "", self._product


class Neurons(StreamLayer):
    """Neurons, compiled if their engine is, with the state kept in place."""

    def __init__(self, layer: Neuron) -> None:
        self._layer = layer
        self._held = [
            held for one in layer.modules() for held in (parameters(one), buffers(one)) if held
        ]
        self.start(None)

    def step(self, x: Tensor) -> Tensor:
        """Runs one step: currents [B, ...] to spikes [B, ...]."""
        if self._run is None or self._known != self._seen():
            self._run = self._bind(x)
        return self._run(x)

    def start(self, state: Any) -> None:
        """Sets the neurons' state to continue from."""
        self._state = state
        self._run: Callable[[Tensor], Tensor] | None = None
        self._tensors: list[Tensor] = []
        self._known: list[int | None] = []

    def state(self) -> Any:
        """Returns a copy of the neurons' state."""
        if self._state is None:
            return None
        leaves, spec = flatten(self._state)
        return unflatten([leaf.clone() for leaf in leaves], spec)

    def _seen(self) -> list[int | None]:
        """Returns what changes if a parameter or buffer changes in place or is replaced."""
        held = [one for tensors in self._held for one in tensors.values() if one is not None]
        return [*map(id, held), *map(version_of, held)]

    def _bind(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """Returns the function that runs a step of currents like these."""
        layer, currents = self._layer, torch.empty_like(x).unsqueeze(0)
        self._state = state = checked(layer, currents, self._state)
        seen = survey(layer)
        self._tensors = list(seen.tensors.values())
        self._known = self._seen()
        if layer.engine_for(currents, state) == "eager":
            return self._eager
        own = type(layer).fuse is Neuron.fuse
        plan = plan_of(layer, seen, currents, flatten(state)) if own else ""
        return self._whole if isinstance(plan, str) else self._compiled(plan, x, state)

    def _compiled(self, plan: Plan, x: Tensor, state: Any) -> Callable[[Tensor], Tensor]:
        """Returns the compiled step, which reads and writes the same memory at every call."""
        leaves, spec = flatten(state)
        held = [leaf.detach().clone(memory_format=torch.contiguous_format) for leaf in leaves]
        self._state = unflatten(held, spec)
        currents, spikes = (torch.empty(x.shape, dtype=x.dtype) for _ in range(2))
        bound = plan.bind(self._tensors).taken
        given, out = flat(currents.unsqueeze(0)), flat(spikes.unsqueeze(0))
        call = plan.loops.forward(given, out, bound, held, held)

        def run(x: Tensor) -> Tensor:
            currents.copy_(x)
            call(0)
            return spikes

        return run

    def _eager(self, x: Tensor) -> Tensor:
        out, self._state = self._layer.step(x, self._state)
        return out

    def _whole(self, x: Tensor) -> Tensor:
        out, self._state = self._layer(x.unsqueeze(0), self._state)
        return out[0]


class Feedback(StreamLayer):
    """A recurrent layer, whose spikes are fed back by events if these are few."""

    def __init__(self, layer: Recurrent, path: str | None) -> None:
        self._layer = layer
        self._product = RowProduct(layer.path if path is None else path)
        self._neurons = stream_layer(layer.neuron, path)
        self._state: RecurrentState | None = None
        self._spikes: Tensor | None = None

    def step(self, x: Tensor) -> Tensor:
        """Runs one step: currents [B, N] to spikes [B, N]."""
        last = self._spikes
        if last is None:
            state = checked(self._layer, x.unsqueeze(0), self._state)
            last, self._state = state.spikes, None
            self._neurons.start(state.inner)
        x = self._product(last, self._layer.weight, x.contiguous())
        self._spikes = self._neurons.step(x)
        return self._spikes.clone()  # what comes next may work in place

    def start(self, state: Any) -> None:
        """Sets the last spikes and the neurons' state to continue from."""
        self._state, self._spikes = state, None

    def state(self) -> Any:
        """Returns a copy of the last spikes and the neurons' state."""
        if self._spikes is None:
            return self._state
        return RecurrentState(self._spikes.clone(), self._neurons.state())

    def products(self) -> Iterator[tuple[str, RowProduct]]:
        """Yields its own product and those of the neurons inside."""
        yield "recurrent", self._product
        for name, product in self._neurons.products():
            yield f"neuron.{name}", product


class Chain(StreamLayer):
    """The layers of a ``Sequential``."""

    def __init__(self, layers: Sequential, path: str | None) -> None:
        # Not named_children, which names a layer that stands in several places once.
        modules: Any = submodules(layers).items()
        self._parts = {name: stream_layer(layer, path) for name, layer in modules}

    def step(self, x: Tensor) -> Tensor:
        """Runs one step through all layers."""
        for one in self._parts.values():
            x = one.step(x)
        return x

    def start(self, state: Any) -> None:
        """Sets the states of all layers to continue from."""
        if state is not None and len(state) != len(self._parts):
            raise ValueError(
                f"the state is of {len(state)} layers, the network has {len(self._parts)}: "
                "give one of this network, or start over with reset()"
            )
        for one, own in zip(self._parts.values(), state or [None] * len(self._parts), strict=True):
            one.start(own)

    def state(self) -> tuple[Any, ...]:
        """Returns the state of each layer, None for one that has none."""
        return tuple(one.state() for one in self._parts.values())

    def products(self) -> Iterator[tuple[str, RowProduct]]:
        """Yields the products of all layers."""
        return _products(self._parts)


class Joined(StreamLayer):
    """The body and the shortcut of a residual layer."""

    def __init__(self, layer: Residual, path: str | None) -> None:
        self._layer = layer
        self._body, self._shortcut = Chain(layer.body, path), Chain(layer.shortcut, path)

    def step(self, x: Tensor) -> Tensor:
        """Runs one step through both and joins their outputs."""
        return self._layer.joined(self._body.step(x), self._shortcut.step(x))

    def start(self, state: ResidualState | None) -> None:
        """Sets the states of both to continue from."""
        self._body.start(None if state is None else state.body)
        self._shortcut.start(None if state is None else state.shortcut)

    def state(self) -> ResidualState:
        """Returns the states of both."""
        return ResidualState(body=self._body.state(), shortcut=self._shortcut.state())

    def products(self) -> Iterator[tuple[str, RowProduct]]:
        """Yields the products of both."""
        return _products({"body": self._body, "shortcut": self._shortcut})


def _products(parts: dict[str, Chain] | dict[str, StreamLayer]) -> Iterator[tuple[str, RowProduct]]:
    for name, one in parts.items():
        for inner, product in one.products():
            yield f"{name}.{inner}".rstrip("."), product


def stream_layer(layer: nn.Module, path: str | None) -> StreamLayer:
    """Makes the stream's layer for a layer of a network.

    Raises:
        TypeError: If the layer cannot run single steps.
    """
    if isinstance(layer, Sequential):
        return Chain(layer, path)
    if isinstance(layer, Residual):
        return Joined(layer, path)
    if isinstance(layer, Recurrent):
        return Feedback(layer, path)
    if isinstance(layer, Neuron):
        return Neurons(layer)
    if isinstance(layer, Repeat):
        raise TypeError(
            f"Repeat({layer.steps}) makes {layer.steps} steps of one, so there is nothing to "
            "stream: stream the layers after it, and run those before it once"
        )
    if any(isinstance(inner, Neuron) for inner in layer.modules()):
        raise TypeError(
            f"{type(layer).__name__} holds neurons whose state a stream cannot carry: put them in "
            "a picojoule Sequential"
        )
    return Linear(layer, path) if type(layer) is nn.Linear else Plain(layer)


def runs_as_made(layer: nn.Module) -> bool:
    """Tells whether a stream, which does not call such layers, runs what a call of one runs."""
    apart = isinstance(layer, (Sequential, Residual, Neuron)) or type(layer) is nn.Linear
    own = getattr(layer.forward, "__module__", "")
    return not apart or own.startswith(("picojoule.", "torch.nn."))
