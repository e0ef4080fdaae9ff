"""Event-driven products with gradients."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function

from picojoule._names import unknown
from picojoule._torch import watched
from picojoule.contract import SUMS
from picojoule.kernels.convolution import conv2d
from picojoule.kernels.dense_products import dense
from picojoule.kernels.event_products import run_gradient, run_product
from picojoule.kernels.paths import ASKED, PATHS, chosen, paths_for, suits


def product_forward(
    ctx: Any,
    spikes: Tensor,
    weight_t: Tensor,
    base: Tensor | None,
    paths: tuple[str, str],
    told: Callable[[Tensor], None] | None,
) -> Tensor:
    """Returns ``base + spikes weight_t`` by the paths of the product and of the weights' gradient.

    ``told`` is called with the number of events if the product counts them, and all are 1.
    """
    ctx.save_for_backward(spikes, weight_t)
    ctx.path, ctx.base = paths[1], None if base is None else base.shape
    return run_product(spikes, weight_t, base, paths[0], told and partial(_tell, told))


def product_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """Returns the gradients of what ``product_forward`` takes: of weights event-driven too."""
    spikes, weight_t = ctx.saved_tensors
    needed = ctx.needs_input_grad
    to_spikes = to_weight = None
    again = torch.is_grad_enabled() or watched()  # for the gradient of a gradient
    if needed[0]:
        own = again or _few(spikes)  # as torch's own function, which runs then
        to_spikes = grad @ weight_t.t() if own else dense(grad, weight_t.t())
    if needed[1] and again:
        to_weight = spikes.t() @ grad
    elif needed[1]:
        to_weight = run_gradient(spikes, grad, ctx.path if suits(grad) else "dense").t()
    of_base = grad.sum_to_size(ctx.base) if needed[2] else None
    return to_spikes, to_weight, of_base, None, None


class _Product(torch.autograd.Function):
    forward = staticmethod(product_forward)
    backward = staticmethod(product_backward)  # pyright: ignore[reportAssignmentType]


def spike_matmul(
    spikes: Tensor, weight_t: Tensor, base: Tensor | None = None, *, path: str | None = None
) -> Tensor:
    """Returns ``base + spikes weight_t``, its gradient of the weights by events, too.

    Args:
        spikes: [R, K].
        weight_t: [K, N].
        base: [N] or [R, N]; None for zero.
        path: ``"events"`` or ``"dense"``, for the product and the gradient; None for what
            ``path_for`` says of each.

    Raises:
        ValueError: An unknown path, or tensors that have no way by events.

    Example:
        >>> spike_matmul(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[3., 4.]])
    """
    learns = torch.is_grad_enabled() and weight_t.requires_grad
    return _multiplied(spikes, weight_t, base, chosen(path, spikes, weight_t, gradient=learns))


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiplies like ``torch.nn.functional.linear``, by events if there are few.

    It is seen by function modes under the name and with the arguments of torch's own, so that a
    meter counts it alike.
    """
    given = (input, weight) if bias is None else (input, weight, bias)
    if has_torch_function(given):
        return handle_torch_function(linear, given, input, weight, bias)
    if weight.dim() != 2 or not weight.numel() or input.shape[-1:] != weight.shape[1:]:
        return nn.functional.linear(input, weight, bias)  # or torch's own error
    values, path = input.reshape(-1, weight.shape[1]), ASKED.get()
    if _few(values) or not suits(values, weight):
        return nn.functional.linear(input, weight, bias)
    learns = torch.is_grad_enabled() and weight.requires_grad
    paths = (path, path) if path else paths_of(values, len(weight), gradient=learns)
    hears = SUMS.get()
    told = None if hears is None or input.requires_grad else partial(hears, input)
    out = _multiplied(values, weight.t(), bias, paths, told)
    return out.view(*input.shape[:-1], len(weight))


def paths_of(spikes: Tensor, outputs: int, *, gradient: bool) -> tuple[str, str]:
    """Returns the ways of a linear layer and of its weights' gradient; see ``paths_for``."""
    return ("dense", "dense") if _few(spikes) else paths_for(spikes, outputs, gradient=gradient)


def _few(spikes: Tensor) -> bool:
    """Returns whether these rows are too few to turn the weights for them once."""
    return len(spikes) * 8 < spikes.shape[1]


def _tell(told: Callable[[Tensor], None], ones: int) -> None:
    told(torch.scalar_tensor(ones, dtype=torch.float64))


def _multiplied(
    spikes: Tensor,
    weight_t: Tensor,
    base: Tensor | None,
    paths: tuple[str, str],
    told: Callable[[Tensor], None] | None = None,
) -> Tensor:
    return _Product.apply(spikes, weight_t, base, paths, told)  # pyright: ignore[reportReturnType]


class EventProducts(TorchFunctionMode):
    """A context in which linear layers and convolutions go by events if there are few.

    These are calls of ``torch.nn.functional.linear`` and ``conv2d``, as by ``nn.Linear`` and
    ``nn.Conv2d``.

    Args:
        path: ``"events"`` or ``"dense"`` for all that have both ways, those in networks of ours
            too; None for what a context around this asks for, or else the density of each input.

    Raises:
        ValueError: An unknown path.

    Example:
        >>> layer = nn.Linear(100, 50)
        >>> with EventProducts():
        ...     out = layer((torch.rand(400, 100) < 0.05).float())
    """

    def __init__(self, path: str | None = None) -> None:
        super().__init__()
        if path is not None and path not in PATHS:
            raise ValueError(unknown("path", path, PATHS))
        self._path, self._before = path, []

    def __enter__(self) -> "EventProducts":
        self._before.append(ASKED.set(self._path or ASKED.get()))
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        ASKED.reset(self._before.pop())

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _OURS.get(func, func)(*args, **(kwargs or {}))


_OURS = {nn.functional.linear: linear, nn.functional.conv2d: conv2d}
