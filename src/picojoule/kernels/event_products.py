"""Products of spikes and weights whose work is proportional to the spikes.

Where most values are zero it pays to add up the weights of those that are not. An event may have
any value; a product by events is that of the dense way but for rounding (and for weights that are
infinite, which reach no output that no event reaches). Nothing here keeps a graph;
``linear.py`` does.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from picojoule._names import unknown
from picojoule._torch import version_of
from picojoule.kernels.paths import (
    PATHS,
    SAMPLE,
    chosen,
    kernels,
    limit_for,
    paths_for,
    suits,
    taken_by_torch,
)


def product(
    spikes: Tensor, weight_t: Tensor, base: Tensor | None = None, *, path: str | None = None
) -> Tensor:
    """Returns ``base + spikes weight_t``, without a graph.

    Args:
        spikes: [R, K].
        weight_t: [K, N]; contiguous weights are taken as they are, others are copied.
        base: [N] or [R, N], such as a bias or a current; None for zero.
        path: ``"events"`` or ``"dense"``; None for what ``path_for`` says.

    Raises:
        ValueError: An unknown path, or tensors that have no way by events.
    """
    with torch.no_grad():
        return run_product(spikes, weight_t, base, chosen(path, spikes, weight_t)[0])


def repeated(
    weight_t: Tensor, like: Tensor, path: str | None = None
) -> Callable[[Tensor, Tensor, Tensor], None]:
    """Returns what writes ``base + spikes weight_t`` step after step, without a graph.

    What is the same in all steps is asked once; density decides anew for each.

    Args:
        weight_t: [K, N], contiguous.
        like: Spikes [R, K] as those of every step.
        path: ``"events"`` or ``"dense"``; None for what density says.

    Returns:
        A function of spikes [R, K], a base [R, N] and where the result [R, N] goes.

    Raises:
        ValueError: An unknown path, or tensors that have no way by events.
    """
    rows, inputs = like.shape
    limit = limit_of(like, weight_t, path)
    by_events, count, step = kernels().rows, kernels().count, max(1, rows // SAMPLE)
    most = limit * -(-rows // step) * inputs

    def multiply(spikes: Tensor, base: Tensor, out: Tensor) -> None:
        if most and count(spikes, step) <= most:
            by_events(spikes, weight_t, base.contiguous(), out)
        else:
            torch.addmm(base, spikes, weight_t, out=out)

    return multiply


def limit_of(like: Tensor, weight_t: Tensor, path: str | None) -> float:
    """Returns the highest density of spikes [R, K] at which their product goes by events.

    Raises:
        ValueError: An unknown path, or tensors that have no way by events.
    """
    if path is not None:
        return float(chosen(path, like, weight_t)[0] == "events")
    rows, inputs = like.shape
    return limit_for(rows, inputs, weight_t.shape[1]) if suits(like, weight_t) else 0.0


def weight_gradient(spikes: Tensor, grads: Tensor, *, path: str | None = None) -> Tensor:
    """Returns the gradient [N, K] of weights from spikes [R, K] and a gradient [R, N].

    Each weight's sum runs over the rows in their order, whatever the number of threads.

    Raises:
        ValueError: An unknown path, or tensors that have no way by events.
    """
    with torch.no_grad():
        return run_gradient(spikes, grads, chosen(path, spikes, grads, gradient=True)[1])


def run_product(
    spikes: Tensor,
    weight_t: Tensor,
    base: Tensor | None,
    path: str,
    told: Callable[[int], None] | None = None,
) -> Tensor:
    """Runs ``product`` on tensors that have the path given.

    ``told`` is called with the number of events if the product counts them, and all are 1.
    """
    if path == "dense":
        return spikes @ weight_t if base is None else torch.addmm(base, spikes, weight_t)
    _check("weight_t", weight_t, spikes.shape[1])
    spikes, weight_t = spikes.contiguous(), weight_t.contiguous()
    if base is not None:
        rows = spikes.shape[: base.dim() - 1]
        base = base.to(spikes).expand(*rows, weight_t.shape[1]).contiguous()
    return kernels().rows(spikes, weight_t, base, None, told)


def run_gradient(spikes: Tensor, grads: Tensor, path: str) -> Tensor:
    """Runs ``weight_gradient`` on tensors that have the path given."""
    if path == "dense":
        return grads.t() @ spikes
    _check("grads", grads, len(spikes))
    return kernels().outer(spikes.contiguous(), grads.contiguous()).t()


def _check(name: str, tensor: Tensor, *sizes: int) -> None:
    """Checks the sizes by which the kernels read memory."""
    if tensor.shape[: len(sizes)] != sizes:
        expected = ", ".join(map(str, sizes)) + ", ..." * (tensor.dim() > len(sizes))
        raise ValueError(f"expected {name} [{expected}], got {list(tensor.shape)}")


class RowProduct:
    """Linear products of few rows at a time, without a graph and with little time per call.

    Keeps a turned copy of the weights, and makes it again when they have changed (a change through
    ``weight.data`` is not seen).

    Args:
        path: ``"events"`` or ``"dense"``; None for what density says, row by row.

    Attributes:
        last: Which way the last product went.
    """

    def __init__(self, path: str | None = None) -> None:
        if path is not None and path not in PATHS:
            raise ValueError(unknown("path", path, PATHS))
        self._path, self.last = path, "dense"
        self._kernels = kernels()
        self._weight: Tensor | None = None
        self._key: tuple[int, int | None] = (0, None)
        self._turned: Tensor | None = None
        self._shape, self._limit = (0, 0), 0
        self._base: Tensor | None = None

    def __call__(self, x: Tensor, weight: Tensor, base: Tensor | None) -> Tensor:
        """Spikes x [R, K], weight [N, K] and base [N] or [R, N] to [R, N]."""
        key = (weight.data_ptr(), version_of(weight))
        if weight is not self._weight or key != self._key:
            self._turn(weight)
            self._weight, self._key = weight, key
        out, turned = None, self._turned
        if turned is not None and self._fits(x, turned, base):
            if len(x) == 1:
                out = self._kernels.row(x, turned, base, self._limit) if self._limit else None
            elif self._path or paths_for(x, turned.shape[1], gradient=False)[0] == "events":
                out = self._kernels.rows(x, turned, base, None)
        self.last = "dense" if out is None else "events"
        if out is None and base is not None and base.dim() == 2:
            return torch.addmm(base, x, weight.t())
        return nn.functional.linear(x, weight, base) if out is None else out

    def _turn(self, weight: Tensor) -> None:
        self._turned = self._base = None
        if self._path == "dense" or not suits(weight):
            return
        self._shape = outputs, inputs = len(weight), weight.shape[1]
        one, many = (limit_for(rows, inputs, outputs) for rows in (1, 1024))
        if self._path or one or many:
            self._limit = inputs if self._path else int(one * inputs)
            self._turned = weight.detach().t().contiguous()

    def _fits(self, x: Tensor, turned: Tensor, base: Tensor | None) -> bool:
        """Returns what ``suits`` would, by few and quick questions."""
        shape = x.shape
        if len(shape) != 2 or shape[1] != self._shape[1] or x.dtype is not turned.dtype:
            return False
        if base is not self._base and base is not None:
            axes = (self._shape[0],) if base.dim() == 1 else (shape[0], self._shape[0])
            if base.shape != axes or base.dtype is not x.dtype or not base.is_contiguous():
                return False
            self._base = base if base.dim() == 1 else None  # a bias is looked at once
        return type(x) is Tensor and x.is_cpu and x.is_contiguous() and not taken_by_torch()
