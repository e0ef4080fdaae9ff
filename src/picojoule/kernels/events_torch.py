"""Event-driven products by torch's own sparse functions, where nothing can be compiled."""

import torch
from torch import Tensor


def count(x: Tensor, step: int) -> int:
    """Counts the events of every ``step``-th row of x [R, K]."""
    return int(x[::step].count_nonzero())


def row(x: Tensor, weight_t: Tensor, base: Tensor | None, limit: int) -> Tensor | None:
    """Returns base [N] + x [1, K] weight_t [K, N]; None if x has more events than ``limit``."""
    places = x[0].nonzero()[:, 0]
    if len(places) > limit:
        return None
    out = x[:, places] @ weight_t[places]
    return out if base is None else out + base


def rows(
    x: Tensor, weight_t: Tensor, base: Tensor | None, out: Tensor | None, told: object = None
) -> Tensor:
    """Returns base [N] or [R, N] + x [R, K] weight_t [K, N], in ``out`` if that is given.

    It counts no events: nothing is ``told``.
    """
    del told
    found = torch.sparse.mm(x.to_sparse(), weight_t)
    found = found if base is None else found + base
    return found if out is None else out.copy_(found)


def outer(x: Tensor, grads: Tensor) -> Tensor:
    """Returns the sum over rows of x [R, K] times grads [R, N], as [K, N]."""
    return torch.sparse.mm(x.t().to_sparse(), grads)
