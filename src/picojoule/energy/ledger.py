"""The ledger: which kind each tensor is of, and what each torch function counts."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from picojoule.energy.counts import OpCounts
from picojoule.energy.kinds import Kind, joined
from picojoule.energy.provenance import (
    COPYING,
    CREATING,
    JOINING,
    PICKING,
    PROVENANCE,
    SAME,
    name_of,
)
from picojoule.energy.rules import SYNAPSES, Synapses, matrix, windows
from picojoule.energy.tally import Traffic, count_windows, event_map

_PRODUCTS = frozenset("matmul rmatmul addmm baddbmm".split())


class Ledger:
    """What one meter has learned while its network ran.

    Attributes:
        traffic: One record per call with synapses.
        others: Counts of everything else, by layer.
        missed: Functions that ran on values and have no rule, with their elements.
        reached: The ids of the parameters that met a rule.
        valid: Share of the rows of a batch that lie within their sequences.
        steps: Steps of the network's input.
    """

    def __init__(self, net: nn.Module) -> None:
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

    def record(self, layer: str, call: Synapses, kind: Kind) -> None:
        """Takes down what arrived at which synapses."""
        self._reach(weight for weight in (call.weight, call.bias) if weight is not None)
        events = event_map(call.values, kind, call.fanout) if kind.sparse else None
        self.traffic.append(
            Traffic(layer, call.values, kind, call.fanout, call, events, self.valid, self.steps)
        )

    def assume_analog(self, values: Iterable[Tensor]) -> None:
        """Values from where nothing was seen are analog, unless they come from weights alone."""
        for value in values:
            known = value in self._kinds or value in self._origins
            if not known and value.is_floating_point():
                self.declare(value, Kind("analog"))

    def see(self, layer: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs one torch function, counts it, and learns the kind of its result."""
        name = name_of(function)
        with torch._C.DisableTorchFunction():  # what a meter does is nothing to one around it
            known = self._known(layer, name, args, kwargs)
        result = function(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            results = args[:1] if name == "setitem" else (result,)
            outputs = [value for value in tensors(results) if value.is_floating_point()]
            if outputs and name not in CREATING:
                kwargs = {key: value for key, value in kwargs.items() if key != "out"}
                self._learn(layer, function, name, args, kwargs, outputs, known)
        return result

    def _known(
        self, layer: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Kind]:
        """The kinds that decide on a call, before it may change them in place."""
        inputs = tensors((*args, *(value for key, value in kwargs.items() if key != "out")))
        if name in SYNAPSES:
            self.assume_analog([args[0] if args else kwargs["input"]])
        known = [kind for value in inputs if (kind := self._kinds.get(value)) is not None]
        if name in ("add", "sub") and len(known) > 1:
            self._count_add(layer, inputs)
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
        if not known:
            self._derive(inputs, outputs)
            return
        if name in SAME:
            kind = _spread(known[0], inputs[0], outputs[0]) if name in COPYING else known[0]
        else:
            kind = self._count(layer, name, args, kwargs, outputs[0], known)
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
            call = SYNAPSES[name](out, *args, **kwargs)
            self.record(layer, call, self._kinds.get(call.values) or analog)
            return analog
        if name in _PRODUCTS:
            self._matrix(layer, name, (*args, *kwargs.values()), out)
            return analog
        if rule := windows(name):
            pooled = rule(out, *args, **kwargs)
            self.others.append((layer, count_windows(pooled, known[0], self.valid)))
            if pooled.share is None:
                return known[0].graded() if known[0].uneven else known[0]
            return known[0].levels(pooled.share)
        if learned and name in ("mul", "div", "setitem"):
            return known[0].graded() if known[0].sparse and name != "setitem" else analog
        if name in PROVENANCE:
            return PROVENANCE[name](self.kind_of, out, *args, **kwargs) or analog
        if name == "batch_norm":
            self._count_norm(layer, known[0], out)
            return analog
        missed = f"{layer}: {name}"
        self.missed[missed] = self.missed.get(missed, 0) + out.numel()
        return analog

    def _matrix(self, layer: str, name: str, args: tuple[Any, ...], out: Tensor) -> None:
        """A product of two matrices: the one that carries events meets the other as synapses."""
        factors = tensors(args)[-2:]
        left, right = reversed(factors) if name == "rmatmul" else factors
        self._reach(factors)
        first, second = self.kind_of(left), self.kind_of(right)
        if first is not None and second is not None and first.counted and second.counted:
            # what coincides is what the product counts
            scale = first.scale * second.scale
            hidden, signed = first.hidden or second.hidden, first.signed or second.signed
            kind = Kind("levels", scale, signed, hidden, first.steps)
            self.record(layer, Synapses(out, 1, None, None, out.numel()), kind)
        elif first is not None and (first.sparse or second is None or not second.sparse):
            call = matrix(out, left, right, left.shape[-1], learned=second is None)
            self.record(layer, call, first)
        elif second is not None:
            call = matrix(out, right, left, left.shape[-1], learned=first is None)
            self.record(layer, call, second)

    def _count_add(self, layer: str, values: list[Tensor]) -> None:
        """A residual addition: one addition for each event of events, else for each element."""
        kinds = [self._kinds[value] for value in values]
        if not all(kind.counted for kind in kinds):
            elements = torch.broadcast_shapes(*(value.shape for value in values)).numel()
            self.others.append((layer, OpCounts(add=_float(elements * self.valid))))
            return
        for value, kind in zip(values, kinds, strict=True):
            number = event_map(value, kind, 1).sum()
            hidden = OpCounts(add=number) if kind.hidden else None
            self.others.append((layer, OpCounts(add=number, hidden=hidden)))

    def _count_norm(self, layer: str, kind: Kind, out: Tensor) -> None:
        """Batch norm after synapses folds into them and costs nothing; that of spikes does not."""
        if kind.sparse:
            elements = _float(out.numel() * self.valid)
            self.others.append((layer, OpCounts(add=elements, multiply=elements)))

    def _reach(self, weights: Iterable[Tensor]) -> None:
        for weight in weights:
            self.reached |= self._origins.get(weight, frozenset())

    def _derive(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """What is computed from weights alone stands for them."""
        origins = frozenset().union(*(self._origins.get(value, ()) for value in inputs))
        if origins:
            for value in outputs:
                self._origins[value] = origins


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


def _float(number: float | Tensor) -> Tensor:
    return torch.as_tensor(number, dtype=torch.float64)
