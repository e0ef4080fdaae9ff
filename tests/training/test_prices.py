"""Energies by one product, against the prices of what was counted."""

import pytest
import torch
from torch import nn

import picojoule as pj
from picojoule.energy import Meter
from picojoule.kernels import cc
from picojoule.networks import Sequential
from picojoule.training.prices import price

TABLES = ("by_layer", "by_kind", "excluded", "unpriced")


class Layered(Sequential):
    """The same layers, which never run as one function, so that nothing is known before."""

    def forward(self, x, state=None, lengths=None):
        return super().forward(x, state, lengths)


def mlp():
    torch.manual_seed(1)
    layers = nn.Linear(12, 8), pj.LIF(8), nn.Linear(8, 8, bias=False), pj.LIF(8)
    return Sequential(nn.Flatten(), *layers, nn.Linear(8, 3), pj.LI())


def spikes():
    torch.manual_seed(2)
    return (torch.rand(7, 40, 3, 4) < 0.3).float()


@pytest.mark.parametrize("chip", [*pj.energy.chip_names(), *pj.energy.COUNTERS])
def test_a_price_is_that_of_the_counts(chip):
    net, x = mlp(), spikes()
    chip = pj.energy.counter(chip) if chip in pj.energy.COUNTERS else pj.load_chip(chip)
    found = []
    for own, batch in ((net, x), (net, x[:, :7]), (net, 1 - x), (Layered(*net), 1 - x)):
        with Meter(own, inputs="events", traffic=False) as meter:
            own(batch)
        assert (meter.foreseen is None) == (own is not net or cc.tier() != "c")
        found += [price(meter, chip), chip.price(meter.counts)]
    numbers = [
        {
            **{name: getattr(energy, name) for name in ("total", "floor", "low", "high")},
            **{
                (table, name): value
                for table in TABLES
                for name, value in getattr(energy, table).items()
            },
        }
        for energy in found
    ]
    for one, other in zip(numbers[::2], numbers[1::2], strict=True):
        assert list(one) == list(other)
        torch.testing.assert_close(list(one.values()), list(other.values()), rtol=1e-13, atol=0)
    gradients = [
        torch.autograd.grad(energy.total, net[1].weight, retain_graph=True, allow_unused=True)[0]
        for energy in found
        if energy.total.requires_grad
    ]
    for one, other in zip(gradients[::2], gradients[1::2], strict=True):
        torch.testing.assert_close(one, other)
    assert len({repr((one.chip, one.precision, one.network_precision)) for one in found}) == 1
