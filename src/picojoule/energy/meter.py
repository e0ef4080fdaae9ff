"""The meter: what happened in a network, without a change to it."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from picojoule._names import unknown
from picojoule.energy.counts import OpCounts, Sizes
from picojoule.energy.kinds import KINDS, Kind
from picojoule.energy.ledger import Ledger, tensors
from picojoule.energy.names import arguments, in_backward, plain_name
from picojoule.energy.rules import Synapses
from picojoule.energy.tally import Traffic, count_dense, count_synapses, event_map
from picojoule.neurons.base import NeuronCost


class Meter:
    """Counts what a network does inside a ``with`` block.

    Layers are named by forward hooks; a ``TorchFunctionMode`` sees every torch function that runs
    between them, so that functions count as modules do and the graph is kept. Which values are
    events is known from where they come from. See "How a picojoule is counted" in the docs.

    Args:
        net: The network, ours or anyone's. It is not changed.
        samples: Samples run inside the block in all; may be left out where the network holds a
            picojoule neuron (then it is the sum of ``x.shape[1]``).
        inputs: The kind of the network's inputs, or a kind per argument name: ``"analog"``,
            ``"events"`` or ``"levels"``.
        neurons: Foreign neuron types and the cost of one update of each.
        dt: Seconds per step, for neurons that have no ``dt``.

    Raises:
        ValueError: An unknown kind, or ``samples`` missing or not positive.
        RuntimeError: Entered twice, or the network did not run inside the block.

    Example:
        >>> net = nn.Linear(3, 2)
        >>> with Meter(net, samples=4) as meter:
        ...     _ = net(torch.rand(4, 3))
        >>> meter.counts["network"].mac
        tensor(6., dtype=torch.float64)
    """

    def __init__(
        self,
        net: nn.Module,
        samples: int | None = None,
        inputs: str | Mapping[str, str] = "analog",
        neurons: Mapping[type[nn.Module], NeuronCost] | None = None,
        dt: float | None = None,
    ) -> None:
        for kind in [inputs] if isinstance(inputs, str) else inputs.values():
            if kind not in KINDS:
                raise ValueError(unknown("kind of input", kind, KINDS))
        self._net, self._inputs, self._dt = net, inputs, dt
        self._costs = dict(neurons or {})
        self._names = {m: plain_name(name) or "network" for name, m in net.named_modules()}
        for module, name in self._names.items():
            if isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod"):
                raise ValueError(
                    f"'{name}' is scripted, traced or compiled, and what runs inside cannot be "
                    "seen: meter the network as it was before"
                )
        self._neurons = {m: cost for m in self._names if (cost := self._cost(m)) is not None}
        self._ours = {m for m in self._neurons if not isinstance(m, tuple(self._costs))}
        if samples is None and not self._ours:
            raise ValueError(
                "samples is needed: this network holds no picojoule neuron, and which of its axes "
                "is the batch is not guessed. Pass samples=, the number of samples run inside"
            )
        if samples is not None and samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        self._declared, self._seen = samples, 0
        self._ledger = Ledger(net)
        self._mode: _Watch | None = None
        self._handles: list[Any] = []
        self._ran: set[nn.Module] = set()
        self._within: Tensor | None = None
        self._stack: list[nn.Module] = []
        self._depth = 0

    def __enter__(self) -> "Meter":
        if self._mode is not None:
            raise RuntimeError("this Meter was entered before: make a new one for each block")
        start = self._net.register_forward_pre_hook(self._start, with_kwargs=True)
        self._handles.append(start)
        for module in self._names:
            self._handles.append(module.register_forward_pre_hook(self._enter))
            leave = module.register_forward_hook(self._leave, with_kwargs=True, always_call=True)
            self._handles.append(leave)
        self._mode = _Watch(self)
        self._mode.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        assert self._mode is not None
        self._mode.__exit__(kind, error, trace)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if error is None and self._net not in self._ran:
            raise RuntimeError(
                "the network given to Meter was not called inside the block: call that very "
                "module (not one of its parts, a copy or another wrapper), or meter what you call"
            )

    @property
    def samples(self) -> int:
        """Samples run inside the block."""
        return self._declared if self._declared is not None else self._seen

    @property
    def traffic(self) -> list[Traffic]:
        """One record for each call with synapses: what arrived, with its graph."""
        return self._ledger.traffic

    @property
    def counts(self) -> dict[str, OpCounts]:
        """Counts per sample, by the dotted name of the layer that consumed or fired."""
        counted = [(call.layer, count_synapses(call)) for call in self.traffic]
        return self._per_sample(counted + self._ledger.others)

    def dense(self, steps: int | None = None) -> dict[str, OpCounts]:
        """Counts per sample of the same architecture as a dense ANN.

        Args:
            steps: How often the ANN runs: 1 where the input is static; as many times as the input
                has steps where left out.
        """
        return self._per_sample([(call.layer, count_dense(call, steps)) for call in self.traffic])

    @property
    def uncounted(self) -> dict[str, int]:
        """What ran and was not counted, by name, with its elements; weights that met no rule."""
        missed = {
            f"{self._names[module]}.{name}": parameter.numel()
            for module in self._ran
            for name, parameter in module.named_parameters(recurse=False)
            if parameter.dim() > 1 and id(parameter) not in self._ledger.reached
        }
        return self._ledger.missed | missed

    @property
    def unreached(self) -> list[str]:
        """Layers with weights that did not run at all."""
        return [
            name
            for module, name in self._names.items()
            if module not in self._ran
            and any(
                p.dim() > 1 and id(p) not in self._ledger.reached
                for p in module.parameters(recurse=False)
            )
        ]

    def _per_sample(self, counted: list[tuple[str, OpCounts]]) -> dict[str, OpCounts]:
        totals: dict[str, OpCounts] = {}
        for layer, counts in counted:
            totals[layer] = totals[layer] + counts if layer in totals else counts
        return {layer: counts / self.samples for layer, counts in totals.items()}

    def _cost(self, module: nn.Module) -> NeuronCost | None:
        cost = getattr(module, "cost", None)
        named = [self._costs[kind] for kind in type(module).__mro__ if kind in self._costs]
        return named[0] if named else cost if isinstance(cost, NeuronCost) else None

    def _start(self, net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Declares the kinds of the network's inputs and learns its samples, steps and lengths."""
        if in_backward():
            return
        named = {name: tensors([v]) for name, v in arguments(net, args, kwargs).items()}
        given = [(n, v) for n, values in named.items() for v in values if v.is_floating_point()]
        if not given:
            raise ValueError(
                "the network was called without a floating-point tensor: give it one, or meter "
                "the part of it that takes one"
            )
        declared, first = self._inputs, given[0][1]
        if not isinstance(declared, str):
            for name in declared:
                if name not in named:
                    raise ValueError(unknown("input", name, named))
        steps = first.shape[0] if self._ours else None
        self._seen += first.shape[1] if self._declared is None else 0
        for name, value in given:
            kind = declared if isinstance(declared, str) else declared.get(name, "analog")
            self._ledger.declare(value, Kind(kind, steps=steps))
        self._within, self._ledger.valid, self._ledger.steps = None, 1.0, steps or 1
        lengths = named.get("lengths")
        if lengths and self._ours:
            steps_of = torch.arange(first.shape[0], device=first.device)[:, None]
            self._within = steps_of < lengths[0].to(first.device)
            self._ledger.valid = self._within.double().mean()

    def _enter(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if in_backward():
            return
        self._stack.append(module)
        self._ran.add(module)
        self._depth += module in self._neurons

    def _leave(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        if in_backward() or not (self._stack and self._stack[-1] is module):
            return  # run again for its gradient, or an error before it was entered
        self._stack.pop()
        with torch._C.DisableTorchFunction():
            results = tensors([result])
            if module in self._neurons:
                if self._depth == 1 and results:
                    self._ran.update(module.modules())
                    state = args[1] if len(args) > 1 else kwargs.get("state")
                    self._count_neuron(module, results[0], state)
                self._depth -= 1
            if not self._depth:
                self._ledger.assume_analog(results)

    def _count_neuron(self, module: nn.Module, out: Tensor, state: Any) -> None:
        """Updates, spikes and inner synapses of a neuron layer that has just run."""
        ours = module in self._ours
        output = getattr(module, "output", "events") if ours else "events"
        dt = getattr(module, "dt", self._dt) if ours else self._dt
        name, cost = self._names[module], self._neurons[module]
        kind = Kind(output, hidden=output != "analog", steps=out.shape[0] if ours else None)
        self._ledger.declare(out, kind)
        out = self._inside(out)
        updates = torch.as_tensor(out.numel() * self._ledger.valid, dtype=torch.float64)
        times = {
            "add": cost.adds,
            "multiply": cost.multiplies,
            "state_read": cost.states,
            "state_write": cost.states,
            "second": dt or 0,
        }
        fixed = {count: updates * number for count, number in times.items() if number}
        sizes = Sizes(
            potentials=out[0, 0].numel() if ours else out[0].numel(),
            neuron=getattr(module, "species", "") if ours else type(module).__name__,
            bits=out.element_size() * 8,
        )
        fired = {}
        if output != "analog":
            spikes = event_map(out, kind, 1).sum()
            fired = {"spike": spikes, "output_write": spikes}
        counts = OpCounts.of({"update": updates} | fixed | fired, fired, sizes)
        self._ledger.others.append((name, counts))
        for part, values, weight in getattr(module, "arrivals", _no_arrivals)(out, state):
            values = self._inside(values)
            call = Synapses(values, weight.shape[0], weight, None, values.numel())
            self._ledger.record(f"{name}.{part}", call, kind)

    def _inside(self, values: Tensor) -> Tensor:
        """What lies within the sequences, of values [T, B, ...] or of those of the last steps."""
        if self._within is None:
            return values
        within = self._within[len(self._within) - len(values) :]
        return values * within.view(*within.shape, *[1] * (values.dim() - 2))


class _Watch(TorchFunctionMode):
    """Lets a meter see the functions that run inside its network, but not inside its neurons."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter = meter

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        meter = self._meter
        if not meter._stack or meter._depth:
            return func(*args, **(kwargs or {}))
        return meter._ledger.see(meter._names[meter._stack[-1]], func, args, kwargs or {})


def _no_arrivals(out: Tensor, state: Any) -> Iterable[Any]:
    return ()
