"""Networks of Norse, unchanged."""

import norse.torch as norse
import pytest
import torch
from norse.torch.functional.lif_box import LIFBoxParameters
from torch import nn

import picojoule as pj
from peers.compare import DT, fired, inputs, lively, meters, recorded, same, tau

LEAK = 0.1  # dt / tau_mem
# A current that is gone after its step, and a membrane that leaks as ours does.
PARAMETERS = norse.LIFParameters(
    tau_syn_inv=torch.tensor(1 / DT),
    tau_mem_inv=torch.tensor(LEAK / DT),
    v_th=torch.tensor(LEAK),  # the input is scaled by the leak, so is the threshold
)
BOX = LIFBoxParameters(tau_mem_inv=torch.tensor(LEAK / DT), v_th=torch.tensor(LEAK))
# All that a layer counts but the update: Norse keeps a current as well, even where it is gone.
SHARED = "mac ac spike update event_read weight_read output_write address pool bias".split()


def lif():
    return pj.LIF(tau=tau(1 - LEAK), threshold=1.0)


def sequence(net, x):
    return net(x)[0]


def test_a_sequence_of_lifted_layers():
    first, second = nn.Linear(8, 12), nn.Linear(12, 5)
    net = norse.SequentialState(
        *(norse.Lift(first), norse.LIF(PARAMETERS), norse.Lift(second), norse.LIF(PARAMETERS))
    )
    own = pj.Sequential(first, lif(), second, lif())
    theirs, own = meters(lively(net), own, inputs(6, 4, 8), sequence)
    names = {"0.lifted_module": "0", "1": "1", "2.lifted_module": "2", "3": "3"}
    same(theirs, own, names, only=SHARED)
    layer = theirs.counts["1"]
    assert layer.add.item() == layer.state_read.item() == 2 * layer.update.item()
    assert layer.second.item() == 6 * 12 * norse.LIF(PARAMETERS).dt


def test_a_conv_net_of_cells():
    """Cells in ``SequentialState`` take one step; the state is passed by hand."""
    conv, linear = nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Linear(4 * 4, 5)
    net = norse.SequentialState(
        conv,
        norse.LIFBoxCell(BOX),
        nn.AvgPool2d(2),
        nn.Flatten(),
        linear,
        norse.LIFBoxCell(BOX),
    )

    def loop(net, x):
        state, outs = None, []
        for step in x:
            out, state = net(step, state)
            outs.append(out)
        return torch.stack(outs)

    own = pj.Sequential(conv, lif(), nn.AvgPool2d(2), nn.Flatten(), linear, lif())
    theirs, own = meters(lively(net), own, inputs(6, 4, 1, 8, 8), loop)
    same(theirs, own, {name: name for name in "01245"})


def test_recurrent_layers_are_ours():
    net = norse.SequentialState(norse.LIFRecurrent(8, 6, PARAMETERS))
    layer = net[0]
    lively(net)
    own = pj.Sequential(nn.Linear(8, 6, bias=False), pj.Recurrent(lif(), 6))
    own[0].weight, own[1].weight = layer.input_weights, layer.recurrent_weights
    theirs, own = meters(net, own, inputs(6, 4, 8), sequence)
    names = {"0.input_weights": "0", "0": "1", "0.recurrent_weights": "1.recurrent"}
    same(theirs, own, names, only=SHARED)
    sizes = theirs.counts["0.recurrent_weights"].sizes
    assert (sizes.weights, sizes.inputs, sizes.potentials) == (36, 6, 6)


@pytest.mark.parametrize("wrapped", [True, False], ids=["cell in Lift", "layer"])
def test_recurrent_weights_by_hand(wrapped):
    """Default dynamics, with currents that last: only spikes recorded in the run can be asked."""
    layer = norse.Lift(norse.LIFRecurrentCell(8, 6)) if wrapped else norse.LIFRecurrent(8, 6)
    net = norse.SequentialState(layer, norse.Lift(nn.Linear(6, 3)))
    name = "0.lifted_module" if wrapped else "0"
    spikes = recorded(lively(net), name)[name]
    x = inputs(20, 4, 8)
    with pj.Meter(net, samples=4, inputs="events") as meter:
        net(x)
    out = torch.stack(spikes).view(20, 4, 6)
    counts = meter.counts
    assert out[:-1].any()
    assert counts[f"{name}.input_weights"].ac.item() * 4 == 6 * x.sum().item()
    assert counts[f"{name}.recurrent_weights"].ac.item() * 4 == 6 * out[:-1].sum().item()
    assert counts[name].spike.item() * 4 == out.sum().item()
    assert counts["1.lifted_module"].ac.item() * 4 == 3 * out.sum().item()
    assert meter.uncounted == {}


def test_recurrent_weights_that_are_zero():
    """Norse keeps its neurons from exciting themselves; a weight of zero is a synapse or not."""
    x, counts = inputs(20, 4, 8), []
    net = lively(norse.LIFRecurrent(8, 6))
    for skip in (False, True):
        convention = pj.energy.Convention(skip_zero_weights=skip)
        with pj.Meter(net, samples=4, inputs="events", convention=convention) as meter:
            net(x)
        counts.append(meter.counts["network.recurrent_weights"].ac.item())
    assert counts[1] == pytest.approx(counts[0] * 5 / 6)
    assert counts[1] > 0


def test_spikes_of_a_state_that_is_passed_on_arrive():
    net = lively(norse.LIFRecurrent(8, 6))
    x = inputs(20, 4, 8)
    with pj.Meter(net, samples=4, inputs="events") as whole:
        net(x)
    with pj.Meter(net, samples=4, inputs="events") as parts:
        _, state = net(x[:11])
        net(x[11:], state)
    name = "network.recurrent_weights"
    assert parts.counts[name].ac.item() == whole.counts[name].ac.item() > 0


@pytest.mark.parametrize(
    ("cell", "adds", "multiplies", "words"),
    [
        (norse.LIFCell, 2, 2, 2),
        (norse.LIFExCell, 3, 3, 2),
        (norse.LIFAdExCell, 5, 5, 3),
        (norse.LIFRefracCell, 3, 2, 3),
        (norse.LSNNCell, 2, 3, 3),
        (norse.IAFCell, 1, 0, 1),
    ],
)
def test_every_cell_counts_what_its_equation_says(cell, adds, multiplies, words):
    net = norse.SequentialState(cell(), nn.Linear(6, 2))
    spikes = recorded(net, "0")["0"]
    with pj.Meter(net, samples=4) as meter:
        state = None
        for step in 10 * torch.rand(30, 4, 6):
            _, state = net(step, state)
    layer = meter.counts["0"]
    assert layer.update.item() == 30 * 6
    assert layer.add.item() == 180 * adds
    assert dict(layer.items()).get("multiply", 0) == 180 * multiplies
    assert layer.state_read.item() == 180 * words
    assert layer.spike.item() * 4 == fired(spikes) > 0
    assert meter.counts["1"].ac.item() * 4 == 2 * fired(spikes)
    assert meter.uncounted == {}


def test_leaky_readouts_are_analog():
    net = norse.SequentialState(norse.LILinearCell(8, 6), nn.Linear(6, 2))
    with pj.Meter(net, samples=4, inputs="events") as meter:
        net(x := inputs(4, 8))
    assert meter.counts["0.input_weights"].ac.item() * 4 == 6 * x.sum().item()
    assert meter.counts["1"].mac.item() == 12
    assert "spike" not in dict(meter.counts["0"].items())
    assert meter.uncounted == {}


def test_compartments_meet_through_synapses():
    net, x = norse.LIFMCRecurrentCell(8, 6), inputs(5, 4, 8)
    with pj.Meter(net, samples=4, inputs="events") as meter:
        state = None
        for step in x:
            _, state = net(step, state)
    # the first step starts from rest
    assert meter.counts["network.g_coupling"].mac.item() == 4 * 36
    assert meter.uncounted == {}
