"""The scalar program of a step: what runs before its loop, in it and after it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from picojoule.kernels.pointwise import Value
from picojoule.kernels.tracer import Node, replaced


@dataclass
class Line:
    """A line of the loop, ``name = text``."""

    name: str
    value: Value


@dataclass
class Sum:
    """A sum over elements: the expression that is summed, and the node that sums."""

    text: str
    node: Node
    rank: int

    @property
    def whole(self) -> bool:
        """True if the sum is over all elements."""
        return len(self.axes) == self.rank

    @property
    def axes(self) -> list[int]:
        """The axes [B, ...] that are summed."""
        given = self.node.args[1] if len(self.node.args) > 1 else None
        axes = list(given) if given else range(self.rank)
        return sorted(axis % self.rank for axis in axes)

    def finish(self, summed: Tensor) -> Tensor:
        """Returns the node's value, from the sum over all elements or over time [B, ...]."""
        shape = self.node.shape
        return summed.reshape(shape) if self.whole else summed.sum(self.axes).reshape(shape)


@dataclass
class Program:
    """Program of one direction of a step: the work before its loop, in it and after it.

    Attributes:
        lines: The loop's body.
        outputs: Expressions of what it gives, element for element.
        parameters: What the loop takes from torch, with whether it holds truth values.
        sums: What it sums up.
    """

    inputs: list[Node] = field(default_factory=list)
    before: list[Node] = field(default_factory=list)
    constants: dict[Node, Tensor] = field(default_factory=dict)
    parameters: dict[Node, bool] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    sums: list[Sum] = field(default_factory=list)
    after: list[Node] = field(default_factory=list)
    results: list[Node | None] = field(default_factory=list)

    @property
    def vectors(self) -> list[bool]:
        """For each parameter, whether it differs between elements."""
        return [node.shape.numel() > 1 for node in self.parameters]

    def prepare(self, inputs: Sequence[Tensor]) -> dict[Node, Tensor]:
        """Runs what depends on parameters alone."""
        known = {**self.constants, **dict(zip(self.inputs, inputs, strict=True))}
        return _run(self.before, known)

    def is_linear(self, inputs: Sequence[Tensor]) -> bool:
        """Returns whether all that follows the sums is linear in them, and may follow them once."""
        if not self.sums:
            return True
        known, generator = self.prepare(inputs), torch.Generator().manual_seed(2)
        device = inputs[0].device if inputs else None
        drawn = []
        for _ in range(2):
            found = dict(known)
            for one in self.sums:
                shape = one.node.shape
                values = 100 * torch.randn(shape, generator=generator, dtype=torch.float64)
                found[one.node] = values.to(device, one.node.dtype)
            drawn.append(found)
        both = {**drawn[0], **{o.node: drawn[0][o.node] + drawn[1][o.node] for o in self.sums}}
        first, second, whole = (
            [ran[node] for node in self.results if node is not None]
            for ran in (_run(self.after, one) for one in (*drawn, both))
        )
        return all(
            torch.allclose(a + b, c, rtol=1e-3, atol=1e-3, equal_nan=True)
            for a, b, c in zip(first, second, whole, strict=True)
        )

    def finish(self, known: dict[Node, Tensor], sums: Sequence[Tensor]) -> list[Tensor | None]:
        """Returns the gradients of the parameters, from the sums."""
        known = dict(known)
        for one, summed in zip(self.sums, sums, strict=True):
            known[one.node] = one.finish(summed)
        known = _run(self.after, known)
        return [None if node is None else known[node] for node in self.results]


def _run(nodes: Sequence[Node], known: dict[Node, Tensor]) -> dict[Node, Tensor]:
    for node in nodes:
        args, kwargs = replaced((node.args, node.kwargs), Node, known.__getitem__)
        known[node] = node.function(*args, **kwargs)
    return known
