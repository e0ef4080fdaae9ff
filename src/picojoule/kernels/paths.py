"""Ways of a product of spikes: by its events, or dense.

Measured density alone decides, never timing, so that runs repeat.
"""

import math
from collections.abc import Sequence
from contextvars import ContextVar
from math import gcd, prod
from types import ModuleType

import torch
from torch import Tensor, nn

from picojoule._names import unknown
from picojoule._torch import watched
from picojoule.kernels import events_c, events_torch
from picojoule.kernels.cc import tier

PATHS = ("events", "dense")
ASKED: ContextVar[str | None] = ContextVar("path", default=None)  # of EventProducts
_REAL, _PLAIN = (torch.float32, torch.float64), (Tensor, nn.Parameter)
SAMPLE = 256  # rows by which density is measured where there are many more
_NARROW = 32  # outputs of which a row of weights is shorter than the search for events
_SMALL, _NEAR, _CACHE = 1 << 15, 1 << 20, 1 << 19  # weights: a call's own time, one row's, many's
# The density up to which a product goes by events. Measured on two x86-64 cores with AVX-512, 2 MB
# of cache and 97 GFLOP/s each in a dense product. Where the measured break-even hangs on how fast
# the machine is at dense products or at reading weights, the limit is half of it. Dense / events in
# time, tier c:
#   1 x 700 x 512: 4.9 at 5 %, 2.1 at 50 %, 1.2 at 100 %; 1 x 4096 x 4096: 14 at 5 %, 1.5 at 50 %
#   128 x 512 x 512: 6.8 at 5 %, 1.6 at 30 %, 1.0 at 50 %; 12800 x 512 x 20: 1.6 at 10 %
#   128 x 4096 x 4096: 2.0 at 5 %, 1.1 at 10 %; gradients as 128 x 512 x 512, large ones better
LIMITS = {
    "c": {
        "small row": 0.0,
        "row": 1.0,
        "large row": 0.25,
        "narrow": 0.1,
        "cached": 0.25,
        "large": 0.05,
        "gradient": 0.25,
    },
    "numba": {
        "small row": 0.0,
        "row": 0.25,
        "large row": 0.25,
        "narrow": 0.0,
        "cached": 0.12,
        "large": 0.02,
        "gradient": 0.1,
    },
    "off": {
        "small row": 0.0,
        "row": 0.0,
        "large row": 0.05,
        "narrow": 0.0,
        "cached": 0.0,
        "large": 0.0,
        "gradient": 0.0,
    },
}

# The same for convolutions, in tier c; large are those of more than 2 ** 17 weights. 3 x 3 for 64
# images or 256, with random events, which are the hardest to foresee; dense / events in time:
#   32 to 32 at 28 x 28: 3.7 at 5 %, 3.0 at 15 %, 1.5 at 46 %; gradient 3.3, 2.6, 1.5
#   64 to 128 at 7 x 7: 4.9 at 5 %, 2.8 at 15 %, 1.1 at 46 %; gradient 3.3, 2.9, 1.1
#   256 to 256 at 8 x 8: 2.8 at 10 %, 1.3 at 30 %, 0.8 at 50 %; gradient 2.1, 0.9, 0.7
#   512 to 512 at 4 x 4: 1.4 at 10 %, 1.0 at 30 %, 0.7 at 50 %; gradient 1.5, 0.9, 0.5
#   8 to 32 at 28 x 28: 1.1 at 5 %, 1.0 at 50 %; 64 to 8: 3.6 at 5 %, 1.1 at 50 %; gradients better
CONVOLUTION_LIMITS = {
    "convolution": 0.5,
    "large convolution": 0.2,
    "gradient": 0.5,
    "large gradient": 0.12,
}
_IMAGES = 8  # which threads share: fewer are left to dense ways, which share one image
_FEW, _THIN = 128, 8  # inputs of each output, and outputs, that are too few to look for events
_SEVERAL = 1 << 17  # weights


def path_for(spikes: Tensor, outputs: int, *, gradient: bool = False) -> str:
    """Returns the way of a product of spikes with weights [K, N]: ``"events"`` or ``"dense"``.

    Args:
        spikes: [R, K]; of many rows, evenly spaced ones are looked at.
        outputs: N.
        gradient: The product of spikes with the gradient [R, N] of their output instead.
    """
    return paths_for(spikes, outputs, gradient=gradient)[gradient] if suits(spikes) else "dense"


def paths_for(spikes: Tensor, outputs: int, *, gradient: bool) -> tuple[str, str]:
    """Returns the ways of a product and of its weights' gradient, of one look at the spikes.

    Args:
        spikes: [R, K], which ``suits`` has found to have a way by events.
        outputs: N.
        gradient: Whether the gradient is asked for; it is dense otherwise.
    """
    rows, inputs = spikes.shape
    limits = [limit_for(rows, inputs, outputs), 0.0]
    if gradient:
        limits[1] = limit_for(rows, inputs, outputs, gradient=True)
    share = density(spikes) if any(limits) and spikes.numel() and outputs else math.inf
    return path_at(share, limits[0]), path_at(share, limits[1])


def path_at(share: float, limit: float) -> str:
    """Returns the way at a density, with the density up to which events are the faster one."""
    return "events" if limit and share <= limit else "dense"


def limit_for(rows: int, inputs: int, outputs: int, *, gradient: bool = False) -> float:
    """Returns the highest density at which a product of this shape goes by events."""
    limits, weights = LIMITS[tier()], inputs * outputs
    if rows == 1 and not gradient:
        size = "small row" if weights <= _SMALL else "row" if weights <= _NEAR else "large row"
        return limits[size]
    if outputs < _NARROW:
        return limits["narrow"]
    if gradient:
        return limits["gradient"]
    if weights <= _CACHE:
        return limits["cached"]
    return max(limits["large"], limits["large row"] / rows)


def convolution_limit(
    images: int, weight: Sequence[int], stride: Sequence[int], *, gradient: bool = False
) -> float:
    """Returns the highest density at which a convolution goes by events in tier ``c``.

    Args:
        images: How many.
        weight: Sizes of the weights, [O, C, KH, KW].
        stride: Along both axes.
        gradient: The gradient of the weights instead.
    """
    taps, large = prod(weight[2:]), prod(weight) > _SEVERAL
    if images < _IMAGES or weight[0] < _THIN:
        return 0.0
    if gradient:  # by events it takes as long as that of stride 1
        few = taps * weight[1] < _FEW // 8 or prod(stride) > 1
        name = "large gradient" if large or taps == 1 else "gradient"
    else:
        few = taps * weight[1] < _FEW
        name = "large convolution" if large else "convolution"
    return 0.0 if few else CONVOLUTION_LIMITS[name]


def density(spikes: Tensor) -> float:
    """Returns the share of values [R, K] that are not zero; of many rows some are looked at."""
    spikes = spikes.detach().contiguous()
    return _share(spikes, max(1, len(spikes) // SAMPLE))


def _share(spikes: Tensor, step: int) -> float:
    return kernels().count(spikes, step) / (-(-len(spikes) // step) * spikes.shape[1])


def density_of_images(x: Tensor, last: bool) -> float:
    """Returns the share of values [B, C, H, W] that are not zero; ``last``: channels are last."""
    rows = x.detach().permute(0, 2, 3, 1).flatten(0, 2) if last else x.detach().flatten(2)
    step, period = max(1, len(rows.flatten(0, -2)) // SAMPLE), x[0].numel() // rows.shape[-1]
    while gcd(step, period) > 1:  # looks at all channels, or at all pixels
        step += 1
    return _share(rows.flatten(0, -2).contiguous(), step)


def kernels() -> ModuleType:
    """Returns the module of the tier that runs."""
    name = tier()
    if name == "c":
        return events_c
    if name == "numba":
        from picojoule.kernels import events_numba  # slow to import, and an extra

        return events_numba
    return events_torch


def suits(*tensors: Tensor, axes: int = 2) -> bool:
    """Returns whether these have a way by events: plain tensors of one real type on the CPU."""
    dtype = tensors[0].dtype
    if dtype not in _REAL:
        return False
    for x in tensors:
        plain = type(x) in _PLAIN and x.layout is torch.strided and not x.is_neg()
        if not (plain and x.is_cpu and x.dtype is dtype and x.dim() == axes):
            return False
    return not taken_by_torch()


def taken_by_torch() -> bool:
    """Returns whether torch's own functions must run: autocast is on, or something watches them."""
    return torch.is_autocast_enabled("cpu") or watched()


def chosen(
    path: str | None, spikes: Tensor, other: Tensor, *, gradient: bool = False
) -> tuple[str, str]:
    """Returns the ways of a product and of a gradient: the one asked for, or as ``paths_for`` says.

    Args:
        path: ``"events"`` or ``"dense"`` for both; None for what the density of the spikes says.
        spikes: [R, K].
        other: What they are multiplied with: weights [K, N], or a gradient [R, N].
        gradient: Whether the gradient is asked for; left to density it is dense otherwise.

    Raises:
        ValueError: An unknown path, or tensors that have no way by events.
    """
    if path is not None and path not in PATHS:
        raise ValueError(unknown("path", path, PATHS))
    if path == "dense":
        return path, path
    fits = suits(spikes, other)
    if path is None:
        if not fits:
            return "dense", "dense"
        return paths_for(spikes, other.shape[1], gradient=gradient)
    if not fits:
        got = ", ".join(f"{list(x.shape)} {x.dtype} on {x.device}" for x in (spikes, other))
        raise ValueError(
            "products by events take two matrices of float32 or float64 on the CPU, outside of "
            "autocast, torch.compile, transforms and dispatch modes of torch; "
            f"got {got}: leave path out, or ask for 'dense'"
        )
    return path, path
