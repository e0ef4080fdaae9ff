"""Neurons of snnTorch: what comes out of them, what an update costs, what is inside."""

import math

import pytest
import snntorch as snn
import torch
from torch import nn

import picojoule as pj
from peers.compare import fired, inputs, meters, recorded, same, tau
from peers.test_snntorch import BETA, steps


@pytest.mark.parametrize("hidden", [True, False], ids=["hidden state", "state passed"])
@pytest.mark.parametrize("form", ["linear", "conv", "one to one"])
def test_recurrent_neurons_by_hand(form, hidden):
    shape, kinds = (4, 6), {"linear_features": 6}
    if form == "conv":
        shape, kinds = (4, 2, 5, 5), {"conv2d_channels": 2, "kernel_size": 3}
    if form == "one to one":
        kinds = {"all_to_all": False, "V": torch.rand(6)}
    neuron = snn.RLeaky(beta=BETA, init_hidden=hidden, **kinds)
    net = nn.Sequential(nn.Identity(), neuron)
    spikes = recorded(net, "1")["1"]
    x = 2 * torch.rand(5, *shape)
    with pj.Meter(net, samples=4) as meter:
        if hidden:
            steps(net, x)
        else:
            for step in x:
                net(step)  # the module keeps what it is not given
    last = torch.cat([torch.zeros_like(x[0]), *spikes[:-1]]).view(x.shape)
    assert last.any()
    fanout = {"linear": 6, "one to one": 1}.get(form)
    if form == "conv":
        grid = torch.nn.functional.conv_transpose2d(
            torch.ones(1, 1, 5, 5), torch.ones(1, 1, 3, 3), padding=1
        )
        fanout = 2 * grid
    assert meter.counts["1.recurrent"].ac.item() * 4 == (last * fanout).sum().item()
    assert meter.counts["1"].update.item() * 4 == x.numel()
    assert meter.counts["1"].add.item() == meter.counts["1"].multiply.item()
    assert meter.uncounted == {}
    bias = 0 if form == "one to one" else x.numel()
    assert meter.counts["1.recurrent"].bias.item() * 4 == bias


def test_recurrence_is_ours():
    """As ``Recurrent``, but that snnTorch counts a bias."""
    neuron = snn.RLeaky(
        beta=BETA, linear_features=6, reset_mechanism="zero", reset_delay=False, init_hidden=True
    )
    nn.init.zeros_(neuron.recurrent.bias)
    net = nn.Sequential(nn.Linear(8, 6), neuron)
    own = pj.Sequential(net[0], pj.Recurrent(pj.LIF(tau=tau(BETA)), 6))
    own[1].weight = neuron.recurrent.weight
    theirs, mine = meters(net, own, inputs(6, 4, 8), steps)
    names = {"0": "0", "1": "1", "1.recurrent": "1.recurrent"}
    same(theirs, mine, names, only=[count for count in pj.COUNTS if count != "bias"])


def test_what_is_passed_on_from_before_the_block_arrives():
    neuron = snn.RLeaky(beta=BETA, linear_features=6)
    x, last = torch.rand(4, 6), torch.ones(4, 6)
    with pj.Meter(neuron, samples=4) as meter:
        neuron(x, last, torch.zeros(4, 6))
    assert meter.counts["network.recurrent"].ac.item() == 36


def graded(factor):
    """Runs five steps of neurons whose spikes are worth a factor; returns spikes and counts."""
    net = nn.Sequential(
        snn.Leaky(beta=BETA, graded_spikes_factor=factor, init_hidden=True), nn.Linear(6, 3)
    )
    spikes = recorded(net, "0")["0"]
    with pj.Meter(net, samples=4) as meter:
        for step in 2 * torch.rand(5, 4, 6):
            net(step)
    return spikes, meter.counts


@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_graded_spikes_are_events_of_another_worth(factor):
    spikes, counts = graded(factor)
    number = fired(spikes) / factor
    assert number > 0
    assert counts["0"].spike.item() * 4 == pytest.approx(number)
    assert counts["1"].ac.item() * 4 == pytest.approx(3 * number)


@pytest.mark.parametrize("factor", [0.0, math.nan])
def test_spikes_that_are_worth_nothing_are_named_as_their_library_names_them(factor):
    with pytest.raises(ValueError, match=f"graded_spikes_factor is what .* got {factor}"):
        graded(factor)


def test_a_worth_of_its_own_for_each_neuron_makes_spikes_graded():
    spikes, counts = graded(torch.rand(6) + 0.5)
    number = (torch.stack(spikes) != 0).sum().item()
    assert number > 0
    assert counts["0"].spike.item() * 4 == number
    assert counts["1"].mac.item() * 4 == 3 * number


def test_gated_neurons_meet_their_input_as_events_and_their_state_as_analog():
    net = nn.Sequential(snn.SLSTM(8, 6, init_hidden=True), nn.Linear(6, 2))
    x = inputs(5, 4, 8)
    with pj.Meter(net, samples=4, inputs="events") as meter:
        steps(net, x)
    counts = meter.counts
    assert counts["0.lstm_cell.weight_ih"].ac.item() * 4 == 24 * x.sum().item()
    assert counts["0.lstm_cell.weight_hh"].mac.item() == 5 * 6 * 24
    assert counts["0"].multiply.item() == 3 * counts["0"].update.item() == 3 * 5 * 6
    assert counts["1"].ac.item() == 2 * counts["0"].spike.item()
    assert meter.uncounted == {}


@pytest.mark.parametrize("pool", [0, 2])
def test_gated_convolutions(pool):
    net = snn.SConv2dLSTM(1, 2, 3, max_pool=pool, init_hidden=True)
    x = inputs(3, 4, 1, 4, 4)
    with pj.Meter(net, samples=4, inputs="events") as meter:
        steps(net, x)
    counts = meter.counts["network.conv"]
    # at an edge two of three kernel positions are inside, along each axis
    places = torch.tensor([2.0, 3.0, 3.0, 2.0])
    assert counts.ac.item() * 4 == 8 * (x * torch.outer(places, places)).sum().item()
    # 10 x 10 pairs of a place and a kernel position, from 2 channels to 8
    assert counts.mac.item() == 3 * 100 * 2 * 8
    assert counts.bias.item() == 3 * 8 * 16
    assert meter.counts["network"].multiply.item() == 3 * 3 * 2 * 16
    assert meter.uncounted == {}


def test_all_steps_at_once():
    x = inputs(5, 4, 8)
    linear = snn.LinearLeaky(beta=BETA, in_features=8, out_features=6)
    with pj.Meter(linear, samples=4, inputs="events") as meter:
        spikes, _ = linear(x)
    assert meter.counts["network.linear"].ac.item() * 4 == 6 * x.sum().item()
    assert meter.counts["network"].update.item() == 30
    assert meter.counts["network"].spike.item() * 4 == spikes.sum().item()
    assert meter.counts["network"].sizes.potentials == 6
    assert meter.uncounted == {}


@pytest.mark.parametrize("enabled", [True, False])
def test_parallel_neurons_leak_through_a_weight(enabled):
    net = snn.LeakyParallel(8, 6, beta=BETA, weight_hh_enable=enabled)
    x = inputs(5, 4, 8)
    with pj.Meter(net, samples=4, inputs="events") as meter:
        net(x)
    weights = 36 if enabled else 6
    assert meter.counts["network.rnn.weight_ih"].ac.item() * 4 == 6 * x.sum().item()
    assert meter.counts["network.rnn.weight_hh"].mac.item() == 4 * weights
    assert meter.uncounted == {}


def test_synaptic_and_alpha_neurons():
    for neuron, adds, multiplies, words in (
        (snn.Synaptic(alpha=0.8, beta=BETA, init_hidden=True), 2, 2, 2),
        (snn.Alpha(alpha=0.9, beta=0.8, init_hidden=True), 3, 2, 3),
        (snn.Lapicque(beta=BETA, init_hidden=True), 1, 1, 1),
    ):
        net = nn.Sequential(nn.Linear(8, 6), neuron, nn.Linear(6, 2))
        with pj.Meter(net, samples=4, inputs="events") as meter:
            steps(net, inputs(5, 4, 8))
        layer = meter.counts["1"]
        assert layer.update.item() == 30
        assert layer.add.item() == 30 * adds
        assert layer.multiply.item() == 30 * multiplies
        assert layer.state_read.item() == layer.state_write.item() == 30 * words
        assert meter.counts["2"].ac.item() == 2 * layer.spike.item()
        assert meter.uncounted == {}
