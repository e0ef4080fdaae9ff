"""Exact pairs against brute force: plain loops over every output, weight and step."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from energy.metering import Two, run, total
from picojoule.energy import Meter
from picojoule.networks import Sequential
from picojoule.neurons import LIF, Recurrent

small = st.integers(1, 3)


@st.composite
def convolutions(draw):
    """A small convolution of one to three dimensions and an input of levels for it."""
    n = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 2))
    each = st.tuples(*[small] * n)
    options = {
        "stride": draw(each),
        "padding": draw(st.tuples(*[st.integers(0, 2)] * n)),
        "dilation": draw(st.tuples(*[st.integers(1, 2)] * n)),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    kernel, size = draw(each), draw(st.tuples(*[st.integers(1, 5 if n < 3 else 3)] * n))
    reach = zip(kernel, options["dilation"], options["padding"], size, strict=True)
    assume(all(d * (k - 1) < s + 2 * p for k, d, p, s in reach))
    channels = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[n - 1](*channels, kernel, **options)
    torch.manual_seed(draw(st.integers(0, 1000)))
    highest = draw(st.integers(1, 3))
    x = torch.randint(0, highest + 1, (draw(st.integers(1, 3)), channels[0], *size)).float()
    return layer, x


def pairs(layer, x):
    """Events that meet a weight, one multiplication of the convolution after the other."""
    out = layer(x)
    inputs, outputs = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    number = 0
    for place in product(*map(range, out.shape)):
        sample, channel, *position = place
        first = channel // outputs * inputs
        for source, *tap in product(range(inputs), *map(range, layer.kernel_size)):
            geometry = zip(position, tap, layer.stride, layer.dilation, layer.padding, strict=True)
            where = [o * s + k * d - p for o, k, s, d, p in geometry]
            if all(0 <= i < size for i, size in zip(where, x.shape[2:], strict=True)):
                number += int(x[(sample, first + source, *where)])
    return number


@given(convolutions())
def test_convolutions(drawn):
    layer, x = drawn
    meter = run(layer, x, inputs="levels")
    assert total(meter, "ac") == pairs(layer, x)
    assert total(meter.dense(), "mac") == pairs(layer, torch.ones_like(x))
    analog = run(layer, x, inputs="analog")
    assert total(analog, "mac") == pairs(layer, torch.ones_like(x))
    assert total(meter, "bias") == (0 if layer.bias is None else layer(x).numel())


@given(convolutions())
def test_transposed_convolutions_are_the_same_pairs_backwards(drawn):
    layer, x = drawn
    y = torch.randint(0, 3, layer(x).shape).float()
    options = layer.stride, layer.padding, 0, layer.groups, layer.dilation
    geometry = zip(
        y.shape[2:], layer.stride, layer.padding, layer.dilation, layer.kernel_size, strict=True
    )
    assume(all((size - 1) * s - 2 * p + d * (k - 1) >= 0 for size, s, p, d, k in geometry))
    transposed = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[y.dim() - 3]
    meter = run(Two(lambda net, y: transposed(y, layer.weight, None, *options)), y, inputs="levels")
    out = transposed(y, layer.weight, None, *options)
    flat = Two(lambda net, y: transposed(y, torch.ones_like(layer.weight), None, *options))
    expected = flat(y).sum().item()  # every pair adds its level to one output
    assert out.shape == flat(y).shape
    assert total(meter, "ac") == expected


@given(
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 1000),
    st.data(),
)
def test_linear_and_recurrent_layers_through_time(batch, steps, inputs, size, seed, data):
    lengths = data.draw(st.lists(st.integers(1, steps), min_size=batch, max_size=batch))
    torch.manual_seed(seed)
    net = Sequential(nn.Linear(inputs, size), Recurrent(LIF(), size), nn.Linear(size, 3))
    net[0].weight.data.uniform_(0, 1)
    x = (torch.rand(steps, batch, inputs) < 0.5).float()
    spikes, _ = net[:2](x, lengths=torch.tensor(lengths))
    with Meter(net, inputs="events") as meter:
        net(x, lengths=torch.tensor(lengths))
    first = back = last = fired = updates = 0
    for sample, length in enumerate(lengths):
        for step in range(length):
            arrived = int(x[step, sample].sum())
            fires = int(spikes[step, sample].sum())
            first += arrived * size
            last += fires * 3
            fired += fires
            back += int(spikes[step - 1, sample].sum()) * size if step else 0
            updates += size
    found = {
        "first": meter.counts["0"].ac,
        "back": meter.counts["1.recurrent"].ac,
        "last": meter.counts["2"].ac,
        "fired": meter.counts["1"].spike,
        "updates": meter.counts["1"].update,
        "bias": meter.counts["2"].bias,
    }
    expected = {"first": first, "back": back, "last": last, "fired": fired, "updates": updates}
    expected["bias"] = 3 * sum(lengths)
    per_sample = {name: number / batch for name, number in expected.items()}
    numbers = {name: number.item() for name, number in found.items()}
    assert numbers == pytest.approx(per_sample, rel=1e-12)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.integers(0, 100))
def test_matrix_products(rows, inner, columns, seed):
    torch.manual_seed(seed)
    left = (torch.rand(2, rows, inner) < 0.5).float()
    right, weight = (torch.rand(2, inner, columns) < 0.5).float(), torch.rand(inner, columns)
    coincide = weighted = turned = 0
    for sample, row, column, k in product(range(2), range(rows), range(columns), range(inner)):
        coincide += int(left[sample, row, k] * right[sample, k, column])
        weighted += int(left[sample, row, k])
        turned += int(right[sample, k, column])
    assert total(run(Two(lambda net, x, y: x @ y), left, right), "ac") == coincide
    assert total(run(Two(lambda net, x: x @ weight), left), "ac") == weighted
    other = torch.rand(rows, inner)
    assert total(run(Two(lambda net, x: other @ x), right), "ac") == turned
    mixed = run(
        Two(lambda net, x, y: x @ y),
        left,
        right,
        inputs={"x": "analog", "other": "events"},
    )
    assert total(mixed, "ac") == turned
