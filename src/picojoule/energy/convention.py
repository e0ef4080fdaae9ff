"""Questions of counting that have two honest answers."""

from dataclasses import dataclass
from typing import Literal

from picojoule._names import unknown

_LEVELS = ("accumulate", "multiply")


@dataclass(frozen=True)
class Convention:
    """How to count where tools and papers differ with reason.

    Attributes:
        levels: What a level of n at a synapse is: ``"accumulate"``, n accumulates with n accesses
            to memory; ``"multiply"``, one multiply-accumulate with one access for each level above
            zero.
        skip_zero_weights: Whether a weight of exactly zero is no synapse (as for NeuroBench).
        fold_batch_norm: Whether batch norm after synapses is folded into their weights and costs
            nothing; else one multiplication and one addition for each element.

    Raises:
        ValueError: Another word for ``levels``.
    """

    levels: Literal["accumulate", "multiply"] = "accumulate"
    skip_zero_weights: bool = False
    fold_batch_norm: bool = True

    def __post_init__(self) -> None:
        if self.levels not in _LEVELS:
            raise ValueError(unknown("way to count levels", self.levels, _LEVELS))
