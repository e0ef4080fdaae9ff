"""Lowering of a step written in torch to the scalar program of one element.

A step is recorded once, and so is its vector-Jacobian product, as autograd computes it:
surrogates and detached resets come out as torch has them. What depends on parameters alone stays
with torch and runs once for all steps (before the loop); what depends on elements becomes lines of
the loop; sums over elements, and what autograd does with those, are done once after the loop, which
is right because a gradient is linear in them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from picojoule.kernels.pointwise import (
    ZERO,
    NotPointwiseError,
    Value,
    constant,
    expression,
    real,
    truth,
)
from picojoule.kernels.program import Line, Program, Sum
from picojoule.kernels.tracer import Node, record, same

BATCH = 2  # of the examples
_AGAIN = 64  # the batch when a step is looked at again, or less where a sample is large
_SMALL = 1 << 16  # elements
_SAME = frozenset(
    "detach alias view _unsafe_view reshape expand contiguous lift_fresh positive".split()
)
_CONSTANT = {
    "zeros_like": 0.0,
    "new_zeros": 0.0,
    "zeros": 0.0,
    "ones_like": 1.0,
    "new_ones": 1.0,
    "ones": 1.0,
    "empty_like": 0.0,
    "new_empty": 0.0,
    "_efficientzerotensor": 0.0,
}
_FILLED = frozenset("full_like new_full full".split())


def trace(
    step: Callable[..., Any],
    elements: dict[str, Tensor],
    parameters: Sequence[Tensor],
    after: dict[str, Tensor] | None = None,
    gradients: int = 0,
) -> Program:
    """Traces ``step(*elements, *parameters, *after)`` to a program.

    Args:
        step: Gives a flat list of tensors or None.
        elements: Examples [BATCH, ...] by the names that they get in the loop.
        parameters: Of any shape that broadcasts with [1, ...].
        after: More elements, that come after the parameters.
        gradients: How many of the results, the last ones, are of parameters and no elements.

    Raises:
        NotPointwiseError: The step does something that is not done to each element alone, or
            depends on values where torch alone cannot follow.
    """
    inputs = [*elements.values(), *parameters, *(after or {}).values()]
    kind, count = inputs[0].device.type, len(elements)
    # Twice, with other numbers and another batch: what hangs on either would show.
    others = _others(inputs, range(count, count + len(parameters)))
    # Activation checkpointing runs its region again, then without this, and compares what is saved.
    apart = saved_tensors_hooks(lambda saved: saved, lambda saved: saved)
    plain = torch.autocast(kind, enabled=False)
    try:
        with torch.inference_mode(False), torch.no_grad(), plain, apart:
            found = record(step, inputs)
            again = record(step, others)
    except (RuntimeError, TypeError, ValueError, AssertionError, AttributeError) as error:
        first = str(error).strip().split("\n")[0]
        raise NotPointwiseError(f"{type(error).__name__}: {first}") from error
    if not same(found, again):
        raise NotPointwiseError("data-dependent: it hangs on the values or the number of samples")
    pairs = zip(found.nodes, again.nodes, strict=True)
    spread = {one for one, other in pairs if one.shape != other.shape}
    lowering = _Lowering(found.constants, inputs[0], spread, exact=after is None)
    names = [*elements, *(None for _ in parameters), *(after or {})]
    for node, name in zip(found.nodes, names, strict=False):  # inputs come first
        lowering.take(node, name)
    for node in found.nodes[len(names) :]:
        lowering.lower(node)
    program = lowering.close(found.results, gradients)
    if not program.is_linear(parameters):
        raise NotPointwiseError("a gradient of its parameters is not linear in that of its output")
    return program


def _others(inputs: Sequence[Tensor], parameters: range) -> list[Tensor]:
    """Returns examples of other values and, except for parameters, of another batch."""
    generator, made = torch.Generator().manual_seed(1), []
    sample = max(1, inputs[0][0].numel())
    batch = max(BATCH + 1, min(_AGAIN, _SMALL // sample))
    for k, one in enumerate(inputs):
        shape = one.shape if k in parameters else (batch, *one.shape[1:])
        drawn = torch.rand(shape, generator=generator).to(one.device, one.dtype)
        if k in parameters:
            made.append(one * (1 + drawn / 16) if one.is_floating_point() else one)
        else:
            made.append(drawn)
    return made


@dataclass
class _Cell:
    """The value of a tensor, which operations in place change for all its views."""

    value: Value


class _Lowering:
    """The sorting of a graph's nodes into before, in and after the loop."""

    def __init__(
        self, constants: dict[Node, Tensor], like: Tensor, spread: set[Node], *, exact: bool
    ) -> None:
        self._exact, self._spread = exact, spread
        self._shape, self._dtype = like.shape, like.dtype
        self.program = Program(constants=constants)
        self._cells: dict[Node, _Cell] = {}
        self._late: set[Node] = set()
        self._known: dict[tuple[str, bool], Value] = {}

    def take(self, node: Node, name: str | None) -> None:
        """Takes an input: an element of that name, or a parameter if it has none."""
        if name is None:
            self.program.inputs.append(node)
        else:
            self._cells[node] = _Cell(Value(name))

    def lower(self, node: Node) -> None:
        """Puts one node where it belongs."""
        if node.function is None:
            return
        inputs = set(node.inputs)
        if node.shape is None:
            if inputs & (self._late | self._cells.keys()):
                raise NotPointwiseError(f"{node.function} gives no single tensor")
            self.program.before.append(node)
            return
        if inputs & self._late:
            self._put_after(node, inputs)
        elif inputs & self._cells.keys() or node in self._spread:
            self._put_inside(node)
        else:
            self.program.before.append(node)

    def close(self, results: list[Node | None], gradients: int) -> Program:
        """Returns the finished program."""
        split = len(results) - gradients
        self.program.outputs = [
            ZERO.text if node is None else real(self._argument(node)) for node in results[:split]
        ]
        for node in results[split:]:
            if node in self._cells:
                raise NotPointwiseError("a parameter has an axis for the batch")
        self.program.results = results[split:]
        return self.program

    def _put_after(self, node: Node, inputs: set[Node]) -> None:
        if inputs & self._cells.keys():
            raise NotPointwiseError(f"{node.function} spreads a sum over elements back to them")
        self._late.add(node)
        self.program.after.append(node)

    def _put_inside(self, node: Node) -> None:
        name = str(node.function).split(".")[1]
        if name == "sum":
            self._add_sum(node)
            return
        if node.shape != self._shape:
            raise NotPointwiseError(
                f"{name} gives {list(node.shape)} from elements {list(self._shape)}"
            )
        if node.dtype not in (self._dtype, torch.bool):
            raise NotPointwiseError(f"{name} gives {node.dtype} from elements {self._dtype}")
        if name in _SAME:
            self._cells[node] = self._cell(node.args[0])
        elif name == "clone" or (name == "_to_copy" and node.dtype == node.args[0].dtype):
            self._cells[node] = _Cell(self._cell(node.args[0]).value)
        elif name.endswith("_") and not name.endswith("__"):
            self._change(node, name[:-1])
        else:
            self._cells[node] = _Cell(self._computed(node, name))

    def _add_sum(self, node: Node) -> None:
        one = Sum(real(self._argument(node.args[0])), node, len(self._shape))
        if 0 not in one.axes:
            raise NotPointwiseError("sum adds up different elements")
        self._late.add(node)
        self.program.sums.append(one)

    def _change(self, node: Node, name: str) -> None:
        """Takes an operation in place."""
        target: Any = node.args[0]
        if target not in self._cells:
            raise NotPointwiseError(f"{name}_ changes a parameter")
        cell = self._cells[target]
        if name in ("zero", "fill", "copy"):
            value = ZERO if name == "zero" else self._argument(node.args[1])
            cell.value = _typed(value if isinstance(value, Value) else constant(value), node)
        else:
            cell.value = self._computed(node, name)
        self._cells[node] = cell

    def _computed(self, node: Node, name: str) -> Value:
        if name in _CONSTANT:
            return _typed(constant(_CONSTANT[name]), node)
        if name in _FILLED:
            fill = node.args[-1]
            if not isinstance(fill, (int, float)):
                raise NotPointwiseError(f"{name} fills with a tensor")
            return _typed(constant(fill), node)
        args = [self._argument(arg) for arg in node.args]
        if name == "div" and not self._exact and isinstance(args[1], (int, float)) and args[1]:
            name, args = "mul", [args[0], 1 / args[1]]  # no spike hangs on a gradient's last digit
        options = {key: self._argument(option) for key, option in node.kwargs.items()}
        value = _typed(expression(name, args, options), node)
        if (value.text, value.truth) not in self._known:
            line = Line(f"a{len(self.program.lines)}", value)
            self.program.lines.append(line)
            self._known[value.text, value.truth] = Value(line.name, value.truth)
        return self._known[value.text, value.truth]

    def _argument(self, arg: Any) -> Any:
        """Returns the value of a tensor, and anything else as it is."""
        return self._cell(arg).value if isinstance(arg, Node) else arg

    def _cell(self, node: Any) -> _Cell:
        """Returns the cell of an element, or of a parameter that the loop takes."""
        if node in self._late:
            raise NotPointwiseError(f"{node.function} spreads a sum over elements back to them")
        if node not in self._cells:
            found = self.program.parameters
            if node not in found:
                found[node] = node.dtype == torch.bool
            name = f"p{list(found).index(node)}"
            return _Cell(Value(f"({name} != R(0.0))", True) if found[node] else Value(name))
        return self._cells[node]


def _typed(value: Value, node: Node) -> Value:
    """Returns a value as what torch has: as a truth value, anything but zero is true."""
    return Value(truth(value), True) if node.dtype == torch.bool else value
