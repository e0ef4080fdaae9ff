"""Convolutions of one value of the network with another: a convolution of ones counts the pairs."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from energy.metering import Two, run, totals

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")

WAYS = {
    "conv1d": (F.conv1d, (2, 3, 9), (4, 3, 2), {"stride": 2, "padding": 1}),
    "without a batch": (F.conv1d, (3, 9), (4, 3, 2), {"dilation": 3}),
    "conv2d": (F.conv2d, (2, 3, 6, 5), (2, 3, 3, 3), {"padding": "same"}),
    "groups": (F.conv2d, (1, 4, 6, 6), (6, 2, 3, 2), {"groups": 2, "stride": (2, 1)}),
    "conv3d": (F.conv3d, (1, 2, 3, 4, 4), (2, 2, 2, 2, 2), {}),
    "transposed": (F.conv_transpose2d, (2, 3, 4, 4), (3, 2, 3, 3), {"stride": 2, "padding": 1}),
    "transposed groups": (F.conv_transpose1d, (2, 4, 5), (4, 3, 3), {"groups": 2, "dilation": 2}),
}


@pytest.mark.parametrize("name", ["events", "levels"])
@pytest.mark.parametrize("way", WAYS)
def test_two_values_of_the_network(way, name):
    torch.manual_seed(1)
    function, shape, size, options = WAYS[way]
    most = 2 if name == "events" else 4
    x, kernel = (torch.randint(0, most, of).float() for of in (shape, size))
    ones = torch.ones_like(x)
    net = Two(lambda net, x, kernel: function(x, kernel, **options))
    meter = run(net, x, kernel, inputs=name)
    assert totals(meter)["ac"] == function(x, kernel, **options).sum()
    assert totals(meter).get("mac", 0) == 0
    pairs = function(ones, torch.ones_like(kernel), **options).sum()
    assert totals(meter.dense())["mac"] == pairs
    met = function(ones, kernel, **options).sum()
    meter = run(net, x, kernel, inputs={"x": "analog", "other": name})
    assert (totals(meter)["ac"], totals(meter).get("mac", 0)) == (met, 0)
    learned = Two(lambda net, kernel: function(net.x, kernel, **options), x=nn.Parameter(x))
    meter = run(learned, kernel, inputs=name)
    assert (totals(meter)["ac"], meter.uncounted) == (met, {})
    meter = run(net, x, kernel, inputs={"x": name, "other": "analog"})
    assert totals(meter)["ac"] == function(x, torch.ones_like(kernel), **options).sum()


def test_gradients_reach_both():
    x = torch.ones(1, 2, 5, requires_grad=True)
    kernel = torch.ones(3, 2, 2, requires_grad=True)
    net = Two(lambda net, x, kernel: F.conv1d(x.clone(), kernel.clone()))
    run(net, x, kernel).counts["network"].ac.backward()
    assert x.grad.sum() == kernel.grad.sum() == 3 * 4 * 2 * 2


def test_weights_times_events():
    """Weights in the place of the input are weights."""
    net = Two(lambda net, x: net.layer(x).T + F.linear(net.layer.weight, x))
    net.layer = nn.Linear(8, 4)
    x = (torch.rand(3, 8) < 0.5).float()
    meter = run(net, x)
    assert (totals(meter)["ac"], meter.uncounted) == (2 * 4 * x.sum(), {})
    assert totals(run(net, x, inputs="analog"))["mac"] == 2 * 4 * 24
