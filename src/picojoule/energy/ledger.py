"""The ledger: which kind each tensor is of, and what each torch function counts."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from picojoule.energy.counts import OpCounts
from picojoule.energy.kinds import Kind, joined
from picojoule.energy.provenance import CREATING, JOINING, PROVENANCE, SAME, name_of
from picojoule.energy.rules import SYNAPSES, Synapses, matrix, windows
from picojoule.energy.tally import Traffic, count_windows, event_map

_NORMS = frozenset("batch_norm layer_norm group_norm instance_norm rms_norm".split())
_PRODUCTS = frozenset("matmul rmatmul addmm baddbmm".split())


class Ledger:
    """What one meter has learned while its network ran.

    Attributes:
        traffic: One record per call with synapses.
        others: Counts of everything else, by layer.
        missed: Functions that ran on values and have no rule, with their elements.
        reached: The ids of the parameters that met a rule.
        valid: Share of the rows of a batch that lie within their sequences.
    """

    def __init__(self, net: nn.Module) -> None:
        self.traffic: list[Traffic] = []
        self.others: list[tuple[str, OpCounts]] = []
        self.missed: dict[str, int] = {}
        self.reached: set[int] = set()
        self.valid: float | Tensor = 1.0
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
        self.traffic.append(Traffic(layer, call.values, kind, call.fanout, call, self.valid))

    def see(self, layer: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs one torch function, counts it, and learns the kind of its result."""
        inputs = tensors((*args, *kwargs.values()))
        known = [kind for value in inputs if (kind := self._kinds.get(value)) is not None]
        name = name_of(function)
        if name in ("add", "sub") and len(known) > 1:
            # before the function runs, which may write over its operand
            self._count_add(layer, inputs)
        result = function(*args, **kwargs)
        results = args[:1] if name == "setitem" else (result,)
        outputs = [value for value in tensors(results) if value.is_floating_point()]
        if not outputs or name in CREATING:
            return result
        if not known:
            self._derive(inputs, outputs)
            return result
        kind = self._count(layer, name, args, kwargs, outputs[0], known)
        for value in outputs:
            self._kinds[value] = kind
        return result

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
        if name in SAME:
            return known[0]
        if name in JOINING:
            return joined(known)
        analog = known[0].analog()
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
                return known[0]
            return known[0].levels(known[0].scale * pooled.share)
        if name in PROVENANCE:
            return PROVENANCE[name](self.kind_of, out, *args, **kwargs) or analog
        if name in _NORMS:
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
            self.record(layer, matrix(out, left, right, left.shape[-1]), first)
        elif second is not None:
            self.record(layer, matrix(out, right, left, left.shape[-1]), second)

    def _count_add(self, layer: str, values: list[Tensor]) -> None:
        """A residual addition: one addition for each event of events, else for each element."""
        kinds = [kind for value in values if (kind := self.kind_of(value)) is not None]
        if not all(kind.counted for kind in kinds):
            elements = max(value.numel() for value in values) * self.valid
            self.others.append((layer, OpCounts(add=torch.as_tensor(elements).double())))
            return
        for value, kind in zip(values, kinds, strict=True):
            number = event_map(value, kind, 1).sum()
            hidden = OpCounts(add=number) if kind.hidden else None
            self.others.append((layer, OpCounts(add=number, hidden=hidden)))

    def _count_norm(self, layer: str, kind: Kind, out: Tensor) -> None:
        """Norms after synapses fold into them and cost nothing; norms of spikes do not fold."""
        if kind.sparse:
            elements = torch.as_tensor(out.numel() * self.valid).double()
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


def tensors(values: Iterable[Any]) -> list[Tensor]:
    """The tensors among arguments, also inside lists and tuples."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(tensors(value))
    return found
