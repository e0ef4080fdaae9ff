"""Event-driven convolution with gradients."""

from collections.abc import Sequence
from math import prod
from operator import index
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from picojoule._names import unknown
from picojoule._torch import watched
from picojoule.kernels import convolution_c
from picojoule.kernels.cc import tier
from picojoule.kernels.paths import (
    ASKED,
    PATHS,
    convolution_limit,
    density_of_images,
    path_at,
    suits,
)

Axes = int | Sequence[int]


class _EventPlan(NamedTuple):
    """The event-driven plan of a convolution.

    Attributes:
        stride: Along both axes.
        padding: Along both axes.
        last: Whether channels are the last in memory, as torch has it for these tensors.
    """

    stride: tuple[int, int]
    padding: tuple[int, int]
    last: bool


class _Convolution(torch.autograd.Function):
    """A convolution with its gradients: that of the weights event-driven too."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        plan: _EventPlan,
        paths: tuple[str, str],
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.plan, ctx.path, ctx.bias = plan, paths[1], None if bias is None else bias.shape
        if paths[0] == "dense":
            return nn.functional.conv2d(x, weight, bias, plan.stride, plan.padding)
        return convolution_c.forward(x, weight, bias, plan.stride, plan.padding, plan.last)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad, (x, weight), plan = grads[0], ctx.saved_tensors, ctx.plan
        again = torch.is_grad_enabled() or watched()  # for the gradient of a gradient
        needed = list(ctx.needs_input_grad[:3])
        by_events = needed[1] and ctx.path == "events" and not again
        needed[1] = needed[1] and not by_events
        found: list[Tensor | None] = [None] * 3
        if any(needed):
            found = list(_dense_gradients(grad, x, weight, ctx.bias, plan, needed))
        if by_events:
            found[1] = convolution_c.gradient(
                x, grad, weight.shape, plan.stride, plan.padding, plan.last
            )
        return *found, None, None


def _dense_gradients(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Sequence[int] | None,
    plan: _EventPlan,
    needed: list[bool],
) -> tuple[Tensor | None, ...]:
    """Returns the gradients of input, weights and bias that are needed, by torch's own function."""
    forms = plan.stride, plan.padding, (1, 1), False, (0, 0), 1
    return torch.ops.aten.convolution_backward(grad, x, weight, bias, *forms, needed)


def spike_conv2d(
    spikes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Axes = 0,
    *,
    path: str | None = None,
) -> Tensor:
    """Convolves spikes, with gradients: of the spikes dense, of the weights by events.

    Args:
        spikes: [B, C, H, W].
        weight: [O, C, KH, KW].
        bias: [O]; None for zero.
        stride: Of both axes, or of each.
        padding: Zeros before and after both axes, or each.
        path: ``"events"`` or ``"dense"``, for the convolution and the gradient; None for what the
            density of the spikes says of each.

    Returns:
        [B, O, H', W'].

    Raises:
        ValueError: An unknown path, or tensors that have no way by events.

    Example:
        >>> spikes = torch.tensor([0.0, 1.0, 0.0]).view(1, 1, 1, 3)
        >>> spike_conv2d(spikes, torch.tensor([1.0, 2.0]).view(1, 1, 1, 2))
        tensor([[[[2., 1.]]]])
    """
    if path is not None and path not in PATHS:
        raise ValueError(unknown("path", path, PATHS))
    plan = _plan_for(spikes, weight, bias, stride, padding)
    if path == "events" and plan is None:
        got = " and ".join(f"{list(x.shape)} {x.dtype} on {x.device}" for x in (spikes, weight))
        raise ValueError(
            "convolutions by events take images [B, C, H, W] and weights [O, C, KH, KW] that fit "
            "them, of float32 or float64 on the CPU, outside of autocast, torch.compile, "
            "transforms and dispatch modes of torch, where there is a C compiler; got "
            f"{got}: leave path out, or ask for 'dense'"
        )
    if plan is None:
        return nn.functional.conv2d(spikes, weight, bias, stride, padding)  # pyright: ignore
    return _convolved(spikes, weight, bias, plan, path)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: str | Axes = 0,
    dilation: Axes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolves like ``torch.nn.functional.conv2d``, by events if there are few.

    It is seen by function modes under the name and with the arguments of torch's own, so that a
    meter counts it alike.
    """
    given = (input, weight) if bias is None else (input, weight, bias)
    forms = stride, padding, dilation, groups
    if has_torch_function(given):
        return handle_torch_function(conv2d, given, input, weight, bias, *forms)
    plain = groups == 1 and _pair(dilation) == (1, 1)
    plan = _plan_for(input, weight, bias, stride, padding) if plain else None
    if plan is None:
        return nn.functional.conv2d(input, weight, bias, *forms)  # pyright: ignore
    return _convolved(input, weight, bias, plan, ASKED.get())


def convolution_path_for(
    spikes: Tensor,
    weight: Tensor,
    stride: Axes = 1,
    padding: Axes = 0,
    *,
    gradient: bool = False,
) -> str:
    """Says which way a convolution goes by itself: ``"events"`` or ``"dense"``.

    Args:
        spikes: [B, C, H, W].
        weight: [O, C, KH, KW].
        stride: Of both axes, or of each.
        padding: Zeros before and after both axes, or each.
        gradient: The gradient of the weights instead.
    """
    plan = _plan_for(spikes, weight, None, stride, padding)
    return "dense" if plan is None else _paths(spikes, weight, plan, gradient=gradient)[gradient]


def _convolved(
    x: Tensor, weight: Tensor, bias: Tensor | None, plan: _EventPlan, path: str | None
) -> Tensor:
    learns = torch.is_grad_enabled() and weight.requires_grad
    paths = (path, path) if path else _paths(x, weight, plan, gradient=learns)
    if paths == ("dense", "dense"):
        return nn.functional.conv2d(x, weight, bias, plan.stride, plan.padding)
    return _Convolution.apply(x, weight, bias, plan, paths)  # pyright: ignore[reportReturnType]


def _pair(value: str | Axes) -> tuple[int, ...]:
    """Returns two whole numbers, or another count of them if torch would refuse the value."""
    single = hasattr(value, "__index__")
    try:
        values = tuple(map(index, [value] if single else value))  # pyright: ignore
    except TypeError:
        return ()
    return values * 2 if len(values) == 1 else values


def _plan_for(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Axes, padding: str | Axes
) -> _EventPlan | None:
    """Returns the plan for these by events; None if there is none or torch would refuse them."""
    given = (x, weight) if tier() == "c" and x.dim() == weight.dim() == 4 else ()
    if not given or not suits(*given, axes=4) or x.shape[1] != weight.shape[1]:
        return None
    if bias is not None and not (suits(bias, axes=1) and bias.dtype == x.dtype):
        return None
    if bias is not None and len(bias) != len(weight):
        return None
    steps, pads = _pair(stride), _pair(padding)
    if len(steps) != 2 or len(pads) != 2 or min(steps) < 1 or min(pads) < 0:
        return None
    padded = [size + 2 * pad for size, pad in zip(x.shape[2:], pads, strict=True)]
    taps = weight.shape[2:]
    # Places are kept as 32-bit numbers.
    most = prod(size + tap for size, tap in zip(padded, taps, strict=True)) * taps[0] * x.shape[1]
    fits = all(0 < tap <= size for size, tap in zip(padded, taps, strict=True))
    if not (x.numel() and weight.numel() and fits and most < 1 << 31):
        return None
    return _EventPlan((steps[0], steps[1]), (pads[0], pads[1]), _last(x) or _last(weight))


def _last(x: Tensor) -> bool:
    """Returns whether torch takes the channels of these for the last axis in memory."""
    least = 0
    for axis in (1, 3, 2, 0):
        step = x.stride(axis)
        # Where all is as with channels first too, they are first.
        if step < least or x.stride(1) == 0 or (axis == 0 and least == x.stride(1)):
            return False
        least = step * max(1, x.shape[axis])
    return True


def _paths(x: Tensor, weight: Tensor, plan: _EventPlan, *, gradient: bool) -> tuple[str, str]:
    """Says which way the convolution goes, and which the gradient of its weights, if asked for."""
    limit = convolution_limit(len(x), weight.shape, plan.stride)
    of_gradient = 0.0
    if gradient:
        of_gradient = convolution_limit(len(x), weight.shape, plan.stride, gradient=True)
    share = density_of_images(x, plan.last) if limit or of_gradient else 1.0
    return path_at(share, limit), path_at(share, of_gradient)
