"""The question to a counting rule: one call, and what is known of the values in it."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from numbers import Integral
from typing import Any

from torch import Tensor

from picojoule.energy.convention import Convention
from picojoule.energy.counts import OpCounts, Sizes, as_counts
from picojoule.energy.events import event_map
from picojoule.energy.kinds import NOTHING, Kind, Segments, everywhere
from picojoule.energy.rules.outcome import Outcome
from picojoule.energy.rules.provenance import Provenance
from picojoule.energy.rules.straight import Rest

Share = float | Tensor


class Call:
    """Call of a torch function, as its rule sees it.

    Attributes:
        out: The first result.
        convention: Convention of counting.
        name: The plain name of the function.
        function: The function itself.
        args: Its arguments by position.
        kwargs: Its arguments by name, without ``out``.
        valid: The share of the steps that lie within their sequences.
        within: Which steps [T, B] do, None for all.
        fires: Whether it is part of an update of neurons that somebody named.
        unseen: Elements that arrived from where nothing was seen.
    """

    __slots__ = (
        "_lineage",
        "_taken",
        "args",
        "convention",
        "fires",
        "function",
        "kwargs",
        "name",
        "out",
        "unseen",
        "valid",
        "within",
    )

    out: Tensor

    def __init__(
        self,
        convention: Convention,
        lineage: Provenance | None = None,
        *,
        name: str = "",
        function: Callable[..., Any] | None = None,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        valid: Share = 1.0,
        within: Tensor | None = None,
        fires: bool = False,
    ) -> None:
        self.convention, self._lineage, self.function = convention, lineage, function
        self.name, self.args, self.kwargs = name, args, kwargs or {}
        self.valid, self.within, self.fires, self.unseen = valid, within, fires, 0
        self._taken: tuple[Any, Kind | None] = (None, None)

    def taking(self, value: Tensor, kind: Kind) -> "Call":
        """Returns the same call, in which a tensor is of another kind."""
        other = copy(self)
        other._taken = (value, kind)
        return other

    def kind(self, value: Any) -> Kind | None:
        """Returns what a tensor carries, None for weights, constants and numbers."""
        if value is self._taken[0] and value is not None:
            return self._taken[1]
        return None if self._lineage is None else self._lineage.kind_of(value)

    def mask(self, value: Any) -> Kind | None:
        """Returns the kind of a constant of zeros and ones, None for anything else."""
        return None if self._lineage is None else self._lineage.mask_of(value)

    def beside(self, value: Any) -> Segments | None:
        """Returns the kinds along an axis of a tensor, None if it is of one kind."""
        return None if self._lineage is None else self._lineage.beside_of(value)

    def rest(self, value: Any) -> Rest | None:
        """Returns the kind of a sum without one of its terms, None if that is not known."""
        return None if self._lineage is None else self._lineage.rest_of(value)

    def source(self, value: Tensor) -> Tensor:
        """Returns the tensor from which one was detached, itself if it was not."""
        return value if self._lineage is None else self._lineage.source_of(value)

    def constant(self, value: Any) -> bool:
        """Tells whether a tensor is made of numbers and parameters alone."""
        tensor = isinstance(value, Tensor)
        return tensor and self._lineage is not None and self._lineage.is_constant(value)

    def settled(self, places: Any) -> bool:
        """Tells whether values of the network chose some places only if they are events."""
        if isinstance(places, Tensor):
            kind = self.kind(places)
            return kind.sparse if kind is not None else self.constant(places)
        if isinstance(places, (list, tuple)):
            return all(map(self.settled, places))
        return places is None or places is ... or isinstance(places, (Integral, slice))

    def drawn(self, value: Any) -> float | None:
        """Returns from where to one above a constant was drawn, None for others."""
        return None if self._lineage is None else self._lineage.drawn_from(value)

    def joining(self, value: Any) -> Kind:
        """Returns the kind of values that are put beside others, written or compared.

        Constants but those of zeros and ones are analog, and so is what nothing was seen of, which
        is listed.
        """
        if isinstance(value, (int, float)):
            return self._lasting(everywhere(value))
        if not isinstance(value, Tensor):
            return Kind("analog")
        if self._lineage is not None:
            self._lineage.forget_written(value)
        if (kind := self.kind(value)) is not None:
            return kind
        if (mask := self.mask(value)) is not None:
            return self._lasting(replace(mask, mask=False))
        if self._lineage is not None and not self._lineage.is_seen(value):
            self._lineage.declare(value, Kind("analog"))
            self.unseen += value.numel()
        return Kind("analog")

    def unknown(self, *kinds: Kind | None) -> Outcome:
        """Returns the outcome of a function whose cost is not counted but named."""
        return Outcome(analog(*kinds), missed={self.name: self.out.numel()})

    def factor(self, value: Any) -> Kind | None:
        """Returns the kind of a factor; a level is one value if levels are multiplied."""
        return self.as_factor(self.kind(value))

    def as_factor(self, kind: Kind | None) -> Kind | None:
        """Returns a kind as that of a factor."""
        multiplied = self.convention.levels == "multiply"
        return kind.graded() if multiplied and kind and kind.name == "levels" else kind

    def _lasting(self, kind: Kind) -> Kind:
        """Returns the kind of constants, which do not end with the sequences."""
        return (
            replace(kind, within=self.within)
            if kind is not NOTHING and self.within is not None
            else kind
        )

    def chosen(self, value: Tensor, number: float = 1) -> Outcome:
        """Returns the outcome for a number where a comparison of analog values is true, else zero.

        In neurons that somebody named these are spikes. Elsewhere they are analog and listed, but
        ones let pass what they are multiplied with.
        """
        if self.fires:
            return Outcome(Kind("events", number, hidden=True))
        missed = {"values of a comparison": value.numel()}
        steps = None if self._lineage is None else self._lineage.steps_of(value)
        return Outcome(Kind("analog", steps=steps, gate=number == 1), missed=missed)

    def arriving(self, value: Tensor) -> Kind | None:
        """Returns the kind of what arrives; what nothing was seen of is analog, and listed."""
        if self._lineage is None:
            return Kind("analog")
        self._lineage.forget_written(value)
        kind = self.kind(value)
        if kind is None and self._lineage.is_new(value, whole=True):
            kind = Kind("analog", steps=self._lineage.steps_of(value))
            self._lineage.declare(value, kind)
            self.unseen += value.numel()
        return kind

    def operand(self, value: Any) -> Kind | None:
        """Returns the kind of an operand, None for weights and constants.

        What nothing was seen of is analog, and listed.
        """
        if not isinstance(value, Tensor) or self._lineage is None:
            return None if value is None else self.kind(value)
        self._lineage.forget_written(value)
        return self.kind(value) if self._lineage.is_seen(value) else self.arriving(value)

    def learned(self, *values: Any) -> bool:
        """Tells whether one of these is an array of learned numbers."""
        lineage = self._lineage
        return lineage is not None and any(
            isinstance(value, Tensor) and value.numel() > 1 and lineage.is_learned(value)
            for value in values
        )

    def events(
        self, values: Tensor, kind: Kind, fanout: int | Tensor = 1, multiplied: bool = False
    ) -> Tensor:
        """Returns the events at each place of a fan-out map, summed once for all who ask."""
        known = None
        if self._lineage is not None and self._lineage.kind_of(values) is kind:
            known = self._lineage.sum_of(values)
        return event_map(values, kind, fanout, multiplied, known)

    def dense(self, sizes: Sizes | None = None, /, **counts: float | Tensor) -> OpCounts:
        """Returns counts of one call over all its elements, of which the valid share ran."""
        numbers = {name: number * self.valid for name, number in counts.items()}
        return OpCounts.of(as_counts(numbers), sizes=sizes or Sizes())

    def sparse(
        self, count: str, values: Tensor, kind: Kind, *, copies: int = 1, once: bool = False
    ) -> OpCounts:
        """Returns one operation for each event and copy; a level of n is n, or one if ``once``."""
        number = self.events(values, kind, multiplied=once).sum() * copies
        return OpCounts.of({count: number}, {count: number} if kind.hidden else None)


def analog(*kinds: Kind | None) -> Kind:
    """Returns the analog kind over the steps of those that are known."""
    return Kind("analog", steps=next((kind.steps for kind in kinds if kind and kind.steps), None))


def moved(kind: Kind | None) -> Kind | None:
    """Returns the kind of the same values elsewhere: unequal events lose what they are worth."""
    return kind.graded() if kind is not None and kind.uneven else kind
