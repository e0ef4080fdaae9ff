"""The clock: which steps and samples of a batch run now."""

from dataclasses import replace

from torch import Tensor

from picojoule.energy.kinds import Kind


class Clock:
    """The steps that a network runs now; kept by the observer, read by the recorder.

    Attributes:
        within: Which steps [T, B] of the batch lie within their sequences, None for all; ones and
            zeros with a graph if they are decided.
        decided: Whether training decides which steps run.
        valid: The share of those that do.
        steps: Steps of the network's input.
        part: Share of the steps of the whole input that run now, less than 1 in a chunk.
        batch: Samples of one call, None if that is not known.
    """

    def __init__(self) -> None:
        self.within: Tensor | None = None
        self.decided = False
        self.valid: float | Tensor = 1.0
        self.steps = 1
        self.part = 1.0
        self.batch: int | None = None
        self._around: list[tuple[Tensor | None, float | Tensor, int, float]] = []

    def start(self, steps: int, within: Tensor | None) -> None:
        """Sets how many steps run, and which of them lie within the sequences."""
        self.within, self.steps = within, steps
        self.valid = 1.0 if within is None else within.double().mean()

    def ending(self, kind: Kind) -> Kind:
        """Returns the kind of values that end with their sequences, with the graph of their end."""
        return replace(kind, within=self.within) if self.decided else kind

    def enter(self, first: int, stop: int) -> None:
        """Narrows the clock to a chunk of the steps, until ``leave``."""
        self._around.append((self.within, self.valid, self.steps, self.part))
        self.part *= (stop - first) / self.steps
        self.start(stop - first, None if self.within is None else self.within[first:stop])

    def leave(self) -> None:
        """Sets the clock back to the steps around the chunk."""
        self.within, self.valid, self.steps, self.part = self._around.pop()
