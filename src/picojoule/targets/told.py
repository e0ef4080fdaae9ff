"""Targets by name, and as labels tell them."""

from typing import Any

import torch
from torch import Tensor

from picojoule._names import unknown
from picojoule.targets.base import Target
from picojoule.targets.classes import Classes
from picojoule.targets.numbers import Numbers, one_hot_rows

WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)

CLASSES = Classes("classification", each_step=False)
STEP_CLASSES = Classes("classification per step", each_step=True)
NUMBERS = Numbers("regression", each_step=False)
STEP_NUMBERS = Numbers("regression per step", each_step=True)
TARGETS: dict[str, Target] = {
    one.name: one for one in (CLASSES, STEP_CLASSES, NUMBERS, STEP_NUMBERS)
}


def target(name: str) -> Target:
    """Returns the target of a name.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if name not in TARGETS:
        raise ValueError(unknown("target", name, TARGETS))
    return TARGETS[name]


def target_of(y: Any) -> Target:
    """Tells from labels what is learned.

    Args:
        y: Whole numbers are classes: ``[N]``, or ``[N, T]`` of each step. Real numbers are what
            they are: ``[N]`` or ``[N, K]``, or ``[N, T, K]`` of each step. In batches T comes
            before N.

    Raises:
        TypeError: If they are neither.
        ValueError: If they have another shape.

    Example:
        >>> target_of(torch.tensor([[0, 2, -1]]))
        classification per step
    """
    if isinstance(y, Tensor) and y.dtype in WHOLE:
        if y.dim() in (1, 2):
            return CLASSES if y.dim() == 1 else STEP_CLASSES
    elif isinstance(y, Tensor) and y.is_floating_point():
        if y.dim() in (1, 2, 3) and (y.dim() == 1 or y.shape[-1]):
            return NUMBERS if y.dim() < 3 else STEP_NUMBERS
    else:
        got = y.dtype if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise TypeError(
            "expected labels as a tensor of whole numbers (int64), the number of each class, or of "
            f"real numbers (float32) to learn, got {got}"
        )
    raise ValueError(
        "expected labels of classes [N] or, of each step, [N, T] (T first in batches), or numbers "
        f"[N], [N, K] or [N, T, K], got {list(y.shape)} {y.dtype}"
    )


def is_one_hot(y: Tensor) -> bool:
    """Returns whether labels are rows of one 1 and zeros, as other libraries code classes.

    Args:
        y: Labels of any type and shape; only ``[N, K]`` can be such rows.
    """
    return y.dim() == 2 and len(y) > 1 and bool(one_hot_rows(y).all())


def is_whole(y: Tensor) -> bool:
    """Returns whether real numbers are all whole, as classes in another type are."""
    return y.is_floating_point() and bool((y.isfinite() & (y == y.round())).all())
