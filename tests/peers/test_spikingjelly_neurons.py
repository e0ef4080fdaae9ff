"""Neurons of SpikingJelly: what comes out of them, what an update costs, what is inside."""

import pytest
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

import picojoule as pj
from peers.compare import fired, inputs, recorded
from peers.test_spikingjelly import counted, modes, runner, theirs


def test_levels_and_signed_spikes():
    net = theirs("m", neuron.ILIFNode(), layer.Linear(6, 3))
    spikes = recorded(net, "0")["0"]
    with pj.Meter(net, samples=4) as meter:
        net(3 * torch.rand(5, 4, 6))
    assert spikes[0].max() > 1
    assert meter.counts["0"].spike.item() * 4 == fired(spikes)
    assert meter.counts["1"].ac.item() * 4 == 3 * fired(spikes)
    net = theirs("m", neuron.TernaryLIFNode(), layer.Linear(6, 3))
    spikes = recorded(net, "0")["0"]
    with pj.Meter(net, samples=4) as meter:
        net(6 * torch.randn(5, 4, 6))
    assert spikes[0].min() == -1
    assert meter.counts["1"].ac.item() * 4 == 3 * fired(spikes)


@pytest.mark.parametrize(
    ("node", "adds", "multiplies", "words"),
    [
        (neuron.IFNode, 1, 0, 1),
        (neuron.LIFNode, 1, 1, 1),
        (neuron.ParametricLIFNode, 1, 1, 1),
        (neuron.KLIFNode, 1, 1, 1),
        (neuron.QIFNode, 2, 2, 1),
        (neuron.EIFNode, 2, 2, 1),
        (neuron.IzhikevichNode, 4, 4, 2),
        (neuron.RAFNode, 3, 4, 2),
        (neuron.CUBALIFNode, 2, 2, 2),
    ],
)
@modes
def test_every_node_counts_what_its_equation_says(node, adds, multiplies, words, mode):
    net = nn.Sequential(node(), layer.Linear(6, 2))
    functional.set_step_mode(net, mode)
    spikes = recorded(net, "0")["0"]
    x = 5 * torch.rand(8, 4, 6)
    with pj.Meter(net, samples=4) as meter:
        runner(mode)(net, x)
    counts = meter.counts["0"]
    assert counts.update.item() == 48
    assert counts.sizes.potentials == 6
    assert counts.add.item() == 48 * adds
    assert dict(counts.items()).get("multiply", 0) == 48 * multiplies
    assert counts.state_read.item() == 48 * words
    assert counts.spike.item() * 4 == fired(spikes) > 0
    assert meter.counts["1"].ac.item() * 4 == 2 * fired(spikes)
    assert meter.uncounted == {}


def test_parallel_neurons_look_through_weights_at_steps():
    steps, order, x = 5, 2, torch.rand(5, 4, 6)
    pairs = {  # of a step that looks and one that is looked at
        neuron.PSN(T=steps): 25,
        neuron.MaskedPSN(k=order, T=steps, lambda_init=1.0, step_mode="m"): 1 + 2 * 4,
        neuron.MaskedPSN(k=order, T=steps, lambda_init=0.5, step_mode="m"): 25,
        neuron.SlidingPSN(k=order, step_mode="m"): 1 + 2 * 4,
    }
    for node, number in pairs.items():
        with pj.Meter(node, samples=4) as meter:
            node(x)
        assert meter.counts["network.weight"].mac.item() == 6 * number
        assert meter.counts["network"].update.item() == 30
        assert meter.uncounted == {}


def test_parallel_neurons_of_events():
    node, x = neuron.SlidingPSN(k=2, step_mode="m"), inputs(5, 4, 6)
    meter = counted(node, x)
    whole = meter.counts["network.weight"].ac.item()
    assert whole * 4 == (2 * x[:-1].sum() + x[-1].sum()).item()
    functional.set_step_mode(node, "s")
    functional.reset_net(node)
    with pj.Meter(node, samples=4, inputs="events") as single:
        for step in x:
            node(step)
    assert single.counts["network.weight"].ac.item() == whole


def test_constants_of_two_dimensions_are_no_synapses():
    node = neuron.GatedLIFNode(T=5, inplane=3)
    meter = counted(node, inputs(5, 4, 3, 2, 2))
    assert meter.counts["network"].multiply.item() == 2 * 5 * 12


def test_spikes_within_a_population():
    node = neuron.ILCLIFNode(act_dim=3, dec_pop_dim=2)
    x = 3 * torch.rand(5, 4, 6)
    spikes = recorded(node, "")[""]
    with pj.Meter(node, samples=4) as meter:
        node(x)
    last = spikes[0][:-1]
    assert last.any()
    assert meter.counts["network.conn"].ac.item() * 4 == 2 * last.sum().item()
    assert meter.uncounted == {}
