"""Up- and down-sampling: copies cost nothing, weighted sums each pair that has a coefficient."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from energy.metering import Two, arrived, run, spikes, totals

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")


def pairs(x, **options):
    """Outputs that each single input enters, one input after the other."""
    number = 0
    for place in product(*map(range, x.shape)):
        alone = torch.zeros(x.shape, dtype=torch.float64)
        alone[place] = 1.0
        entered = (F.interpolate(alone, **options).abs() > 1e-6).sum().item()
        number += entered * int(x[place])
    return number


CASES = [
    ((1, 2, 5), {"scale_factor": 2, "mode": "linear"}),
    ((1, 1, 4), {"size": 7, "mode": "linear", "align_corners": True}),
    ((2, 1, 3, 4), {"scale_factor": 2, "mode": "bilinear"}),
    ((1, 1, 3, 4), {"scale_factor": (3, 2), "mode": "bilinear", "align_corners": True}),
    ((1, 1, 6, 5), {"scale_factor": 0.6, "mode": "bilinear"}),
    (
        (1, 1, 6, 5),
        {"scale_factor": 0.7, "mode": "bilinear", "recompute_scale_factor": True},
    ),
    ((1, 1, 6, 5), {"size": (3, 2), "mode": "bilinear", "antialias": True}),
    ((1, 1, 4, 5), {"scale_factor": 2, "mode": "bicubic"}),
    ((1, 1, 5, 7), {"size": (2, 3), "mode": "area"}),
    ((1, 1, 2, 3, 3), {"scale_factor": 2, "mode": "trilinear"}),
]


@pytest.mark.parametrize(("shape", "options"), CASES)
def test_every_output_that_an_input_enters_is_a_pair(shape, options):
    x = torch.randint(0, 3, shape).float()
    net = Two(lambda net, x: F.interpolate(x, **options))
    found = run(net, x, inputs="levels")
    assert totals(found)["ac"] == pairs(x, **options)
    dense = pairs(torch.ones(shape), **options)
    assert totals(found.dense())["mac"] == dense
    assert totals(run(net, x, inputs="analog"))["mac"] == dense
    assert found.uncounted == {}


def test_a_spike_by_hand():
    """Twice as fine: position 1 of 3 enters outputs 1 to 4, at the corner 0 enters 0 to 2."""
    layer = nn.Upsample(scale_factor=2, mode="linear")
    assert totals(run(layer, spikes((1, 1, 3), (0, 0, 1))))["ac"] == 4
    assert totals(run(layer, spikes((1, 1, 3), (0, 0, 0))))["ac"] == 3


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_copies_cost_nothing_and_stay_what_they_were(mode):
    x = spikes((1, 1, 2, 2), (0, 0, 1, 1))
    found = run(nn.Upsample(scale_factor=2, mode=mode), x)
    assert totals(found) == {}
    assert found.uncounted == {}
    kind, number = arrived(lambda x: F.interpolate(x, scale_factor=2, mode=mode), x)
    assert (kind.name, number) == ("events", 4)


def test_copies_of_levels_worth_different_things_are_graded():
    def function(x):
        return F.interpolate(F.avg_pool1d(x, 2, ceil_mode=True), scale_factor=2)

    kind, number = arrived(function, torch.ones(1, 1, 3))
    assert (kind.name, number) == ("graded", 4)


@pytest.mark.parametrize("layer", [nn.UpsamplingBilinear2d(size=4), nn.UpsamplingNearest2d(size=4)])
def test_old_names_reach_the_rule(layer):
    found = run(layer, torch.ones(1, 1, 2, 2))
    assert found.uncounted == {}


def test_weighted_sums_are_analog():
    kind, number = arrived(
        lambda x: F.interpolate(x, scale_factor=2, mode="linear"), torch.ones(1, 1, 3)
    )
    assert (kind.name, number) == ("analog", 6)


def test_the_gradient_is_the_fan_out():
    x = torch.ones(1, 1, 3, requires_grad=True)
    meter = run(nn.Upsample(scale_factor=2, mode="linear"), x)
    (gradient,) = torch.autograd.grad(meter.counts["network"].ac, x)
    assert gradient.flatten().tolist() == [3.0, 4.0, 3.0]
