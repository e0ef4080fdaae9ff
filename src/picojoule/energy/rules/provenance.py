"""The question that rules ask of tensors: where they come from."""

from typing import Any, Protocol

from torch import Tensor

from picojoule.energy.kinds import Kind, Segments
from picojoule.energy.rules.straight import Rest


class Provenance(Protocol):
    """The knowledge of where tensors come from, as rules ask for it."""

    def kind_of(self, value: Any) -> Kind | None:
        """Returns the kind of a tensor, None if nothing is known of it."""

    def mask_of(self, value: Any) -> Kind | None:
        """Returns the kind of a constant of zeros and ones, None for anything else."""

    def beside_of(self, value: Any) -> Segments | None:
        """Returns the kinds along an axis of a tensor, None if it is of one kind."""

    def rest_of(self, value: Any) -> Rest | None:
        """Returns the kind of a sum without one of its terms, None if that is not known."""

    def source_of(self, value: Tensor) -> Tensor:
        """Returns the tensor from which one was detached, itself if it was not."""
        ...

    def forget_written(self, value: Tensor) -> None:
        """Forgets zeros into which somebody wrote where nobody saw it."""

    def steps_of(self, value: Tensor) -> int | None:
        """Returns the number of steps in a tensor, None if that is not known."""

    def drawn_from(self, value: Any) -> float | None:
        """Returns from where to one above a constant was drawn, None for others."""

    def is_constant(self, value: Tensor) -> bool:
        """Tells whether a tensor was seen to be made of numbers and parameters alone."""
        ...

    def is_seen(self, value: Tensor) -> bool:
        """Tells whether it was seen where a tensor comes from."""
        ...

    def is_learned(self, value: Tensor) -> bool:
        """Tells whether a tensor is made of parameters alone."""
        ...

    def is_new(self, value: Tensor, *, whole: bool = False) -> bool:
        """Tells whether nothing was seen of where a tensor comes from."""
        ...

    def sum_of(self, value: Tensor) -> Tensor | None:
        """Returns the events of a tensor if they were summed before."""

    def declare(self, value: Tensor, kind: Kind) -> None:
        """Sets the kind of a tensor."""
