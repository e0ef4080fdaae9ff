"""What a network costs beside dense ANNs, and the spike rate at which both cost the same."""

import math
from io import StringIO

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule.energy import OpCounts
from picojoule.training.cost import break_even, cost_on, spike_rate
from picojoule.training.measurement import whole_totals

STEPS = 5


def items(x):
    """Two batches of x [T, B, N]."""
    half = x.shape[1] // 2
    labels = torch.arange(half) % 3
    parts = [(x[:, :half], labels, None), (x[:, half:], labels, None)]
    return DataLoader(parts, batch_size=None)  # pyright: ignore[reportArgumentType]


def events(seed=0):
    torch.manual_seed(seed)
    return (torch.rand(STEPS, 8, 6) < 0.4).float()


def measured(net, x, chip="45nm", inputs="events", **options):
    chips = [pj.load_chip(chip)]
    return pj.measure(net, items(x), readout=pj.readout.mean, chips=chips, inputs=inputs, **options)


def network(threshold=1.0, outputs=3):
    torch.manual_seed(1)
    layers = nn.Linear(6, 20), pj.LIF(threshold=threshold), nn.Linear(20, outputs), pj.LI()
    net = pj.Sequential(*layers)
    with torch.no_grad():
        for layer in (net[0], net[2]):
            layer.weight.abs_()
    return net


MACS = 6 * 20 + 20 * 3


def test_the_quantised_ann_of_a_network_worked_out_by_hand():
    """Five steps are told apart by three bits: 2/31 of what a MAC costs above an accumulate."""
    one = measured(network(), events(), ann_steps=1).chips["45nm"]
    assert one.ann_pj == pytest.approx(MACS * 4.6)
    assert one.quantised_ann_bits == 3
    assert one.quantised_ann_pj == pytest.approx(MACS * (0.9 + 3.7 * 2 / 31))


@pytest.mark.parametrize("levels", [1, 2, 4, 7])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 8, 15, 16, 100])
def test_bits_tell_a_number_of_spikes_from_any_other(steps, levels):
    chip, dense = pj.load_chip("45nm"), {"x": OpCounts()}
    cost = cost_on(chip, {}, dense, steps=steps, spread=0.0, levels=levels)
    assert cost.quantised_ann_bits == math.ceil(math.log2(levels * steps + 1))


@pytest.mark.parametrize(
    ("neuron", "bits"),
    [
        (pj.LIF(), 3),
        (pj.MultiLevelIF(levels=4), 5),
        (pj.Mixture({"LIF": 12, "MultiLevelIF": 8}), 5),
    ],
)
def test_neurons_with_levels_say_more_in_one_step(neuron, bits):
    net = pj.Sequential(nn.Linear(6, 20), neuron, nn.Linear(20, 3), pj.LI())
    assert measured(net, events()).chips["45nm"].quantised_ann_bits == bits


def test_analog_inputs_are_as_wide_for_the_quantised_ann():
    """The pictures are the same for both; only what its neurons say has fewer bits."""
    torch.manual_seed(0)
    net = pj.Sequential(nn.Linear(6, 20), pj.Repeat(8), pj.LIF(), nn.Linear(20, 3), pj.LI())
    with pj.Meter(net) as meter:
        net(torch.rand(1, 4, 6))
    found = cost_on(pj.load_chip("45nm"), meter.counts, meter.dense(1), steps=8, spread=0.0)
    assert found.quantised_ann_pj == pytest.approx(120 * 4.6 + 60 * (0.9 + 3.7 * 3 / 31))


def test_the_quantised_ann_reads_and_writes_fewer_bits():
    def layer(inputs, outputs, bits):
        macs, access = inputs * outputs, 1.09e-5
        return (
            macs * (0.1 + 3.1 * (bits - 1) / 31)
            + outputs * (0.1 + 13.2 + access * outputs * 32)  # biases
            + inputs * (13.2 + access * inputs * bits)
            + macs * (13.2 + access * macs * 32)  # weights
            + outputs * (13.2 + access * outputs * bits)
            + macs * 0.1  # addresses
        )

    one = measured(network(), events(), "45nm-sram", ann_steps=1).chips["45nm-sram"]
    assert one.quantised_ann_pj == pytest.approx(layer(6, 20, 3) + layer(20, 3, 3))
    assert one.ann_pj == pytest.approx(layer(6, 20, 32) + layer(20, 3, 32))


def test_two_rates_of_one_network_agree_on_where_it_breaks_even():
    """With one hidden layer each spike costs the same, so that both lie on one line."""
    nets = network(2.0, outputs=30), network(0.7, outputs=30)
    quiet, lively = (measured(net, events(), ann_steps=1) for net in nets)
    assert 0 < quiet.spike_rate < lively.spike_rate
    a, b = quiet.chips["45nm"], lively.chips["45nm"]
    assert a.floor_pj == pytest.approx(b.floor_pj)
    for rate in ("break_even_rate", "quantised_break_even_rate"):
        assert getattr(a, rate) == pytest.approx(getattr(b, rate))
        assert getattr(a, rate) > 0
    # By hand: every spike of 20 neurons in 5 steps costs 30 accumulates.
    by_hand = ((6 * 20 + 20 * 30) * 4.6 - a.floor_pj) / (20 * STEPS * 30 * 0.9)
    assert a.break_even_rate == pytest.approx(by_hand)


def test_there_is_no_rate_where_the_floor_alone_costs_more_than_the_ann():
    one = measured(network(0.5), events(), ann_steps=1).chips["45nm"]
    floor = one.ann_pj / 2
    assert break_even(0.1, 2 * one.ann_pj, floor, one.ann_pj) == pytest.approx(0.1 / 3)
    assert break_even(0.1, 2 * one.ann_pj, 1.01 * one.ann_pj, one.ann_pj) is None
    # Static analog inputs at each step: the first layer alone costs five times the ANN's.
    analog = measured(network(0.5), torch.rand(STEPS, 8, 6), inputs="analog", ann_steps=1)
    assert analog.chips["45nm"].floor_pj > analog.chips["45nm"].ann_pj
    assert analog.chips["45nm"].break_even_rate is None


def test_there_is_no_rate_without_a_spike_or_without_an_ann():
    silent = measured(network(1e6), events()).chips["45nm"]
    assert silent.total_pj == silent.floor_pj
    assert (silent.break_even_rate, silent.quantised_break_even_rate) == (None, None)
    assert silent.ann_pj is not None
    loihi = measured(network(0.5), events(), "loihi").chips["loihi"]
    assert (loihi.ann_pj, loihi.quantised_ann_pj, loihi.quantised_ann_bits) == (None, None, None)
    assert (loihi.break_even_rate, loihi.quantised_break_even_rate) == (None, None)
    assert loihi.low_pj < loihi.total_pj < loihi.high_pj


def test_the_rate_is_over_layers_that_spike():
    counts = {
        "1": {"spike": 6, "update": 40},
        "2": {"ac": 3},
        "3": {"spike": 2, "update": 10},
        "5": {"update": 99},
    }
    assert spike_rate(counts) == 8 / 50
    assert spike_rate({"5": {"update": 99}}) == 0


class TestWholeTotals:
    """Counts of a data set are whole numbers, or somebody is told which layer's are not."""

    def counts(self, **values):
        numbers = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
        return OpCounts(**numbers)

    def test_the_last_bits_of_a_mean_do_not_matter(self):
        found = whole_totals({"0": self.counts(ac=1e12 + 0.0001, add=3 - 1e-10, second=0.25)})
        assert found == {"0": {"ac": 10**12, "add": 3, "second": 0.25}}
        assert isinstance(found["0"]["ac"], int)

    @pytest.mark.parametrize(("value", "said"), [(math.nan, "nan"), (math.inf, "inf")])
    def test_a_neuron_layer_that_puts_out_nan_is_named_first(self, value, said):
        counts = {"2": self.counts(ac=value), "1": self.counts(update=3.0, spike=value)}
        with pytest.raises(ValueError, match=f"layer '1' put out {said} spikes"):
            whole_totals(counts)
        with pytest.raises(ValueError, match=f"layer '2' counted {said} ac"):
            whole_totals({"2": counts["2"]})

    @pytest.mark.parametrize("value", [12.5, 1e6 + 0.01])
    def test_events_that_are_no_whole_number(self, value):
        with pytest.raises(ValueError, match=r"layer '0' counted .* ac, and events are whole") as e:
            whole_totals({"0": self.counts(ac=value)})
        assert 'inputs="analog"' in str(e.value)

    def test_a_network_is_refused_by_layer(self):
        x = events()
        x[0, 3] *= 0.5
        with pytest.raises(
            ValueError, match=r"'0' counts inputs that were said to be .*, but are no whole numbers"
        ):
            measured(network(), x)
        assert measured(network(), x, inputs="analog").samples == 8

    def test_a_nan_in_the_input_is_named(self):
        x = events()
        x[0, 0, 0] = math.nan
        with pytest.raises(ValueError, match="the inputs of 1 batches hold values"):
            measured(network(), x)


def test_layers_at_which_multiplied_levels_are_cheaper_are_told_with_what_that_saves():
    """Behind a mean over places every spike is charged at every output, and one value would do."""
    head = nn.Linear(6, 4)
    torch.manual_seed(0)
    x = (torch.rand(2, 4, 6, 8) < 0.9).float()
    net = pj.Sequential(nn.AvgPool1d(8), nn.Flatten(), head, pj.LI())
    items = DataLoader([(x, torch.zeros(4, dtype=torch.long), None)], batch_size=None)  # pyright: ignore
    chips = [pj.load_chip("45nm"), pj.load_chip("loihi")]
    readout, many = pj.readout.mean, pj.Convention(levels="multiply")
    report = pj.measure(net, items, readout=readout, chips=chips, inputs="events")
    other = pj.measure(net, items, readout=readout, chips=chips, inputs="events", convention=many)
    saved = report.chips["45nm"].saved_by_multiplying
    gain = report.chips["45nm"].total_pj - other.chips["45nm"].total_pj
    assert saved == {"2": pytest.approx(gain)}
    assert gain > 0
    assert report.chips["loihi"].saved_by_multiplying == {}  # it has no price for a product
    assert other.chips["45nm"].saved_by_multiplying == {}
    console = Console(width=200, record=True, file=StringIO())
    console.print(report.table())
    assert "on 45nm, levels are cheaper as multiplications at: 2 (" in console.export_text()
    by_layer = pj.measure(
        net, items, readout=readout, chips=chips, inputs="events", convention={"2": many}
    )
    assert by_layer.chips == other.chips
    assert pj.Report.from_json(by_layer.to_json()) == by_layer
