"""The tensors in a state, and how to put others in their places."""

from functools import lru_cache
from typing import Any

from torch import Tensor

from picojoule._torch import pytree


def flatten(state: Any) -> tuple[list[Any], Any]:
    """Returns the leaves of a state and its structure, as torch's ``tree_flatten`` does.

    It takes no walk for a plain or a named tuple of tensors, which nearly all states are.
    """
    kind = type(state)
    plain = kind is tuple or (kind.__bases__ == (tuple,) and hasattr(kind, "_fields"))
    if plain and all(isinstance(one, Tensor) for one in state):
        return list(state), _structure(kind, len(state))
    return pytree.tree_flatten(state)


def unflatten(leaves: list[Any], structure: Any) -> Any:
    """Returns a state of that structure with these leaves."""
    return pytree.tree_unflatten(leaves, structure)


@lru_cache(maxsize=256)
def _structure(kind: type, leaves: int) -> Any:
    zeros = [0] * leaves
    return pytree.tree_flatten(tuple(zeros) if kind is tuple else kind(*zeros))[1]
