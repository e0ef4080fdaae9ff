"""Tracer of a function of tensors, operation by operation."""

from collections.abc import Callable, Sequence
from operator import getitem
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, Node
from torch.utils.weak import WeakTensorKeyDictionary

from picojoule._torch import DispatchMode, looks_at_values

_VALUES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


class UnfollowedError(RuntimeError):
    """A function that depends on more than can be recorded."""


def record(
    function: Callable[..., Any], inputs: Sequence[Tensor]
) -> tuple[Graph, dict[Node, Tensor]]:
    """Records the operations of ``function(*inputs)``, those of autograd in it, too.

    It is run once on copies of the inputs. ``make_fx`` records without running, and imports
    torch's whole compiler for it, which takes longer than all the rest of a first call.

    Args:
        function: Gives a flat list of tensors or None.
        inputs: Examples.

    Returns:
        The graph, in which ``node.meta["val"]`` has shape and type of what a node gave, and the
        tensors that came from elsewhere.

    Raises:
        UnfollowedError: What it does hangs on values, or on chance.
    """
    recorder = _Recorder()
    with torch.no_grad():
        given = [recorder.take(one) for one in inputs]
        with recorder:
            results = function(*given)
    recorder.graph.output([None if one is None else recorder.node(one) for one in results])
    recorder.graph.eliminate_dead_code()
    return recorder.graph, recorder.constants


class _Recorder(DispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.graph, self.constants = Graph(), {}
        self._nodes = WeakTensorKeyDictionary()
        self._inputs = 0

    def take(self, tensor: Tensor) -> Tensor:
        """Takes an input; returns a copy for the function, which may change it in place."""
        given = tensor.detach().clone()
        self._name(given, self.graph.placeholder(f"input_{self._inputs}"))
        self._inputs += 1
        return given

    def node(self, tensor: Tensor) -> Node:
        """Returns the node that gave a tensor, or a constant if none did."""
        if tensor not in self._nodes:
            if tensor.requires_grad:
                raise UnfollowedError("a tensor that wants a gradient is none of its parameters")
            node = self.graph.create_node("get_attr", f"constant_{len(self.constants)}")
            self.constants[node] = tensor
            self._name(tensor, node)
        return self._nodes[tensor]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if looks_at_values(func) or _VALUES & set(func.tags):
            raise UnfollowedError(f"data-dependent: {func} looks at the values of a tensor")
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise UnfollowedError(f"{func} draws random numbers")
        node = self.graph.call_function(func, self._noted(args), self._noted(kwargs))
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            self._name(result, node)
        elif isinstance(result, (tuple, list)):
            for k, part in enumerate(result):
                if isinstance(part, Tensor):
                    self._name(part, self.graph.call_function(getitem, (node, k)))
        else:
            raise UnfollowedError(f"data-dependent: {func} gives {type(result).__name__}")
        return result

    def _noted(self, arg: Any) -> Any:
        """Returns an argument with nodes in place of tensors."""
        # Not by torch's pytree, which takes a third of a neuron's first call.
        if isinstance(arg, Tensor):
            return self.node(arg)
        if isinstance(arg, (tuple, list)):
            return type(arg)([self._noted(one) for one in arg])
        if isinstance(arg, dict):
            return {name: self._noted(one) for name, one in arg.items()}
        return arg

    def _name(self, tensor: Tensor, node: Node) -> None:
        node.meta["val"] = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
        self._nodes[tensor] = node


def same(one: tuple[Graph, dict[Node, Tensor]], other: tuple[Graph, dict[Node, Tensor]]) -> bool:
    """Returns whether two records are alike except for the sizes of tensors."""
    nodes = [list(graph.nodes) for graph, _ in (one, other)]
    if len(nodes[0]) != len(nodes[1]):
        return False
    places = [{node: k for k, node in enumerate(own)} for own in nodes]
    return all(
        a.op == b.op
        and (a.op == "get_attr" or a.target == b.target)
        and _plain((a.args, a.kwargs), places[0]) == _plain((b.args, b.kwargs), places[1])
        and (a.op != "get_attr" or _equal(one[1][a], other[1][b]))
        for a, b in zip(*nodes, strict=True)
    )


def _plain(arg: Any, places: dict[Node, int]) -> Any:
    """Returns what must be alike of an argument: not the whole numbers in a list, its sizes."""
    if isinstance(arg, Node):
        return "node", places[arg]
    if isinstance(arg, dict):
        return {key: _plain(one, places) for key, one in arg.items()}
    if isinstance(arg, tuple):
        return [_plain(one, places) for one in arg]
    if isinstance(arg, list):
        return [None if type(one) is int else _plain(one, places) for one in arg]
    return repr(arg)


def _equal(a: Tensor, b: Tensor) -> bool:
    return a is b or (a.dtype == b.dtype and torch.equal(a, b))
