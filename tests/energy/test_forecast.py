"""Counts that are known in advance, but for the events, against those of each layer as it ran."""

import gc
import weakref

import pytest
import torch
from torch import nn

import picojoule as pj
from picojoule.energy import Convention, Meter
from picojoule.energy.meter.roster import _rosters
from picojoule.kernels import cc
from picojoule.networks import Sequential
from picojoule.neurons import IF, LI, LIF, MultiLevelIF

pytestmark = pytest.mark.skipif(cc.tier() != "c", reason="stacks are of loops in C")


class Layered(Sequential):
    """The same layers, which never run as one function."""

    def forward(self, x, state=None, lengths=None):
        return super().forward(x, state, lengths)


def mlp(neuron=lambda: LIF(8)):
    torch.manual_seed(1)
    layers = (nn.Linear(12, 8), neuron(), nn.Linear(8, 8, bias=False), neuron())
    return Sequential(nn.Flatten(), *layers, nn.Linear(8, 3), LI())


def spikes(density=0.3, batch=40):
    torch.manual_seed(2)
    return (torch.rand(7, batch, 3, 4) < density).float()


def told(counts):
    """All that counts hold, and whether they have a graph."""
    return {
        (layer, part, name): (number.item(), number.requires_grad, number.dtype)
        for layer, all_of in counts.items()
        for part, one in (("all", all_of), ("hidden", all_of.hidden))
        for name, number in (() if one is None else one.items())
    }, [one.sizes for one in counts.values()]


def metered(net, x, **options):
    options = {"inputs": "events", "traffic": False} | options
    with Meter(net, **options) as meter:
        net(x)
    return meter


def expected(net, x, **options):
    return metered(Layered(*net), x, **options)


def foreseen(meter):
    return meter._observer.foreseen(meter.samples) is not None


CASES = {
    "as it is": {},
    "analog": {"inputs": "analog"},
    "norms counted": {"convention": Convention(fold_batch_norm=False)},
    "so many samples": {"samples": 80},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("graph", [False, True])
def test_it_is_what_the_layers_count(name, density, graph):
    net, x, options = mlp(), spikes(density).requires_grad_(graph), CASES[name]
    if name == "so many samples":
        x = spikes(density, batch=80).requires_grad_(graph)
    found = []
    for _ in range(2):
        meter, other = metered(net, x, **options), expected(net, x, **options)
        assert foreseen(meter)
        assert not foreseen(other)
        assert told(meter.counts) == told(other.counts)
        weights = list(net.parameters())
        grads = [
            torch.autograd.grad(
                pj.load_chip("45nm-sram").price(one.counts).total,
                [weight for weight in weights if weight.requires_grad],
                allow_unused=True,
            )
            for one in (meter, other)
        ]
        for one, two in zip(*grads, strict=True):
            assert (one is None and two is None) or torch.equal(one, two)
        found.append(meter.counts)
    assert told(found[0]) == told(found[1])


def test_what_else_is_asked_is_counted_layer_by_layer():
    net, x = mlp(), spikes()
    with torch.no_grad():
        meter, other = metered(net, x), expected(net, x)
    before = told(meter.counts)
    for ask in ("uncounted", "unreached", "samples", "levels"):
        assert getattr(meter, ask) == getattr(other, ask)
    assert not foreseen(meter)
    assert told(meter.dense(1)) == told(other.dense(1))
    assert told(meter.multiplied) == told(other.multiplied) == ({}, [])
    assert told(meter.counts) == told(other.counts) == before
    assert str(meter) == str(other)


@pytest.mark.parametrize("first", ["counts", "traffic"])
def test_traffic_is_what_passed_by(first):
    net, x = Sequential(*mlp()[:-2]), spikes()
    meter, other = (one(net, x, traffic=True) for one in (metered, expected))
    getattr(meter, first)
    assert foreseen(meter) == (first == "counts")
    assert told(meter.counts) == told(other.counts)
    for one, two in zip(meter.traffic, other.traffic, strict=True):
        assert (one.layer, one.kind.name, one.fired) == (two.layer, two.kind.name, two.fired)
        assert torch.equal(one.number(), two.number())
        assert one.values.requires_grad == two.values.requires_grad
    assert told(meter.counts) == told(other.counts)


@pytest.mark.parametrize("change", [lambda x, out: x.zero_(), lambda x, out: out.mul_(2)])
def test_values_that_changed_since_are_an_error(change):
    net, x = Sequential(*mlp()[:-2]), spikes()
    for one in (net, Layered(*net)):
        x = spikes()
        with torch.no_grad(), Meter(one, inputs="events") as meter:
            out, _ = one(x)
        before = told(meter.counts)
        change(x, out)
        assert told(meter.counts) == before
        with pytest.raises(RuntimeError, match="was changed in place later"):
            _ = [call.number() for call in meter.traffic]


def test_two_calls_add_up():
    net = mlp()
    found = []
    for one in (net, Layered(*net)):
        with Meter(one, inputs="events", traffic=False) as meter:
            one(spikes(0.1))
            one(spikes(0.5))
        assert not foreseen(meter)
        found.append(told(meter.counts))
    assert found[0] == found[1]


def test_a_part_that_ran_before_or_after_counts_too():
    net, x = mlp(), spikes()
    for first in (True, False):
        found = []
        for one in (net, Layered(*net)):
            with Meter(one, inputs="events", traffic=False) as meter:
                if first:
                    one[3](torch.rand(7, 40, 8))
                one(x)
                if not first:
                    one[3](torch.rand(7, 40, 8))
            found.append(told(meter.counts))
        assert found[0] == found[1]


CHANGES = {
    "a neuron": lambda net: net.__setitem__(2, IF()),
    "one that puts out levels": lambda net: net.__setitem__(2, MultiLevelIF()),
    "its step": lambda net: setattr(net[2], "dt", 5e-3),
    "its cost": lambda net: setattr(net[2], "cost", pj.NeuronCost(adds=7)),
    "a bias": lambda net: setattr(net[1], "bias", None),
    "an engine": lambda net: setattr(net[2], "engine", "eager"),
    "the type": lambda net: net.double(),
    "what learns": lambda net: net[1].requires_grad_(False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(name):
    net, x = mlp(), spikes()
    before = told(metered(net, x).counts)
    CHANGES[name](net)
    x = x.to(net[5].weight.dtype)
    after = told(metered(net, x).counts)
    assert after == told(expected(net, x).counts)
    assert after != before or name == "an engine"


@pytest.mark.parametrize("shape", [(5, 40), (7, 3)])
def test_another_shape_is_another_forecast(shape):
    net = mlp()
    metered(net, spikes())
    x = torch.ones(*shape, 3, 4)
    assert told(metered(net, x).counts) == told(expected(net, x).counts)


@pytest.mark.parametrize(
    "options",
    [
        {"convention": Convention(skip_zero_weights=True)},
        {"convention": {"1": Convention(levels="multiply")}},
        {"inputs": "levels"},
        {"neurons": {LIF: pj.NeuronCost(adds=3)}},
    ],
    ids=["weights of zero", "by layer", "levels", "a cost"],
)
def test_what_depends_on_more_is_not_foreseen(options):
    net, x = mlp(), spikes()
    metered(net, x)
    meter = metered(net, x, **options)
    assert not foreseen(meter)
    assert told(meter.counts) == told(expected(net, x, **options).counts)


def test_inputs_that_are_no_events_are_an_error():
    net, x = mlp(), spikes()
    metered(net, x)
    for wrong in (x * 0.5, x + 1):
        with pytest.raises(ValueError, match=r"'1' counts inputs that were said to be events"):
            _ = metered(net, wrong).counts


def test_marks_are_kept():
    net, x = mlp(), spikes()
    for one in (net, Layered(*net)):
        with Meter(one, inputs="analog", traffic=False) as meter:
            one(pj.spikes(x * 2, scale=2.0))
        assert meter.counts["1"].ac.item() == x.sum().item() * 8 / 40


def test_a_network_is_not_kept_alive():
    net = mlp()
    metered(net, spikes())
    assert net in _rosters()
    kept = weakref.ref(net)
    del net
    gc.collect()
    assert kept() is None


def test_training_by_forecasts_is_training():
    x, label = spikes(), torch.arange(40) % 3
    found = []
    for kind in (Sequential, Layered):
        net = kind(*mlp())
        optimizer, budget = torch.optim.Adam(net.parameters(), 0.01), pj.EnergyBudget(1.0)
        for _ in range(4):
            with Meter(net, inputs="events", traffic=False) as meter:
                out, _ = net(x)
            energy = pj.load_chip("45nm").price(meter.counts)
            loss = nn.functional.cross_entropy(out.mean(0), label) + budget(energy)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            budget.update(energy)
        found.append([energy.total.item(), *(one.detach() for one in net.parameters())])
    assert found[0][0] == found[1][0]
    assert all(torch.equal(one, two) for one, two in zip(found[0][1:], found[1][1:], strict=True))


def test_classes_of_a_user_may_change():
    class Own(LIF):
        cost = pj.NeuronCost(adds=1)

    net, x = mlp(lambda: Own(8)), spikes()
    found = []
    for adds in (1, 3):
        Own.cost = pj.NeuronCost(adds=adds)
        found.append(metered(net, x).counts["2"].add.item())
    assert found[1] == 3 * found[0]


@pytest.mark.parametrize(
    "behind",
    [
        lambda out: out,
        lambda out: out.sum(0),
        lambda out: out + out,
        lambda out: nn.functional.linear(out.mean(0), torch.ones(2, 8)),
        lambda out: pj.spikes(out.detach().clone()) @ torch.ones(8, 2),
    ],
)
def test_functions_behind_a_network_that_runs_as_one_function_count(behind):
    class Around(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return behind(self.net(x)[0])

    net, x = Sequential(*mlp()[1:5]), spikes(0.5).flatten(2)
    meter, layered = (metered(Around(one), x) for one in (net, Layered(*net)))
    assert told(meter.counts) == told(layered.counts)
    assert meter.uncounted == layered.uncounted
