"""The observer: follows a network through its modules while a meter is on."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from picojoule._names import unknown
from picojoule.energy.events import event_map, inside, step_map, version_of
from picojoule.energy.kinds import Kind
from picojoule.energy.meter.names import Unseen, arguments, in_backward
from picojoule.energy.meter.population import Part, Population
from picojoule.energy.meter.recorder import Recorder
from picojoule.energy.meter.watch import Calls
from picojoule.energy.rules.base import Synapses, tensors
from picojoule.energy.traffic import Traffic


class Observer:
    """Learns from forward hooks which layer runs, what went in and what neurons put out.

    Args:
        names: The modules that can be seen, with their names.
        neurons: Those that are layers of neurons.
        inputs: The kind of the network's inputs, or a kind per argument name.
        recorder: Takes down what is learned.
        calls: Takes down how the network is called.

    Attributes:
        only_looks: True; its hooks change nothing that passes by.
        ran: The modules that ran.
        silent: Whether the last module that ran gave back no tensor.
        timed: Whether the network runs through time as picojoule's do, x [T, B, ...].
    """

    only_looks = True

    def __init__(
        self,
        names: Mapping[nn.Module, str],
        neurons: Mapping[nn.Module, Population],
        inputs: str | Mapping[str, str],
        recorder: Recorder,
        calls: Calls,
    ) -> None:
        self._names, self._neurons, self._inputs = names, neurons, inputs
        self.recorder, self.clock, self.calls = recorder, recorder.clock, calls
        self.timed = any(layer.timed for layer in neurons.values())
        self.ran: set[nn.Module] = set()
        self.silent = False
        self._stack: list[nn.Module] = []
        self._arriving: dict[nn.Module, Any] = {}
        self._depth = 0
        self._quiet: Any = None
        self._at: dict[nn.Module, int] = {}  # steps that a network has done by chunks

    @property
    def layer(self) -> str | None:
        """Name of the layer that runs, None outside the network and inside neurons."""
        return None if self._depth or not self._stack else self._names[self._stack[-1]]

    def attach(self, net: nn.Module, undo: ExitStack) -> None:
        """Follows ``net`` until ``undo`` is closed."""
        undo.callback(self._listen)
        hook = net.register_forward_pre_hook(self._start, with_kwargs=True)
        undo.callback(hook.remove)
        for module in self._names:
            enter = module.register_forward_pre_hook(self._enter, with_kwargs=True)
            undo.callback(enter.remove)
            leave = module.register_forward_hook(self._leave, with_kwargs=True, always_call=True)
            undo.callback(leave.remove)
        undo.enter_context(_Watch(self))

    def _start(self, net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Declares the kinds of the network's inputs and learns its samples, steps and lengths."""
        if in_backward() or net in self._stack:
            return
        given = arguments(net, args, kwargs)
        first = self.calls.first(given)
        named = {name: tensors([value]) for name, value in given.items()}
        declared = self._inputs
        if not isinstance(declared, str):
            for name in declared:
                if name not in named:
                    raise ValueError(unknown("input", name, named))
        steps = first.shape[0] if self.timed else None
        lengths = named.pop("lengths", None) if self.timed else None
        within = None
        if steps and lengths:
            within = torch.arange(steps, device=lengths[0].device)[:, None] < lengths[0]
        for name, values in named.items():
            kind = declared if isinstance(declared, str) else declared.get(name, "analog")
            for value in values:
                # not a state that it gave back before, nor indices unless they are declared
                spikes = value.dtype in (torch.bool, torch.uint8)
                spikes |= kind != "analog" and not value.is_floating_point()
                if spikes or self.recorder.lineage.is_new(value):
                    self.recorder.lineage.declare(value, Kind(kind, steps=steps, given=True))
        self.clock.batch = first.shape[1] if steps else None
        self.clock.start(steps or 1, within)

    def _start_chunk(self, net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Some of the steps of a network that calls itself for them."""
        at = self._at.get(net, 0)
        first = tensors(arguments(net, args, kwargs).values())[0]
        stop = self._at[net] = at + len(first)
        self.clock.enter(at, stop)
        self._last_for(first)

    def _end_chunk(self, net: nn.Module, results: list[Tensor]) -> None:
        """The end of such a call, or of the one around them all, whose output has all steps."""
        if net in self._stack:
            self.clock.leave()
        for out in results[:1]:
            self._last_for(out)

    def _last_for(self, values: Tensor) -> None:
        """Says of values [T, B, ...] that they are of T steps."""
        kind = self.recorder.lineage.kind_of(values)
        if kind is not None and kind.steps is not None:
            self.recorder.lineage.declare(values, replace(kind, steps=len(values)))

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if in_backward():
            return
        self.calls.refuse_reentrant()
        if _by_chunks(module):
            if module in self._stack:
                with Unseen():
                    self._start_chunk(module, args, kwargs)
            else:
                self._at[module] = 0
        self._stack.append(module)
        self.ran.add(module)
        if (layer := self._neurons.get(module)) is not None:
            self._depth += 1
            if self._depth == 1:
                self._expect(module, args)
            if self._depth == 1 and layer.arrivals is not None:
                skip = self.recorder.convention.skip_zero_weights
                self._arriving[module] = layer.arrivals(module, args, kwargs, skip)
        if self._depth and self._quiet is None and torch._C._len_torch_function_stack() == 1:
            # Nobody else watches: what runs inside neurons need not even pass by.
            self._quiet = torch._C.DisableTorchFunction()
            self._quiet.__enter__()

    def _leave(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        if in_backward() or not (self._stack and self._stack[-1] is module):
            return  # run again for its gradient, or an error before it was entered
        self._stack.pop()
        results = tensors([result])
        if _by_chunks(module):
            self._end_chunk(module, results)
        if self._depth == 1 and module in self._neurons:
            self._listen()
        self.silent = not results
        with Unseen():
            if module in self._neurons:
                if self._depth == 1 and results:
                    self.ran.update(module.modules())
                    self._count_neuron(module, args, kwargs, result)
                self._depth -= 1
            if not self._depth:
                self._learn(module, results)

    def _expect(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """Lists what comes to neurons from where nothing was seen, such as a scripted function."""
        for value in tensors(args)[:1]:
            if self.recorder.lineage.is_new(value):
                self.recorder.lineage.declare(value, Kind("analog"))
                self.recorder.miss(f"{self._names[module]}: input of unknown origin", value.numel())

    def _listen(self) -> None:
        """Sees functions again after a layer of neurons."""
        if self._quiet is not None:
            self._quiet.__exit__(None, None, None)
            self._quiet = None

    def _learn(self, module: nn.Module, results: list[Tensor]) -> None:
        """Values from where nothing was seen are analog, and listed unless a neuron's state."""
        for value in filter(self.recorder.lineage.is_new, results):
            self.recorder.lineage.declare(value, Kind("analog"))
            if module not in self._neurons:
                name, kind = self._names[module], type(module).__name__
                self.recorder.miss(f"{name}: {kind} of unknown type", value.numel())

    def _count_neuron(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        """Updates, spikes and inner synapses of a neuron layer that has just run."""
        layer, name, recorder = self._neurons[module], self._names[module], self.recorder
        out = tensors([result])[0]
        kind, steps, events = self._put_out(layer, out)
        parts = None if layer.groups is None else layer.groups(module, args, kwargs, result)
        if parts is None:
            self._count_kind(name, Part("", layer, out), kind, events)
        for part in parts or ():
            own, _, fired = self._put_out(part.population, part.values)
            self._count_kind(f"{name}.{part.name}", part, own, fired)
        within = self.clock.within if layer.timed else None
        recorder.lineage.declare(out, kind)
        if events is not None and within is None:
            recorder.lineage.keep_sum(out, events)
        arrived = self._arriving.pop(module, None)
        inputs = (*args, *kwargs.values())
        given = recorder.lineage.kind_of(inputs[0]) if inputs else None
        for part in arrived(result) if arrived else ():
            kinds = {"output": kind, "input": given}
            events = None
            if part.steps is not None and steps is not None and within is None:
                events = steps[part.steps].sum(0)
            arriving = kinds.get(part.source) or Kind("analog")
            if layer.timed:
                self._record_steps(f"{name}.{part.name}", part.call, arriving, events, len(out))
            else:
                recorder.record(f"{name}.{part.name}", part.call, arriving)

    def _put_out(self, layer: Population, out: Tensor) -> tuple[Kind, Tensor | None, Tensor | None]:
        """The kind of what neurons put out, its events at each step, and in all."""
        kind = replace(layer.kind, steps=out.shape[0]) if layer.timed else layer.kind
        if not kind.sparse:
            return kind, None, None
        if layer.leading == 2 and out.dim() > 2:
            steps = step_map(out, kind, self.clock.within if layer.timed else None)
            return kind, steps, steps.sum(0)
        return kind, None, event_map(out, kind, 1)

    def _count_kind(self, name: str, part: Part, kind: Kind, events: Tensor | None) -> None:
        """Updates and spikes of neurons of one kind."""
        layer, out, clock = part.population, part.values, self.clock
        within, valid = (clock.within, clock.valid) if layer.timed else (None, 1.0)
        spikes = None
        if events is not None:
            spikes = events.sum()
            values = self.recorder.kept(out)
            fired = Traffic(
                *(name, values, kind, 1, None, events),
                within=within,
                leading=layer.leading,
                version=version_of(values),
            )
            self.recorder.traffic.append(fired)
        self.recorder.others.append((name, layer.count(out, spikes, valid, part.present)))

    def _record_steps(
        self, layer: str, call: Synapses, kind: Kind, events: Tensor | None, steps: int
    ) -> None:
        """Takes down what arrived inside a layer, at the last of its steps [T, B, ...]."""
        within, valid = self.clock.within, 1.0
        if within is not None:
            within = within[steps - len(call.values) :]
            valid = within.double().mean() if within.numel() else 1.0
            call = call._replace(values=inside(call.values, within))
        kind = replace(kind, steps=len(call.values))
        lag = steps - len(call.values)
        self.recorder.record(layer, call, kind, events=events, valid=valid, lag=lag)


def _by_chunks(module: nn.Module) -> bool:
    """Whether it calls itself for some of its steps after the others."""
    return getattr(module, "by_chunks", None) is True


class _Watch(TorchFunctionMode):
    """Lets a meter see the functions that run inside its network, but not inside its neurons."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self._observer = observer

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        layer = self._observer.layer
        if layer is None:
            return func(*args, **(kwargs or {}))
        return self._observer.recorder.see(layer, func, args, kwargs or {})
