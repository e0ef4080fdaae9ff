"""Several kinds in one tensor: each meets its own weights and is counted as what it is."""

import pytest
import torch
from torch import nn

import picojoule as pj
from energy.metering import Two, events, run
from picojoule.energy import Convention, Meter
from picojoule.neurons import IF

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")


def metered(layer, function, x, y, **how):
    """An analog tensor and one of events."""
    net = Two(lambda net, x, y: net.layer(function(x, y)), layer=layer)
    with Meter(net, samples=1, inputs={"x": "analog", "other": "events"}, **how) as meter:
        net(x, y)
    return meter


@pytest.mark.parametrize("swapped", [False, True])
def test_a_linear_layer(swapped):
    torch.manual_seed(1)
    x, y = torch.randn(3, 5), events(3, 4)

    def joined(x, y):
        return torch.cat([y, x] if swapped else [x, y], 1)

    meter = metered(nn.Linear(9, 2), joined, x, y)
    done = meter.counts["layer"]
    assert (done.mac, done.ac, done.bias) == (3 * 5 * 2, 2 * y.sum(), 3 * 2)
    assert done.output_write == 3 * 2
    assert (done.sizes.weights, done.sizes.inputs, done.sizes.potentials) == (18, 9, 2)
    dense = meter.dense()["layer"]
    assert (dense.mac, dense.bias, dense.output_write) == (3 * 9 * 2, 3 * 2, 3 * 2)


def test_a_convolution_of_channels():
    torch.manual_seed(1)
    x, y = torch.randn(3, 2, 4, 4), events(3, 3, 4, 4)
    layer = nn.Conv2d(5, 2, 1)
    meter = metered(layer, lambda x, y: torch.cat([x, y], dim=-3), x, y)
    done = meter.counts["layer"]
    assert (done.mac, done.ac) == (3 * 2 * 16 * 2, 2 * y.sum())
    assert (done.sizes.inputs, done.sizes.potentials) == (5 * 16, 2 * 16)


def test_weights_of_zero_are_skipped_in_each_part():
    torch.manual_seed(1)
    x, y = torch.randn(3, 2), events(3, 3)
    layer = nn.Linear(5, 2)
    with torch.no_grad():
        layer.weight[0, 1] = layer.weight[1, 4] = 0
    convention = Convention(skip_zero_weights=True)
    done = metered(layer, lambda x, y: torch.cat([x, y], 1), x, y, convention=convention)
    done = done.counts["layer"]
    assert (done.mac, done.ac) == (3 * 3, 2 * y.sum() - y[:, 2].sum())


def test_values_between_events_are_one_dense_part():
    torch.manual_seed(1)
    x, y = torch.randn(3, 2), events(3, 3)
    meter = metered(nn.Linear(7, 2), lambda x, y: torch.cat([x, y, x], 1), x, y)
    done = meter.counts["layer"]
    assert (done.mac, done.ac, done.output_write) == (3 * 4 * 2, 2 * y.sum(), 3 * 2)


@pytest.mark.parametrize(
    "change", [lambda z: z + 0.5, lambda z: z.flip(1), lambda z: z.T @ torch.ones(3, 9)]
)
def test_what_is_changed_after_it_was_joined_is_dense(change):
    x, y = torch.randn(3, 5), events(3, 4)
    meter = metered(nn.Linear(9, 2), lambda x, y: change(torch.cat([x, y], 1)), x, y)
    done = meter.counts["layer"]
    assert done.ac == 0
    assert done.mac >= 3 * 9 * 2


def test_joined_along_the_samples_is_dense():
    x, y = torch.randn(3, 4), events(3, 4)
    done = metered(nn.Linear(4, 2), lambda x, y: torch.cat([x, y]), x, y).counts["layer"]
    assert (done.mac, done.ac) == (6 * 4 * 2, 0)


def test_the_gradient_reaches_the_spikes():
    """A recurrent cell: the input beside the last spikes."""
    net = Two(
        lambda net, x: net.layer(torch.cat([x, net.neuron(net.first(x))[0]], -1)),
        first=nn.Linear(4, 3),
        neuron=IF(),
        layer=nn.Linear(7, 2),
    )
    torch.manual_seed(1)
    counts = run(net, 4 * torch.rand(3, 2, 4), samples=2, inputs="analog").counts["layer"]
    assert counts.ac == counts.hidden.ac > 0
    counts.ac.backward()
    assert net.first.weight.grad.count_nonzero()


def both(x, y, dim=1):
    return torch.cat([x, y], dim)


SURVIVE = {
    "a constant": lambda x, y: both(x, y) * 0.5,
    "a division": lambda x, y: both(x, y) / 3,
    "one learned number": lambda x, y: nn.Parameter(torch.tensor(2.0)) * both(x, y),
    "relu": lambda x, y: torch.relu(both(x, y)),
    "in place": lambda x, y: both(x, y).mul_(2),
    "clamp": lambda x, y: both(x, y).clamp(0, 1),
    "cast": lambda x, y: both(x, y).double().float(),
    "dropout": lambda x, y: nn.functional.dropout(both(x, y), 0.5, training=False),
    "view": lambda x, y: both(x, y).view(1, 3, 9),
    "flatten": lambda x, y: both(x[..., None], y[..., None]).flatten(1),
    "places flattened": lambda x, y: both(x.view(3, 1, 5), y.view(3, 4, 1).mT, -1).flatten(1),
    "pad": lambda x, y: nn.functional.pad(both(x, y[:, :2]), (0, 2)),
    "pad rows": lambda x, y: nn.functional.pad(both(x, y), (0, 0, 1, 1))[1:-1],
    "one step": lambda x, y: both(x[None], y[None], 2)[0],
    "steps": lambda x, y: torch.stack(list(both(x, y))),
    "transpose": lambda x, y: both(x.T, y.T, 0).T,
    "permute": lambda x, y: both(x[None], y[None], -1).permute(1, 0, 2),
    "apart and together": lambda x, y: torch.cat(both(x, y).split([5, 4], 1), 1),
    "apart elsewhere": lambda x, y: torch.cat(both(x, y).chunk(3, 1), 1),
    "hstack": lambda x, y: torch.hstack([x, y]),
    "thrice": lambda x, y: both(both(x, y[:, :1]), y[:, 1:]),
}


@pytest.mark.parametrize("way", SURVIVE)
def test_kinds_stay_side_by_side(way):
    torch.manual_seed(1)
    x, y = torch.randn(3, 5), events(3, 4)
    change = SURVIVE[way]
    meter = metered(nn.Linear(9, 2), change, x, y)
    done = meter.counts["layer"]
    spikes = (change(x, y)[..., 5:] != 0).sum()
    assert done.ac == 2 * spikes
    assert done.mac == 3 * 5 * 2
    assert (done.sizes.weights, done.sizes.inputs, done.sizes.potentials) == (18, 9, 2)


W = torch.rand(9, 2)
CONSUMERS = {
    "matmul": lambda z: z @ nn.Parameter(W),
    "from the right": lambda z: nn.Parameter(W.T) @ z.T,
    "mm": lambda z: torch.mm(z, nn.Parameter(W)),
    "mv": lambda z: torch.stack([torch.mv(z, nn.Parameter(W[:, i])) for i in range(2)]),
    "one row of weights": lambda z: torch.stack(
        [nn.functional.linear(z, nn.Parameter(W[:, i])) for i in range(2)]
    ),
    "addmm": lambda z: torch.addmm(torch.zeros(2), z, nn.Parameter(W)),
    "bmm": lambda z: torch.bmm(z[None], nn.Parameter(W[None])),
    "baddbmm": lambda z: torch.baddbmm(torch.zeros(1, 3, 2), z[None], nn.Parameter(W[None])),
    "einsum": lambda z: torch.einsum("bi,io->bo", z, nn.Parameter(W)),
    "tensordot": lambda z: torch.tensordot(z, nn.Parameter(W), 1),
    "inner": lambda z: torch.inner(z, nn.Parameter(W.T)),
}


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("how", CONSUMERS)
def test_products(how, skip):
    torch.manual_seed(1)
    x, y = torch.randn(3, 5), events(3, 4)
    consumer = CONSUMERS[how]
    net = Two(lambda net, x, y: consumer(both(x, y)))
    given = {"x": "analog", "other": "events"}
    convention = Convention(skip_zero_weights=skip)
    with Meter(net, samples=1, inputs=given, convention=convention) as meter:
        net(x, y)
    done = meter.counts["network"]
    assert (done.mac, done.ac) == (3 * 5 * 2, 2 * y.sum())
    dense = meter.dense()["network"]
    assert (dense.mac, dense.output_write) == (3 * 9 * 2, 3 * 2)


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_recurrent_layers(layer):
    torch.manual_seed(1)
    x, y = torch.randn(3, 5), events(3, 4)
    layer = layer(9, 2)
    gates = layer.weight_ih.shape[0] if hasattr(layer, "weight_ih") else layer.weight_ih_l0.shape[0]
    meter = metered(layer, both, x, y)
    inner = [done for name, done in meter.counts.items() if "ih" in name]
    assert sum(done.mac for done in inner) == 3 * 5 * gates
    assert sum(done.ac for done in inner) == gates * y.sum()


def test_attention():
    torch.manual_seed(1)
    x, y = torch.randn(3, 5), events(3, 4)
    layer = nn.MultiheadAttention(9, 3)
    net = Two(lambda net, x, y: net.layer(*3 * [both(x, y)]), layer=layer)
    meter = run(net, x, y, inputs={"x": "analog", "other": "events"})
    done = meter.counts["layer.in_proj"]
    assert (done.mac, done.ac) == (3 * 3 * 5 * 9, 3 * 9 * y.sum())


CHANNELS = {
    "padded": (nn.Conv2d(4, 2, 1), lambda z: nn.functional.pad(z, (1, 1, 1, 1)), 36),
    "flattened": (nn.Linear(64, 2), lambda z: z.flatten(1), 16),
    "scaled": (nn.Conv2d(4, 2, 1), lambda z: z / 2, 16),
    "unflattened": (nn.Conv3d(4, 2, 1), lambda z: z.unflatten(2, (2, 2)), 16),
}


@pytest.mark.parametrize("how", CHANNELS)
def test_channels(how):
    torch.manual_seed(1)
    x, y = torch.randn(3, 2, 4, 4), events(3, 2, 4, 4)
    layer, change, places = CHANNELS[how]
    done = metered(layer, lambda x, y: change(both(x, y)), x, y).counts["layer"]
    assert (done.mac, done.ac) == (3 * 2 * places * 2, 2 * y.sum())


def test_one_channel_stacked_with_another():
    x, y = torch.randn(3, 4, 4), events(3, 4, 4)
    done = metered(nn.Conv2d(2, 5, 1), lambda x, y: torch.stack([x, y], 1), x, y).counts["layer"]
    assert (done.mac, done.ac) == (3 * 16 * 5, 5 * y.sum())


def test_a_part_alone_is_of_its_own_kind():
    x, y = torch.randn(3, 5), events(3, 4)
    done = metered(nn.Linear(4, 2), lambda x, y: both(x, y)[:, 5:], x, y).counts["layer"]
    assert done.ac == 2 * y.sum()
    assert "mac" not in dict(done.items())


def test_what_is_repeated_lasts_longer():
    """A static input beside its spikes: the dense ANN meets both in each of the steps."""
    net = Two(
        lambda net, x: net.layer(net.repeat(torch.cat([x, net.neuron(x)[0]], 2))),
        neuron=IF(),
        repeat=pj.Repeat(3),
        layer=nn.Linear(8, 2),
    )
    with Meter(net, inputs="analog") as meter:
        net(2 * torch.rand(1, 5, 4))
    assert meter.counts["layer"].mac == 3 * 4 * 2
    assert meter.dense()["layer"].mac == 8 * 2


def test_what_a_comparison_gives_lasts_as_long_as_what_was_compared():
    net = Two(
        lambda net, x: net.neuron(net.layer(net.repeat((x > 0.5).to(x.dtype)))),
        neuron=IF(),
        repeat=pj.Repeat(3),
        layer=nn.Linear(4, 2),
    )
    with Meter(net, inputs="analog") as meter:
        net(torch.rand(1, 5, 4))
    assert meter.counts["layer"].mac == 3 * 4 * 2
    assert meter.dense()["layer"].mac == 4 * 2
