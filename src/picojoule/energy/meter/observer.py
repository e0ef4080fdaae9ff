"""The observer: follows a network through its modules while a meter is on."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn

from picojoule._torch import DisableTorchFunction, function_modes, in_backward
from picojoule.contract import SUMS
from picojoule.energy.events import faults
from picojoule.energy.kinds import Kind
from picojoule.energy.meter.firing import Firing
from picojoule.energy.meter.forecast import Foreseen
from picojoule.energy.meter.functions import Functions
from picojoule.energy.meter.hooks import Hooks
from picojoule.energy.meter.inputs import Inputs, by_chunks, makes_steps
from picojoule.energy.meter.mode import FunctionMode
from picojoule.energy.meter.names import Unseen
from picojoule.energy.meter.population import NeuronLayer
from picojoule.energy.meter.recorder import Recorder
from picojoule.energy.meter.roster import Roster
from picojoule.energy.meter.watch import Calls, refuse_vmap
from picojoule.energy.meter.whole import Whole
from picojoule.energy.rules.arguments import tensors
from picojoule.energy.spikes import spikes


class Observer:
    """Set of forward hooks that learn which layer runs, what goes in and what neurons put out.

    Args:
        roster: What is known of the network before it runs.
        functions: Functions that put out spikes.
        inputs: The kind of the network's inputs, or a kind per argument name.
        recorder: Takes down what is learned.
        calls: Takes down how the network is called.

    Attributes:
        given: What is known of the network's inputs.
        ran: The modules that ran.
        silent: Whether the network gave back no tensor.
    """

    def __init__(
        self,
        roster: Roster,
        functions: Mapping[Any, NeuronLayer],
        inputs: str | Mapping[str, str],
        recorder: Recorder,
        calls: Calls,
    ) -> None:
        unseen = roster.scripted
        self._names = {one: name for one, name in roster.names.items() if one not in unseen}
        self._neurons = neurons = roster.layers
        self.recorder, self.calls = recorder, calls
        self.firing = Firing(recorder)
        self.functions = Functions(functions)
        self._functions = functions
        self._inside: str | None = None  # where a spike function runs
        self._timed = any(layer.timed for layer in neurons.values())
        self.given = Inputs(inputs, recorder, calls, timed=self._timed)
        self.ran: set[nn.Module] = set()
        self.silent = False
        self._stack: list[nn.Module] = []
        self._arriving: dict[nn.Module, Any] = {}
        self._depth = 0  # neurons, one inside another, that nothing looks into
        self._leaving = False  # whether a layer of neurons is counted, which may look at weights
        self._seen = 0  # and those whose functions are seen
        self._quiet: Any = None
        self._heard: Any = None
        self._whole = Whole(roster, self.firing)
        self.hooks = Hooks()
        self._net: nn.Module | None = None

    @property
    def layer(self) -> str | None:
        """Name of the layer that runs, None outside the network and inside neurons."""
        return None if self._depth or not self._stack else self._names[self._stack[-1]]

    @property
    def timed(self) -> bool:
        """True if the network runs through time as picojoule's do, x [T, B, ...]."""
        return self._timed and not self.calls.unsure

    @property
    def updating(self) -> bool:
        """True inside a neuron's update, but for the layers of torch in it."""
        return self._seen > 0 and not type(self._stack[-1]).__module__.startswith("torch.nn.")

    @property
    def outside(self) -> bool:
        """True while no part of the network runs."""
        return not self._stack

    def foreseen(self, samples: int) -> Foreseen | None:
        """Returns the counts if they are of a forecast, else None."""
        return self._whole.foreseen(samples)

    def settle(self) -> None:
        """Counts layer by layer what a forecast stood for until now."""
        self._whole.settle()

    def attach(self, net: nn.Module, undo: ExitStack) -> None:
        """Follows ``net`` until ``undo`` is closed."""
        undo.callback(self._listen)
        undo.callback(self._whole.stop)
        self.hooks = Hooks()  # of the thread that enters the block
        undo.callback(self.hooks.remove)
        for module in self._names:
            begin = self._begin if module is net else self._enter
            self.hooks.follow(module, begin, self._leave, innermost=module in self._neurons)
        undo.enter_context(FunctionMode(self))
        self._net = net
        self.functions.attach(self._enter_function, self._leave_function, undo)

    def _begin(self, net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Takes down what the network is called with, unless it calls itself."""
        self.settle()
        if not (in_backward() or net in self._stack):
            refuse_vmap("the network")
            self.given.start(net, args, kwargs)
        self._enter(net, args, kwargs)

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if in_backward() or self._leaving:
            return
        self.settle()
        self.calls.refuse_reentrant()
        if by_chunks(module):
            if module in self._stack:
                with Unseen():
                    self.given.start_chunk(module, args, kwargs)
            else:
                self.given.start_chunks(module)
        self._stack.append(module)
        self.ran.add(module)
        if not (self._depth or self._seen):
            self._whole.begin(module, args, kwargs)
        if (layer := self._neurons.get(module)) is not None:
            refuse_vmap(f"the layer of neurons '{self._names[module]}'")
            if layer.seen and not self._depth:
                self._seen += 1
                if self._seen == 1:
                    self.firing.expect(self._names[module], (*args, *kwargs.values()))
                return
            self._depth += 1
            if self._depth == 1:
                self.firing.expect(self._names[module], (*args, *kwargs.values()))
                if layer.timed and layer.kind.sparse:
                    self._heard = SUMS.set(self.firing.hear)
            if self._depth == 1 and layer.arrivals is not None:
                skip = self.recorder.convention_of(self._names[module]).skip_zero_weights
                self._arriving[module] = layer.arrivals(module, args, kwargs, skip)
        if self._depth and self._quiet is None and function_modes() == 1:
            # Nobody else watches: what runs inside neurons need not even pass by.
            self._quiet = DisableTorchFunction()
            self._quiet.__enter__()

    def _leave(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        if in_backward() or not (self._stack and self._stack[-1] is module):
            return  # run again for its gradient, or an error before it was entered
        self._stack.pop()
        if self._whole.runs:
            self.ran.update(self._whole.end(result))
            return
        self.settle()
        results = tensors([result])
        if by_chunks(module):
            self.given.end_chunk(results, last=module not in self._stack)
        if makes_steps(module):
            with Unseen():
                self.given.repeat(results)
        layer = self._neurons.get(module)
        if layer is not None and self._depth == 1:
            self._listen()
        if module is self._net:
            self.silent = not results
        if layer is None and self._depth:
            return
        with Unseen():
            if layer is not None:
                self._leaving = True
                self._leave_neurons(module, layer, (args, kwargs, result))
                self._leaving = False
            if not self._depth:
                self._learn(module, layer, results)

    def _leave_neurons(
        self, module: nn.Module, layer: NeuronLayer, call: tuple[Any, Any, Any]
    ) -> None:
        """Counts a layer of neurons unless it is part of another, and has put something out."""
        name = self._names[module]
        if layer.seen and not self._depth:
            self._seen -= 1
            self._take(name, layer, call[2])
            return
        out = tensors([call[2]])
        if self._depth == 1 and out:
            self.ran.update(module.modules())
            if self._seen and layer.arrivals is None:
                self.firing.mark(name, layer, out[0])
            else:
                self._count_neurons(module, layer, call, out[0])
        self._depth -= 1

    def _count_neurons(
        self, module: nn.Module, layer: NeuronLayer, call: tuple[Any, Any, Any], out: Tensor
    ) -> None:
        """Counts a layer of neurons that has just run, and the synapses inside it."""
        name, (args, kwargs, result) = self._names[module], call
        if layer.timed:
            self.calls.ran(out.shape[1])
        groups = None if layer.groups is None else layer.groups(module, args, kwargs, result)
        fired = self.firing.count(name, layer, out, groups)
        if (arrived := self._arriving.pop(module, None)) is None:
            return
        inputs = (*args, *kwargs.values())
        given = self.recorder.lineage.kind_of(inputs[0]) if inputs else None
        self.firing.arrived(
            name,
            layer,
            arrivals=arrived(result),
            kinds={"output": fired.kind, "input": given},
            fired=fired,
            length=len(out),
        )

    def _enter_function(self, function: Any, args: tuple[Any, ...]) -> None:
        """Takes what runs in a spike function for a part of its update, but for synapses."""
        if self._inside is None and self.layer is not None and not in_backward():
            self.settle()
            self._inside = self.layer
            self._seen += 1
            if self._seen == 1:
                self.firing.expect(f"{self._inside}.{function.__name__}", args)

    def _leave_function(self, function: Any, result: Any) -> None:
        """Counts what a spike function put out, unless it is part of a layer of neurons."""
        if self._inside is None or self._depth:
            return
        layer, name = self._functions[function], f"{self._inside}.{function.__name__}"
        self._inside = None
        self._seen -= 1
        with Unseen():
            self._take(name, layer, result)

    def _take(self, name: str, layer: NeuronLayer, result: Any) -> None:
        """Counts what named neurons put out, unless it is part of an update of others."""
        for out in self.firing.put_out(layer, result):
            if self._seen:
                self.firing.mark(name, layer, out)
            else:
                self.firing.count(name, layer, out, None)

    def marked(self, value: Tensor, kind: str, scale: float, signed: bool) -> Tensor:
        """Sets the kind of a tensor as its author says; see ``spikes``."""
        value = spikes(value, kind, scale=scale, signed=signed)  # for meters around this one
        self.settle()
        if not self._depth:
            inside = bool(self._stack)
            assert self._net is not None
            buffer = any(one is value for one in self._net.buffers())
            hidden = inside and kind != "analog" and not buffer
            self._mark(value, Kind(kind, scale, signed, hidden=hidden, given=not inside))
        return value

    def _mark(self, value: Tensor, kind: Kind) -> None:
        where = self.layer
        with Unseen():
            self.recorder.lineage.declare(value, kind)
            if kind.counted:
                name = f"{where}.spikes" if where else "spikes"
                self.recorder.doubts.append((name, kind, faults(value, kind)))

    def _listen(self) -> None:
        """Sees functions again after a layer of neurons, and hears no more of what it puts out."""
        if self._heard is not None:
            SUMS.reset(self._heard)
            self._heard = None
        if self._quiet is not None:
            self._quiet.__exit__(None, None, None)
            self._quiet = None

    def _learn(self, module: nn.Module, layer: NeuronLayer | None, results: list[Tensor]) -> None:
        """Values from where nothing was seen are analog, and listed unless a neuron's state."""
        state = layer is not None and not layer.seen
        for value in filter(self.recorder.lineage.is_new, results):
            self.recorder.lineage.declare(value, Kind("analog"))
            if not (state or self._seen):
                name, kind = self._names[module], type(module).__name__
                self.recorder.miss(f"{name}: {kind} of unknown type", value.numel())
