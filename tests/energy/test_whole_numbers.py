"""Numbers of events stay whole through limits, rounding, scales and sums."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from energy.metering import Two, arrived, events, run
from picojoule.energy import Meter
from picojoule.neurons import IF

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")

torch.manual_seed(11)
X, Y = events(4, 3, 8), events(4, 3, 8)

LEVELS = {
    "relu": (torch.relu, "levels"),
    "to two": (lambda x: x.clamp(0, 2), "levels"),
    "to one": (lambda x: x.clamp(0, 1), "events"),
    "to half a level": (lambda x: x.clamp(0, 1.5), "graded"),
    "above one": (lambda x: (x > 1).float(), "events"),
    "sign": (torch.sign, "events"),
    "whole": (lambda x: x.int().float(), "levels"),
    "halves that are rounded": (lambda x: (x / 2).floor(), "levels"),
    "square": (torch.square, "analog"),
    "power": (lambda x: x**2, "analog"),
}


@pytest.mark.parametrize("row", LEVELS)
def test_levels(row):
    function, name = LEVELS[row]
    kind, found = arrived(lambda x, y: function(x + y), X, Y)
    out = function(X + Y)
    assert kind.name == name
    if kind.counted:
        assert found == out.sum()
    else:
        assert found == (out.count_nonzero() if name == "graded" else out.numel())


def test_what_is_left_of_a_difference_is_no_longer_signed():
    kind, found = arrived(lambda x, y: torch.relu(x - y), X, Y)
    assert (kind.name, kind.signed) == ("levels", False)
    assert found == torch.relu(X - Y).sum()


def test_a_difference_keeps_its_signs_between_minus_one_and_one():
    kind, found = arrived(lambda x, y: F.hardtanh(x - y), X, Y)
    assert (kind.name, kind.signed) == ("events", True)
    assert found == (X - Y).abs().sum()


@pytest.mark.parametrize("function", [torch.relu, lambda x: x.clamp(0, 1), torch.sign])
def test_analog_values_stay_analog_and_are_listed(function):
    net = Two(lambda net, x: net.layer(function(x)), layer=nn.Linear(8, 2))
    meter = run(net, torch.randn(3, 8), inputs="analog")
    assert meter.counts["layer"].mac == 3 * 8 * 2
    assert len(meter.uncounted) == 1


def test_a_comparison_of_analog_values_is_no_event():
    net = Two(lambda net, x: net.layer((x > 0).float()), layer=nn.Linear(8, 2))
    meter = run(net, torch.randn(3, 8), inputs="analog")
    assert meter.counts["layer"].mac == 3 * 8 * 2
    assert list(meter.uncounted) == ["network: values of a comparison"]


@pytest.mark.parametrize("shape", [(), (1,)])
class TestOneLearnedNumber:
    def test_pooled(self, shape):
        weight = nn.Parameter(torch.full(shape, 2.0))
        net = Two(
            lambda net, x: net.layer(F.avg_pool1d(x * net.weight, 2)),
            weight=weight,
            layer=nn.Linear(4, 2),
        )
        assert run(net, X).counts["layer"].ac == 2 * X.sum()

    @pytest.mark.parametrize(
        "twice",
        [
            lambda x, y, a: x / a + y / a,
            lambda x, y, a: (x * a) * 0.5 + 0.5 * (a * y),
            lambda x, y, a: F.avg_pool1d(x * a, 1) + F.avg_pool1d(y * a, 1),
            lambda x, y, a: x * a * a + a * (y * a),
            lambda x, y, a: torch.maximum(x / a, y / a) + x.mul(y) / a,
            lambda x, y, a: torch.lerp(x * a, y * a, 0.5),
        ],
    )
    def test_added_the_same_way(self, shape, twice):
        weight = nn.Parameter(torch.full(shape, 2.0))
        net = Two(lambda net, x, y: net.layer(twice(x, y, net.weight)), layer=nn.Linear(8, 2))
        net.weight = weight
        meter = run(net, X, Y)
        out = twice(X, Y, weight.detach())
        assert meter.traffic[-1].kind.name == "levels"
        assert meter.counts["layer"].ac == 2 * (out / out[out > 0].min()).sum()

    def test_added_another_way(self, shape):
        weight, other = nn.Parameter(torch.full(shape, 2.0)), nn.Parameter(torch.full(shape, 3.0))
        for twice in (lambda x, y: x / weight + y * weight, lambda x, y: x * weight + other * y):
            assert arrived(twice, X, Y)[0].name == "graded"

    def test_added(self, shape):
        weight = nn.Parameter(torch.full(shape, 2.0))
        net = Two(
            lambda net, x, y: net.layer(x * net.weight + net.weight * y),
            weight=weight,
            layer=nn.Linear(8, 2),
        )
        assert run(net, X, Y).counts["layer"].ac == 2 * (X + Y).sum()


@pytest.mark.parametrize("ceil", [False, True])
def test_sum_pooling_is_average_pooling(ceil):
    """Seven places along the axis: the last window of two is one short if it is there."""
    found = []
    for pool in (nn.LPPool1d(1, 2, ceil_mode=ceil), nn.AvgPool1d(2, ceil_mode=ceil)):
        net = nn.Sequential(pool, nn.Flatten(), nn.LazyLinear(3))
        net(X[..., :7])
        with Meter(net, samples=4, inputs="events") as meter:
            net(X[..., :7])
        assert not meter.uncounted
        found.append({name: counts.ac.item() for name, counts in meter.counts.items()})
    assert found[0] == found[1]


def test_the_second_power_of_a_pool_is_analog():
    net = nn.Sequential(nn.LPPool1d(2, 2), nn.Linear(4, 3))
    meter = run(net, X)
    assert meter.counts["1"].mac == 4 * 3 * 4 * 3
    assert list(meter.uncounted) == ["0: power"]


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_whole_numbers_that_are_declared_events(dtype):
    net = Two(lambda net, x: net.layer(x.float()), layer=nn.Linear(8, 2))
    assert run(net, X.to(dtype)).counts["layer"].ac == 2 * X.sum()


@pytest.mark.parametrize("function", [torch.relu, lambda x: x.clamp(0, 1), torch.round])
def test_hidden_spikes_stay_hidden_and_keep_their_gradient(function):
    net = Two(
        lambda net, x: net.layer(function(net.neuron(x)[0])), neuron=IF(), layer=nn.Linear(8, 2)
    )
    x = (2 * X).requires_grad_()
    counts = run(net, x, samples=3).counts["layer"]
    assert counts.ac == counts.hidden.ac > 0
    if function is not torch.round:
        counts.ac.backward()
        assert x.grad.count_nonzero()


def test_weights_behind_a_mask_are_met():
    """A pattern of constants or of learned scores is no part of the network's values."""
    score = nn.Parameter(torch.randn(2, 8))
    layer = nn.Linear(8, 2)
    net = Two(
        lambda net, x: F.linear(x, net.layer.weight * (net.score > 0).float()),
        score=score,
        layer=layer,
    )
    meter = run(net, X)
    assert meter.counts["network"].ac == 2 * X.sum()
    assert not meter.uncounted
    assert {name for name, _ in meter.counts["network"].items()}.isdisjoint({"add", "mac"})


def test_a_mask_that_is_scaled_scales_the_events():
    """Dropout written by hand."""

    def dropped(x):
        torch.manual_seed(3)
        return x * ((torch.rand(8) < 0.5).float() / 0.5)

    kind, found = arrived(dropped, X)
    assert (kind.name, kind.scale) == ("events", 2.0)
    assert found == dropped(X).count_nonzero()
