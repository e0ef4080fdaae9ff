"""The recorder: which kind each tensor is of, and what each torch function counts."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from picojoule._torch import vectorized, version_of
from picojoule.contract import SUMS
from picojoule.energy.convention import Convention, Conventions, convention_of
from picojoule.energy.counts import OpCounts, dtype_name
from picojoule.energy.events import Summed, event_map, serves, summed
from picojoule.energy.kinds import NOTHING, Kind
from picojoule.energy.meter.clock import Clock
from picojoule.energy.meter.lineage import Lineage
from picojoule.energy.meter.names import Unseen
from picojoule.energy.presence import presence_of
from picojoule.energy.rules.arguments import plain, tensors
from picojoule.energy.rules.call import Call
from picojoule.energy.rules.outcome import Before, Outcome, Synapses
from picojoule.energy.rules.table import MOVES, RULES, name_of
from picojoule.energy.tally import by_layer, count_synapses, merged
from picojoule.energy.traffic import Traffic

# Functions that take a shape or a type from their second argument, but no value.
_ALIKE = frozenset(("expand_as", "reshape_as", "to", "type_as", "view_as"))


class Recorder:
    """The notes of one meter, taken while its network runs.

    Attributes:
        conventions: Convention of counting.
        multiplied: By the id of its record, each call of levels without a graph as it is if a
            level is one multiplication.
        clock: Which steps run now.
        keep: Whether records hold the values themselves, or their shape alone.
        traffic: One record per call with synapses, and one per output of neurons.
        others: Counts of everything else, by layer.
        lineage: Which kind each tensor is of.
        missed: Functions that ran on values and have no rule, with their elements.
        reached: The ids of the parameters that met a rule.
        updating: Whether functions are part of a neuron's update, whose synapses alone count.
        doubts: For each layer that was named or marked, what is wrong with its values, on their
            device (see ``faults``), and their kind.
        sums: For each layer at which events arrived, their kind and their sum.
    """

    def __init__(
        self, net: nn.Module, conventions: Conventions, clock: Clock, *, keep: bool
    ) -> None:
        self.conventions, self.clock, self.keep = conventions, clock, keep
        self._by_layer: dict[str, Convention] = {}
        self.multiplied: dict[int, Traffic] = {}
        self.traffic: list[Traffic] = []
        self.others: list[tuple[str, OpCounts]] = []
        self.missed: dict[str, int] = {}
        self.reached: set[int] = set()
        self.updating = False
        self.doubts: list[tuple[str, Kind, Tensor]] = []
        self.sums: list[tuple[str, Kind, Summed]] = []
        self.lineage = Lineage(net)

    def convention_of(self, layer: str) -> Convention:
        """Returns the convention by which a layer is counted."""
        if layer not in self._by_layer:
            self._by_layer[layer] = convention_of(self.conventions, layer)
        return self._by_layer[layer]

    @property
    def layers(self) -> set[str]:
        """Names of the layers of which anything was taken down."""
        return {call.layer for call in self.traffic} | {layer for layer, _ in self.others}

    def totals(
        self, multiplied: Mapping[int, Traffic] = MappingProxyType({})
    ) -> dict[str, OpCounts]:
        """Returns all counts by layer, of all samples together.

        Args:
            multiplied: What to count in place of records, by their id.
        """
        arrived = (multiplied.get(id(call), call) for call in self.traffic if not call.fired)
        return by_layer([(one.layer, count_synapses(one)) for one in merged(arrived)] + self.others)

    def miss(self, what: str, elements: int) -> None:
        """Takes down what was met and not counted."""
        self.missed[what] = self.missed.get(what, 0) + elements

    def record(self, layer: str, call: Synapses, kind: Kind, **more: Any) -> None:
        """Takes down what arrived at which synapses."""
        self.reach(weight for weight in (call.weight, call.bias) if weight is not None)
        multiplied = kind.name == "levels" and self.convention_of(layer).levels == "multiply"
        events = more.pop("events", None)
        if kind.sparse and (events is None or multiplied):
            own = kind is not NOTHING and self.lineage.kind_of(call.values) is kind
            known = self.lineage.sum_of(call.values) if own else None
            if kind.counted and not multiplied:
                events = self._summed(layer, call, kind, known)
            else:
                events = event_map(call.values, kind, call.fanout, multiplied, known)
            small = events.dim() < call.values.dim() and not multiplied
            if own and small and events is not known:
                self.lineage.keep_sum(call.values, events)
        once = None
        if kind.name == "levels" and not (multiplied or torch.is_grad_enabled()):
            once = event_map(call.values, kind, call.fanout, multiplied=True)
        call = call._replace(values=self.kept(call.values))
        record = Traffic(
            layer,
            call.values,
            kind,
            call.fanout,
            call,
            events,
            multiplied,
            steps=self.clock.steps,
            part=self.clock.part,
            batch=self.clock.batch,
            version=version_of(call.values),
            dtype=_dtype(call),
            **{"valid": self.clock.valid, **more},
        )
        self.traffic.append(record)
        if once is not None:
            self.multiplied[id(record)] = replace(record, events=once, multiplied=True)

    def _summed(self, layer: str, call: Synapses, kind: Kind, known: Tensor | None) -> Tensor:
        """Returns the events that arrived, and takes down whether they are whole."""
        if known is not None and serves(known, call.values, call.fanout):
            return known
        found = summed(call.values, kind, call.fanout)
        self.sums.append((layer, kind, found))
        return found.events

    def kept(self, values: Tensor) -> Tensor:
        """Returns the values, or one number of their shape if records must not keep them."""
        if self.keep:
            return values
        return torch.empty((), dtype=values.dtype, device=values.device).expand(values.shape)

    def see(self, layer: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs one torch function, counts it, and learns the kind of its result."""
        name = name_of(function)
        rule = RULES.get(name)
        if vectorized():
            result = function(*args, **kwargs)
            for value in tensors((result,))[:1]:
                if value.is_floating_point():
                    self.miss(f"{layer}: {name} under vmap", value.numel())
            return result
        if rule is None:
            result = function(*args, **kwargs)
            if isinstance(result, (Tensor, tuple, list)):
                with Unseen():
                    self._unknown(f"{layer}: {name}", args, kwargs, tensors((result,)))
                    self._wrote_out(kwargs)
            return result
        outcome = None
        call = self._call(layer, name, function, args, kwargs)
        if type(rule) is Before:
            with Unseen():
                outcome = rule(call, *call.args, **call.kwargs)
        heard = SUMS.set(self.hear)
        try:
            result = function(*args, **kwargs)
        finally:
            SUMS.reset(heard)
        # What is written into its first argument gives nothing back.
        given = args[0] if result is None and args else result
        results = [given] if isinstance(given, Tensor) else tensors((given,))
        if results:
            with Unseen():
                call.out = results[0]
                if outcome is None:
                    outcome = rule(call, *call.args, **call.kwargs)
                self._take(layer, call, outcome, results)
                self._wrote_out(kwargs)
        return result

    def follow(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a function outside of the network; what it moved is of the kind that it was."""
        result = function(*args, **kwargs)
        first, results = args[0] if args else None, tensors((result,))
        if results and RULES.get(name := name_of(function)) in MOVES:
            with Unseen():
                if self.lineage.kind_of(first) is not None:
                    call = self._call("", name, function, args, kwargs)
                    call.out = results[0]
                    outcome = RULES[name](call, *call.args, **call.kwargs)
                    self._pass_on(call, outcome, results)
        return result

    def ran(self, layer: str, function: Any, args: tuple[Any, ...], result: Tensor) -> None:
        """Counts a call that was not seen, by a rule that is asked after its call."""
        name = name_of(function)
        call = self._call(layer, name, function, args, {})
        call.out = result
        self._take(layer, call, RULES[name](call, *args), [result])

    def hear(self, values: Tensor, ones: Tensor) -> None:
        """Keeps the number of events that a product counted, if they are what it counts."""
        kind = self.lineage.kind_of(values)
        plain = kind is not None and kind.counted and kind.is_worth(1) and kind.within is None
        if plain and kind is not NOTHING:
            self.lineage.keep_sum(values, ones)

    def _call(
        self, layer: str, name: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Call:
        if "out" in kwargs:
            kwargs = {name: value for name, value in kwargs.items() if name != "out"}
        if kwargs:
            kwargs = dict(zip(kwargs, plain(tuple(kwargs.values())), strict=True))
        return Call(
            self.convention_of(layer),
            self.lineage,
            name=name,
            function=function,
            args=plain(args),
            kwargs=kwargs,
            valid=self.clock.valid,
            within=self.clock.within,
            fires=self.updating,
        )

    def _wrote_out(self, kwargs: dict[str, Any]) -> None:
        """Learns of the tensors of which ``out=`` names a part, that they hold that too."""
        if "out" in kwargs:
            for part in tensors((kwargs["out"],)):
                self.lineage.wrote(part)

    def _unknown(
        self, what: str, args: tuple[Any, ...], kwargs: dict[str, Any], results: list[Tensor]
    ) -> None:
        """Lists a function without a rule; what it gives back is analog, or made of weights."""
        inputs = tensors((*args, *(value for name, value in kwargs.items() if name != "out")))
        kinds = self.lineage.kinds(inputs)
        if not kinds:
            self.lineage.derive(inputs, results)
            return
        outputs = [v for v in results if v.dtype != torch.bool]
        if not outputs:
            return
        if not self.updating:
            self.miss(what, outputs[0].numel())
        first = args[0] if args else None
        self.lineage.pass_on([kinds[0].analog()] * len(outputs), outputs, first, in_order=False)
        if first is not None and outputs[0] is first:
            self.lineage.wrote(first)

    def _take(self, layer: str, call: Call, outcome: Outcome, results: list[Tensor]) -> None:
        """Takes down what a call did, and what its results carry."""
        if call.unseen:
            self.miss(f"{layer}: input of unknown origin", call.unseen)
        for part, synapses, kind in outcome.arrivals:
            self.record(f"{layer}.{part}" if part else layer, synapses, kind)
        if not self.updating:
            self.others.extend((layer, counts) for counts in outcome.counts)
            for what, elements in (outcome.missed or {}).items():
                self.miss(f"{layer}: {what}", elements)
        self.reach(outcome.reached)
        self._pass_on(call, outcome, results)

    def _pass_on(self, call: Call, outcome: Outcome, results: list[Tensor]) -> None:
        """Says what the results of a call carry."""
        kind = outcome.kind
        first = call.args[0] if call.args else None
        if kind is not None and not (isinstance(kind, Kind) and kind.mask):
            # Indices beside values are whole numbers, and no events.
            alike = results[0].dtype
            outputs = [v for v in results if v.dtype == alike] if len(results) > 1 else results
            kinds = [kind] * len(outputs) if isinstance(kind, Kind) else kind
            in_order, beside = outcome.in_order, outcome.beside
            self.lineage.pass_on(kinds, outputs, first, in_order=in_order, beside=beside)
            if outcome.rest is not None:
                self.lineage.keep_rest(results[0], outcome.rest)
            if call.name == "detach" and isinstance(first, Tensor) and results[0] is not first:
                self.lineage.detach(results[0], first)
            if call.name == "mul":
                self._ends(results[0], *[*call.args, *call.kwargs.values()][:2])
        elif not outcome.outside:
            given = call.args[:1] if call.name in _ALIKE else (*call.args, *call.kwargs.values())
            inputs = [] if outcome.fresh else tensors(given)
            self.lineage.derive(inputs, results, kind, outcome.drawn)
        if first is not None and results[0] is first:
            self.lineage.wrote(first)

    def _ends(self, product: Tensor, values: Any, mask: Any) -> None:
        """Keeps the events of values that a mask leaves alone within their sequences."""
        if isinstance(values, Tensor) and isinstance(mask, Tensor):
            events = self.lineage.sum_of(values, mask)
            if events is not None:
                self.lineage.keep_sum(product, events)

    def reach(self, weights: Iterable[Tensor]) -> None:
        """Takes down which parameters met a rule, themselves or in what was made of them."""
        for weight in weights:
            presence = presence_of(weight)
            self.reached |= self.lineage.origins(weight if presence is None else presence.weight)


def _dtype(call: Synapses) -> str:
    """Returns the type of numbers that synapses run in: autocast's within it, else the weights'."""
    device = call.values.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return dtype_name(None, torch.empty(0, dtype=torch.get_autocast_dtype(device)))
    return dtype_name(call.weight, call.values)
