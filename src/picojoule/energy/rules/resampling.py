"""Up- and down-sampling: how many outputs each input reaches."""

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from picojoule.energy.rules.call import Call, analog, moved
from picojoule.energy.rules.fanout import outer
from picojoule.energy.rules.outcome import DERIVED, Arrival, Outcome, Synapses

_COPIES = ("nearest", "nearest-exact")
# A coefficient below this is a zero that was rounded.
_ROUNDING = 1e-9


def interpolate(
    call: Call,
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Outcome:
    """Counts each input element with each output it enters in a weighted sum; copies are free.

    The coefficients are constants that stand for weights, but no memory holds an array of them:
    an event is one accumulate for each output it enters, an analog value one multiply-accumulate.
    All modes are products of one function per axis, and so is the fan-out.
    """
    kind = call.arriving(input)
    if kind is None:
        return DERIVED
    if mode in _COPIES:
        return Outcome(moved(kind))
    n = input.dim() - 2
    factors = _per_axis(scale_factor, n)
    settings = (mode, align_corners, recompute_scale_factor, antialias)
    axes = zip(input.shape[2:], call.out.shape[2:], factors, strict=True)
    reached = [_entered(size, outputs, factor, n, *settings) for size, outputs, factor in axes]
    synapses = Synapses(
        input, outer(reached, input.device), None, None, call.out.numel(), located=True
    )
    return Outcome(analog(kind), arrivals=[Arrival("", synapses, kind)])


def _per_axis(factor: Any, n: int) -> tuple[float | None, ...]:
    factors = tuple(factor) if isinstance(factor, (list, tuple)) else (factor,)
    return factors * n if len(factors) == 1 else factors


@lru_cache(maxsize=1024)
def _entered(
    size: int,
    outputs: int,
    factor: float | None,
    n: int,
    mode: str,
    align_corners: bool | None,
    recompute: bool | None,
    antialias: bool,
) -> list[int]:
    """Returns how many outputs each input along an axis enters: each is tried alone."""
    alone = torch.eye(size, dtype=torch.float64).view(size, 1, *[1] * (n - 1), size)
    where: dict[str, Any] = {"size": (*[1] * (n - 1), outputs)}
    if factor is not None:
        where = {"scale_factor": (*[1.0] * (n - 1), factor), "recompute_scale_factor": recompute}
    how: dict[str, Any] = {"mode": mode, "align_corners": align_corners, "antialias": antialias}
    with torch.inference_mode(False), torch.no_grad():
        result = F.interpolate(alone, **where, **how)
    return (result.abs() > _ROUNDING).view(size, -1).sum(1).tolist()
