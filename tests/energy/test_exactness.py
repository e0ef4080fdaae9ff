"""Counts are whole numbers, whatever the precision, the size and the grad mode."""

import pytest
import torch
from torch import nn

from energy.metering import Two, events, run, totals
from picojoule.energy import Meter
from picojoule.networks import Sequential
from picojoule.neurons import LIF


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [3, 5000])
def test_half_precision_does_not_round_or_overflow(dtype, rows):
    """NeuroBench sums in the input's type: 50 380 804 for 50 380 809, an overflow in fp16."""
    x = events(rows, 7).to(dtype)
    found = totals(run(nn.Linear(7, 1001).to(dtype), x))
    assert found["ac"] == 1001 * x.double().sum().item()
    assert found["event_read"] == x.double().sum().item()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_one_input_that_fires_more_often_than_float32_can_count(dtype):
    rows = 2**24 + 3
    x = torch.ones(1, 1, dtype=dtype).expand(rows, 1)
    layer = nn.Linear(1, 1, bias=False).to(dtype)
    with torch.no_grad():
        assert totals(run(layer, x))["ac"] == rows


def test_more_pairs_than_float32_can_count():
    x = torch.ones(1, 1, 4099, 1)
    layer = nn.Conv2d(1, 4099, 1, bias=False)
    with torch.no_grad():
        assert totals(run(layer, x))["ac"] == 4099 * 4099 > 2**24


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("later", [True, False])
def test_levels_are_whole_whatever_the_grad_mode(grad, later):
    """0.1 + 0.2 is not 0.3, but three events are three."""
    x = torch.ones(7, 3, 5)
    net = Two(lambda net, x: net.fc(x.mean(0)), fc=nn.Linear(5, 2))
    with torch.set_grad_enabled(grad):
        meter = run(net, x)
    with torch.set_grad_enabled(later):
        assert totals(meter)["ac"] == 2 * x.sum().item()


@pytest.mark.parametrize("steps", [5, 7, 11])
def test_sequences_of_unequal_length_have_whole_counts(steps):
    net = Sequential(nn.Linear(7, 5), LIF(), nn.AvgPool1d(5), nn.BatchNorm1d(1))
    for second in range(1, steps):
        for third in range(1, steps + 1):
            lengths = torch.tensor([steps, second, third])
            with Meter(net) as meter:
                net(torch.rand(steps, 3, 7), lengths=lengths)
            valid = steps + second + third
            done = meter.counts
            assert done["0"].mac.item() * 3 == pytest.approx(35 * valid, rel=1e-14)
            assert done["1"].update.item() * 3 == pytest.approx(5 * valid, rel=1e-14)


def test_counts_can_be_read_again_and_again():
    meter = run(nn.Linear(4, 3), events(5, 4))
    assert totals(meter) == totals(meter)


def test_what_arrived_is_counted_as_it_was():
    """A network may change its tensors in place after a layer has read them."""

    def forward(net, x):
        out = net.first(x)
        x += x.clone()
        return out + net.second(x)

    net = Two(forward, first=nn.Linear(4, 3), second=nn.Linear(4, 3))
    x = events(5, 4)
    with torch.no_grad():
        meter = run(net, x.clone())
    assert meter.counts["first"].ac.item() == 3 * x.sum().item()
    assert meter.counts["second"].ac.item() == 6 * x.sum().item()
