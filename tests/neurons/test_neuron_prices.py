"""Analog chips price neurons by their types."""

import pytest
import torch
from torch import nn

from picojoule import neurons
from picojoule.energy import Meter, load_chip
from picojoule.networks import Sequential


@pytest.mark.parametrize(
    ("make", "spike_pj", "static_pw"),
    [
        (neurons.LIF, 0.004, None),
        (neurons.PLIF, 0.004, None),
        (neurons.RF, 0.196, 571),
        (neurons.BRF, 0.196, 571),
        (neurons.HRF, 0.196, 571),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_analog_chips_price_a_neuron_by_its_type(make, spike_pj, static_pw):
    net = Sequential(nn.Linear(3, 4), make(4), nn.Linear(4, 2))
    nn.init.constant_(net[0].weight, 40.0)
    with Meter(net, inputs="events") as meter:
        net(torch.ones(30, 2, 3))
    energy = load_chip("analog-65nm").price(meter.counts)
    fired = meter.counts["1"].spike.item()
    assert fired > 0
    assert energy.by_kind["spike"].item() == pytest.approx(spike_pj * fired)
    if static_pw is None:
        assert "second" in str(energy.unpriced)
    else:
        seconds = 30 * net[1].dt
        assert energy.by_kind["second"].item() == pytest.approx(4 * seconds * static_pw)
