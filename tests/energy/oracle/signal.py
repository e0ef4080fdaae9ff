"""What goes from layer to layer: values, and how many events each of them is."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Signal:
    """The values of all steps and samples, [T, B, ...].

    Attributes:
        kind: ``"events"``, ``"levels"``, ``"graded"`` or ``"analog"``.
        values: What they are in numbers.
        worth: What one event is worth at each place of a sample; one number holds for all.
        hidden: Whether neurons had a part in it.
        folds: Whether it came out of synapses, into which a batch norm folds, and was only moved.
        beside: The signals that it was joined of along the channels, if they are of several kinds.
    """

    kind: str
    values: Array
    worth: float | Array = 1.0
    hidden: bool = False
    folds: bool = False
    beside: "tuple[Signal, ...]" = ()

    @classmethod
    def given(cls, kind: str, values: Array) -> "Signal":
        """A network's input."""
        return cls(kind, values)

    @property
    def steps(self) -> int:
        """Steps."""
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one step of one sample."""
        return self.values.shape[2:]

    @property
    def counted(self) -> bool:
        """Whether every value is a whole number of events."""
        return self.kind in ("events", "levels")

    @property
    def sparse(self) -> bool:
        """Whether what is zero is not there."""
        return self.kind != "analog"

    @property
    def uneven(self) -> bool:
        """Whether events are worth more in some places than in others."""
        return np.ndim(self.worth) > 0 and np.ptp(self.worth) > 0

    def number(self, at: tuple[int, int], place: tuple[int, ...]) -> int:
        """Events at one place; a graded value is one."""
        value = self.values[(*at, *place)]
        if not self.counted:
            return int(value != 0)
        worth = self.worth[place] if isinstance(self.worth, np.ndarray) else self.worth
        number = abs(value) / worth
        assert abs(number - round(number)) < 1e-9, "a level is a whole number of events"
        return round(number)

    def mapped(self, move: Callable[[Array], Array]) -> "Signal":
        """The same values in other places; ``move`` leaves the axes before a sample's own alone."""
        worth = self.worth
        if isinstance(worth, np.ndarray):
            worth = move(np.broadcast_to(worth, (1, 1, *self.shape)))[0, 0]
        beside = tuple(part.mapped(move) for part in self.beside)
        return replace(self, values=move(self.values), worth=worth, beside=beside)

    def part(self, place: tuple[int, ...]) -> "tuple[Signal, tuple[int, ...]]":
        """The signal that was joined at a place, and the place in it."""
        channel, *rest = place
        for signal in self.beside:
            if channel < signal.shape[0]:
                return signal, (channel, *rest)
            channel -= signal.shape[0]
        return self, place

    def analog(self, values: Array) -> "Signal":
        """Values that are always there."""
        return Signal("analog", values)
