"""The same architecture as a dense ANN."""

import pytest
import torch
from torch import nn

from energy.metering import run, total
from picojoule.energy import Meter, load_chip
from picojoule.networks import Repeat, Sequential
from picojoule.neurons import LI, LIF


def macs(counts):
    return {layer: done.mac.item() for layer, done in counts.items()}


def net():
    return Sequential(nn.Linear(3, 4), LIF(), nn.Linear(4, 2), LI())


@pytest.mark.parametrize("samples", [None, 2])
@pytest.mark.parametrize("inputs", ["events", "analog"])
def test_runs_as_often_as_the_input_has_steps(samples, inputs):
    made = net()
    with Meter(made, samples=samples, inputs=inputs) as meter:
        made(torch.ones(5, 2, 3))
    assert macs(meter.dense()) == {"0": 60, "2": 40}
    assert macs(meter.dense(steps=1)) == {"0": 12, "2": 8}
    assert macs(meter.dense(steps=5)) == {"0": 60, "2": 40}


def test_calls_of_unequal_length_count_their_own_steps():
    made = net()
    with Meter(made, inputs="events") as meter:
        made(torch.ones(5, 1, 3))
        made(torch.ones(10, 1, 3))
    assert macs(meter.dense()) == {"0": 12 * 7.5, "2": 8 * 7.5}
    assert macs(meter.dense(steps=1)) == {"0": 12, "2": 8}


def test_sequences_count_their_own_steps():
    made = net()
    with Meter(made, inputs="events") as meter:
        made(torch.ones(6, 2, 3), lengths=torch.tensor([3, 6]))
    assert macs(meter.dense()) == {"0": 12 * 4.5, "2": 8 * 4.5}


@pytest.mark.parametrize(
    "made",
    [
        Sequential(nn.Linear(3, 4), Repeat(6), LIF(), nn.Linear(4, 2), LI()),
        Sequential(Repeat(6), nn.Linear(3, 4), LIF(), nn.Linear(4, 2), LI()),
        Sequential(nn.Linear(3, 4), LIF(), Repeat(6), nn.Linear(4, 2), LI()),
    ],
    ids=["after the first layer", "before it", "after the spikes"],
)
def test_a_static_input_runs_once(made):
    with Meter(made, inputs="analog") as meter:
        made(torch.ones(1, 2, 3))
    assert list(macs(meter.dense()).values()) == [12, 8]
    assert list(macs(meter.dense(steps=1)).values()) == [12, 8]


def test_what_an_ann_counts():
    layer = nn.Conv2d(2, 3, 3, padding=1)
    meter = run(layer, torch.zeros(1, 2, 5, 5))
    done = dict(meter.dense()["network"].items())
    assert {name: number.item() for name, number in done.items()} == {
        "mac": 1014,
        "bias": 75,
        "event_read": 1014,
        "weight_read": 1014,
        "output_write": 75,
        "address": 50 + 75 + 3 * 9,
    }


def test_an_ann_has_no_neurons_and_no_spikes():
    with Meter(made := net(), inputs="events") as meter:
        made(torch.ones(5, 2, 3))
    assert set(meter.dense()) == {"0", "2"}
    assert total(meter.dense(), "spike") == total(meter.dense(), "update") == 0
    energy = load_chip("45nm").price(meter.dense(steps=1))
    assert energy.total.item() == pytest.approx((12 + 8) * 4.6)
    assert not meter.dense()["0"].sizes.events
