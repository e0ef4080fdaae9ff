"""Conventions of counting, where two answers are honest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from picojoule._names import unknown

_LEVELS = ("accumulate", "multiply")


@dataclass(frozen=True)
class Convention:
    """Convention of counting: the rules on which tools and papers differ.

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
    fitting = (convention for name, convention in conventions.items() if _fits(name, layer))
    return next(fitting, Convention())


def check_fit(conventions: Conventions, layers: Iterable[str]) -> None:
    """Finds a convention that is for no layer.

    Args:
        conventions: One for all layers, or conventions by dotted name.
        layers: The dotted names of all layers.

    Raises:
        ValueError: There is one.
    """
    if isinstance(conventions, Convention):
        return
    layers = set(layers)
    for name in conventions:
        if not any(_fits(name, layer) for layer in layers):
            raise ValueError(unknown("layer of a convention", name, layers))


def _fits(pattern: str, layer: str) -> bool:
    """Tells whether a name, in which ``*`` stands for anything, is of a layer or one around it."""
    parts = layer.split(".")
    around = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return any(fnmatchcase(one, pattern) for one in around)
