"""Gradient checkpointing over time, against all steps at once."""

import gc
import weakref

import pytest
import torch
from torch import nn

import picojoule as pj
from picojoule.energy import Meter, load_chip
from picojoule.networks import Repeat, Sequential
from picojoule.neurons import LI, LIF, Mixture, MultiLevelIF, Recurrent

STEPS, BATCH = 23, 3
NEURONS = {
    "LIF": LIF,
    "MultiLevelIF": MultiLevelIF,
    "AdLIF": pj.AdLIF,
    "mixture": lambda size: Mixture({"lif": 0.5, "brf": 0.5}, size),
}
PENALTIES = {
    "budget": lambda: pj.FixedPrice(weight=1.0, reference_pj=100.0),
    "synaptic": lambda: pj.SynapticPenalty(0.1),
    "synaptic, p=2": lambda: pj.SynapticPenalty(0.1, p=2),
    "spikes": lambda: pj.SpikePenalty(0.1),
    "balanced": lambda: pj.BalancedPenalty(0.1),
    "target": lambda: pj.RateTarget(0.1),
}


def network(neuron=LIF, *, recurrent=True):
    torch.manual_seed(0)
    hidden = [Recurrent(neuron(8), 8) if recurrent else neuron(8), neuron(6)]
    inner = Sequential(nn.Linear(8, 6), hidden[1])
    return Sequential(nn.Linear(5, 8), hidden[0], inner, nn.Linear(6, 4), LI()).double()


def ran(net, chunk, *, x, lengths=None, state=None, penalty=None):
    """Output, last state, counts and all gradients."""
    net.chunk = chunk
    net.zero_grad()
    with Meter(net, inputs="events") as meter:
        out, last = net(x, state, lengths)
    energy = load_chip("45nm").price(meter.counts)
    loss = out.square().mean()
    if penalty is not None:
        loss = loss + penalty(energy, meter.traffic)
    loss.backward()
    gradients = {name: one.grad for name, one in net.named_parameters()}
    return out, last, meter, gradients


def same(one, other):
    (out, last, meter, gradients), (out2, last2, meter2, gradients2) = one, other
    torch.testing.assert_close(out, out2, rtol=0, atol=1e-12)
    torch.testing.assert_close(last, last2, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradients, gradients2, rtol=1e-9, atol=1e-12)
    assert set(meter.counts) == set(meter2.counts)
    for layer, counts in meter.counts.items():
        torch.testing.assert_close(dict(counts.items()), dict(meter2.counts[layer].items()))
    for layer, counts in meter.dense().items():
        torch.testing.assert_close(dict(counts.items()), dict(meter2.dense()[layer].items()))
    assert meter.samples == meter2.samples == BATCH
    assert not meter.uncounted
    assert not meter2.uncounted


@pytest.fixture
def x():
    torch.manual_seed(1)
    return (torch.rand(STEPS, BATCH, 5) < 0.4).double()


@pytest.mark.parametrize("chunk", [1, 7, 22])
@pytest.mark.parametrize("neuron", NEURONS)
def test_chunks_are_all_steps_at_once(neuron, chunk, x):
    net = network(NEURONS[neuron])
    same(ran(net, None, x=x), ran(net, chunk, x=x))


@pytest.mark.parametrize("recurrent", [False, True])
def test_sequences_may_end_in_any_chunk(recurrent, x):
    net, lengths = network(recurrent=recurrent), torch.tensor([3, 23, 15])
    same(ran(net, None, x=x, lengths=lengths), ran(net, 5, x=x, lengths=lengths))


def test_they_go_on_from_a_state(x):
    net = network()
    with torch.no_grad():
        _, state = net(x)
    same(ran(net, None, x=x, state=state), ran(net, 5, x=x, state=state))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_gradient_of_a_penalty_is_the_same(penalty, x):
    net, charge = network(), PENALTIES[penalty]()
    free = ran(net, None, x=x)[-1]
    whole = ran(net, None, x=x, penalty=charge)
    same(whole, ran(net, 6, x=x, penalty=charge))
    assert any((whole[-1][name] != free[name]).any() for name in free)


@pytest.mark.parametrize("chunk", [1, 7, STEPS])
def test_a_dense_network_beside_it_runs_as_often_as_it_is_told(chunk, x):
    net = Sequential(nn.Linear(5, 6), LIF(), nn.Linear(6, 4), LI()).double()
    net.chunk = chunk
    with torch.no_grad(), Meter(net, inputs="events") as meter:
        net(x)
    macs = {layer: float(counts.mac) for layer, counts in meter.dense(2).items()}
    assert macs == pytest.approx({"0": 2 * 5 * 6, "2": 2 * 6 * 4})


def test_a_chunk_that_is_long_enough_changes_nothing(x):
    net = network()
    net.chunk = STEPS
    assert "Checkpoint" not in type(net(x)[0].grad_fn).__name__
    same(ran(net, None, x=x), ran(net, 100, x=x))


def test_a_part_of_a_network_may_have_chunks(x):
    net = network()
    whole = ran(net, None, x=x)
    net[2].chunk = 4
    same(whole, ran(net, None, x=x))
    same(whole, ran(net, 9, x=x))


@pytest.mark.parametrize("traffic", [False, True])
def test_spikes_are_let_go_of_where_no_penalty_looks_at_them(traffic, x):
    net, seen = network(), []
    net[1].register_forward_hook(lambda module, args, result: seen.append(weakref.ref(result[0])))
    net.chunk = 5
    with Meter(net, inputs="events", traffic=traffic) as meter:
        out = net(x)[0]
    gc.collect()
    assert len(seen) == 5
    assert [one() is not None for one in seen] == [traffic] * 5
    del out, meter


def test_a_meter_without_traffic_counts_the_same(x):
    net, counted = network(), []
    for traffic in (True, False):
        with Meter(net, inputs="events", traffic=traffic) as meter:
            net(x)
        found = {**meter.counts, **{f"{k}, dense": v for k, v in meter.dense().items()}}
        counted.append({layer: dict(counts.items()) for layer, counts in found.items()})
    assert counted[0] == counted[1]
    with pytest.raises(RuntimeError, match="traffic=True"):
        _ = meter.traffic


def test_batch_norm_over_all_steps_is_refused_in_training(x):
    net = Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), LIF(8)).double()
    net.chunk = 5
    with pytest.raises(ValueError, match="'1', a BatchNorm1d, looks at all steps"):
        net(x)
    net.eval()
    chunked, _ = net(x)
    net.chunk = None
    assert torch.equal(net(x)[0], chunked)


@pytest.mark.parametrize(
    ("norm", "training"),
    [
        (nn.BatchNorm1d(8, track_running_stats=False), False),
        (nn.BatchNorm1d(8), True),
        (nn.InstanceNorm1d(8, track_running_stats=True), True),
    ],
    ids=["of the batch at hand", "batch", "that keeps what it saw"],
)
def test_norms_that_look_across_steps_are_refused(norm, training, x):
    net = Sequential(nn.Linear(5, 8), norm, LIF(8)).double().train(training)
    net.chunk = 5
    with pytest.raises(ValueError, match="looks at all steps together"):
        net(x)
    with pytest.raises(ValueError, match="looks at all steps together"):
        net.check_chunk()


def test_norms_of_each_item_alone_are_not(x):
    net = Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.BatchNorm1d(8).eval(), LIF(8)).double()
    whole, _ = net(x)
    net.chunk = 5
    torch.testing.assert_close(net(x)[0], whole)


class Around(nn.Module):
    """A network of the user's around one that is cut, which is not told the lengths."""

    def __init__(self, cut):
        super().__init__()
        self.cut = cut

    def forward(self, x, lengths):
        out, _ = self.cut(x)
        return out[lengths - 1, torch.arange(x.shape[1])]


def test_the_lengths_of_a_network_around_it_count(x):
    counted, lengths = [], torch.tensor([3, 23, 15])
    for chunk in (None, 5):
        net = Around(network())
        net.cut.chunk = chunk
        with Meter(net, inputs="events") as meter:
            net(x, lengths)
        counted.append({layer: dict(counts.items()) for layer, counts in meter.counts.items()})
    torch.testing.assert_close(*counted)


class Foreign(nn.Module):
    """Has a method of that name, which is its own affair."""

    def chunk(self, x):
        return x

    def forward(self, x):
        return x * 1


def test_chunks_of_others_are_their_own_affair(x):
    counted = []
    for between in (Foreign(), nn.Identity()):
        net = Sequential(nn.Linear(5, 8), LIF(8), between, nn.Linear(8, 4), LI())
        with Meter(net.double(), inputs="events") as meter:
            net(x)
        counted.append(dict(meter.dense()["3"].items()))
    assert counted[0] == counted[1]


@pytest.mark.parametrize("chunk", [0, -3, 2.5, "7"])
def test_no_steps_are_refused(chunk, x):
    net = network()
    net.chunk = chunk
    with pytest.raises(ValueError, match="at least 1 step"):
        net(x)


def test_a_network_that_makes_its_own_steps_is_not_cut():
    net = Sequential(nn.Linear(5, 8), Repeat(6), LIF(8))
    net.chunk = 2
    assert net(torch.rand(1, BATCH, 5))[0].shape == (6, BATCH, 8)


def test_neurons_may_meet_their_first_currents_in_a_chunk(x):
    class Own(LIF):
        """Nobody has compiled it before."""

    def gradients(chunk):
        net.chunk = chunk
        net.zero_grad()
        net(x)[0].square().sum().backward()
        return {name: one.grad for name, one in net.named_parameters()}

    net = network(Own)
    chunked = gradients(5)
    assert net[2][1].engine_for(torch.zeros(5, BATCH, 6).double()) == "fused"
    torch.testing.assert_close(chunked, gradients(None), rtol=1e-9, atol=1e-12)
