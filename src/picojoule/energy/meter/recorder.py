"""The recorder: which kind each tensor is of, and what each torch function counts."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.energy.convention import Convention
from picojoule.energy.counts import OpCounts
from picojoule.energy.events import event_map, events_of, version_of
from picojoule.energy.kinds import NOTHING, Kind, joined
from picojoule.energy.meter.clock import Clock
from picojoule.energy.meter.lineage import Lineage, tensors
from picojoule.energy.meter.names import Unseen
from picojoule.energy.rules.composites import COMPOSITES
from picojoule.energy.rules.elementwise import ELEMENTWISE, dense, reduction
from picojoule.energy.rules.provenance import (
    CREATING,
    JOINING,
    PICKING,
    PROVENANCE,
    SAME,
    ZEROS,
    name_of,
)
from picojoule.energy.rules.synapses import SYNAPSES, Synapses, windows
from picojoule.energy.tally import count_windows
from picojoule.energy.traffic import Traffic

# Products of two tensors that are equals: the one of which nothing is known is a weight.
_EQUALS = frozenset(
    """matmul linalg_matmul rmatmul addmm addmv baddbmm addbmm addr einsum tensordot inner outer ger
    kron dot vdot vecdot linalg_vecdot""".split()
)
_CONSUMING = (frozenset(SYNAPSES) | frozenset(COMPOSITES)) - _EQUALS
_CASTS = frozenset("float to type type_as double half bfloat16".split())
_LOOKUPS = ("embedding", "embedding_bag")  # of whole numbers, which have no kind


class Recorder:
    """The notes of one meter, taken while its network runs.

    Attributes:
        convention: How to count where there are two honest answers.
        clock: Which steps run now.
        keep: Whether records hold the values themselves, or their shape alone.
        traffic: One record per call with synapses, and one per output of neurons.
        others: Counts of everything else, by layer.
        lineage: Which kind each tensor is of.
        missed: Functions that ran on values and have no rule, with their elements.
        reached: The ids of the parameters that met a rule.
    """

    def __init__(self, net: nn.Module, convention: Convention, clock: Clock, *, keep: bool) -> None:
        self.convention, self.clock, self.keep = convention, clock, keep
        self.traffic: list[Traffic] = []
        self.others: list[tuple[str, OpCounts]] = []
        self.missed: dict[str, int] = {}
        self.reached: set[int] = set()
        self.lineage = Lineage(net)

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
            small = events.dim() < call.values.dim() and not multiplied
            if small and kind is not NOTHING and self.lineage.kind_of(call.values) is kind:
                summed = replace(kind, tally=events, version=version_of(call.values))
                self.lineage.declare(call.values, summed)  # for the next one
        call = call._replace(values=self.kept(call.values))
        self.traffic.append(
            Traffic(
                *(layer, call.values, kind, call.fanout, call, events, multiplied),
                steps=self.clock.steps,
                batch=self.clock.batch,
                version=version_of(call.values),
                **{"valid": self.clock.valid, **more},
            )
        )

    def kept(self, values: Tensor) -> Tensor:
        """The values, or one number in their shape: what a record holds is not let go of."""
        return values if self.keep else values.new_empty(()).expand(values.shape)

    def see(self, layer: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs one torch function, counts it, and learns the kind of its result."""
        name = name_of(function)
        with Unseen():
            known = self._known(layer, name, args, kwargs)
        result = function(*args, **kwargs)
        with Unseen():
            results = args[:1] if name == "setitem" else (result,)
            moved = bool(known) and name in SAME  # spikes may be of any type
            outputs = [v for v in tensors(results) if v.is_floating_point() or moved]
            if outputs and name in ZEROS:
                self.lineage.declare(outputs[0], NOTHING)
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
                if self.lineage.is_new(value):
                    self.lineage.declare(value, Kind("analog"))
                    self.miss(f"{layer}: input of unknown origin", value.numel())
        known = self.lineage.known(inputs)
        if known and name in ELEMENTWISE:
            done = ELEMENTWISE[name](self.lineage.kind_of, self.clock.valid, *args, **kwargs)
            self.others.extend((layer, counts) for counts in done)
        if name in SAME and not self.lineage.known(inputs[:1]):
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
        if name in COMPOSITES and (known or name in _LOOKUPS):
            kind = self._compose(layer, name, outputs[0], args, kwargs)
        elif not known and name == "dropout" and not self.lineage.is_learned(tensors(args)[0]):
            # Dropout of a constant makes a mask, as random numbers do.
            kind = PROVENANCE[name](lambda _: Kind("events"), outputs[0], *args, **kwargs)
            assert kind is not None
        elif not known and name in _CASTS and _from_bool(args):
            self.miss(f"{layer}: values of a comparison", outputs[0].numel())
            kind = Kind("analog")
        elif not known:
            self.lineage.derive(tensors((*args, *kwargs.values())), outputs)
            return
        elif name in SAME:
            kind = known[0]
        else:
            kind = self._count(layer, name, args, kwargs, outputs[0], known)
        self.lineage.pass_on(function, name, kind, args, kwargs, outputs)

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
        learned = any(self.lineage.is_learned(v) and v.numel() > 1 for v in inputs)
        if name in JOINING:
            return analog if learned else joined(known)
        if name in PICKING:
            kind = analog if learned else joined(known)
            return kind.graded() if kind.uneven else kind
        if name in SYNAPSES:
            skip = {"skip_zero_weights": True} if self.convention.skip_zero_weights else {}
            call = SYNAPSES[name](out, *args, **kwargs, **skip)
            self.record(layer, call, self.lineage.kind_of(call.values) or analog)
            return replace(analog, folds=True)
        if rule := windows(name):
            pooled = rule(out, *args, **kwargs)
            self.others.append((layer, count_windows(pooled, known[0], self.clock.valid)))
            if pooled.share is None:
                kind = known[0].graded() if known[0].uneven else known[0]
                return replace(kind, folds=False)  # a norm can turn the largest into the smallest
            return known[0].levels(pooled.share)
        if name in ("mul", "div") and (graded := self._gated(inputs, out)) is not None:
            return graded
        if learned and name in ("mul", "div", "setitem"):
            return known[0].graded() if known[0].sparse and name != "setitem" else analog
        if name in ("sum", "mean"):
            self.others.append((layer, reduction(out, inputs[0], known[0], self.clock.valid)))
        if name in PROVENANCE:
            kind = PROVENANCE[name](self.lineage.kind_of, out, *args, **kwargs) or analog
            # The opposite of what comes after the end of a sequence would be events.
            return replace(kind, within=self.clock.within) if name == "rsub" else kind
        if name == "batch_norm":
            folds = known[0].folds and self.convention.fold_batch_norm
            if not folds:
                self.others.append((layer, dense("add", out.numel(), self.clock.valid)))
                self.others.append((layer, dense("multiply", out.numel(), self.clock.valid)))
            return replace(analog, folds=folds)
        self.miss(f"{layer}: {name}", out.numel())
        return analog

    def _gated(self, factors: list[Tensor], out: Tensor) -> Kind | None:
        """The kind of events times other values: a value at each event, which is charged once."""
        kinds = [self.lineage.kind_of(factor) for factor in factors]
        if len(factors) != 2 or sum(kind is not None and kind.counted for kind in kinds) != 1:
            return None
        events, other = (0, 1) if kinds[0] is not None and kinds[0].counted else (1, 0)
        kind, factor = kinds[events], factors[other]
        if kind is None or factor.numel() == 1 or factor.dtype == torch.bool or kind.uneven:
            return None
        number = events_of(factors[events], kind, multiplied=True).expand(out.shape)
        return replace(kind.graded(), number=number)

    def _compose(
        self, layer: str, name: str, out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Kind:
        """Counts a function that holds several products."""
        skip = {"skip_zero_weights": True} if self.convention.skip_zero_weights else {}
        multiplied = self.convention.levels == "multiply" and name != "interpolate"  # which copies
        of = self._graded_of if multiplied else self.lineage.kind_of
        done = COMPOSITES[name](of, out, *args, **kwargs, **skip)
        self.reach(done.reached)
        for part, call, kind in done.products:
            self.record(f"{layer}.{part}" if part else layer, call, kind)
        if done.counts:
            counts = {count: _number(n) * self.clock.valid for count, n in done.counts.items()}
            self.others.append((layer, OpCounts.of(counts, sizes=done.sizes)))
        for what, elements in done.missed.items():
            self.miss(f"{layer}: {what}", elements)
        learned = name in _EQUALS and any(call.weight is not None for _, call, _ in done.products)
        return done.kind or Kind("analog", folds=learned)

    def _graded_of(self, value: Any) -> Kind | None:
        """The kind of a tensor where a level is one value to multiply by."""
        kind = self.lineage.kind_of(value)
        return kind.graded() if kind is not None and kind.name == "levels" else kind

    def reach(self, weights: Iterable[Tensor]) -> None:
        """Takes down which parameters met a rule, themselves or in what was made of them."""
        for weight in weights:
            self.reached |= self.lineage.origins(weight)


def _from_bool(args: tuple[Any, ...]) -> bool:
    """Whether a cast makes numbers of what a comparison gave: spikes, or a mask, or neither."""
    return bool(args) and isinstance(args[0], Tensor) and args[0].dtype == torch.bool


def _number(value: float | Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)
