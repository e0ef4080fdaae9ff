"""The lever on time: what a step costs, in training and in use."""

import math

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj
from all_neurons import NEURONS, SIZE
from exit_cases import PLACES, SEQUENCES, with_exit
from picojoule.networks.exit import exit_of, steps_of
from picojoule.training import BelowFloor, activity
from picojoule.training.exits import Ending, going, use_readout

CHIPS = ["45nm", "45nm-sram", "analog-65nm"]


def ran(net, x, lengths, made=None):
    """Output and counts of a network that runs so many steps."""
    with pj.Meter(net, inputs="events") as meter:
        if made is not None:
            meter.decide(made)
        out, _ = net(x, lengths=lengths)
    return out, meter.counts


def batches(x, lengths=None, size=5):
    """A loader of a batch, of labels that are all zero."""
    rows = [slice(at, at + size) for at in range(0, x.shape[1], size)]
    label = torch.zeros(size, dtype=torch.int64)
    parts = [(x[:, r], label, None if lengths is None else lengths[r]) for r in rows]
    return DataLoader(parts, batch_size=None)


@PLACES
def test_in_use_each_sample_costs_what_it_costs_alone(case):
    net, x = with_exit(case)
    steps = steps_of(net, x)
    report = pj.measure(
        net,
        batches(x),
        readout=pj.readout.mean,
        chips=[pj.load_chip(name) for name in CHIPS],
        inputs="events",
    )
    assert report.mean_steps == pytest.approx(float(steps.double().mean()))
    counts = {}
    with torch.no_grad():
        for sample, count in enumerate(steps.tolist()):
            for layer in net.modules():
                if isinstance(layer, pj.Repeat):
                    layer.steps = count
            for layer, one in ran(net, x[:count, sample : sample + 1], None)[1].items():
                counts[layer] = counts[layer] + one if layer in counts else one
    for name in CHIPS:
        alone = float(pj.load_chip(name).price(counts).total) / len(steps)
        assert report.chips[name].total_pj == pytest.approx(alone)
    for layer, one in counts.items():
        for name, value in one.items():
            assert report.counts[layer][name] == pytest.approx(float(value))


def assert_steps_cost_what_they_save(net, x, given=None):
    """In training a batch costs what it does at its exits, and a step's gradient is its cost."""
    with torch.no_grad():
        scores, steps = exit_of(net).ends(net, x, given)
        _, plain = ran(net, x, steps)
    made = going(exit_of(net), scores, given)
    assert torch.equal(made.detach().sum(0), steps.to(made))
    made = made.detach().requires_grad_()
    _, counts = ran(net, x, steps, made)
    for layer, one in plain.items():
        for name, value in one.items():
            torch.testing.assert_close(getattr(counts[layer], name).detach(), value)
    saves = {}
    for sample, count in enumerate(steps.tolist()):
        if count > 1:
            fewer = steps.clone()
            fewer[sample] -= 1
            with torch.no_grad():
                saves[count - 1, sample] = ran(net, x, fewer)[1]
    for chip in map(pj.load_chip, CHIPS):
        total = chip.price(counts).total
        (gradient,) = torch.autograd.grad(total, made, retain_graph=True)
        for last, left in saves.items():
            saved = float(total - chip.price(left).total)
            assert saved >= 0
            assert float(gradient[last]) == pytest.approx(saved, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("given", [None, [7, 6, 4, 3, 2]])
@PLACES
def test_in_training_a_step_of_every_network_is_priced(case, given):
    net, x = with_exit(case)
    if given is not None:
        given = torch.tensor(given).clamp(max=max(len(x), 3))  # those that are static make three
    assert_steps_cost_what_they_save(net, x, given)


@pytest.mark.parametrize("case", NEURONS, ids=lambda case: case.name)
def test_in_training_a_step_of_every_neuron_is_priced(case):
    torch.manual_seed(0)
    neurons = case.make(size=SIZE)
    net = pj.Sequential(nn.Linear(6, SIZE), neurons, nn.Linear(SIZE, 3), pj.LI(), pj.Exit(0.4))
    nn.init.uniform_(net[0].weight, 0, 1)
    x = (torch.rand(7, 4, 6) < torch.linspace(0.2, 0.8, 4).view(-1, 1)).float()
    assert_steps_cost_what_they_save(net.eval(), x)


def test_a_network_by_chunks_is_priced_by_the_step_too():
    net, x = with_exit(SEQUENCES[2])
    net.chunk = 3
    assert_steps_cost_what_they_save(net, x)


def test_the_confidence_feels_what_steps_cost_and_what_they_add():
    found = pj.Exit(0.9)
    found.odds.requires_grad_(True)
    scores = torch.tensor([[[0.0, 0.5]], [[0.0, 2.0]], [[0.0, 2.5]], [[0.0, 3.0]]])
    made = going(found, scores, None)
    assert made.flatten().tolist() == [1, 1, 1, 0]
    (cost,) = torch.autograd.grad(made.sum(), found.odds, retain_graph=True)
    assert float(cost) > 0  # the surer it must be, the more steps run
    ending = Ending(torch.cat([scores[:1], scores.diff(dim=0)]), made)
    told = ending.scores(scores[2])
    torch.testing.assert_close(told, scores[2])
    for label, sign in ((1, -1), (0, 1)):
        loss = nn.functional.cross_entropy(told, torch.tensor([label]))
        (gradient,) = torch.autograd.grad(loss, found.odds, retain_graph=True)
        assert float(gradient) * sign > 0  # more steps help if they add to the right class


@PLACES
def test_pictures_show_the_steps_that_ran(case):
    net, x = with_exit(case)
    exit_of(net).odds.fill_(-9)  # sure at once
    fabric = Fabric(accelerator="cpu", devices=1)
    found = activity(net, batches(x), readout=pj.readout.mean, fabric=fabric)
    assert {one.steps for one in found.examples} == {1}
    for layer in found.rate.values():
        assert all(math.isfinite(rate) for rate in layer)
        assert not any(layer[1:])


class TestTraining:
    def options(self, task, limit_pj, **more):
        budget = pj.EnergyBudget(limit_pj)
        return {"penalty": budget, "validation": task.loader(64), "levers": [pj.Steps()]} | more

    def test_its_floor_is_that_of_the_first_step(self, task):
        made, loader = task.setup(), task.loader()
        events = sum(float(x[0].sum()) for x, _, _ in loader)
        floor_pj = 0.9 * 16 * events / len(loader.dataset)
        assert 2 * floor_pj < task.floor_pj(loader)
        with pytest.raises(BelowFloor, match=f"floor of {floor_pj:.3g} pJ"):
            next(task.train(made, loader, **self.options(task, 0.99 * floor_pj), epochs=1))
        made = task.setup()
        *_, last = task.train(made, loader, **self.options(task, 1.5 * floor_pj), epochs=1)
        assert last.history[0].floor_pj == pytest.approx(floor_pj)

    def test_it_learns_without_a_limit_too(self, task):
        made = task.setup()
        options = {"levers": [pj.Steps()], "penalty": pj.FixedPrice(0.1)}
        *_, last = task.train(made, task.loader(), **options, epochs=3)
        found = exit_of(made.net)
        assert found.sure != pytest.approx(pj.Exit().sure)
        assert not found.odds.requires_grad
        assert last.history[-1].accuracy > 0.5

    def test_the_readout_is_the_one_trained_with(self, task):
        made = task.setup()
        shared = {"chip": task.chip, "criterion": nn.CrossEntropyLoss(), "epochs": 1}
        logs = pj.train(
            made.net,
            task.loader(),
            made.optimizer,
            readout=pj.readout.max,
            levers=[pj.Steps()],
            **shared,
        )
        list(logs)
        assert exit_of(made.net).readout == "max"


def test_a_batch_may_have_sequences_of_one_step_alone_but_not_every_sample_one():
    def train(lengths):
        net = pj.network("mlp", inputs=(6,), classes=3, width=8)
        x, label = torch.ones(1, 4, 6), torch.tensor([0, 1, 2, 0])
        return next(
            pj.train(
                net,
                DataLoader([(x, label, lengths)], batch_size=None),
                torch.optim.SGD(net.parameters(), 0.1),
                criterion=nn.CrossEntropyLoss(),
                readout=pj.readout.mean,
                chip=pj.load_chip("45nm"),
                levers=[pj.Steps()],
                epochs=1,
            )
        )

    assert train(torch.ones(4, dtype=torch.int64)).loss > 0
    with pytest.raises(ValueError, match="runs a single step, before which it cannot exit"):
        train(None)


class TestErrors:
    @pytest.mark.parametrize(
        ("net", "said"),
        [
            (nn.Sequential(nn.Linear(4, 4)), "need a picojoule Sequential, got a Sequential"),
            (
                pj.Sequential(nn.Linear(4, 4)),
                "no place in this network: it has no layer of neurons",
            ),
        ],
    )
    def test_no_place(self, net, said):
        with pytest.raises(ValueError, match=said):
            pj.Steps().attach(net)

    def test_a_readout_of_ones_own(self):
        net = pj.Sequential(nn.Linear(4, 4), pj.LI())
        use_readout(net, lambda out, lengths: out[0])  # nothing to do
        pj.Steps().attach(net)
        with pytest.raises(ValueError, match="can be told after each step, one of count, last"):
            use_readout(net, lambda out, lengths: out[0])

    @pytest.mark.parametrize(
        ("label", "said"),
        [
            (torch.rand(5), "these are of a regression"),
            (torch.zeros(7, 5, dtype=torch.int64), "these are of a classification per step"),
        ],
    )
    def test_labels_of_which_nothing_can_be_sure(self, label, said):
        net, x = with_exit(SEQUENCES[0])
        pj.Steps().attach(net)
        logs = pj.train(
            net,
            DataLoader([(x, label, None)], batch_size=None),
            torch.optim.Adam(net.parameters()),
            criterion=nn.CrossEntropyLoss(),
            readout=pj.readout.mean,
            chip=pj.load_chip("45nm"),
            levers=[pj.Steps()],
            epochs=1,
        )
        with pytest.raises(ValueError, match=said):
            next(logs)
