import copy
import random

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule.training import Chosen


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_a_network_is_trained_in_place_and_told_of(task):
    made, loader = task.setup(), task.loader()
    before = weights(made.net).clone()
    logs = list(task.train(made, loader, epochs=2))
    assert not torch.equal(weights(made.net), before)
    assert [log.step for log in logs] == [*range(1, 7), 6, *range(7, 13), 12]
    assert [log.epoch for log in logs] == [1] * 7 + [2] * 7
    assert [bool(log.history) for log in logs] == ([False] * 6 + [True]) * 2
    for field in ("loss", "accuracy", "energy_pj"):
        steps = [getattr(log, field).item() for log in logs[:6]]
        assert getattr(logs[6], field).item() == pytest.approx(sum(steps) / 6)
        assert getattr(logs[6].history[0], field) == pytest.approx(sum(steps) / 6)
    last = logs[-1]
    assert (last.penalty, last.multiplier, last.validation, last.chosen) == (None,) * 4
    assert len(last.history) == 2


def test_it_is_the_six_lines(task):
    """The loop of the design, written out, gives the same weights."""
    made, budget = task.setup(), pj.EnergyBudget(450.0)
    list(task.train(made, task.loader(), epochs=1, penalty=budget))
    own, other = task.setup(), pj.EnergyBudget(450.0)
    other.start(task.floor_pj(task.loader()), steps=6)
    for x, label, _ in task.loader():
        with pj.Meter(own.net, inputs="events") as meter:
            out, _ = own.net(x)
        energy = task.chip.price(meter.counts)
        loss = nn.functional.cross_entropy(pj.readout.mean(out), label) + other(energy)
        own.optimizer.zero_grad()
        loss.backward()
        own.optimizer.step()
        own.scheduler.step()
        other.update(energy)
    torch.testing.assert_close(weights(made.net), weights(own.net))
    assert budget.multiplier.item() == pytest.approx(other.multiplier.item())
    assert budget.multiplier > 0


@pytest.mark.parametrize(
    ("penalty", "looks"),
    [
        (lambda: pj.FixedPrice(weight=1.0, reference_pj=450.0), False),
        (lambda: pj.EnergyBudget(450.0), False),
        (lambda: pj.SynapticPenalty(1e-2), True),
    ],
    ids=["price", "budget", "synaptic"],
)
def test_a_penalty_is_given_the_traffic_that_it_looks_at(task, monkeypatch, penalty, looks):
    charge, given = penalty(), []
    real = charge.forward
    monkeypatch.setattr(
        charge,
        "forward",
        lambda energy, traffic=None: given.append(traffic) or real(energy, traffic),
    )
    list(task.train(task.setup(), task.loader(), epochs=1, penalty=charge))
    assert charge.looks_at_traffic == looks
    assert given
    assert all(bool(traffic) == looks for traffic in given)


def test_a_budget_is_met_and_the_choice_loaded(task):
    loader, validation = task.loader(shuffle=True), task.loader(64)
    *_, free = task.train(task.setup(), loader, epochs=20, validation=validation)
    limit = 0.7 * free.chosen.energy_pj
    made, budget = task.setup(), pj.EnergyBudget(limit)
    *_, log = task.train(made, loader, epochs=20, validation=validation, penalty=budget)
    assert log.chosen.feasible
    assert log.chosen.energy_pj <= limit
    assert log.chosen.accuracy > 0.6
    assert max(record.multiplier for record in log.history) > 0
    chosen = log.history[log.chosen.epoch - 1].validation
    again = pj.training.evaluate(
        made.net, task.loader(64), readout=pj.readout.mean, chips=[task.chip], inputs="events"
    )
    assert (again.accuracy, again.chips["45nm"].total_pj) == (chosen.accuracy, chosen.energy_pj)
    assert (chosen.accuracy, chosen.energy_pj) == (log.chosen.accuracy, log.chosen.energy_pj)


@pytest.mark.parametrize("seed", range(3))
def test_a_training_of_sixty_steps_meets_a_limit_and_knows_something(task, seed):
    loader, validation = task.loader(shuffle=True), task.loader(64)
    options = {"epochs": 10, "validation": validation}
    made = [task.setup(seed), task.setup(seed)]
    for one in made:
        one.scheduler = None
    *_, free = task.train(made[0], loader, **options)
    spent = free.history[free.chosen.epoch - 1].validation
    limit = spent.floor_pj + 0.5 * (spent.energy_pj - spent.floor_pj)
    *_, log = task.train(made[1], loader, penalty=pj.EnergyBudget(limit), **options)
    assert log.step == 60
    assert [record.settled for record in log.history] == [False] * 4 + [True] * 6
    assert log.chosen.epoch > 4
    assert log.chosen.feasible
    assert log.chosen.accuracy > 0.6
    assert log.chosen.energy_pj > spent.floor_pj + 0.35 * (spent.energy_pj - spent.floor_pj)


def test_a_limit_that_cannot_be_met_in_the_steps_there_are_ends_with_what_was_learned(task):
    """Batch norms that have not settled are silent in use, which is cheap, and at chance."""
    made, loader, validation = task.setup(), task.loader(shuffle=True), task.loader(64)
    hidden = [nn.Linear(12, 32), nn.BatchNorm1d(32), pj.LIF()]
    hidden += [nn.Linear(32, 32), nn.BatchNorm1d(32), pj.LIF()]
    made.net = pj.Sequential(*hidden, nn.Linear(32, 3), pj.LI())
    made.optimizer = torch.optim.Adam(made.net.parameters(), lr=3e-3)
    made.scheduler = None
    limit = 2 * task.floor_pj(task.loader(64)) + 50  # of 32 neurons, not 16
    options = {"epochs": 10, "validation": validation, "penalty": pj.EnergyBudget(limit)}
    *_, log = task.train(made, loader, **options)
    energies = [one.validation.energy_pj for one in log.history]
    assert min(energies) == energies[0]
    assert log.history[0].validation.accuracy < 0.5
    assert not log.chosen.feasible
    assert log.chosen.accuracy > 0.7


def test_a_budget_is_kept_in_use_where_training_batches_are_cheaper(task):
    """An augmentation drops events, as dropout drops spikes: in use the network spends more."""
    loader, validation = task.loader(shuffle=True, kept=0.6), task.loader(64)
    made, budget = task.setup(dropout=0.2), pj.EnergyBudget(400.0)
    options = {"epochs": 40, "validation": validation, "penalty": budget}
    *_, log = task.train(made, loader, **options)
    first, *_, last = log.history
    assert first.validation.energy_pj > 1.5 * first.energy_pj > 500
    assert last.validation.energy_pj > 1.5 * last.energy_pj > 200
    assert budget.ratio > 1.5
    assert 0.8 * 400 < last.validation.energy_pj <= 400
    assert log.chosen.feasible


def test_a_limit_below_the_floor_stops_before_the_first_step(task):
    made, loader = task.setup(), task.loader()
    before, floor = weights(made.net).clone(), task.floor_pj(loader)
    with pytest.raises(ValueError, match=f"floor of {floor:.0f} pJ"):
        next(task.train(made, loader, epochs=1, penalty=pj.EnergyBudget(0.9 * floor)))
    assert torch.equal(weights(made.net), before)


def test_limits_on_several_chips_are_all_kept(task):
    """With a number of spikes as a limit, too; each has its own multiplier, floor and record."""
    loader, validation = task.loader(shuffle=True), task.loader(64)
    chips = [task.chip, pj.load_chip("loihi"), pj.counter("spikes"), pj.counter("synops")]
    options = {"epochs": 20, "validation": validation, "chip": chips}
    *_, free = task.train(task.setup(), loader, **options)
    spent = free.history[free.chosen.epoch - 1].validation
    assert spent.on("synops").energy_pj == pytest.approx(spent.energy_pj / 0.9)
    limits = {
        "loihi": 0.9 * spent.on("loihi").energy_pj,
        "spikes": 0.6 * spent.on("spikes").energy_pj,
    }
    made, budgets = task.setup(), [pj.EnergyBudget(pj_, chip=on) for on, pj_ in limits.items()]
    *_, log = task.train(made, loader, penalty=budgets, **options)
    assert log.chosen.feasible
    chosen = log.history[log.chosen.epoch - 1]
    for on, limit in limits.items():
        assert chosen.validation.on(on).energy_pj <= limit
        assert any(record.multipliers[on] > 0 for record in log.history)
    assert chosen.multiplier == max(chosen.multipliers.values())
    assert [budget.floor_pj > 0 for budget in budgets] == [True, False]
    again = pj.training.evaluate(
        made.net, task.loader(64), readout=pj.readout.mean, chips=chips, inputs="events"
    )
    assert again.chips["spikes"].total_pj == chosen.validation.on("spikes").energy_pj


@pytest.mark.parametrize(
    ("budgets", "words"),
    [
        (
            [pj.EnergyBudget(1e3), pj.EnergyBudget(2e3, chip="45nm")],
            "two limits for the chip '45nm'",
        ),
        ([pj.EnergyBudget(1e3, chip="lohi")], "chip of a penalty 'lohi': did you mean 'loihi'"),
        (
            [pj.EnergyBudget(1e3), pj.EnergyBudget(10, chip="loihi")],
            "limit_pj=10 on loihi is below",
        ),
    ],
)
def test_limits_that_cannot_be_are_refused_before_the_first_step(task, budgets, words):
    chips = [task.chip, pj.load_chip("loihi")]
    with pytest.raises(ValueError, match=words):
        next(task.train(task.setup(), task.loader(), epochs=1, penalty=budgets, chip=chips))


def test_looking_does_not_change_what_is_learnt(task):
    """Neither measuring the floor nor validation draws a random number of the training."""

    class Free(pj.training.Penalty):
        limit_pj = None

        def forward(self, energy, traffic=None):
            return (0 * energy.total).float()

        def update(self, energy):
            pass

    results = []
    for limit, validated in ((None, False), (1e9, False), (1e9, True)):
        made, penalty = task.setup(dropout=0.2), Free()
        penalty.limit_pj = limit
        loader = task.loader(shuffle=True, jitter=True)
        validation = task.loader(shuffle=True, jitter=True) if validated else None
        logs = task.train(made, loader, epochs=2, penalty=penalty, validation=validation)
        losses = [log.loss.item() for log in logs if not log.history]
        results.append((losses, random.random(), np.random.random(), torch.rand(1).item()))
    assert results[0] == results[1] == results[2]


def test_no_step_waits_for_the_device(task, monkeypatch):
    class Refuse(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert "_local_scalar_dense" not in str(func), "a value was read inside a step"
            return func(*args, **(kwargs or {}))

    def refuse(*_, **__):
        raise AssertionError("a value was read inside a step")

    def read_label(values, real=torch.Tensor.numpy):
        """Labels lie on the host until they are moved to the device."""
        return real(values) if values.dtype == torch.int64 and values.dim() == 1 else refuse()

    made = task.setup(optimizer=torch.optim.SGD)  # torch's Adam reads a count kept on the host
    for penalty in (pj.EnergyBudget(450.0), pj.FixedPrice(0.1)):
        logs = task.train(made, task.loader(), epochs=1, penalty=penalty)
        next(logs)
        with monkeypatch.context() as patch, Refuse():
            for name in ("item", "tolist", "cpu", "__bool__", "__float__", "__int__"):
                patch.setattr(torch.Tensor, name, refuse)
            patch.setattr(torch.Tensor, "numpy", read_label)
            for _ in range(4):
                next(logs)


@pytest.mark.parametrize("bad_step", [1, 4, 9])
def test_a_loss_that_is_not_finite_stops(task, tmp_path, bad_step):
    made, calls = task.setup(), []

    def criterion(scores, label):
        calls.append(1)
        loss = nn.functional.cross_entropy(scores, label)
        return loss * (float("nan") if len(calls) == bad_step else 1.0)

    logs = pj.train(
        made.net,
        task.loader(),
        made.optimizer,
        criterion=criterion,
        readout=pj.readout.mean,
        chip=task.chip,
        epochs=3,
        checkpoint=tmp_path,
        inputs="events",
    )
    epoch = 1 if bad_step <= 6 else 2
    kept = "no checkpoint" if epoch == 1 else r"epoch-0001\.safetensors"
    with pytest.raises(pj.NonFiniteLoss, match=rf"epoch {epoch} at step {bad_step}.*{kept}") as e:
        list(logs)
    assert (e.value.epoch, e.value.step) == (epoch, bad_step)
    assert len(list(tmp_path.iterdir())) == epoch - 1
    for path in tmp_path.iterdir():
        saved = pj.training.checkpoint.load(path)["net"]
        assert all(torch.isfinite(value).all() for value in saved.values())


def test_a_long_epoch_stops_early(task):
    made = task.setup()
    loader = DataLoader(task.samples * 20, batch_size=8, collate_fn=task.loader().collate_fn)
    with torch.no_grad():
        made.net[-2].weight.fill_(float("inf"))
    logs, told = task.train(made, loader, epochs=1), []
    with pytest.raises(pj.NonFiniteLoss, match="epoch 1 at step 1"):
        told.extend(log.step for log in logs)
    assert len(told) < 50


def test_a_value_that_is_no_number_names_the_layer_it_came_to(task):
    made = task.setup()
    samples = [(x.clone(), *rest) for x, *rest in task.samples]
    samples[3][0][0, 0] = float("nan")
    loader = DataLoader(samples, batch_size=8, collate_fn=task.loader().collate_fn)
    with pytest.raises(pj.NonFiniteLoss, match="the energy of layer '0' became"):
        list(task.train(made, loader, epochs=1))


def test_an_infinite_gradient_of_a_finite_loss_reaches_no_checkpoint(task, tmp_path):
    made = task.setup(optimizer=torch.optim.SGD)
    made.net[0].bias.register_hook(lambda gradient: gradient * float("inf"))
    loader = task.loader(8)
    with pytest.raises(pj.NonFiniteLoss, match="a weight became"):
        list(task.train(made, loader, epochs=1, checkpoint=tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_foreign_network_without_a_state(task):
    class Foreign(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(12, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.last(torch.relu(self.first(x)))

    net = Foreign()
    *_, log = pj.train(
        net,
        task.loader(),
        torch.optim.Adam(net.parameters()),
        criterion=nn.CrossEntropyLoss(),
        readout=pj.readout.mean,
        chip=task.chip,
        penalty=pj.FixedPrice(0.1),
        validation=task.loader(64),
        epochs=2,
    )
    assert log.chosen.energy_pj == pytest.approx(4.6 * 6 * (12 * 8 + 8 * 3))
    found = log.chosen
    assert found == Chosen(
        found.epoch, found.accuracy, found.energy_pj, True, macro_f1=found.macro_f1
    )


def test_lengths_reach_network_and_readout(task):
    made, loader = task.setup(), task.loader()
    collate = loader.collate_fn

    def shortened(batch):
        x, label, _ = collate(batch)
        return x, label, torch.arange(len(label)) % 4 + 1

    short = DataLoader(task.samples, batch_size=8, collate_fn=shortened)
    *_, full = task.train(task.setup(), loader, epochs=1)
    *_, log = task.train(made, short, epochs=1)
    assert log.energy_pj < full.energy_pj


def test_other_batches_are_refused(task):
    loader = DataLoader(task.samples, batch_size=8)
    with pytest.raises(ValueError, match="got 2 parts: give the DataLoader a collate_fn"):
        next(task.train(task.setup(), loader, epochs=1))


def test_a_list_of_batches_is_refused_with_how_to_make_a_loader(task):
    batches = list(task.loader())
    advice = r"expected a torch DataLoader, got list: DataLoader\(batches, batch_size=None\)"
    made = task.setup()
    common = {"criterion": nn.CrossEntropyLoss(), "readout": pj.readout.mean, "chip": task.chip}
    for loader, options in (
        (batches, {}),
        (batches, {"inputs": "events"}),
        (task.loader(), {"validation": batches}),
    ):
        with pytest.raises(TypeError, match=advice):
            next(pj.train(made.net, loader, made.optimizer, **common, epochs=1, **options))
    with pytest.raises(TypeError, match=advice):
        pj.measure(task.setup().net, batches, readout=pj.readout.mean, chips=[task.chip])


def test_nothing_to_train_on(task):
    with pytest.raises(ValueError, match="no batch"):
        list(task.train(task.setup(), task.loader(0), epochs=1))
    for epochs in (0, 1.5, True, "3"):
        with pytest.raises(ValueError, match=f"epochs must be a whole .* got {epochs!r}"):
            next(task.train(task.setup(), task.loader(), epochs=epochs))


def test_an_optimizer_of_another_network_is_refused(task):
    made = task.setup()
    made.optimizer = torch.optim.Adam(copy.deepcopy(made.net).parameters())
    with pytest.raises(ValueError, match="the optimizer updates no parameter of the network"):
        next(task.train(made, task.loader(), epochs=1))


def test_precision_is_fabrics(task):
    made = task.setup()
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    *_, log = task.train(made, task.loader(), epochs=2, fabric=fabric, penalty=pj.FixedPrice(0.1))
    assert made.net[0].weight.dtype == torch.float32
    assert torch.isfinite(log.loss)
