"""Every private name of torch and of Lightning Fabric that we touch, and why.

No other file does, so that what a new version of them may break stands here.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import batchnorm
from torch.utils import _python_dispatch, _pytree
from torch.utils.data import DataLoader
from torch.utils.hooks import RemovableHandle

# Flattens the states of neurons, which may be nested in any way.
pytree = _pytree
# What all norms with running statistics derive from.
NormBase = batchnorm._NormBase
# Those of them that take their statistics over a batch.
BatchNorm = batchnorm._BatchNorm
# Keeps what runs inside from every mode and subclass.
DisableTorchFunction = torch._C.DisableTorchFunction
# The attributes in which torch.compile and Fabric keep the module that they wrap.
WRAPPED = ("_forward_module", "_orig_mod")

_FORWARD_HOOKS = (
    *("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
    *("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"),
)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class DispatchMode(_python_dispatch.TorchDispatchMode):
    """A mode that sees the operators that run, those of autograd too."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would import its compiler to guard this class from it


def looks_at_values(operator: Any) -> bool:
    """Returns whether an operator makes a number of a tensor, as ``item()`` and ``if`` do."""
    return operator is torch.ops.aten._local_scalar_dense.default


def is_in_place(operator: Any) -> bool:
    """Returns whether an operator changes a tensor in place."""
    return hasattr(operator, "_schema") and operator._schema.is_mutable


def transformed() -> bool:
    """Returns whether a transform of ``torch.func`` or forward-mode differentiation is on.

    Both see torch's own functions alone: what reads memory by itself would lose their values.
    """
    functional = torch._C._functorch.peek_interpreter_stack()  # pyright: ignore
    # Deeper in than any level: none is left with -1. ``torch.func.jvp`` opens one, too.
    return functional is not None or forward_ad._current_level >= 0


def vectorized() -> bool:
    """Returns whether functions run under ``torch.func.vmap``, which hides an axis from them."""
    if torch._C._functorch.peek_interpreter_stack() is None:  # pyright: ignore
        return False
    vmap = torch._C._functorch.TransformType.Vmap  # pyright: ignore
    levels = torch._C._functorch.get_interpreter_stack()  # pyright: ignore
    return any(level.key() == vmap for level in levels or ())


def watched() -> bool:
    """Returns whether torch has to see each of its functions that runs now.

    It has to while it compiles or traces, under a transform, and under a dispatch mode, such as
    that which counts FLOPs.
    """
    return (
        torch.compiler.is_compiling()
        or torch._C._is_tracing()  # pyright: ignore[reportAttributeAccessIssue]
        or transformed()
        or torch._C._len_torch_dispatch_stack() > 0
    )


def assert_later(holds: Tensor, message: str) -> None:
    """Lets the device stop with a message if something does not hold, and waits for nothing."""
    torch._assert_async(holds, message)  # pyright: ignore


def function_modes() -> int:
    """Counts the modes that see functions of torch now."""
    return torch._C._len_torch_function_stack()


def sees_functions() -> bool:
    """Returns whether a mode sees the functions of torch that run now."""
    return torch._C._is_torch_function_mode_enabled()  # pyright: ignore


def in_backward() -> bool:
    """Returns whether autograd runs now, as when it runs checkpointed layers a second time."""
    return torch._C._current_graph_task_id() != -1


def version_of(tensor: Tensor) -> int | None:
    """Counts the changes of a tensor in place; None if torch does not, as for inference."""
    return None if tensor.is_inference() else tensor._version


def viewed_by(tensor: Tensor) -> Tensor | None:
    """Returns the tensor that this one is a view of, None if it is none."""
    return tensor._base


def parameters(module: nn.Module) -> dict[str, Any]:
    """Returns the module's own dictionary of its own parameters, which stays up to date."""
    return module._parameters


def replace_data(value: Tensor, data: Tensor) -> None:
    """Replaces the data of a parameter or buffer by data of another shape.

    All references to it stay valid.

    As long as there is a graph of a parameter, torch adds up its gradient in the shape that it had
    when that was made, unless its type changes in between.
    """
    if value.requires_grad:
        value.grad = None
        value.data = data.to(torch.float32 if data.dtype == torch.float64 else torch.float64)
    value.data = data


def buffers(module: nn.Module) -> dict[str, Any]:
    """Returns the module's own dictionary of its own buffers."""
    return module._buffers


def unsaved_buffers(module: nn.Module) -> set[str]:
    """Returns the module's own set of buffers that are not in its ``state_dict``."""
    return module._non_persistent_buffers_set


def held_by(modules: Sequence[nn.Module]) -> list[Any]:
    """Returns all that modules are and hold, in a row: type, attributes, tensors, submodules."""
    held: list[Any] = []
    for one in modules:
        held.append(type(one))
        held += vars(one).values()
        held += one._parameters.values()
        held += one._buffers.values()
        held += [*one._modules, *one._modules.values()]
    return held


def submodules(module: nn.Module) -> dict[str, nn.Module | None]:
    """Returns the module's own dictionary of submodules; one in two places is there twice."""
    return module._modules


def hooks(module: nn.Module) -> Iterator[Any]:
    """Yields the hooks of a module, of its forward and its backward pass."""
    return (hook for kind in _HOOKS for hook in getattr(module, kind).values())


def have_global_hooks() -> bool:
    """Returns whether there are hooks that calls of all modules call."""
    return bool(nn.modules.module._has_any_global_hook())


def have_forward_hooks(modules: Sequence[nn.Module]) -> bool:
    """Returns whether a call of any of these modules calls hooks."""
    for one in modules:  # noqa: SIM110  # a generator takes three times as long
        if one._forward_hooks or one._forward_pre_hooks:
            return True
    return False


def inner(modules: Sequence[nn.Module]) -> list[nn.Module | None]:
    """Returns the submodules of each of these modules, in a row."""
    return [child for one in modules for child in one._modules.values()]


def new_hook() -> int:
    """Returns a number that no hook of any module has."""
    return RemovableHandle(OrderedDict()).id


def put_hooks(
    module: nn.Module,
    number: int,
    before: Callable[..., None],
    after: Callable[..., None],
    *,
    innermost: bool,
) -> None:
    """Hangs two hooks on a module, without a handle for each, which takes most of the time.

    They are as ``register_forward_pre_hook`` has them with keyword arguments, and
    ``register_forward_hook`` with these, with ``always_call`` and, if they are the ``innermost``,
    with ``prepend``.
    """
    module._forward_pre_hooks[number] = before
    module._forward_pre_hooks_with_kwargs[number] = True
    module._forward_hooks[number] = after
    if innermost:
        cast(OrderedDict[int, Any], module._forward_hooks).move_to_end(number, last=False)
    module._forward_hooks_with_kwargs[number] = True
    module._forward_hooks_always_called[number] = True


def drop_hooks(module: nn.Module, number: int) -> None:
    """Removes the hooks of a number from a module that may have them, as a copy of one does."""
    for table in _FORWARD_HOOKS:
        getattr(module, table).pop(number, None)


def inner_module(module: nn.Module) -> nn.Module | None:
    """Returns the module that Fabric or a ``DataParallel`` wraps, None if this is no wrapper."""
    return getattr(module, "_forward_module", None) or getattr(module, "module", None)


def call_of(model: nn.Module) -> nn.Module:
    """Returns what to call in place of a module that Fabric has set up.

    It is the module inside if the wrapper casts and shares nothing, as in one process of float32:
    it would go through all inputs and outputs, and hang a hook on each for its own backward pass.
    """
    from lightning_fabric.plugins import Precision  # loaded by then, and slow to load

    strategy = getattr(model, "_strategy", None)
    if strategy is None or type(strategy.precision) is not Precision:
        return model
    inside = getattr(model, "_forward_module", None)
    return inside if inside is not None and inside is getattr(model, "module", None) else model


def is_compiled(module: nn.Module) -> bool:
    """Returns whether calls of a module run what ``torch.compile`` made of it."""
    return "_orig_mod" in module._modules or module._compiled_call_impl is not None


def compiler_loaded() -> bool:
    """Returns whether torch's compiler was imported, without which nothing is compiled."""
    return "torch._dynamo" in sys.modules


def packed_weight(weight: Tensor, rows: int) -> Tensor:
    """Packs a weight [N, K] as oneDNN wants it for inputs of so many rows."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, rows)


def packed_linear(x: Tensor, weight: Tensor) -> Tensor:
    """Multiplies x [rows, K] by a weight [N, K], packed or not, by oneDNN and not by MKL."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def set_passes(loader: DataLoader, passes: int) -> None:
    """Sets how often Fabric's wrapper of a loader was passed through.

    It shuffles the samples of several processes anew in each pass, by this number, and a resumed
    training must not count from zero.
    """
    vars(loader)["_num_iter_calls"] = passes
