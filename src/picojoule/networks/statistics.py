"""Norms that look across a batch, over the valid steps of sequences of unequal length."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function_unary

from picojoule._torch import BatchNorm, DisableTorchFunction, NormBase


def looks_across(norm: NormBase) -> bool:
    """Tells whether a norm's output for an item depends on others, or it keeps statistics."""
    tracks = norm.track_running_stats
    return (
        (norm.training or not tracks) if isinstance(norm, BatchNorm) else norm.training and tracks
    )


class ValidStatistics(TorchFunctionMode):
    """A context in which norms take their statistics over valid rows alone.

    Args:
        valid: Which steps [T, B] are valid; norms see rows [T * B, ...].
    """

    def __init__(self, valid: Tensor) -> None:
        super().__init__()
        self._rows = valid.flatten()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        ours = _OURS.get(func)
        if ours is None:
            return func(*args, **(kwargs or {}))
        return ours(*args, **(kwargs or {}), rows=self._rows)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    rows: Tensor,
) -> Tensor:
    """Computes batch norm [N, C, ...] as torch does, with the statistics of the valid rows [N].

    By its name, a meter takes it for torch's own.

    Raises:
        ValueError: If the first axis is not that of the rows.
    """
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if has_torch_function_unary(input):
        given = (input, running_mean, running_var, weight, bias, training, momentum, eps)
        return handle_torch_function(batch_norm, (input,), *given, rows=rows)
    _check_rows(rows, input)
    with torch.autocast(input.device.type, enabled=False):  # sums of halves are not exact enough
        x = _wide(input)
        like = [-1, *[1] * (x.dim() - 2)]
        count = rows.sum() * x[:1, :1].numel()
        share = rows.to(x.dtype) / count
        mean = share @ _summed(x)
        variance = share @ _summed((x - mean.view(like)).square())
        _follow(running_mean, mean, momentum)
        _follow(running_var, variance * (count / (count - 1).clamp(min=1)), momentum)
        scale = (variance + eps).rsqrt()
        scale = scale if weight is None else scale * weight
        shift = -mean * scale if bias is None else bias - mean * scale
        return torch.addcmul(shift.view(like), x, scale.view(like)).to(input.dtype)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    rows: Tensor,
) -> Tensor:
    """Computes instance norm as torch does, of which only what it keeps looks across rows."""
    if use_input_stats and running_mean is not None:
        wide = torch.autocast(input.device.type, enabled=False)
        with torch.no_grad(), DisableTorchFunction(), wide:  # an inference does none of it
            _check_rows(rows, input)
            variance, mean = torch.var_mean(_wide(input).flatten(2), 2)
            share = rows.to(mean.dtype) / rows.sum()
            _follow(running_mean, share @ mean, momentum)
            _follow(running_var, share @ variance, momentum)
        running_mean = running_var = None
    return F.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


_OURS = {F.batch_norm: batch_norm, F.instance_norm: instance_norm}


def _wide(input: Tensor) -> Tensor:
    """Returns values of which sums are exact enough."""
    return input.to(torch.promote_types(input.dtype, torch.float32))


def _summed(x: Tensor) -> Tensor:
    """Sums values [N, C, ...] over all places, to [N, C]."""
    return x if x.dim() == 2 else x.flatten(2).sum(2)


def _check_rows(rows: Tensor, input: Tensor) -> None:
    if len(input) != len(rows):
        raise ValueError(
            f"a norm over the batch sees {list(input.shape)} and not the {len(rows)} rows of steps "
            "times sequences, so that it cannot leave out what comes after their ends: give it "
            "[T * B, C, ...], or the network no lengths"
        )


def _follow(running: Tensor | None, found: Tensor, momentum: float) -> None:
    """Moves a running statistic [C] in place towards one that was found."""
    if running is not None:
        with torch.no_grad():
            running.lerp_(found.detach().to(running.dtype), momentum)
