"""Golden numbers: what peers count for the same layer, and where and why ours differs.

Each layer is called as a module and as the function behind it. Dense numbers are those of all-ones
input without padding, as NeuroBench's.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from energy.metering import Two, run, spikes, total, totals

FIVE = spikes((2, 8), (0, 0), (0, 3), (0, 7), (1, 2), (1, 5))
ONES = torch.ones(1, 2, 5, 5)
CORNER = spikes((1, 2, 5, 5), (0, 1, 0, 4))
CENTRE = spikes((1, 2, 5, 5), (0, 0, 2, 2))
LEVELS = FIVE + spikes((2, 8), (0, 0), (0, 3), (1, 2))
SPARSE_ANALOG = FIVE * 0.37


def linear(bias=True):
    return nn.Linear(8, 4, bias=bias)


def half_pruned():
    layer = linear(bias=False)
    layer.weight.data[:2] = 0
    return layer


def conv(kernel=3, inputs=2, outputs=3, **options):
    return nn.Conv2d(inputs, outputs, kernel, **options)


# name, layer, input, its kind, count, number, dense number
CASES = [
    ("linear", linear(), FIVE, "events", "ac", 20, 64),
    ("linear, no bias", linear(False), FIVE, "events", "ac", 20, 64),
    # NeuroBench 10: zero weights are synapses here unless asked otherwise
    ("linear, half of the rows zero", half_pruned(), FIVE, "events", "ac", 20, 64),
    # NeuroBench 20 MAC, SpikingJelly 64 MAC: a level of n is n accumulates
    ("linear, levels 0 1 2", linear(), LEVELS, "levels", "ac", 32, 64),
    ("linear, constant 0.3", linear(), torch.full((2, 8), 0.3), "analog", "mac", 64, 64),
    ("linear, all zeros", linear(), torch.zeros(2, 8), "events", "ac", 0, 64),
    ("linear, all ones", linear(), torch.ones(2, 8), "events", "ac", 64, 64),
    # kinds are not read off values: neither a silent nor a binary analog input is spikes
    ("linear, analog zeros", linear(), torch.zeros(2, 8), "analog", "mac", 64, 64),
    ("linear, analog ones", linear(), torch.ones(2, 8), "analog", "mac", 64, 64),
    # NeuroBench 20: analog values cost dense
    ("linear, analog with 11 of 16 zeros", linear(), SPARSE_ANALOG, "analog", "mac", 64, 64),
    ("linear, 4 steps", linear(), FIVE.expand(4, 2, 8), "events", "ac", 80, 256),
    ("conv k3 p1", conv(padding=1), ONES, "events", "ac", 1014, 1014),
    ("conv k3 p1, no bias", conv(padding=1, bias=False), ONES, "events", "ac", 1014, 1014),
    ("conv k3 p0", conv(), ONES, "events", "ac", 486, 486),
    ("conv k3 p1 s2", conv(padding=1, stride=2), ONES, "events", "ac", 294, 294),
    ("conv k3 p2 d2", conv(padding=2, dilation=2), ONES, "events", "ac", 726, 726),
    ("conv k3 'same'", conv(padding="same"), ONES, "events", "ac", 1014, 1014),
    ("conv k3 d2 'same'", conv(padding="same", dilation=2), ONES, "events", "ac", 726, 726),
    ("conv k3 'valid'", conv(padding="valid"), ONES, "events", "ac", 486, 486),
    # a circular border is made of inputs: SpikingJelly and NeuroBench 1350, sinabs 1014
    ("conv circular", conv(padding=1, padding_mode="circular"), ONES, "events", "ac", 1350, 1350),
    (
        "conv depthwise",
        conv(3, 4, 4, padding=1, groups=4),
        ONES.repeat(1, 2, 1, 1),
        "events",
        "ac",
        676,
        676,
    ),
    (
        "conv groups 2",
        conv(3, 4, 4, padding=1, groups=2),
        ONES.repeat(1, 2, 1, 1),
        "events",
        "ac",
        1352,
        1352,
    ),
    ("conv, spike in a corner", conv(padding=1), CORNER, "events", "ac", 12, 1014),
    ("conv, spike in the centre", conv(padding=1), CENTRE, "events", "ac", 27, 1014),
    ("conv, spike in the centre s2", conv(padding=1, stride=2), CENTRE, "events", "ac", 3, 294),
    # SpikingJelly 1350: padding is no synapse for analog values either
    ("conv, analog", conv(padding=1), ONES * 0.3, "analog", "mac", 1014, 1014),
    (
        "conv 5x3 on a rectangle",
        conv((5, 3), padding=(2, 0)),
        torch.ones(1, 2, 5, 6),
        "events",
        "ac",
        19 * 12 * 2 * 3,
        19 * 12 * 2 * 3,
    ),
    ("conv1d", nn.Conv1d(2, 3, 3, padding=1), torch.ones(1, 2, 5), "events", "ac", 78, 78),
    # torch pads an even kernel at the end: 5 first taps, 4 second ones
    (
        "conv1d k2 'same'",
        nn.Conv1d(1, 1, 2, padding="same"),
        torch.ones(1, 1, 5),
        "events",
        "ac",
        9,
        9,
    ),
    (
        "conv3d",
        nn.Conv3d(1, 2, 3, padding=1),
        torch.ones(1, 1, 3, 3, 3),
        "events",
        "ac",
        2 * 7**3,
        2 * 7**3,
    ),
    ("conv without batch", conv(padding=1), ONES[0], "events", "ac", 1014, 1014),
    ("conv transposed", nn.ConvTranspose2d(2, 3, 2, stride=2), ONES, "events", "ac", 600, 600),
    (
        "conv transposed p1",
        nn.ConvTranspose2d(2, 3, 3, padding=1),
        ONES,
        "events",
        "ac",
        1014,
        1014,
    ),
]
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
every = pytest.mark.parametrize(
    ("layer", "x", "kind", "count", "number", "dense"),
    [pytest.param(*case[1:], id=case[0]) for case in CASES],
)


def functional(module, x):
    layer = module.layer
    if isinstance(layer, nn.Linear):
        return F.linear(x, layer.weight, layer.bias)
    if isinstance(layer, nn.ConvTranspose2d):
        options = layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation
        return F.conv_transpose2d(x, layer.weight, layer.bias, *options)
    return layer._conv_forward(x, layer.weight, layer.bias)


@every
def test_called_as_a_module(layer, x, kind, count, number, dense):
    meter = run(layer, x, inputs=kind)
    assert totals(meter).get(count, 0) == number
    assert total(meter, "ac") + total(meter, "mac") == number
    assert total(meter.dense(), "mac") == dense
    assert meter.uncounted == {}


@every
def test_called_as_a_function(layer, x, kind, count, number, dense):
    meter = run(Two(functional, layer=layer), x, inputs=kind)
    assert set(meter.counts) == {"network"}
    assert total(meter, count) == number
    assert total(meter.dense(), "mac") == dense
    assert meter.uncounted == {}


@every
def test_biases_are_a_count_of_their_own(layer, x, kind, count, number, dense):
    expected = 0 if layer.bias is None else layer(x).numel()
    assert total(run(layer, x, inputs=kind), "bias") == expected


def test_ternary_spikes_count_by_magnitude():
    """sinabs -2, syops and SpikingJelly 64 MAC: the difference of two events is a signed one."""
    on, off = FIVE.clone(), spikes((2, 8), (0, 1), (1, 1))
    on[1] = 0
    meter = run(Two(lambda net, x, y: net.layer(x - y), layer=linear()), on, off)
    assert meter.counts["layer"].ac.item() == (3 + 2) * 4
    assert meter.counts["network"].add.item() == 5


def test_events_worth_a_half_are_still_events():
    """sinabs 5, syops 10, NeuroBench 20 MAC: what is halved fires no less often."""
    meter = run(Two(lambda net, x: net.layer(x * 0.5), layer=linear()), FIVE)
    assert totals(meter)["ac"] == 20


@pytest.mark.parametrize("layer", [nn.AvgPool2d(2), nn.MaxPool2d(2)])
@pytest.mark.parametrize("kind", ["events", "analog"])
def test_pooling_counts_values_in_windows(layer, kind):
    """syops 32 AC; SpikingJelly 24 AC for the mean and 0 for the largest."""
    assert totals(run(layer, torch.ones(1, 2, 4, 4), inputs=kind)) == {"pool": 32}


def test_batch_norm_of_synapses_is_folded():
    net = nn.Sequential(conv(padding=1), nn.BatchNorm2d(3)).eval()
    alone = run(net[0], ONES)
    assert totals(run(net, ONES)) == totals(alone)


def test_batch_norm_of_spikes_is_not():
    found = totals(run(nn.BatchNorm2d(2).eval(), ONES))
    assert found == {"add": 50, "multiply": 50}


@pytest.mark.parametrize(
    "add", [torch.add, lambda x, y: x + y, lambda x, y: torch.add(x, other=y), "add_", "__iadd__"]
)
def test_residual_addition_counts_both_spikes(add):
    call = add if callable(add) else (lambda x, y: getattr(x.clone(), add)(y))
    meter = run(Two(lambda net, x, y: call(x, y)), ONES, ONES.clone())
    assert totals(meter) == {"add": 100}


def test_products_of_spikes_count_coincidences():
    """SpikingJelly counts the same pairs; NeuroBench, syops and sinabs see no function."""
    q, k = FIVE, spikes((2, 8), (0, 0), (0, 3), (1, 3), (1, 2))
    by_hand = sum(
        q[i, n].item() * k[j, n].item() for i in range(2) for j in range(2) for n in range(8)
    )
    assert totals(run(Two(lambda net, q, k: q @ k.t()), q, k))["ac"] == by_hand == 4


@pytest.mark.parametrize(
    ("layer", "gates"),
    [(nn.RNN(8, 4), 1), (nn.RNNCell(8, 4), 1), (nn.LSTM(8, 4), 4), (nn.GRU(8, 4), 3)],
    ids=lambda value: type(value).__name__,
)
def test_recurrent_cells_of_torch(layer, gates):
    """NeuroBench 12 for the cell (its first sample alone), errors for layers; syops no AC or MAC;

    SpikingJelly the same events (20, 60), but 0 for the LSTM, and no hidden state.
    """
    meter = run(layer, FIVE)
    assert total(meter, "ac") == 5 * 4 * gates
    assert total(meter, "mac") == 2 * 4 * 4 * gates  # the hidden state is analog at both steps
    assert not [name for name in meter.uncounted if "weight" in name]
