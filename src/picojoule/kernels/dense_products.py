"""Dense products on a CPU, by our own tiles or by oneDNN where torch has it.

``torch.mm`` goes by MKL there, which on some processors does not use all that they have.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from picojoule._torch import packed_linear, packed_weight
from picojoule.kernels import events_c
from picojoule.kernels.cc import tier
from picojoule.kernels.paths import suits

_WORTH = 1 << 17  # weights from which on a call of oneDNN, and packing them for it, pays
_STEPS = 8  # products that pay for packing
_LONG = 1 << 6  # rows from which on a call pays whatever the weights
_CACHED = 1 << 20  # weights up to which reading all of them for every few rows does not count


def repeated_dense(weight: Tensor, rows: int, products: int) -> Callable[[Tensor], Tensor]:
    """Returns what multiplies one x [rows, K] after the other by a weight, without a graph.

    Args:
        weight: [K, N].
        rows: Of each x.
        products: How many are to come.
    """
    worth = weight.numel() >= _WORTH and rows > 1 and products >= _STEPS
    if not worth or not _suits(weight):
        return lambda x: torch.mm(x, weight)
    turned = weight.detach().t().contiguous()
    packed = packed_weight(turned, rows)
    return lambda x: packed_linear(x, packed)


def dense(x: Tensor, weight: Tensor) -> Tensor:
    """Returns ``x @ weight`` for x [R, K] and a weight [K, N], without a graph.

    Rows of zeros, such as gradients of what comes after the end of a sequence, take no time where
    our own tiles run.
    """
    if len(x) < _LONG or not weight.numel():
        return x @ weight
    if weight.numel() <= _CACHED and tier() == "c" and suits(x, weight):
        return events_c.dense(x.contiguous(), weight.contiguous())
    if _suits(x, weight):
        return packed_linear(x.contiguous(), weight.t().contiguous())
    return x @ weight


def _suits(*tensors: Tensor) -> bool:
    plain = all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors)
    return plain and torch.backends.mkldnn.enabled and _there()  # pyright: ignore


@cache
def _there() -> bool:
    """Returns whether this torch has these functions, which it does not promise to keep."""
    x: Any = torch.eye(2)
    try:
        packed = packed_weight(x, 2)
        return torch.equal(packed_linear(x, packed), x)
    except (AttributeError, RuntimeError):
        return False
