"""What a function of tensors does, operation by operation."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, Node
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary


class DataDependentError(RuntimeError):
    """A function looks at the value of a tensor."""


def record(
    function: Callable[..., Any], inputs: Sequence[Tensor]
) -> tuple[Graph, dict[Node, Tensor]]:
    """The operations of ``function(*inputs)``, those that autograd does in it too.

    It is run once on copies of the inputs. ``make_fx`` records without running, and imports
    torch's whole compiler for it, which takes longer than all the rest of a first call.

    Args:
        function: Gives a flat list of tensors or None.
        inputs: Examples.

    Returns:
        The graph, in which ``node.meta["val"]`` has shape and type of what a node gave, and the
        tensors that came from elsewhere.

    Raises:
        DataDependentError: What it does hangs on values.
    """
    recorder = _Recorder()
    with torch.no_grad():
        given = [recorder.take(one) for one in inputs]
        with recorder:
            results = function(*given)
    recorder.graph.output([None if one is None else recorder.node(one) for one in results])
    recorder.graph.eliminate_dead_code()
    return recorder.graph, recorder.constants


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.graph, self.constants = Graph(), {}
        self._nodes = WeakTensorKeyDictionary()
        self._inputs = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would import its compiler to guard this class from it

    def take(self, tensor: Tensor) -> Tensor:
        """An input, as the function is to get it: a copy, that may be changed in place."""
        given = tensor.detach().clone()
        self._name(given, self.graph.placeholder(f"input_{self._inputs}"))
        self._inputs += 1
        return given

    def node(self, tensor: Tensor) -> Node:
        """What gave a tensor; a constant where nothing seen did."""
        if tensor not in self._nodes:
            node = self.graph.create_node("get_attr", f"constant_{len(self.constants)}")
            self.constants[node] = tensor
            self._name(tensor, node)
        return self._nodes[tensor]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            raise DataDependentError("data-dependent: it looks at the value of a tensor")
        noted = pytree.tree_map_only(Tensor, self.node, (args, kwargs))
        node = self.graph.call_function(func, *noted)
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            self._name(result, node)
        return result

    def _name(self, tensor: Tensor, node: Node) -> None:
        node.meta["val"] = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
        self._nodes[tensor] = node
