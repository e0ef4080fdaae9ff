"""Conventions of counting, where two answers are honest."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from picojoule._names import unknown

_LEVELS = ("accumulate", "multiply")


@dataclass(frozen=True)
class Convention:
    """Convention of counting, for what tools and papers count differently and with reason.

    Attributes:
        levels: How a level of n at a synapse is counted: ``"accumulate"``, as n accumulates with n
            accesses to memory; ``"multiply"``, as one multiply-accumulate with one access for each
            level above zero.
        skip_zero_weights: Whether a weight of exactly zero is no synapse (as for NeuroBench).
        fold_batch_norm: Whether batch norm after synapses is folded into their weights and costs
            nothing; else one multiplication and one addition for each element.

    Raises:
        ValueError: If ``levels`` is neither of the two.
    """

    levels: Literal["accumulate", "multiply"] = "accumulate"
    skip_zero_weights: bool = False
    fold_batch_norm: bool = True

    def __post_init__(self) -> None:
        if self.levels not in _LEVELS:
            raise ValueError(unknown("way to count levels", self.levels, _LEVELS))


# One for all layers, or one by the dotted name of layers (see ``convention_of``).
Conventions = Convention | Mapping[str, Convention]


def convention_of(conventions: Conventions, layer: str) -> Convention:
    """Returns the convention of a layer.

    Args:
        conventions: One for all layers, or conventions by dotted name, in which ``*`` stands for
            anything and a name includes all layers below it. The first that fits counts, and the
            default if none does.
        layer: Dotted name of the layer.

    Example:
        >>> convention_of({"head.*": Convention(levels="multiply")}, "head.0").levels
        'multiply'
    """
    if isinstance(conventions, Convention):
        return conventions
    parts = layer.split(".")
    around = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    fitting = (
        convention
        for name, convention in conventions.items()
        if any(fnmatchcase(one, name) for one in around)
    )
    return next(fitting, Convention())
