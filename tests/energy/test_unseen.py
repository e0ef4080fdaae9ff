"""Nothing unseen becomes an event: it is analog wherever it is put, and listed."""

import numpy as np
import pytest
import torch
from torch import nn

from energy.metering import Two, events, run

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")


@torch.jit.script
def scripted(x):
    return torch.sigmoid(x)


def outside(x):
    """By way of NumPy, and back as memory that torch has not filled."""
    return torch.from_numpy(1 / (1 + np.exp(-x.detach().numpy())))


class Custom(torch.autograd.Function):
    """A function whose forward leaves torch."""

    @staticmethod
    def forward(ctx, x):
        return outside(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def written(x, y):
    out = torch.zeros_like(x)
    for step in range(len(x)):
        out[step] = y[step]
    return out


def copied(x, y):
    out = torch.zeros_like(x)
    for step in range(len(x)):
        out[step].copy_(y[step])
    return out


WAYS = {
    "written into zeros": written,
    "copied into zeros": copied,
    "scattered into zeros": lambda x, y: torch.zeros_like(x).index_copy(0, torch.arange(3), y),
    "joined": lambda x, y: torch.cat([x, y], 0),
    "stacked": lambda x, y: torch.stack([x, y]),
    "the larger": torch.maximum,
    "the smaller": torch.min,
    "chosen": lambda x, y: torch.where(x > 0, x, y),
    "added": lambda x, y: x + y,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", [scripted, outside, Custom.apply])
def test_values_from_where_nothing_is_seen(source, way):
    torch.manual_seed(2)
    x = events(3, 8)
    net = Two(
        lambda net, x: net.layer(WAYS[way](x, source(net.first(x)))),
        first=nn.Linear(8, 8),
        layer=nn.Linear(8, 4),
    )
    meter = run(net, x)
    done = meter.counts["layer"]
    assert done.mac >= 3 * 8 * 4
    assert done.ac == 0
    assert way == "added" or meter.uncounted


@pytest.mark.parametrize("number", [lambda: torch.rand(3, 8), lambda: torch.full((3, 8), 0.5)])
def test_constants_beside_events_are_analog(number):
    net = Two(lambda net, x: net.layer(torch.maximum(x, number())), layer=nn.Linear(8, 4))
    meter = run(net, events(3, 8))
    assert meter.counts["layer"].mac == 3 * 8 * 4


@pytest.mark.parametrize("join", [lambda x, out: out, lambda x, out: torch.maximum(x, out)])
def test_zeros_that_were_written_where_nobody_sees_it(join):
    @torch.jit.script
    def write(out, y):
        out.copy_(y)

    def forward(net, x):
        out = torch.zeros(3, 8)
        write(out, net.first(x))
        return net.layer(join(x, out))

    net = Two(forward, first=nn.Linear(8, 8), layer=nn.Linear(8, 4))
    meter = run(net, events(3, 8))
    assert (meter.counts["layer"].mac, meter.counts["layer"].ac) == (3 * 8 * 4, 0)
    assert len(meter.uncounted) == 1


def test_zeros_and_ones_beside_events_are_events():
    """Zeros are none; ones, such as an input for a bias, are one each."""
    x = events(3, 8)
    net = Two(
        lambda net, x: net.layer(torch.cat([x, torch.ones(3, 1), torch.zeros(3, 1)], 1)),
        layer=nn.Linear(10, 4),
    )
    assert run(net, x).counts["layer"].ac == 4 * (x.sum() + 3)


def test_a_buffer_beside_events_is_analog():
    net = Two(lambda net, x: net.layer(torch.maximum(x, net.low)), layer=nn.Linear(8, 4))
    net.register_buffer("low", torch.rand(8))
    meter = run(net, events(3, 8))
    assert meter.counts["layer"].mac == 3 * 8 * 4
