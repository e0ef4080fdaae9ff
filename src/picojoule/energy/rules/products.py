"""Products of two tensors: which index of the one meets which of the other.

Of two tensors of events, those count that coincide: each event of the first meets the events of the
second that stand at the same contracted index. Events that meet analog values or weights meet all
of them. Two analog tensors are dense.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from torch import Tensor

from picojoule.energy.events import events_of
from picojoule.energy.kinds import Kind
from picojoule.energy.rules.call import Call, analog
from picojoule.energy.rules.fanout import present
from picojoule.energy.rules.outcome import DERIVED, Arrival, Outcome, Synapses

Labels = Sequence[int]


def meet(
    call: Call,
    kinds: tuple[Kind | None, Kind | None],
    output: int,
    tensors: tuple[Tensor, Tensor],
    labels: tuple[Labels, Labels],
    *,
    bias: Tensor | None = None,
    part: str = "",
) -> list[Arrival]:
    """Takes the product of two tensors as synapses.

    Args:
        call: The call.
        kinds: What the tensors carry; None for one that is learned or constant.
        output: Elements of the result.
        tensors: The two factors.
        labels: For each factor a label per axis. An axis of size 1 meets all of the other's.
        bias: Added to the result.
        part: Name of the product within its function.
    """
    (first, second), pair = kinds, tensors
    if first is None and second is None:
        return []
    if first is not None and second is not None and first.sparse and second.sparse:
        return [Arrival(part, *_coinciding(first, second, output, pair, labels, bias))]
    if first is None or (second is not None and second.sparse):
        first, second = second, first
        pair, labels = (pair[1], pair[0]), (labels[1], labels[0])
    assert first is not None
    learned = second is None
    fanout = _lacking(pair, labels)
    if learned and call.convention.skip_zero_weights:
        fanout = _partners(pair[0], labels[0], present(pair[1]), labels[1])
    synapses = Synapses(pair[0], fanout, pair[1] if learned else None, bias, output)
    return [Arrival(part, synapses, first)]


def _coinciding(
    first: Kind,
    second: Kind,
    output: int,
    pair: tuple[Tensor, Tensor],
    labels: tuple[Labels, Labels],
    bias: Tensor | None,
) -> tuple[Synapses, Kind]:
    """Counts where two sparse tensors coincide: the fan-out of an event is the events it meets."""
    kind, there = coincidence(first, second, pair[1])
    fanout: int | Tensor = 0
    if pair[0].numel():
        fanout = _partners(pair[0], labels[0], there, labels[1])
    dense = pair[0].numel() * _lacking(pair, labels)
    return Synapses(pair[0], fanout, None, bias, output, dense=dense), kind


def coincidence(first: Kind, second: Kind, values: Tensor) -> tuple[Kind, Tensor]:
    """Returns the kind by which the first of two sparse tensors counts where it meets the second.

    Args:
        first: Its kind.
        second: The kind of the other.
        values: The other.

    Returns:
        The kind, and the number of events at each element of the other in float64.
    """
    hidden, steps = first.hidden or second.hidden, first.steps or second.steps
    if first.counted and second.counted:
        name = "levels" if "levels" in (first.name, second.name) else "events"
        kind = Kind(name, first.scale, first.signed, hidden, steps)
        return kind, events_of(values, second, multiplied=False).double()
    # An analog value that meets an event or another: one multiply-accumulate.
    return Kind("graded", hidden=hidden, steps=steps), (values != 0).double()


def _lacking(pair: tuple[Tensor, Tensor], labels: tuple[Labels, Labels]) -> int:
    """Returns how many elements of the second tensor each element of the first meets."""
    own = {a: n for a, n in zip(labels[0], pair[0].shape, strict=True) if n != 1}
    return prod(n for a, n in zip(labels[1], pair[1].shape, strict=True) if a not in own)


def _partners(values: Tensor, labels: Labels, other: Tensor, others: Labels) -> Tensor:
    """Sums ``other`` over what each element of ``values`` meets, in the shape of these."""
    shared = {a for a, n in zip(labels, values.shape, strict=True) if n != 1}
    summed = [axis for axis, label in enumerate(others) if label not in shared]
    number = other.sum(summed) if summed else other
    left = [label for label in others if label in shared]
    number = number.permute([left.index(label) for label in labels if label in left])
    sizes = iter(number.shape)
    places = [next(sizes) if label in left else 1 for label in labels]
    return number.reshape(places).expand(values.shape)


def product(
    call: Call,
    pair: tuple[Tensor, Tensor],
    labels: tuple[Labels, Labels],
    *,
    bias: Tensor | None = None,
) -> Outcome:
    """Counts a function that is one product, perhaps with an addition after it.

    A factor that is made of parameters or constants alone is a weight.
    """
    kinds = call.as_factor(call.operand(pair[0])), call.as_factor(call.operand(pair[1]))
    added = bias is not None and call.operand(bias) is not None
    if kinds == (None, None) and not added:
        return DERIVED
    arrivals = _met(call, kinds, pair, labels, bias=None if added else bias)
    counts = [call.dense(add=call.out.numel())] if added else []
    learned = any(arrival.synapses.weight is not None for arrival in arrivals)
    return Outcome(replace(analog(*kinds), folds=learned), counts, arrivals, reached=pair)


def _met(
    call: Call,
    kinds: tuple[Kind | None, Kind | None],
    pair: tuple[Tensor, Tensor],
    labels: tuple[Labels, Labels],
    bias: Tensor | None,
) -> list[Arrival]:
    """Takes the product as synapses, of each kind apart if a factor holds several."""
    output = call.out.numel()
    at = next((i for i in (0, 1) if call.beside(pair[i]) is not None), None)
    held = None if at is None else call.beside(pair[at])
    if at is None or held is None:
        return meet(call, kinds, output, pair, labels, bias=bias)
    label, along = labels[at][held.axis], labels[1 - at]
    axis = along.index(label) if label in along else None
    first, arrivals = 0, []
    for size, kind in held.parts:
        parts, known = list(pair), list(kinds)
        parts[at], known[at] = pair[at].narrow(held.axis, first, size), call.as_factor(kind)
        if axis is not None and pair[1 - at].shape[axis] > 1:
            parts[1 - at] = pair[1 - at].narrow(axis, first, size)
        first += size
        found = meet(call, (known[0], known[1]), output, (parts[0], parts[1]), labels)
        arrivals += [
            one._replace(synapses=_of(one.synapses, pair[1 - at])) for one in found if size
        ]
    # The first of the arrivals has the outputs and biases.
    rest = [one._replace(synapses=one.synapses._replace(output=0)) for one in arrivals[1:]]
    return [one._replace(synapses=one.synapses._replace(bias=bias)) for one in arrivals[:1]] + rest


def _of(synapses: Synapses, weight: Tensor) -> Synapses:
    """Returns the synapses of a part as some of those of all weights."""
    return synapses if synapses.weight is None else synapses._replace(weight=weight)


def matmul_labels(first: Tensor, second: Tensor) -> tuple[Labels, Labels]:
    """Labels the axes of a matrix product: -1 is contracted, batch axes align from the right."""
    left = [*range(first.dim() - 3, -1, -1)] if first.dim() > 1 else []
    right = [*range(second.dim() - 3, -1, -1)] if second.dim() > 1 else []
    rows = [] if first.dim() == 1 else [-2]
    columns = [] if second.dim() == 1 else [-3]
    return [*left, *rows, -1], [*right, -1, *columns]


def linear_labels(input: Tensor, weight: Tensor) -> tuple[Labels, Labels]:
    """Labels the axes of a linear layer like those of a matrix product."""
    return [*range(input.dim() - 2, -1, -1), -1], [-3, -1][-weight.dim() :]


def matmul(call: Call, input: Tensor, other: Tensor) -> Outcome:
    """Counts ``matmul``, ``mm``, ``bmm`` and ``mv``."""
    return product(call, (input, other), matmul_labels(input, other))


def rmatmul(call: Call, input: Tensor, other: Tensor) -> Outcome:
    """Counts the operator called from its right side."""
    return matmul(call, other, input)


def sparse_matmul(call: Call, mat1: Tensor, mat2: Tensor, reduce: str = "sum") -> Outcome:
    """Counts a product in which products are added up, or the largest of them is taken."""
    return matmul(call, mat1, mat2)


def addmm(
    call: Call,
    input: Tensor,
    first: Tensor,
    second: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
) -> Outcome:
    """Counts ``addmm``, ``addmv``, ``baddbmm``, ``addbmm``: a product and what is added to it."""
    del alpha
    labels = matmul_labels(first, second)
    return product(call, (first, second), labels, bias=input if beta else None)
