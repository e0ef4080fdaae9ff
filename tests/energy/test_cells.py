"""Recurrent layers and cells of torch: one call each, counted product by product."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from energy.metering import Two, events, run, spikes, total, totals
from picojoule.energy import Convention, Meter

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known", "ignore:dropout option adds")
FIVE = spikes((2, 8), (0, 0), (0, 3), (0, 7), (1, 2), (1, 5))
# Gates, and per unit and step: additions, multiplications, elements of non-linearities.
UNITS = {
    "LSTM": (4, 1, 3, {"sigmoid": 3, "tanh": 2}),
    "GRU": (3, 3, 3, {"sigmoid": 2, "tanh": 1}),
    "RNN": (1, 0, 0, {"tanh": 1}),
}


def named(counts, missed=None):
    """Counts by part, without the network's name."""
    return {name.removeprefix("network."): n for name, n in counts.items() if n}


def number(meter, count):
    """One count by part."""
    done = {name: dict(counts.items()) for name, counts in meter.counts.items()}
    return named({name: counts[count].item() for name, counts in done.items() if count in counts})


class TestGolden:
    """Linear maps of 8 inputs and 4 hidden units; 5 spikes in 2 rows.

    Every spike meets a row of each gate. The hidden state is a tensor of analog values at every
    step, the first too, so that its 2 x 4 values meet every weight.
    """

    def test_rnn_cell(self):
        """NeuroBench 12 AC: of the spikes it runs sample 0 alone, and it skips the zero state.

        SpikingJelly 20 synaptic operations and 28 AC, the 8 others to add both products up; here
        they go on in one accumulator. It counts nothing for the state of zeros; syops no AC at all.
        """
        meter = run(nn.RNNCell(8, 4), FIVE)
        assert number(meter, "ac") == {"ih": 5 * 4}
        assert number(meter, "mac") == {"hh": 2 * 4 * 4}
        assert number(meter, "bias") == {"ih": 8, "hh": 8}
        assert meter.uncounted == {"network: tanh": 8}

    def test_lstm(self):
        """NeuroBench raises a TypeError, SpikingJelly counts 0, syops has a total and no AC."""
        meter = run(nn.LSTM(8, 4), FIVE)
        assert number(meter, "ac") == {"ih_l0": 5 * 16}
        assert number(meter, "mac") == {"hh_l0": 2 * 4 * 16}
        assert meter.uncounted == {"network: sigmoid": 24, "network: tanh": 16}

    def test_gru(self):
        """NeuroBench raises a TypeError; SpikingJelly has the same 60 and leaves the state out."""
        meter = run(nn.GRU(8, 4), FIVE)
        assert number(meter, "ac") == {"ih_l0": 5 * 12}
        assert number(meter, "mac") == {"hh_l0": 2 * 4 * 12}
        assert meter.uncounted == {"network: sigmoid": 16, "network: tanh": 8}


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("bias", [True, False])
def test_a_cell_and_a_step_of_its_layer_are_the_same(kind, bias):
    gates, adds, multiplies, functions = UNITS[kind]
    x = events(3, 5)
    cell = run(getattr(nn, f"{kind}Cell")(5, 2, bias=bias), x)
    layer = run(getattr(nn, kind)(5, 2, bias=bias), x[None])
    assert totals(cell) == totals(layer)
    assert (
        cell.uncounted == layer.uncounted == {f"network: {n}": 6 * k for n, k in functions.items()}
    )
    assert total(cell, "ac") == x.sum() * gates * 2
    assert total(cell, "mac") == 3 * 2 * gates * 2
    assert total(cell, "add") == 6 * adds
    assert total(cell, "multiply") == 6 * multiplies
    assert total(cell, "bias") == (2 * 6 * gates if bias else 0)


LAYERS = [
    (kind, options)
    for kind in UNITS
    for options in (
        {"num_layers": 3},
        {"num_layers": 2, "bidirectional": True, "dropout": 0.5},
        {"bias": False, "batch_first": True},
        *([{"proj_size": 2, "num_layers": 2, "bidirectional": True}] if kind == "LSTM" else []),
    )
]


@pytest.mark.parametrize(("kind", "options"), LAYERS)
@pytest.mark.parametrize("training", [True, False])
def test_every_weight_is_met_at_every_step(kind, options, training):
    layer = getattr(nn, kind)(5, 3, **options).train(training)
    x, rows = events(4, 2, 5), 4 * 2
    meter = run(layer, x)
    weights = {n.removeprefix("weight_"): w for n, w in layer.named_parameters() if w.dim() > 1}
    first = {n: x.sum().item() * w.shape[0] for n, w in weights.items() if n.startswith("ih_l0")}
    assert number(meter, "ac") == first
    dense = {name: rows * weight.numel() for name, weight in weights.items()}
    assert number(meter, "mac") == {n: pairs for n, pairs in dense.items() if n not in first}
    found = {n.removeprefix("network."): c.mac.item() for n, c in meter.dense().items()}
    assert found == dense
    units = rows * 3 * layer.num_layers * (2 if layer.bidirectional else 1)
    _, adds, multiplies, functions = UNITS[kind]
    assert (total(meter, "add"), total(meter, "multiply")) == (adds * units, multiplies * units)
    assert meter.uncounted == {f"network: {name}": n * units for name, n in functions.items()}
    biases = sum(b.numel() for b in layer.parameters() if b.dim() == 1)
    assert total(meter, "bias") == rows * biases


@pytest.mark.parametrize("kind", UNITS)
def test_packed_sequences_have_the_steps_that_they_have(kind):
    """3 and 1 of 4 steps: 4 rows instead of 8."""
    layer = getattr(nn, kind)(5, 3, num_layers=2)
    x = events(4, 2, 5)

    def forward(net, x):
        return net.layer(pack_padded_sequence(x, [3, 1]))[0].data

    meter = run(Two(forward, layer=layer), x, inputs="analog")
    weights = [w.numel() for w in layer.parameters() if w.dim() > 1]
    assert total(meter, "mac") == 4 * sum(weights)
    assert not any("weight" in name for name in meter.uncounted)


def test_rectified_units():
    assert run(nn.RNN(5, 3, nonlinearity="relu"), events(4, 2, 5)).uncounted == {
        "network: relu": 24
    }
    assert run(nn.RNNCell(5, 3, nonlinearity="relu"), events(2, 5)).uncounted == {
        "network: relu": 6
    }


def test_a_state_that_is_given_changes_nothing():
    layer, x = nn.LSTM(5, 3), events(4, 2, 5)
    state = torch.rand(1, 2, 3), torch.rand(1, 2, 3)
    kinds = {"input": "events"}
    assert totals(run(layer, x, state, inputs=kinds)) == totals(run(layer, x))


def test_a_cell_in_a_loop_adds_up():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.LSTMCell(5, 3)

        def forward(self, x):
            state = None
            for step in x:
                state = self.cell(step, state)
            return state[0]

    x = events(4, 2, 5)
    meter = run(Loop(), x)
    found = number(meter, "ac") | number(meter, "mac")
    assert found == {"cell.ih": x.sum().item() * 12, "cell.hh": 4 * 2 * 3 * 12}


def test_weights_of_zero_can_be_left_out():
    layer = nn.GRU(5, 3)
    for weight in (layer.weight_ih_l0, layer.weight_hh_l0):
        weight.data[:, 0] = 0
    x = events(4, 2, 5)
    skip = Convention(skip_zero_weights=True)
    with Meter(layer, samples=1, inputs="events", convention=skip) as meter:
        layer(x)
    assert number(meter, "ac") == {"ih_l0": x[..., 1:].sum().item() * 9}
    assert number(meter, "mac") == {"hh_l0": 4 * 2 * 2 * 9}


def test_gradients_reach_the_input():
    x = events(4, 2, 5).requires_grad_()
    meter = run(nn.LSTM(5, 3), x)
    (gradient,) = torch.autograd.grad(meter.counts["network.ih_l0"].ac, x)
    assert torch.equal(gradient, torch.full_like(x, 12.0))


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_cell_may_be_given_events_in_place_of_its_last_outputs(kind):
    gates = UNITS[kind][0]
    cell, x, last = getattr(nn, f"{kind}Cell")(5, 3), events(2, 5), events(2, 3)

    def forward(net, x, last):
        return cell(x, (last, torch.rand(2, 3)) if kind == "LSTM" else last)

    found = number(run(Two(forward, cell=cell), x, last), "ac")
    assert found == {
        "cell.ih": x.sum().item() * 3 * gates,
        "cell.hh": last.sum().item() * 3 * gates,
    }
