"""Levers: what training leaves out is priced as it goes, and gone in the end."""

import copy
from contextlib import nullcontext
from functools import partial
from itertools import islice

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.optim import lr_scheduler as rates

import picojoule as pj
from all_networks import NETWORKS
from picojoule.kernels import cc
from picojoule.networks import Sequential
from picojoule.training.checkpoint import newest
from picojoule.training.levers import Learning, Lever, kinds, lever, settle
from picojoule.training.levers.base import Gate, masks
from picojoule.training.prices import price

# Windows of pooling are counted for closed channels too, until these are gone; no chip prices them.
BUT = ("pool",)
NEURONS = [pj.BRF, pj.AdLIF, pj.PLIF, partial(pj.MultiLevelIF, levels=3), pj.CubaLIF, pj.LNM]


def gates_of(net):
    return list({id(gate): gate for gate in net.modules() if isinstance(gate, Gate)}.values())


def close_some(net, share=0.4, seed=3):
    """Closes some of the gates of a network."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for gate in gates_of(net):
            gate.lean.copy_(torch.rand(gate.lean.shape, generator=draw) - share)


def ran(net, x, lengths=None, **options):
    """Output and counts of a network in evaluation mode."""
    with torch.no_grad(), pj.Meter(net.eval(), inputs="events", **options) as meter:
        out, _ = net(x, lengths=lengths)
    assert not meter.uncounted
    return out, {layer: dict(one.items()) for layer, one in meter.counts.items()}


def assert_same_counts(gated, small, but=()):
    assert gated.keys() == small.keys()
    for layer, counts in gated.items():
        assert counts.keys() == small[layer].keys()
        for name in counts.keys() - set(but):
            got = float(counts[name])
            assert got == pytest.approx(float(small[layer][name])), (layer, name)


def parameters(net):
    return sum(one.numel() for one in net.parameters())


def assert_settles(net, x, lengths=None, **options):
    """A network with gates, some closed, is the same as the smaller one that it becomes."""
    whole = parameters(net)
    levers = [pj.Gates()]
    assert levers[0].attach(net)
    close_some(net)
    out, gated = ran(net, x, lengths, **options)
    settle(net, levers)
    small, left = ran(net, x, lengths, **options)
    assert torch.allclose(out, small, atol=1e-5)
    assert_same_counts(gated, left, BUT)
    assert parameters(net) < whole
    assert not list(masks(net))
    return small


class Layered(Sequential):
    """The same layers, which never run as one function, so that nothing is known before."""

    def forward(self, x, state=None, lengths=None):
        return super().forward(x, state, lengths)


def step_of(kind, levers, inputs, chip, *, opened=True):
    """What a step of a network with levers gives, some of their gates closed."""
    torch.manual_seed(1)
    layers = nn.Linear(12, 9), pj.LIF(9), nn.Linear(9, 7, bias=False), pj.LIF(7), nn.Linear(7, 3)
    net = Sequential(nn.Flatten(), *layers, pj.LI())
    with torch.no_grad():
        for weight in (net[1].weight, net[3].weight):
            weight.abs_().mul_(3)  # so that all layers spike
    learning = Learning(net, [one() for one in levers], 1)
    close_some(net)
    net = kind(*net)
    x = (torch.rand(5, 11, 3, 4) < 0.3).float()
    with learning.opened() if opened else nullcontext():
        with pj.Meter(net, inputs=inputs, traffic=False) as meter:
            out, _ = net(x)
        energy, learned = price(meter, chip), dict(net.named_parameters())
        learned = {name: one for name, one in learned.items() if one.requires_grad}
        grads = torch.autograd.grad(out.square().sum() + energy.total, [*learned.values()])
    counts = {
        (layer, part, name): float(number.detach())
        for layer, one in meter.counts.items()
        for part, some in (("all", one), ("hidden", one.hidden))
        for name, number in (() if some is None else some.items())
    }
    totals = [energy.total.item(), energy.floor.item(), energy.low.item(), energy.high.item()]
    return out, counts, totals, dict(zip(learned, grads, strict=True)), meter


@pytest.mark.skipif(cc.tier() != "c", reason="stacks are of loops in C")
@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("inputs", ["events", "analog"])
@pytest.mark.parametrize(
    "levers", [[pj.Gates], [pj.Weights], [pj.Gates, pj.Weights], [pj.Gates, pj.Thresholds]]
)
def test_a_network_with_levers_runs_as_one_function_and_is_foreseen(levers, inputs, opened):
    chip = pj.load_chip("45nm-sram")
    kinds = Sequential, Layered
    one, other = (step_of(kind, levers, inputs, chip, opened=opened) for kind in kinds)
    assert one[-1].foreseen is not None
    assert other[-1].foreseen is None
    assert torch.equal(one[0], other[0])
    assert one[1] == pytest.approx(other[1], rel=1e-14)
    assert one[2] == pytest.approx(other[2], rel=1e-12)
    for name, grad in one[3].items():
        torch.testing.assert_close(grad, other[3][name], msg=name)
        assert grad.any(), name
    assert one[-1].uncounted == other[-1].uncounted == {}


@pytest.mark.skipif(cc.tier() != "c", reason="stacks are of loops in C")
def test_a_plain_network_in_the_end_is_run_as_one():
    net = pj.network("mlp", inputs=(12,), classes=3, width=8)
    levers, x = [pj.Gates()], torch.ones(5, 2, 12)
    levers[0].attach(net)
    assert net.as_stack(x) is not None
    out, _ = net(x)
    settle(net, levers)
    assert net.as_stack(x) is not None
    assert torch.equal(net(x)[0], out)


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.title)
def test_what_gates_close_costs_nothing_and_is_gone_in_the_end(case):
    net, x = case.make(), case.data()
    out = assert_settles(net, x)
    again = case.make()
    pj.Gates().fit(again, net.state_dict())
    again.load_state_dict(net.state_dict())
    assert torch.equal(again.eval()(x)[0], out)
    assert repr(again) == repr(net)


@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((3, 8), [nn.Linear(8, 6), pj.LIF(), nn.Linear(6, 5), pj.LIF(), nn.Flatten()]),
        ((2, 4, 8), [nn.Linear(8, 6), pj.LIF(), nn.Linear(6, 5), pj.LIF(), nn.Flatten()]),
        ((2, 4, 4), [nn.Conv2d(2, 4, 3, padding=1), pj.LIF(), nn.Flatten(2), nn.Linear(16, 5)]),
        ((2, 4, 4), [nn.Conv2d(2, 4, 3, padding=1), pj.LIF(), nn.Flatten(1, 2), nn.Linear(4, 5)]),
    ],
    ids=["rows", "maps of rows", "places flattened", "half flattened"],
)
def test_gates_close_nothing_else_where_samples_have_several_rows(shape, layers):
    torch.manual_seed(0)
    x = (torch.rand(7, 4, *shape) < 0.5).float()
    layers = copy.deepcopy(layers)
    wide = pj.Sequential(*layers, nn.Flatten())(x)[0].shape[-1]
    net = pj.Sequential(*layers, nn.Flatten(), nn.Linear(wide, 6), pj.LIF(), nn.Linear(6, 3))
    assert_settles(net, x)


@pytest.mark.parametrize("neuron", NEURONS)
def test_gates_cut_the_parameters_of_every_kind_of_neuron(neuron):
    torch.manual_seed(0)
    net = pj.network("keyword", inputs=(6,), classes=3, neuron=neuron, width=9, layers=2)
    x = (torch.rand(7, 4, 6) < 0.5).float()
    assert_settles(net, x, lengths=torch.tensor([7, 3, 5, 1]))
    for module in net.modules():
        if isinstance(module, pj.Recurrent):
            assert module.weight.shape == (module.size, module.size)


def test_gates_close_synapses_that_skip_zero_weights_would_count():
    torch.manual_seed(0)
    net = pj.network("mlp", inputs=(6,), classes=3, width=8)
    for layer in (net[1], net[3]):
        layer.weight.data[:, ::3] = 0
    x = (torch.rand(7, 4, 6) < 0.5).float()
    assert_settles(net, x, convention=pj.Convention(skip_zero_weights=True))


@pytest.mark.parametrize("inputs", ["events", "analog"])
def test_the_gradient_of_a_gate_is_what_it_saves(inputs):
    torch.manual_seed(0)
    net = pj.Sequential(nn.Linear(5, 4), pj.LIF(), nn.Linear(4, 3), pj.LI())
    nn.init.uniform_(net[0].weight, 0, 1)
    net[0].weight.requires_grad_(False)  # spikes stay as they are if inputs close
    pj.Gates().attach(net)
    x, chip = (torch.rand(6, 3, 5) < 0.5).float(), pj.load_chip("45nm-sram")

    def spent():
        with pj.Meter(net, inputs=inputs) as meter:
            net(x)
        energy = chip.price(meter.counts)
        return energy.total, energy

    inner = [gate for gate in gates_of(net) if len(gate.lean) == 4]
    (gate,) = inner
    total, energy = spent()
    (gradient,) = torch.autograd.grad(total, gate.lean)
    share = torch.sigmoid(gate.lean.detach())
    for index in range(4):
        before = float(gate.lean[index])
        with torch.no_grad():
            gate.lean[index] = -1
            saved = float(total.detach() - spent()[0])
            gate.lean[index] = before
        assert saved > 0
        slope = float(share[index] * (1 - share[index]))
        assert float(gradient[index]) / slope == pytest.approx(saved, rel=1e-4)
    with pj.Meter(net, inputs=inputs) as meter:
        net(x)
    counts = meter.counts
    assert float(energy.floor) == pytest.approx(
        sum(float(chip.price({name: counts[name]}).total) for name in ("3",))
    )


def test_one_gate_of_a_layer_stays_open():
    gate = Gate([3], torch.zeros(()))
    with torch.no_grad():
        gate.lean.copy_(torch.tensor([-3.0, -2.0, -4.0]))
    assert gate().tolist() == [0, 1, 0]


class TestWeights:
    def net(self):
        torch.manual_seed(0)
        return pj.network("keyword", inputs=(6,), classes=3, width=8)

    def test_what_is_closed_is_a_zero_that_counts_as_absent(self):
        net, x = self.net(), (torch.rand(7, 4, 6) < 0.5).float()
        levers = [pj.Weights()]
        assert sum(one.numel() for one in levers[0].attach(net)) == 6 * 8 + 8 * 8 + 8 * 3
        close_some(net)
        out, masked = ran(net, x)
        settle(net, levers)
        plain, left = ran(net, x, convention=pj.Convention(skip_zero_weights=True))
        assert torch.equal(out, plain)
        assert_same_counts(masked, left)
        assert 0.2 < float((net[0].weight != 0).float().mean()) < 0.8

    def test_convolutions_too(self):
        case = next(case for case in NETWORKS if case.name == "cnn7")
        net, x = case.make(), case.data()
        levers = [pj.Gates(), pj.Weights()]
        for one in levers:
            one.attach(net)
        close_some(net)
        out, masked = ran(net, x)
        settle(net, levers)
        plain, left = ran(net, x, convention=pj.Convention(skip_zero_weights=True))
        assert torch.allclose(out, plain, atol=1e-5)
        assert_same_counts(masked, left, BUT)

    @pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
    def test_no_optimizer_brings_pruned_weights_back(self, optimizer):
        net, x = self.net(), (torch.rand(7, 4, 6) < 0.5).float()
        moved = optimizer(net.parameters(), lr=0.1, weight_decay=0.1)
        levers = [pj.Weights()]
        levers[0].attach(net)
        for step in range(4):  # some close after the optimizer has learned to move them
            if step == 2:
                close_some(net)
                closed = [gate() == 0 for gate in gates_of(net)]
            moved.zero_grad()
            out, _ = net(x)
            out.square().sum().backward()
            moved.step()
        settle(net, levers)
        weights = (net[0].weight, net[1].weight, net[2].weight)
        for weight, gone in zip(weights, closed, strict=True):
            assert torch.equal(weight == 0, gone)
        levers[0].attach(net)  # of a further training
        assert all(
            torch.equal(g() == 0, gone) for g, gone in zip(gates_of(net), closed, strict=True)
        )

    def test_a_layer_of_zeros_alone_is_there_to_learn(self):
        net = pj.Sequential(nn.Linear(4, 3), pj.LI())
        nn.init.zeros_(net[0].weight)
        pj.Weights().attach(net)
        assert all(gate().all() for gate in gates_of(net))

    def test_layers_that_share_a_weight_share_its_gates(self):
        net, x = self.net(), (torch.rand(7, 4, 6) < 0.5).float()
        net = pj.Sequential(net[0], pj.LIF(), nn.Linear(8, 8), pj.LIF(), nn.Linear(8, 8), pj.LI())
        net[4].weight = net[2].weight
        levers = [pj.Weights()]
        levers[0].attach(net)
        close_some(net)
        out, masked = ran(net, x)
        settle(net, levers)
        plain, left = ran(net, x, convention=pj.Convention(skip_zero_weights=True))
        assert torch.equal(out, plain)
        assert_same_counts(masked, left)
        assert net[4].weight is net[2].weight

    @pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm])
    def test_what_made_a_weight_is_gone_in_the_end(self, norm):
        def made():
            return pj.Sequential(norm(nn.Linear(6, 8)), pj.LIF(), nn.Linear(8, 3), pj.LI())

        net, x, levers = made(), torch.ones(7, 4, 6), [pj.Weights()]
        levers[0].attach(net)
        close_some(net)
        settle(net, levers)
        fresh = made()
        pj.Weights().fit(fresh, net.state_dict())
        fresh.load_state_dict(net.state_dict())
        assert [*fresh.state_dict()] == [*net.state_dict()]
        assert [*net[0].state_dict()] == ["weight", "bias"]
        assert torch.equal(fresh(x)[0], net(x)[0])


def start(task, folder, levers=("Gates",), seed=0, **options):
    """A training far below the floor."""
    made = task.setup(seed)
    loader = task.loader(shuffle=True, generator=torch.Generator().manual_seed(seed))
    limit_pj = 0.9 * task.floor_pj(task.loader())
    budget = pj.EnergyBudget(limit_pj)
    given = {"epochs": 10, "penalty": budget, "validation": task.loader(64)}
    made_by = {"Gates": pj.Gates, "Weights": pj.Weights, "Steps": partial(pj.Steps, lr=0.5)}
    given |= {"levers": [made_by[name]() for name in levers], "checkpoint": folder}
    return made, task.train(made, loader, **given | options), limit_pj


@pytest.mark.parametrize("levers", [("Gates",), ("Weights", "Gates"), ("Steps",)])
def test_a_limit_below_the_floor_is_met_and_a_killed_training_ends_the_same(task, tmp_path, levers):
    with pytest.raises(ValueError, match="below this network's floor"):
        list(start(task, None, ())[1])
    made, logs, limit_pj = start(task, tmp_path / "whole", levers)
    logs = list(logs)
    chosen = logs[-1].chosen
    assert chosen.feasible
    other, killed, _ = start(task, tmp_path / "killed", levers)
    for log in killed:
        if log.history and log.epoch == 3:
            break
    other, rest, _ = start(task, tmp_path / "killed", levers, seed=5)
    rest = list(rest)
    assert rest[-1].history == logs[-1].history
    for name, value in made.net.state_dict().items():
        assert torch.equal(value, other.net.state_dict()[name])
    third, (last,), _ = start(task, tmp_path / "whole", levers, seed=7)
    assert last.chosen == chosen
    assert third.net.state_dict().keys() == made.net.state_dict().keys()
    convention = pj.Convention(skip_zero_weights="Weights" in levers)
    report = pj.measure(
        made.net,
        task.loader(64),
        readout=pj.readout.mean,
        chips=[task.chip],
        inputs="events",
        convention=convention,
    )
    assert report.chips["45nm"].total_pj == pytest.approx(chosen.energy_pj)
    assert report.chips["45nm"].total_pj <= limit_pj


@pytest.mark.parametrize("optimizer", ["Adam", "RMSprop", "Adadelta", "Adagrad"])
def test_what_gates_left_is_trained_further_but_not_by_the_same_optimizer(task, optimizer):
    made, loader = task.setup(optimizer=getattr(torch.optim, optimizer)), task.loader()
    before = made.net(next(iter(loader))[0])[0]  # whose graph knows the network as it was
    levers, options = [pj.Gates(lr=1.0)], {"penalty": pj.EnergyBudget(100.0), "epochs": 1}
    list(task.train(made, loader, levers=levers, **options))
    assert made.net.get_submodule("0").out_features < 16
    with pytest.raises(ValueError, match=r"left out parts .* Make a new one of net.parameters\(\)"):
        next(task.train(made, loader, epochs=1))
    made.optimizer, made.scheduler = torch.optim.SGD(made.net.parameters(), 0.1), None
    linear = [layer for layer in made.net if isinstance(layer, nn.Linear)]
    weights = [layer.weight.clone() for layer in linear]
    list(task.train(made, loader, epochs=1))
    for layer, weight in zip(linear, weights, strict=True):
        assert not torch.equal(layer.weight, weight)
    assert before.grad_fn is not None


def test_checkpoints_of_other_levers_are_refused(task, tmp_path):
    list(start(task, tmp_path, epochs=1)[1])
    with pytest.raises(ValueError, match=r"is of another training .*its network has other weights"):
        next(start(task, tmp_path, ("Weights",))[1])
    assert newest(tmp_path)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (
            lambda by: rates.SequentialLR(
                by, [rates.LinearLR(by, 0.1, total_iters=2), rates.ExponentialLR(by, 0.5)], [2]
            ),
            [0.1, 0.55, 1, 0.5, 0.25],
        ),
        (
            lambda by: rates.ChainedScheduler([rates.ExponentialLR(by, 0.5)]),
            [1, 0.5, 0.25, 0.125, 0.0625],
        ),
        (lambda by: rates.OneCycleLR(by, 0.1, total_steps=5, pct_start=0.4), [1, 1, 1, 1, 1e-4]),
    ],
    ids=["sequential", "chained", "one cycle"],
)
def test_levers_slow_down_by_any_schedule_and_never_hurry(task, monkeypatch, schedule, expected):
    shares, slow = [], Learning.slow

    def seen(self, epoch, share):
        shares.append(share)
        slow(self, epoch, share)

    monkeypatch.setattr(Learning, "slow", seen)
    made = task.setup(0)
    made.scheduler = schedule(made.optimizer)
    list(islice(task.train(made, task.loader(), levers=[pj.Gates()], epochs=1), 5))
    assert shares == pytest.approx(expected)


def test_levers_learn_beside_weights_that_do_not(task):
    made = task.setup(0, optimizer=torch.optim.SGD, lr=0.0)
    made.scheduler = None
    weight = made.net[0].weight.detach().clone()
    options = {"levers": [pj.Gates()], "penalty": pj.FixedPrice(9.0), "epochs": 1}
    steps = task.train(made, task.loader(), **options)
    next(steps)
    before = [gate.lean.detach().clone() for gate in gates_of(made.net)]
    next(steps)
    for gate, lean in zip(gates_of(made.net), before, strict=True):
        assert (gate.lean != lean).any()
    assert torch.equal(made.net[0].parametrizations.weight.original, weight)


class TestErrors:
    @pytest.mark.parametrize(
        ("net", "said"),
        [
            (nn.Sequential(nn.Linear(4, 4)), "need a picojoule Sequential, got a Sequential"),
            (pj.Sequential(pj.LIF()), "no place in this network"),
            (pj.Sequential(nn.Linear(1, 3), pj.LI()), "no place in this network"),
        ],
    )
    def test_no_place_for_gates(self, net, said):
        with pytest.raises(ValueError, match=said):
            pj.Gates().attach(net)

    def test_no_place_for_weights(self):
        with pytest.raises(ValueError, match="weights have no place"):
            pj.Weights().attach(pj.Sequential(pj.LIF()))

    @pytest.mark.parametrize(
        "change", [nn.utils.weight_norm, lambda one: prune.identity(one, "weight")]
    )
    @pytest.mark.filterwarnings("ignore:.*weight_norm")
    def test_no_weights_of_a_layer_that_sets_them_again(self, change):
        net = pj.Sequential(change(nn.Linear(4, 4)), pj.LIF())
        with pytest.raises(ValueError, match=r"'0' sets its weight again .* make it a parameter"):
            pj.Weights().attach(net)

    def test_gates_on_what_gates_left(self):
        net = pj.network("mlp", inputs=(6,), classes=3, width=8)
        levers = [pj.Gates()]
        levers[0].attach(net)
        close_some(net)
        settle(net, levers)
        with pytest.raises(ValueError, match="closed parts of this network before"):
            pj.Gates().attach(net)
        with pytest.raises(ValueError, match="closed parts of this network before"):
            pj.Gates().attach(copy.deepcopy(net))

    @pytest.mark.parametrize("lr", [0, -1, float("nan")])
    def test_rates(self, lr):
        with pytest.raises(ValueError, match="lr must be above 0"):
            pj.Gates(lr=lr)

    def test_names(self):
        assert kinds().keys() >= {"Gates", "Steps", "Weights"}
        assert lever("GATES") is pj.Gates
        assert issubclass(pj.Gates, Lever)
        with pytest.raises(ValueError, match="did you mean 'Gates'"):
            lever("gate")
