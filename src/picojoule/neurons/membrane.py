"""What neurons share: how a membrane leaks, fires, is reset, and stays finite."""

import torch
from torch import Tensor

from picojoule.surrogate import Surrogate

RESETS = ("zero", "subtract")


def leak(tau: Tensor, dt: float) -> Tensor:
    """What a step leaves of a membrane, exp(-dt / tau).

    A time constant that training pushes below zero means a membrane that forgets at once; as it
    stands in the equation it would grow without end.
    """
    return torch.exp(-dt / tau.clamp(min=dt / 80))


def fire(
    v: Tensor, threshold: Tensor, surrogate: Surrogate, reset: str, detach: bool
) -> tuple[Tensor, Tensor]:
    """Spikes where the membrane ``v`` is at its threshold, and the membrane after the reset.

    Args:
        v: Membranes [B, ...].
        threshold: Shaped to meet them.
        surrogate: The spike function.
        reset: ``"zero"`` or ``"subtract"``.
        detach: Whether the spike in the reset is cut from the graph.
    """
    spikes = surrogate(v - threshold)
    if reset == "subtract":
        v = v - threshold * (spikes.detach() if detach else spikes)
    elif detach:
        # not v * (1 - s): an infinite membrane would become NaN
        v = torch.where(v.detach() >= threshold, 0.0, v)
    else:
        # v * (1 - s), written so that an infinite membrane has finite gradients
        kept = v.masked_fill(v.detach() >= threshold, 0.0)
        v = kept - v.detach().nan_to_num() * (spikes - spikes.detach())
    return spikes, v


def saturate(v: Tensor) -> Tensor:
    """``v``, but never infinite: where states are subtracted, infinities would make NaN.

    The bound is far above every membrane that means something (5e36 in float32), and below the
    largest number by a factor that leaves room for the products of one step.
    """
    limit = torch.finfo(v.dtype).max / 64
    return v.clamp(-limit, limit)
