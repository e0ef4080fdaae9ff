"""The records of tensors: what is known of where each comes from."""

import torch
from torch import Tensor
from torch.utils.weak import WeakIdRef

from picojoule.energy.kinds import Kind, Segments
from picojoule.energy.presence import presence_of
from picojoule.energy.rules.straight import Rest


class Known:
    """The record of one tensor.

    Attributes:
        kind: Its kind, None for weights and constants.
        beside: The kinds along one of its axes, if it holds several.
        origins: The ids of the parameters that it is made of, none for a constant.
        unsure: Whether it is made of other values than these, of which nothing is known.
        events: Its events, summed over some of its first axes, if somebody asked for them.
        within: Which of its steps [T, B] are in that sum, None if all are.
        version: How often the tensor had been changed in place when they were summed, or when it
            was seen to hold zeros alone.
        drawn: The least of numbers that were drawn evenly from there to one above, None for others.
        rest: Kind of a sum without one of its terms, if that is known.
        source: The tensor from which it was detached, None if it was not.
        steps: Number of steps in what has no kind and is made of values of the network.
    """

    __slots__ = (
        *("beside", "drawn", "events", "kind", "origins", "rest", "source", "steps", "unsure"),
        *("version", "within"),
    )

    def __init__(
        self, kind: Kind | None, origins: frozenset[int] = frozenset(), unsure: bool = False
    ) -> None:
        self.kind, self.origins, self.unsure = kind, origins, unsure
        self.beside: Segments | None = None
        self.events: Tensor | None = None
        self.within: Tensor | None = None
        self.version: int | None = None
        self.drawn: float | None = None
        self.rest: Rest | None = None
        self.source: WeakIdRef | None = None
        self.steps: int | None = None


class KnownTensors:
    """The records of tensors, which go with these.

    ``WeakTensorKeyDictionary`` is asked by a key that is made for each question; a meter asks some
    ten times for each function that runs.
    """

    def __init__(self) -> None:
        self._held: dict[int, tuple[WeakIdRef, Known]] = {}
        self._most = 1024  # from which on it is worth to look for those that went

    def __getitem__(self, value: Tensor) -> Known:
        held = self._held[id(value)]
        assert held[0]() is value
        return held[1]

    def get(self, value: Tensor) -> Known | None:
        """Returns the record of a tensor, None if there is none.

        What is left of a weight is known as the weight is.
        """
        held = self._held.get(id(value))
        if held is not None and held[0]() is value:
            return held[1]
        presence = presence_of(value)
        return None if presence is None else self.get(presence.weight)

    def put(self, value: Tensor, known: Known) -> Known:
        """Takes a record and gives it back."""
        if len(self._held) > self._most:
            self._held = {key: one for key, one in self._held.items() if one[0]() is not None}
            self._most = max(1024, 2 * len(self._held))
        self._held[id(value)] = WeakIdRef(value), known
        return known

    def sharing(self, value: Tensor) -> list[Tensor]:
        """Returns the tensors with records that lie in the same memory, itself among them."""
        place = value.untyped_storage().data_ptr()
        living = [one for held, _ in self._held.values() if (one := held()) is not None]
        dense = [one for one in living if one.layout is torch.strided]
        return [one for one in dense if one.untyped_storage().data_ptr() == place]

    def drop(self, value: Tensor) -> None:
        """Forgets a tensor."""
        self._held.pop(id(value), None)
