"""The ledger: which kind each tensor is of, and what each torch function counts."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from picojoule.energy.composites import COMPOSITES
from picojoule.energy.convention import Convention
from picojoule.energy.counts import OpCounts
from picojoule.energy.elementwise import ELEMENTWISE, dense, reduction
from picojoule.energy.kinds import NOTHING, Kind, joined
from picojoule.energy.names import Unseen
from picojoule.energy.provenance import (
    COPYING,
    CREATING,
    JOINING,
    PICKING,
    PROVENANCE,
    SAME,
    SAME_ORDER,
    ZEROS,
    name_of,
)
from picojoule.energy.rules import SYNAPSES, Synapses, windows
from picojoule.energy.tally import Traffic, count_windows, event_map, version_of

# Products of two tensors that are equals: the one of which nothing is known is a weight.
_EQUALS = frozenset(
    """matmul linalg_matmul rmatmul addmm addmv baddbmm addbmm addr einsum tensordot inner outer ger
    kron dot vdot vecdot linalg_vecdot""".split()
)
_CONSUMING = (frozenset(SYNAPSES) | frozenset(COMPOSITES)) - _EQUALS
_LOOKUPS = ("embedding", "embedding_bag")  # of whole numbers, which have no kind


class Ledger:
    """What one meter has learned while its network ran.

    Attributes:
        convention: How to count where there are two honest answers.
        traffic: One record per call with synapses, and one per output of neurons.
        others: Counts of everything else, by layer.
        missed: Functions that ran on values and have no rule, with their elements.
        reached: The ids of the parameters that met a rule.
        valid: Share of the rows of a batch that lie within their sequences.
        steps: Steps of the network's input.
    """

    def __init__(self, net: nn.Module, convention: Convention) -> None:
        self.convention = convention
        self.traffic: list[Traffic] = []
        self.others: list[tuple[str, OpCounts]] = []
        self.missed: dict[str, int] = {}
        self.reached: set[int] = set()
        self.valid: float | Tensor = 1.0
        self.steps = 1
        self._kinds: Any = WeakTensorKeyDictionary()
        self._origins: Any = WeakTensorKeyDictionary()
        for parameter in net.parameters():
            self._origins[parameter] = frozenset({id(parameter)})

    def declare(self, value: Tensor, kind: Kind) -> None:
        """Says what a tensor carries."""
        self._kinds[value] = kind

    def kind_of(self, value: Any) -> Kind | None:
        """What a tensor carries, None where nothing is known of it (weights and constants)."""
        return self._kinds.get(value) if isinstance(value, Tensor) else None

    def is_new(self, value: Tensor) -> bool:
        """Whether nothing was seen of where a tensor comes from."""
        known = value in self._kinds or value in self._origins
        return not known and value.is_floating_point()

    def miss(self, what: str, elements: int) -> None:
        """Takes down what was met and not counted."""
        self.missed[what] = self.missed.get(what, 0) + elements

    def record(self, layer: str, call: Synapses, kind: Kind, **more: Any) -> None:
        """Takes down what arrived at which synapses."""
        self.reach(weight for weight in (call.weight, call.bias) if weight is not None)
        multiplied = kind.name == "levels" and self.convention.levels == "multiply"
        events = more.pop("events", None)
        if kind.sparse and (events is None or multiplied):
            events = event_map(call.values, kind, call.fanout, multiplied)
            if not multiplied and events.dim() < call.values.dim() and kind is not NOTHING:
                self._kinds[call.values] = replace(kind, tally=events)  # for the next consumer
        self.traffic.append(
            Traffic(
                *(layer, call.values, kind, call.fanout, call, events, multiplied),
                valid=self.valid,
                steps=self.steps,
                version=version_of(call.values),
                **more,
            )
        )

    def see(self, layer: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs one torch function, counts it, and learns the kind of its result."""
        name = name_of(function)
        with Unseen():
            known = self._known(layer, name, args, kwargs)
        result = function(*args, **kwargs)
        with Unseen():
            results = args[:1] if name == "setitem" else (result,)
            outputs = [value for value in tensors(results) if value.is_floating_point()]
            if outputs and name in ZEROS:
                self._kinds[outputs[0]] = NOTHING
            elif outputs and name not in CREATING:
                kwargs = {key: value for key, value in kwargs.items() if key != "out"}
                self._learn(layer, function, name, args, kwargs, outputs, known)
        return result

    def _known(
        self, layer: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Kind]:
        """The kinds that decide on a call, before it may change them in place."""
        inputs = tensors((*args, *(value for key, value in kwargs.items() if key != "out")))
        if name in _CONSUMING:
            for value in inputs[:1]:
                if self.is_new(value):
                    self.declare(value, Kind("analog"))
                    self.miss(f"{layer}: input of unknown origin", value.numel())
        known = [kind for value in inputs if (kind := self._kinds.get(value)) is not None]
        if known and name in ELEMENTWISE:
            done = ELEMENTWISE[name](self.kind_of, self.valid, *args, **kwargs)
            self.others.extend((layer, counts) for counts in done)
        if name in SAME and not (inputs and inputs[0] in self._kinds):
            return []  # what the others carry only says how
        return known

    def _learn(
        self,
        layer: str,
        function: Any,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        outputs: list[Tensor],
        known: list[Kind],
    ) -> None:
        """Counts a call that has run and says what its results carry."""
        inputs = tensors((*args, *kwargs.values()))
        if name in COMPOSITES and (known or name in _LOOKUPS):
            kind = self._compose(layer, name, outputs[0], args, kwargs)
        elif not known:
            self._derive(inputs, outputs)
            return
        elif name in SAME:
            kind = _spread(known[0], inputs[0], outputs[0]) if name in COPYING else known[0]
        else:
            kind = self._count(layer, name, args, kwargs, outputs[0], known)
        if kind.tally is not None and not _in_order(name, inputs[0], outputs[0]):
            kind = kind.untallied()
        kinds = [kind] * len(outputs)
        if kind.uneven and (name in SAME or name in JOINING or name == "pad"):
            kinds = self._moved(function, kind, args, kwargs)[: len(outputs)]
        for value, kind in zip(outputs, kinds, strict=True):
            self._kinds[value] = kind

    def _moved(
        self, function: Any, kind: Kind, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Kind]:
        """The kinds after values of unequal worth were moved: their worth moves along."""

        def worth(argument: Any) -> Any:
            if isinstance(argument, (list, tuple)):
                parts = [worth(part) for part in argument]
                return parts if isinstance(argument, list) else tuple(parts)
            if (known := self.kind_of(argument)) is None or not known.uneven:
                return argument
            return torch.as_tensor(known.scale).expand(argument.shape).clone()

        named = {name: worth(argument) for name, argument in kwargs.items()}
        moved = function(*(worth(argument) for argument in args), **named)
        return [replace(kind, scale=scale) for scale in tensors([moved])]

    def _count(
        self,
        layer: str,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Tensor,
        known: list[Kind],
    ) -> Kind:
        """Counts a call whose arguments have kinds; gives its result's kind."""
        analog = known[0].analog()
        inputs = tensors((*args, *kwargs.values()))
        learned = any(value in self._origins for value in inputs)
        if name in JOINING:
            return analog if learned else joined(known)
        if name in PICKING:
            kind = analog if learned else joined(known)
            return kind.graded() if kind.uneven else kind
        if name in SYNAPSES:
            skip = {"skip_zero_weights": True} if self.convention.skip_zero_weights else {}
            call = SYNAPSES[name](out, *args, **kwargs, **skip)
            self.record(layer, call, self._kinds.get(call.values) or analog)
            return analog
        if rule := windows(name):
            pooled = rule(out, *args, **kwargs)
            self.others.append((layer, count_windows(pooled, known[0], self.valid)))
            if pooled.share is None:
                return known[0].graded() if known[0].uneven else known[0]
            return known[0].levels(pooled.share)
        if learned and name in ("mul", "div", "setitem"):
            return known[0].graded() if known[0].sparse and name != "setitem" else analog
        if name in ("sum", "mean"):
            self.others.append((layer, reduction(out, inputs[0], known[0], self.valid)))
        if name in PROVENANCE:
            return PROVENANCE[name](self.kind_of, out, *args, **kwargs) or analog
        if name == "batch_norm":
            self._count_norm(layer, known[0], out)
            return analog
        self.miss(f"{layer}: {name}", out.numel())
        return analog

    def _compose(
        self, layer: str, name: str, out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Kind:
        """Counts a function that holds several products."""
        skip = {"skip_zero_weights": True} if self.convention.skip_zero_weights else {}
        of = self._graded_of if self.convention.levels == "multiply" else self.kind_of
        done = COMPOSITES[name](of, out, *args, **kwargs, **skip)
        self.reach(done.reached)
        for part, call, kind in done.products:
            self.record(f"{layer}.{part}" if part else layer, call, kind)
        if done.counts:
            counts = {count: _number(n) * self.valid for count, n in done.counts.items()}
            self.others.append((layer, OpCounts.of(counts, sizes=done.sizes)))
        for what, elements in done.missed.items():
            self.miss(f"{layer}: {what}", elements)
        return done.kind or Kind("analog")

    def _graded_of(self, value: Any) -> Kind | None:
        """The kind of a tensor where a level is one value to multiply by."""
        kind = self.kind_of(value)
        return kind.graded() if kind is not None and kind.name == "levels" else kind

    def _count_norm(self, layer: str, kind: Kind, out: Tensor) -> None:
        """Batch norm after synapses folds into them and costs nothing; that of spikes does not."""
        if kind.sparse or not self.convention.fold_batch_norm:
            self.others.append((layer, dense("add", out.numel(), self.valid)))
            self.others.append((layer, dense("multiply", out.numel(), self.valid)))

    def reach(self, weights: Iterable[Tensor]) -> None:
        """Takes down which parameters met a rule, themselves or in what was made of them."""
        for weight in weights:
            self.reached |= self._origins.get(weight, frozenset())

    def _derive(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """What is computed from weights alone stands for them."""
        origins = frozenset().union(*(self._origins.get(value, ()) for value in inputs))
        if origins:
            for value in outputs:
                self._origins[value] = origins


def _number(value: float | Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def _in_order(name: str, value: Tensor, out: Tensor) -> bool:
    """Whether a result holds the very values of its argument, in their order."""
    same = value.numel() == out.numel() and value.device == out.device
    return name in SAME_ORDER and same


def _spread(kind: Kind, value: Tensor, out: Tensor) -> Kind:
    """The kind of copies: those along the first axis are steps."""
    if not kind.steps or out.dim() != value.dim() or not value.shape[0]:
        return kind
    return replace(kind, steps=kind.steps * out.shape[0] // value.shape[0])


def tensors(values: Iterable[Any]) -> list[Tensor]:
    """The tensors among arguments, also inside lists and tuples."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(tensors(value))
        elif isinstance(value, dict):
            found.extend(tensors(value.values()))
    return found
