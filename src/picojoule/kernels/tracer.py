"""Tracer of a function of tensors, operation by operation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import getitem
from typing import Any, NamedTuple

import torch
from torch import Tensor

from picojoule._torch import DispatchMode, is_in_place, looks_at_values

_VALUES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


class UnfollowedError(RuntimeError):
    """A function that depends on more than can be recorded."""


@dataclass(eq=False, slots=True)
class Node:
    """A value of a recorded function: an input, a constant, or what an operation gave."""

    function: Any = None  # None for an input or a constant
    args: tuple[Any, ...] = ()  # with nodes in place of tensors
    kwargs: dict[str, Any] = field(default_factory=dict)
    shape: Any = None  # None if the operation gave several tensors
    dtype: torch.dtype | None = None

    @property
    def inputs(self) -> list["Node"]:
        """The nodes among its arguments."""
        found: list[Node] = []
        replaced((self.args, self.kwargs), Node, found.append)
        return found


class Traced(NamedTuple):
    """The values of a function in their order, those it gave, and the tensors from elsewhere."""

    nodes: list[Node]
    results: list[Node | None]
    constants: dict[Node, Tensor]


def record(function: Callable[..., Any], inputs: Sequence[Tensor]) -> Traced:
    """Records the operations of ``function(*inputs)``, those of autograd in it, too.

    It is run once on copies of the inputs. ``make_fx`` records without running, and imports
    torch's whole compiler for it, which takes longer than all the rest of a first call.

    Args:
        function: Gives a flat list of tensors or None.
        inputs: Examples.

    Raises:
        UnfollowedError: What it does hangs on values, or on chance.
    """
    recorder = _Recorder()
    with torch.no_grad():
        given = [recorder.take(one) for one in inputs]
        with recorder:
            found = function(*given)
    results = [None if one is None else recorder.node(one) for one in found]
    needed, nodes = {*results, *recorder.nodes[: len(inputs)]}, []
    for node in reversed(recorder.nodes):
        if node in needed or is_in_place(node.function):
            needed.update(node.inputs)
            nodes.append(node)
    return Traced(nodes[::-1], results, recorder.constants)


def replaced(arg: Any, kind: type, by: Callable[[Any], Any]) -> Any:
    """Returns an argument with other values in place of those of a kind."""
    # Not by torch's pytree, which takes a third of a neuron's first call.
    if isinstance(arg, kind):
        return by(arg)
    if isinstance(arg, (tuple, list)):
        return type(arg)([replaced(one, kind, by) for one in arg])
    if isinstance(arg, dict):
        return {name: replaced(one, kind, by) for name, one in arg.items()}
    return arg


class _Recorder(DispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self.constants: dict[Node, Tensor] = {}
        self._known: dict[int, tuple[Node, Tensor]] = {}  # tensors live on, so that ids stay theirs

    def take(self, tensor: Tensor) -> Tensor:
        """Takes an input; returns a copy for the function, which may change it in place."""
        given = tensor.detach().clone()
        self._name(given, self._add())
        return given

    def node(self, tensor: Tensor) -> Node:
        """Returns the node that gave a tensor, or a constant if none did."""
        if id(tensor) not in self._known:
            if tensor.requires_grad:
                raise UnfollowedError("a tensor that wants a gradient is none of its parameters")
            node = self._add()
            self.constants[node] = tensor
            self._name(tensor, node)
        return self._known[id(tensor)][0]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if looks_at_values(func) or _VALUES & set(func.tags):
            raise UnfollowedError(f"data-dependent: {func} looks at the values of a tensor")
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise UnfollowedError(f"{func} draws random numbers")
        given = replaced((args, kwargs), Tensor, self.node)
        node = self._add(func, *given)
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            self._name(result, node)
        elif isinstance(result, (tuple, list)):
            for k, part in enumerate(result):
                if isinstance(part, Tensor):
                    self._name(part, self._add(getitem, (node, k)))
        else:
            raise UnfollowedError(f"data-dependent: {func} gives {type(result).__name__}")
        return result

    def _add(self, *operation: Any) -> Node:
        self.nodes.append(Node(*operation))
        return self.nodes[-1]

    def _name(self, tensor: Tensor, node: Node) -> None:
        node.shape, node.dtype = tensor.shape, tensor.dtype
        self._known[id(tensor)] = node, tensor


def same(one: Traced, other: Traced) -> bool:
    """Returns whether two records are alike except for the sizes of tensors."""
    if len(one.nodes) != len(other.nodes):
        return False
    places = [{node: k for k, node in enumerate(own.nodes)} for own in (one, other)]
    return _plain(one.results, places[0]) == _plain(other.results, places[1]) and all(
        a.function == b.function
        and _plain((a.args, a.kwargs), places[0]) == _plain((b.args, b.kwargs), places[1])
        and _equal(one.constants.get(a), other.constants.get(b))
        for a, b in zip(one.nodes, other.nodes, strict=True)
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


def _equal(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return a is b or (a.dtype == b.dtype and torch.equal(a, b))
