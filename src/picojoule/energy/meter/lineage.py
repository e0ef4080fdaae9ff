"""Lineage: which kind each tensor is of, which parameters it was made of, and its events."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdRef

from picojoule._torch import buffers, parameters, version_of, viewed_by
from picojoule.energy.kinds import NOTHING, Kind, Segments, joined
from picojoule.energy.meter.known import Known, KnownTensors
from picojoule.energy.rules.straight import Rest


class Lineage:
    """The kinds and origins of tensors, while they live.

    Args:
        net: The network, whose parameters are the origin of weights.
    """

    def __init__(self, net: nn.Module) -> None:
        self._known = KnownTensors()
        self._holds_several = False  # whether any tensor does
        self._holds_rests = False  # whether of any sum the kind without a term is known
        for module in net.modules():
            for buffer in buffers(module).values():
                if buffer is not None:
                    self._known.put(buffer, Known(None))
            for parameter in parameters(module).values():
                if parameter is not None:
                    self._known.put(parameter, Known(None, frozenset({id(parameter)})))

    def declare(self, value: Tensor, kind: Kind) -> None:
        """Sets the kind of a tensor; of weights that nobody could be sure of, the origins stay."""
        before = self._known.get(value)
        unsure = before is not None and before.unsure
        origins = before.origins if before is not None and unsure else frozenset[int]()
        known = self._known.put(value, Known(kind.rounded_as(value.dtype), origins))
        if kind is NOTHING:
            known.version = version_of(value)

    def kind_of(self, value: Any) -> Kind | None:
        """Returns what a tensor carries, None for weights, constants and what was not seen."""
        kind = self._kind(value)
        return None if kind is None or kind.mask else kind

    def mask_of(self, value: Any) -> Kind | None:
        """Returns the kind of a constant of zeros and ones, None for anything else."""
        kind = self._kind(value)
        return kind if kind is not None and kind.mask else None

    def _kind(self, value: Any) -> Kind | None:
        if not isinstance(value, Tensor) or (known := self._known.get(value)) is None:
            return None
        return known.kind

    def forget_written(self, value: Tensor) -> None:
        """Forgets zeros into which somebody wrote where nobody saw it."""
        known = self._known.get(value)
        stale = known is not None and known.kind is NOTHING and known.version != version_of(value)
        if stale:
            self._known.drop(value)

    def lend(self, value: Tensor) -> None:
        """Forgets zeros whose memory was given away, where nobody sees who writes into it."""
        if self._kind(value) is NOTHING:
            for other in self._known.sharing(value):
                if self._kind(other) is NOTHING:
                    self._known.drop(other)

    def beside_of(self, value: Any) -> Segments | None:
        """Returns the kinds along an axis of a tensor, None if it is of one kind."""
        if not (self._holds_several and isinstance(value, Tensor)):
            return None
        known = self._known.get(value)
        return None if known is None else known.beside

    def rest_of(self, value: Any) -> Rest | None:
        """Returns the kind of a sum without one of its terms, None if that is not known."""
        if not (self._holds_rests and isinstance(value, Tensor)):
            return None
        known = self._known.get(value)
        if known is None or known.version != version_of(value):
            return None
        return known.rest

    def source_of(self, value: Tensor) -> Tensor:
        """Returns the tensor from which one was detached, itself if it was not."""
        known = self._known.get(value)
        source = None if known is None or known.source is None else known.source()
        return value if source is None else source

    def detach(self, value: Tensor, source: Tensor) -> None:
        """Records the tensor that another was detached from."""
        known, rest = self._known[value], self.rest_of(source)
        known.source = WeakIdRef(self.source_of(source))
        if rest is not None:
            self.keep_rest(value, rest)

    def keep_rest(self, value: Tensor, rest: Rest) -> None:
        """Keeps the kind of a sum without one of its terms."""
        known = self._known[value]
        known.rest, known.version = rest, version_of(value)
        self._holds_rests = True

    def is_seen(self, value: Tensor) -> bool:
        """Tells whether it was seen where a tensor comes from."""
        known = self._known.get(value)
        return known is not None and not known.unsure

    def kinds(self, values: Iterable[Tensor]) -> list[Kind]:
        """Returns the known kinds among these tensors; unknown ones are skipped."""
        return [kind for value in values if (kind := self.kind_of(value)) is not None]

    def is_new(self, value: Tensor, *, whole: bool = False) -> bool:
        """Tells whether nothing was seen of where a tensor comes from, or it is a constant.

        Args:
            value: The tensor.
            whole: Whether whole numbers are values too, and no indices.
        """
        known = self._known.get(value)
        number = whole or value.is_floating_point() or value.is_complex()
        if known is None or known.unsure:
            return number
        constant = known.kind is None or known.kind.mask
        return constant and not known.origins and number

    def origins(self, value: Tensor) -> frozenset[int]:
        """Returns the ids of the parameters that a tensor is made of."""
        known = self._known.get(value)
        return frozenset() if known is None else known.origins

    def is_learned(self, value: Tensor) -> bool:
        """Tells whether a tensor is made of parameters alone."""
        return bool(self.origins(value)) and self.is_constant(value)

    def derive(
        self,
        inputs: Sequence[Tensor],
        outputs: Iterable[Tensor],
        mask: Kind | None = None,
        drawn: float | None = None,
    ) -> None:
        """Lets what is computed from weights alone stand for them, and of constants be one.

        What is made of weights and anything else is nobody's weight, unless a layer takes it as
        such.

        Args:
            inputs: What it is computed from.
            outputs: What it is.
            mask: Its kind if it holds zeros and ones.
            drawn: The least of it if it was drawn evenly from there to one above.
        """
        origins = frozenset[int]().union(*map(self.origins, inputs))
        sure = all(self.is_constant(v) or self.kind_of(v) is NOTHING for v in inputs)
        steps = next((steps for v in inputs if (steps := self.steps_of(v))), None)
        for value in outputs:
            if sure:
                self._known.put(value, Known(mask, origins)).drawn = drawn
            elif origins or steps:
                self._known.put(value, Known(None, origins, unsure=True)).steps = steps
            elif self.is_constant(value):  # which was written into
                self._known.drop(value)

    def steps_of(self, value: Tensor) -> int | None:
        """Returns the number of steps in a tensor, None if that is not known."""
        known = self._known.get(value)
        if known is None:
            return None
        return known.steps if known.kind is None else known.kind.steps

    def drawn_from(self, value: Any) -> float | None:
        """Returns from where to one above a constant was drawn, None for others."""
        known = self._known.get(value) if isinstance(value, Tensor) else None
        return None if known is None else known.drawn

    def is_constant(self, value: Tensor) -> bool:
        """Tells whether a tensor was seen to be made of numbers and parameters alone."""
        known = self._known.get(value)
        return known is not None and not known.unsure and (known.kind is None or known.kind.mask)

    def keep_sum(self, value: Tensor, events: Tensor, within: Tensor | None = None) -> None:
        """Keeps the events of a tensor, for all who consume it.

        Args:
            value: The tensor, whose kind is known.
            events: Its events at each place of its last axes, summed over all axes before them.
            within: Which steps [T, B] of it these are of, None for all.
        """
        known = self._known[value]
        known.events, known.version, known.within = events, version_of(value), within

    def sum_of(self, value: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """Returns the events of a tensor if they were summed, and it was not changed since.

        Args:
            value: The tensor.
            mask: What it is to be multiplied by, such as which of its steps lie within their
                sequences; None for nothing.
        """
        known = self._known.get(value)
        if known is None or known.version != version_of(value):
            return None
        if mask is not None and (mask.dim(), mask.shape[:2]) != (value.dim(), value.shape[:2]):
            return None
        return known.events if _alike(mask, known.within) else None

    def pass_on(
        self,
        kinds: Sequence[Kind],
        outputs: Sequence[Tensor],
        first: Any,
        *,
        in_order: bool,
        beside: Segments | Sequence[Segments | None] | None = None,
    ) -> None:
        """Sets the kind of each result of a function.

        Args:
            kinds: The kinds.
            outputs: The results.
            first: The function's first argument, which it may have changed in place.
            in_order: Whether the result holds all values of the first argument in their order.
            beside: The kinds along an axis of the result, or of each, if it holds several.
        """
        before = self._known.get(first) if in_order and isinstance(first, Tensor) else None
        events = None if before is None or before.events is None else self.sum_of(first)
        if before is not None and (held := before.beside) is not None:
            beside = held.reshaped(first.shape, outputs[0].shape)
        for value, kind in zip(outputs, kinds, strict=False):
            self.declare(value, kind)
        if beside is not None:
            self._keep_beside(outputs, [beside] if isinstance(beside, Segments) else beside)
        if events is not None and len(outputs) == 1 and outputs[0].device == first.device:
            self.keep_sum(outputs[0], events)

    def _keep_beside(self, outputs: Sequence[Tensor], beside: Sequence[Segments | None]) -> None:
        for value, held in zip(outputs, beside, strict=False):
            size = 0 if held is None else sum(length for length, _ in held.parts)
            if held is not None and value.shape[held.axis] == size:
                self._known[value].beside, self._holds_several = held, True

    def wrote(self, part: Tensor) -> None:
        """Learns of the tensor of which a part was changed in place, that it holds that too."""
        whole = viewed_by(part)
        known = None if whole is None else self._known.get(whole)
        if whole is None or known is None or known.kind is None:
            return
        own = self._kind(part)
        kinds = [known.kind, Kind("analog") if own is None else own]
        masks = all(kind.mask or kind is NOTHING for kind in kinds)
        kind = joined([kind if kind is NOTHING else replace(kind, mask=False) for kind in kinds])
        if masks and kind is not NOTHING:
            kind = kind.masked() if kind.sparse else None
        elif known.kind.mask and own is None:
            kind = None
        if kind is not None and not kind.mask:
            self.declare(whole, kind)
        else:
            self._known.put(whole, Known(kind, known.origins))


def _alike(mask: Tensor | None, within: Tensor | None) -> bool:
    """Tells whether two masks of steps are the same, if that can be seen without waiting."""
    if mask is None or within is None:
        return mask is within
    plain = mask.dtype == within.dtype == torch.bool and mask.is_cpu and within.is_cpu
    return plain and torch.equal(mask.reshape(-1), within.reshape(-1))
