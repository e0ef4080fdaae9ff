"""``45nm-sram`` on layers worked out by hand, after Lemaire et al. 2022 (arXiv:2210.13107).

The equations of the paper, with exact pairs where they ignore borders and stride:
operations, accesses (13.2 pJ + 1.09e-5 pJ per bit of the memory) and addressing.

Pairs of a value and a synapse take the place of these terms, numbered as in the paper. Where
padding and stride cut nothing off, both are equal; in layers that are fully connected, always.

- 1.1, operations of a convolution in an ANN: Cout Hout Wout Cin k
- 1.4, accumulates of events in a convolution: events ceil(kh / S) ceil(kw / S) Cout
- 3, 6 and 7, inputs and weights read by a convolution in an ANN: Cout Hout Wout Cin k
- 8, weights read for events in a convolution: events Cout k
- 9, 10, 14 and 15, potentials read and written for events in a convolution: events Cout k
- 16.3, addresses of what an event in a convolution meets: events Cout k
"""

from math import ceil

import pytest
import torch
from torch import nn

from energy.metering import run, spikes
from picojoule.energy import Meter, load_chip
from picojoule.networks import Sequential
from picojoule.neurons import LI, LIF

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")

ADD, MULTIPLY = 0.1, 3.1
CHIP = load_chip("45nm-sram")


def access(words):
    """One read or write of a memory of so many 32-bit words."""
    return 13.2 + 1.09e-5 * 32 * words


QUEUE = access(1000)  # events wait in a queue of 1000 entries


def priced(net, x, inputs="events"):
    with Meter(net, samples=1, inputs=inputs) as meter:
        out, _ = net(x)
    return CHIP.price(meter.counts), out


def by_layer(energy):
    return {layer: value.item() for layer, value in energy.by_layer.items()}


def test_fully_connected_layer_of_spikes():
    net = Sequential(nn.Linear(8, 4))
    energy, _ = priced(net, spikes((2, 1, 8), (0, 0, 1), (0, 0, 6), (1, 0, 6)))
    arrived, outputs, steps, weights = 3, 4, 2, 8 * 4
    pairs = arrived * outputs
    operations = (pairs + steps * outputs) * ADD  # accumulates, biases
    reads = arrived * QUEUE + pairs * access(weights) + steps * outputs * access(outputs)
    potentials = 2 * pairs * access(outputs)  # read and written for each accumulate
    addressing = pairs * ADD
    assert by_layer(energy) == pytest.approx({"0": operations + reads + potentials + addressing})
    assert energy.unpriced == {}


def test_convolution_of_spikes():
    """Three events on 2 x 4 x 4, kernel 3 x 3, padding 1, 5 channels out: corner, edge, inside."""
    net = Sequential(nn.Conv2d(2, 5, 3, padding=1, bias=False))
    x = spikes((1, 1, 2, 4, 4), (0, 0, 0, 0, 0), (0, 0, 1, 0, 2), (0, 0, 1, 2, 2))
    energy, _ = priced(net, x)
    arrived, pairs = 3, (2 * 2 + 2 * 3 + 3 * 3) * 5
    weights, outputs = 2 * 5 * 9, 5 * 4 * 4
    operations = pairs * ADD
    reads = arrived * QUEUE + pairs * access(weights)
    potentials = 2 * pairs * access(outputs)
    addressing = arrived * 2 * (MULTIPLY + ADD) + pairs * ADD
    assert by_layer(energy) == pytest.approx({"0": operations + reads + potentials + addressing})


def test_strided_convolution_has_fewer_pairs_than_the_published_equation():
    net = Sequential(nn.Conv2d(1, 1, 3, padding=1, stride=2, bias=False))
    centre = spikes((1, 1, 1, 5, 5), (0, 0, 0, 2, 2))
    with Meter(net, samples=1, inputs="events") as meter:
        net(centre)
    assert meter.counts["0"].ac.item() == 1  # ceil(3 / 2)^2 = 4 in the paper


class TestPublishedEquations:
    """The equations as they are published, where borders and strides cut nothing off."""

    MAC, ACC = MULTIPLY + ADD, ADD

    def test_a_convolution_of_events(self):
        channels, size, kernel, out, steps = 2, 9, 3, 5, 2
        at = ((0, 0, 0, 3, 3), (0, 0, 1, 4, 5), (1, 0, 1, 2, 6), (1, 0, 0, 6, 6))
        net = Sequential(nn.Conv2d(channels, out, kernel), LIF(threshold=1e6))
        energy, fired = priced(net, spikes((steps, 1, channels, size, size), *at))
        assert not fired.any()
        events, outputs, k = len(at), out * (size - kernel + 1) ** 2, kernel * kernel
        weights = channels * out * k
        leak = steps * outputs * self.MAC
        added = events * ceil(kernel / 1) ** 2 * out + steps * outputs
        potentials = events * out * k + steps * outputs
        expected = (
            leak
            + added * self.ACC
            + events * QUEUE
            + events * out * k * access(weights)
            + steps * outputs * access(out)  # biases
            + 2 * potentials * access(outputs)
            + 2 * events * self.MAC  # 16.2
            + events * out * k * self.ACC  # 16.3
        )
        assert sum(by_layer(energy).values()) == pytest.approx(expected)

    def test_a_fully_connected_layer_of_events(self):
        inputs, outputs, steps, weight = 8, 4, 3, 0.6
        net = Sequential(nn.Linear(inputs, outputs), LIF(threshold=0.5))
        with torch.no_grad():
            net[0].weight.fill_(weight)
            net[0].bias.zero_()
        at = ((0, 0, 1), (1, 0, 6), (2, 0, 0))
        energy, fired = priced(net, spikes((steps, 1, inputs), *at))
        events, put_out = len(at), int(fired.sum())
        assert put_out == steps * outputs
        expected = (
            steps * outputs * self.MAC  # 2.3, the leak
            + (events * outputs + steps * outputs + put_out) * self.ACC  # 2.4, corrected
            + events * QUEUE
            + events * outputs * access(inputs * outputs)
            + steps * outputs * access(outputs)  # biases
            + 2 * (events + steps) * outputs * access(outputs)
            + put_out * QUEUE
            + events * outputs * self.ACC  # 17.2
        )
        assert sum(by_layer(energy).values()) == pytest.approx(expected)

    @pytest.mark.parametrize("kernel", [1, 3])
    def test_a_convolution_of_an_ann(self, kernel):
        channels, size, out = 2, 7, 5
        net = Sequential(nn.Conv2d(channels, out, kernel), LIF())
        with Meter(net, inputs="events") as meter:
            net(torch.zeros(1, 1, channels, size, size))
        inputs, outputs = channels * size**2, out * (size - kernel + 1) ** 2
        macs, weights = outputs * channels * kernel**2, channels * out * kernel**2
        expected = (
            macs * self.MAC
            + outputs * self.ACC
            + macs * access(inputs)
            + macs * access(weights)
            + outputs * access(out)  # biases
            + outputs * access(outputs)
            + (inputs + outputs + out * kernel**2) * self.ACC  # addresses
        )
        assert CHIP.price(meter.dense(steps=1)).total.item() == pytest.approx(expected)


def test_analog_layers_cost_as_in_an_ann():
    net = Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.Flatten(), nn.Linear(80, 3))
    energy, _ = priced(net, torch.rand(1, 1, 2, 4, 4), "analog")
    macs, inputs, outputs, weights = (2 * 3 + 2 * 2) ** 2 * 2 * 5, 32, 80, 90
    assert by_layer(energy)["0"] == pytest.approx(
        macs * (MULTIPLY + ADD)
        + outputs * (ADD + access(5))  # biases
        + macs * (access(inputs) + access(weights))
        + outputs * access(outputs)
        + (inputs + outputs + 5 * 9) * ADD  # addressing
    )
    macs, inputs, outputs = 80 * 3, 80, 3
    assert by_layer(energy)["2"] == pytest.approx(
        macs * (MULTIPLY + ADD)
        + outputs * (ADD + access(outputs))
        + inputs * access(inputs)
        + macs * access(macs)
        + outputs * access(outputs)
        + macs * ADD
    )


def test_neurons_leak_fire_and_reset():
    net = Sequential(LIF(threshold=0.5))
    x = torch.tensor([[0.6, 0.1, 0.2], [0.1, 0.45, 0.2]]).unsqueeze(1)
    energy, out = priced(net, x, "analog")
    updates, fired, neurons = 2 * 3, int(out.sum()), 3
    assert fired == 2
    assert by_layer(energy) == pytest.approx(
        {
            "0": updates * (MULTIPLY + ADD)  # leak
            + 2 * updates * access(neurons)  # every potential read and written
            + fired * ADD  # reset
            + fired * QUEUE
        }
    )
    assert {name: value.item() for name, value in energy.excluded.items()} == pytest.approx(
        {"update": 6, "second": 6e-3}
    )


def test_readouts_put_no_spikes_in_a_queue():
    energy, _ = priced(Sequential(LI()), torch.rand(2, 1, 3), "analog")
    assert by_layer(energy) == pytest.approx({"0": 6 * (MULTIPLY + ADD) + 12 * access(3)})


def test_residual_additions_and_pools():
    class Block(nn.Module):
        def forward(self, x):
            return nn.functional.avg_pool1d(x + x, 2)

    x = spikes((1, 4), (0, 0), (0, 3))
    energy = CHIP.price(run(Block(), x).counts)
    assert by_layer(energy) == pytest.approx({"network": 4 * ADD})
    assert energy.excluded["pool"].item() == 4


def test_the_dense_ann_of_a_spiking_network():
    net = Sequential(nn.Linear(8, 4), LIF(), nn.Linear(4, 2, bias=False))
    with Meter(net, inputs="events") as meter:
        net(torch.zeros(3, 1, 8))
    found = CHIP.price(meter.dense(steps=1)).total.item()

    def layer(inputs, outputs, bias):
        macs = inputs * outputs
        return (
            macs * (MULTIPLY + ADD)
            + bias * outputs * (ADD + access(outputs))
            + inputs * access(inputs)
            + macs * access(macs)
            + outputs * access(outputs)
            + macs * ADD
        )

    assert found == pytest.approx(layer(8, 4, True) + layer(4, 2, False))
