"""Several kinds in one tensor: each meets its own weights and is counted as what it is."""

import pytest
import torch
from torch import nn

from energy.metering import Two, events, run
from picojoule.energy import Convention, Meter
from picojoule.neurons import IF

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")


def metered(layer, function, x, y, **how):
    """An analog tensor and one of events."""
    net = Two(lambda net, x, y: net.layer(function(x, y)), layer=layer)
    with Meter(net, samples=1, inputs={"x": "analog", "other": "events"}, **how) as meter:
        net(x, y)
    return meter


@pytest.mark.parametrize("swapped", [False, True])
def test_a_linear_layer(swapped):
    torch.manual_seed(1)
    x, y = torch.randn(3, 5), events(3, 4)

    def joined(x, y):
        return torch.cat([y, x] if swapped else [x, y], 1)

    meter = metered(nn.Linear(9, 2), joined, x, y)
    done = meter.counts["layer"]
    assert (done.mac, done.ac, done.bias) == (3 * 5 * 2, 2 * y.sum(), 3 * 2)
    assert done.output_write == 3 * 2
    assert (done.sizes.weights, done.sizes.inputs, done.sizes.potentials) == (18, 9, 2)
    dense = meter.dense()["layer"]
    assert (dense.mac, dense.bias, dense.output_write) == (3 * 9 * 2, 3 * 2, 3 * 2)


def test_a_convolution_of_channels():
    torch.manual_seed(1)
    x, y = torch.randn(3, 2, 4, 4), events(3, 3, 4, 4)
    layer = nn.Conv2d(5, 2, 1)
    meter = metered(layer, lambda x, y: torch.cat([x, y], dim=-3), x, y)
    done = meter.counts["layer"]
    assert (done.mac, done.ac) == (3 * 2 * 16 * 2, 2 * y.sum())
    assert (done.sizes.inputs, done.sizes.potentials) == (5 * 16, 2 * 16)


def test_weights_of_zero_are_skipped_in_each_part():
    torch.manual_seed(1)
    x, y = torch.randn(3, 2), events(3, 3)
    layer = nn.Linear(5, 2)
    with torch.no_grad():
        layer.weight[0, 1] = layer.weight[1, 4] = 0
    convention = Convention(skip_zero_weights=True)
    done = metered(layer, lambda x, y: torch.cat([x, y], 1), x, y, convention=convention)
    done = done.counts["layer"]
    assert (done.mac, done.ac) == (3 * 3, 2 * y.sum() - y[:, 2].sum())


def test_values_between_events_are_one_dense_part():
    torch.manual_seed(1)
    x, y = torch.randn(3, 2), events(3, 3)
    meter = metered(nn.Linear(7, 2), lambda x, y: torch.cat([x, y, x], 1), x, y)
    done = meter.counts["layer"]
    assert (done.mac, done.ac, done.output_write) == (3 * 4 * 2, 2 * y.sum(), 3 * 2)


@pytest.mark.parametrize(
    "change", [lambda z: z * 2, lambda z: z.flip(1), lambda z: z.T @ torch.ones(3, 9)]
)
def test_what_is_changed_after_it_was_joined_is_dense(change):
    x, y = torch.randn(3, 5), events(3, 4)
    meter = metered(nn.Linear(9, 2), lambda x, y: change(torch.cat([x, y], 1)), x, y)
    done = meter.counts["layer"]
    assert done.ac == 0
    assert done.mac >= 3 * 9 * 2


def test_joined_along_the_samples_is_dense():
    x, y = torch.randn(3, 4), events(3, 4)
    done = metered(nn.Linear(4, 2), lambda x, y: torch.cat([x, y]), x, y).counts["layer"]
    assert (done.mac, done.ac) == (6 * 4 * 2, 0)


def test_the_gradient_reaches_the_spikes():
    """A recurrent cell: the input beside the last spikes."""
    net = Two(
        lambda net, x: net.layer(torch.cat([x, net.neuron(net.first(x))[0]], -1)),
        first=nn.Linear(4, 3),
        neuron=IF(),
        layer=nn.Linear(7, 2),
    )
    torch.manual_seed(1)
    counts = run(net, 4 * torch.rand(3, 2, 4), samples=2, inputs="analog").counts["layer"]
    assert counts.ac == counts.hidden.ac > 0
    counts.ac.backward()
    assert net.first.weight.grad.count_nonzero()
