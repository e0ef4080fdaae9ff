"""Products of two tensors against the oracle, which goes from index to index."""

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from energy.metering import Two
from energy.oracle.products import bilinear, contraction
from picojoule.energy import Convention, Meter

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")
kinds = st.sampled_from(["events", "levels", "analog"])
seeds = st.integers(0, 1000)
small = st.integers(1, 4)


class Three(nn.Module):
    """Attention by its function."""

    def forward(self, query, key, value):
        return F.scaled_dot_product_attention(query, key, value)


def drawn(kind, seed, *shape):
    """Whole numbers that the kind can hold."""
    highest = {"events": 1, "levels": 3}.get(kind, 1)
    return np.random.default_rng(seed).integers(0, highest + 1, shape) * 1.0


def tensor(array):
    return torch.from_numpy(array).float()


def metered(net, arrays, inputs, multiply=False):
    """All counts but zeros, by layer, as integers."""
    convention = Convention(levels="multiply" if multiply else "accumulate")
    with Meter(net, samples=1, inputs=inputs, convention=convention) as meter:
        net(*map(tensor, arrays))
    return {
        layer: {name: value.item() for name, value in done.items() if value.item()}
        for layer, done in meter.counts.items()
    }


FORMS = {
    "ij,jk->ik": lambda x, y: x @ y,
    "bij,bjk->bik": torch.bmm,
    "bij,jk->bik": torch.matmul,
    "ij,j->i": torch.mv,
    "i,i->": torch.dot,
    "i,j->ij": torch.outer,
    "bhld,bhmd->bhlm": lambda x, y: torch.einsum("bhld,bhmd->bhlm", x, y),
    "ijk,kl->ijl": lambda x, y: torch.tensordot(x, y, 1),
    "ij,ik->jk": lambda x, y: torch.einsum("ij,ik->jk", x, y),
}


@pytest.mark.parametrize("equation", FORMS)
@given(kinds, kinds, seeds, st.booleans(), st.data())
def test_two_tensors(equation, first, second, seed, multiply, data):
    left, right = equation.split("->")[0].split(",")
    sizes = {axis: data.draw(small) for axis in sorted({*left, *right})}
    x = drawn(first, seed, *(sizes[axis] for axis in left))
    y = drawn(second, seed + 1, *(sizes[axis] for axis in right))
    net = Two(lambda net, x, y: FORMS[equation](x, y))
    found = metered(net, (x, y), {"x": first, "other": second}, multiply)
    expected = contraction(equation, (x, y), (first, second), multiply_levels=multiply)
    assert found.get("network", {}) == expected


@given(kinds, small, small, small, seeds, st.booleans())
def test_a_tensor_and_a_weight_on_either_side(kind, rows, inner, columns, seed, left):
    weight = nn.Parameter(torch.rand(inner, columns) if left else torch.rand(rows, inner))
    shape = (rows, inner) if left else (inner, columns)
    x, w = drawn(kind, seed, *shape), weight.detach().numpy()
    net = Two(lambda net, x: x @ net.weight if left else net.weight @ x, weight=weight)
    pair = (x, w) if left else (w, x)
    expected = contraction("ij,jk->ik", pair, (kind, None) if left else (None, kind))
    assert metered(net, (x,), kind).get("network", {}) == expected


@given(kinds, kinds, kinds, seeds, small, small, small, small)
def test_attention(query, key, value, seed, queries, keys, size, width):
    q, k = drawn(query, seed, 2, queries, size), drawn(key, seed + 1, 2, keys, size)
    v, weights = drawn(value, seed + 2, 2, keys, width), np.ones((2, queries, keys))
    inputs = {"query": query, "key": key, "value": value}
    found = metered(Three(), (q, k, v), inputs)
    scores = contraction("bld,bmd->blm", (q, k), (query, key))
    values = contraction("blm,bmd->bld", (weights, v), ("analog", value))
    assert found.get("network.scores", {}) == scores
    assert found.get("network.values", {}) == values


@given(kinds, kinds, small, small, small, seeds)
def test_bilinear_layers(first, second, inputs, others, outputs, seed):
    x, y = drawn(first, seed, 3, inputs), drawn(second, seed + 1, 3, others)
    net = Two(lambda net, x, y: net.layer(x, y), layer=nn.Bilinear(inputs, others, outputs))
    found = metered(net, (x, y), {"x": first, "other": second})
    expected = bilinear(x, y, outputs, (first, second)) + Counter(bias=3 * outputs)
    assert found["layer"] == expected


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), small)
def test_embeddings_read_a_row_for_each_index(indices, size):
    net = nn.Embedding(5, size)
    with Meter(net, samples=1) as meter:
        net(torch.tensor(indices))
    done = {name: value.item() for name, value in meter.counts["network"].items()}
    assert done == {"event_read": len(indices), "weight_read": sum(size for _ in indices)}
    assert meter.uncounted == {}


@given(kinds, seeds, small, small, st.sampled_from(["sum", "mean"]), st.sampled_from([0, 1]))
def test_sums_over_an_axis(kind, seed, rows, columns, name, axis):
    """Each event is added; of analog values the first of each sum is there already."""
    x = drawn(kind, seed, rows, columns)
    expected = Counter()
    for line in np.moveaxis(x, axis, -1):
        for index, value in enumerate(line):
            expected["add"] += int(index > 0) if kind == "analog" else int(value)
    found = metered(Two(lambda net, x: getattr(x, name)(axis)), (x,), kind)
    assert found.get("network", {}) == +expected


@given(kinds, kinds, seeds, small, small)
def test_sums_of_two_tensors(first, second, seed, rows, columns):
    """Each event of either joins at one addition; with an analog value every element does."""
    x, y = drawn(first, seed, rows, columns), drawn(second, seed + 1, rows, columns)
    expected = Counter()
    for place in np.ndindex(x.shape):
        dense = "analog" in (first, second)
        expected["add"] += 1 if dense else int(x[place]) + int(y[place])
    found = metered(Two(lambda net, x, y: x + y), (x, y), {"x": first, "other": second})
    assert found.get("network", {}) == +expected


@given(kinds, seeds, small, small)
def test_analog_values_that_are_multiplied(kind, seed, rows, columns):
    """By events or levels: once where one is. By each other: at every element."""
    x, y = drawn(kind, seed, rows, columns), drawn("analog", seed + 1, rows, columns)
    expected = Counter()
    for place in np.ndindex(x.shape):
        expected["multiply"] += int(kind == "analog" or x[place] != 0)
    found = metered(Two(lambda net, x, y: x * y), (x, y), {"x": kind, "other": "analog"})
    assert found.get("network", {}) == +expected
