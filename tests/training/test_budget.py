import math

import pytest
import torch

import picojoule as pj
from picojoule.energy import Energy
from picojoule.training.records import Spent

SMALL, PULL = 1e-6 * 1000, 0.3


def closed_form(total, *, multiplier, floor=200.0, limit=1000.0, margin=0.02, rho=4.0):
    g = math.log((total - floor + SMALL) / ((limit - floor) / (1 + margin) + SMALL))
    pull = min(g, PULL)
    line = max(multiplier + rho * pull, 0) * (g - pull)
    return (max(multiplier + rho * pull, 0) ** 2 - multiplier**2) / (2 * rho) + line


def come_down(budget, value=0.0):
    """Brings the aim of a budget down to what the limit allows, and sets its multiplier."""
    total, floor = torch.tensor([300.0, 200.0], dtype=torch.float64)
    budget.done = math.inf
    budget.update(Energy(total, floor, total, total))
    budget.multiplier = torch.tensor(value, dtype=torch.float64)
    return budget


def with_multiplier(value, **options):
    """A budget that has come down."""
    budget = pj.EnergyBudget(1000.0, **options)
    budget.start(200.0)
    return come_down(budget, value)


@pytest.mark.parametrize("total", [201.0, 500.0, 980.0, 1000.0, 5000.0])
@pytest.mark.parametrize("multiplier", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("rho", [0.5, 1.0])
def test_penalty_is_the_augmented_lagrangian(energy, total, multiplier, rho):
    penalty = with_multiplier(multiplier, rho=rho)(energy(total, 200.0))
    expected = closed_form(total, multiplier=multiplier, rho=rho)
    assert penalty.dtype == torch.float32
    assert penalty.item() == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("total", [400.0, 990.0, 3000.0])
def test_gradient_is_the_slope(energy, total):
    leaf = torch.tensor(total, dtype=torch.float64, requires_grad=True)
    with_multiplier(0.7)(energy(leaf, 200.0)).backward()
    above, below = (closed_form(total + d, multiplier=0.7) for d in (1e-3, -1e-3))
    assert leaf.grad is not None
    assert leaf.grad.item() == pytest.approx((above - below) / 2e-3, rel=1e-4, abs=1e-9)


def test_far_below_the_limit_there_is_no_push(energy):
    leaf = torch.tensor(210.0, dtype=torch.float64, requires_grad=True)
    with_multiplier(0.7)(energy(leaf, 200.0)).backward()
    assert leaf.grad is not None
    assert leaf.grad.item() == 0


def test_the_margin_is_where_the_excess_is_zero(energy):
    budget = with_multiplier(0.4)
    budget.update(energy(200 + 800 / 1.02, 200.0))
    assert budget.multiplier.item() == pytest.approx(0.4, abs=1e-12)


def test_multiplier_rises_above_and_falls_below_but_not_under_zero(energy):
    budget = with_multiplier(0.0, step=0.05)
    budget.update(energy(1200.0, 200.0))
    g = math.log((1000 + SMALL) / (800 / 1.02 + SMALL))
    assert budget.multiplier.item() == pytest.approx(0.05 * g)
    budget.update(energy(9000.0, 200.0))
    assert budget.multiplier.item() == pytest.approx(0.05 * (g + PULL))
    for _ in range(100):
        budget.update(energy(300.0, 200.0))
    assert budget.multiplier.item() == 0


@pytest.mark.parametrize("steps", [10, 60, 4000, None])
def test_the_aim_comes_down_in_half_of_a_training_however_long(energy, steps):
    budget = pj.EnergyBudget(1000.0)
    budget.start(200.0, steps)
    allowed, descent = 800 / 1.02, 100 if steps is None else steps / 2
    for step in range(2 * int(descent)):  # a network that follows is not charged
        assert budget.settled == (step >= descent)
        part = allowed * (7000 / allowed) ** max(0, 1 - step / descent)
        batch = energy(200 + part, 200.0)
        assert budget(batch).item() == pytest.approx(0, abs=1e-4)
        budget.update(batch)
        assert budget.multiplier.item() == pytest.approx(0, abs=1e-4)
    assert part == allowed


def test_a_network_that_spends_little_at_first_may_come_to_spend_what_is_allowed(energy):
    budget = pj.EnergyBudget(1000.0)
    budget.start(200.0, 1000)
    budget.update(energy(300.0, 200.0))
    assert budget(energy(200 + 799 / 1.02, 200.0)).item() == 0
    assert budget(energy(200 + 801 / 1.02, 200.0)).item() > 0


def test_an_energy_that_is_not_finite_teaches_nothing(energy):
    budget = pj.EnergyBudget(1000.0)
    budget.start(200.0)
    for total in (math.nan, 7200.0, math.inf, math.nan):
        budget.update(energy(total, 200.0))
    assert budget.first_pj.item() == pytest.approx(7000)
    assert budget.done == 4
    assert budget.multiplier.item() == 0


def test_a_silent_network_has_a_finite_penalty(energy):
    budget = with_multiplier(0.5)
    assert math.isfinite(budget(energy(200.0, 200.0)).item())


def test_the_floor_of_the_training_set_decides_the_allowance_and_the_batch_its_reducible(energy):
    batch = energy(700.0, 100.0)  # 600 pJ are reducible, 800 / 1.02 are allowed
    penalty = with_multiplier(1.0)(batch)
    assert penalty.item() == pytest.approx(closed_form(800.0, multiplier=1.0), rel=1e-5)


def test_without_start_the_floor_of_the_batch_stands_in(energy):
    started, bare = with_multiplier(0.0), come_down(pj.EnergyBudget(1000.0))
    assert bare(energy(1500.0, 200.0)).item() == started(energy(1500.0, 200.0)).item()


def spent(total, floor=200.0, spread=0.0):
    return Spent(total, floor, spread)


def aim(budget, energy, floor=200.0):
    """Where the aim comes down to: the energy at which the multiplier stays, by bisection."""
    low, high = floor, 1e5
    for _ in range(80):
        middle = (low + high) / 2
        come_down(budget, 1.0)
        budget.update(energy(middle, floor))
        low, high = (low, middle) if budget.multiplier > 1 else (middle, high)
    return low


@pytest.mark.parametrize(
    ("spread", "allowed"),
    [(0.0, 800), (0.03, 1000 / (1 + 1.64 * 0.03) - 200), (3.0, 400)],  # half of the rest at least
)
def test_the_spread_of_a_validation_lowers_the_aim(energy, spread, allowed):
    budget = pj.EnergyBudget(1000.0)
    budget.start(200.0)
    budget.validated(spent(900.0, spread=spread))
    assert aim(budget, energy) == pytest.approx(200 + allowed / 1.02)


@pytest.mark.parametrize("dearer", [0.7, 1.0, 1.3])
def test_validations_teach_what_a_training_batch_costs_in_use(energy, dearer):
    """A network that costs more in use than in training is trained to less, above the floor."""
    budget = with_multiplier(0.4)
    for _ in range(100):
        budget.update(energy(600.0, 100.0))
    for _ in range(20):
        budget.validated(spent(300 + dearer * 500, 300.0))
    assert budget.ratio == pytest.approx(dearer, rel=1e-3)
    assert aim(budget, energy, floor=100.0) == pytest.approx(100 + 700 / 1.02 / dearer, rel=1e-3)


def test_it_is_the_last_batches_that_a_validation_is_compared_with(energy):
    """The energy may still have come down in an epoch, and the validation is at its end."""
    budget = with_multiplier(0.4)
    for total in [5200.0] * 100 + [700.0] * 60:
        budget.update(energy(total, 200.0))
    budget.validated(spent(700.0))
    assert budget.ratio == pytest.approx(1, abs=0.01)


def test_one_validation_is_believed_by_half_and_within_bounds(energy):
    for total, factor in ((200.0, 0.8), (1e9, 1.25)):  # a silent network, and a wild one
        budget = with_multiplier(0.4)
        for times in (1, 2, 3):
            budget.validated(spent(total))
            assert budget.ratio == pytest.approx(factor ** (times / 2))
        assert math.isfinite(budget(energy(200.0, 200.0)).item())


def test_a_validation_teaches_no_ratio_while_the_aim_comes_down(energy):
    """Batch norms have not settled by then, and what the network spends in use says nothing."""
    budget = pj.EnergyBudget(1000.0)
    budget.start(200.0, 10)
    for step in range(10):
        budget.update(energy(700.0, 200.0))
        budget.validated(spent(690.0))
        assert (budget.ratio == 1) == (step < 4)


def test_state_is_in_buffers(energy):
    budget = with_multiplier(0.2)
    budget.validated(spent(900.0, 250.0, 0.01))
    budget.update(energy(4000.0, 200.0))
    again = pj.EnergyBudget(1000.0)
    again.load_state_dict(budget.state_dict())
    assert again(energy(900.0, 200.0)).item() == budget(energy(900.0, 200.0)).item()
    assert not list(budget.parameters())


def test_a_budget_begins_anew_with_each_training(energy):
    used, fresh = pj.EnergyBudget(1_000.0), pj.EnergyBudget(1_000.0)
    used.start(100.0, steps=4)
    for _ in range(3):
        used(energy(1_500.0, 100.0))
        used.update(energy(1_500.0, 100.0))
    used.validated(spent(1_400.0, 200.0, 0.1))
    for one in (used, fresh):
        one.start(200.0)
    assert used.get_extra_state() == fresh.get_extra_state()
    for name, value in fresh.named_buffers():
        assert torch.equal(value.nan_to_num(-1), used.get_buffer(name).nan_to_num(-1)), name


@pytest.mark.parametrize("limit", [0, -5.0, math.nan, math.inf])
def test_a_limit_must_be_above_zero(limit):
    with pytest.raises(ValueError, match="leave the penalty out"):
        pj.EnergyBudget(limit)


@pytest.mark.parametrize("limit", ["12 nJ", True, None])
def test_a_limit_must_be_a_number(limit):
    with pytest.raises(TypeError, match="limit_pj must be a number"):
        pj.EnergyBudget(limit)


@pytest.mark.parametrize("option", [{"margin": -0.1}, {"rho": 0}, {"step": -1}, {"rho": math.nan}])
def test_options_out_of_range_are_named(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        pj.EnergyBudget(100.0, **option)


def test_a_limit_below_the_floor_is_refused():
    message = (
        r"^limit_pj=12000 is below this network's floor of 19130 pJ "
        r"\(what no hidden spike can change\): raise the limit or narrow the first layer$"
    )
    with pytest.raises(ValueError, match=message):
        pj.EnergyBudget(12_000).start(19_130.0)
    pj.EnergyBudget(12_000).start(11_999.0)
    with pytest.raises(ValueError, match=r"limit_pj=0.2 is below this network's floor of 0.247 pJ"):
        pj.EnergyBudget(0.2).start(0.2468)
    on = "below this network's floor of 5000"
    with pytest.raises(pj.training.BelowFloor, match=rf"^limit_pj=4000 on loihi is {on} pJ"):
        pj.EnergyBudget(4_000, chip="loihi").start(5_000.0)
    with pytest.raises(pj.training.BelowFloor, match=rf"^4000 synops is {on} synops"):
        pj.EnergyBudget(4_000, chip="synops").start(5_000.0)


def test_a_limit_below_the_floor_of_the_validation_set_is_said_once(task, caplog):
    """The training set has fewer events, by an augmentation; what is validated has all."""
    prepared = task.setup()
    loader, validation = task.loader(kept=0.3), task.loader()
    measured = {"readout": pj.readout.mean, "chips": [task.chip], "inputs": "events"}
    below, floor = (
        pj.measure(prepared.net, one, **measured).chips[task.chip.name].floor_pj
        for one in (loader, validation)
    )
    assert 1.5 * below < floor
    limit_pj = 0.9 * floor
    logs = pj.train(
        prepared.net,
        loader,
        prepared.optimizer,
        criterion=torch.nn.functional.cross_entropy,
        readout=pj.readout.mean,
        chip=task.chip,
        penalty=pj.EnergyBudget(limit_pj),
        validation=validation,
        inputs="events",
        epochs=2,
    )
    last = list(logs)[-1]
    assert not last.chosen.feasible
    said = [one for one in caplog.messages if "cannot be met on the validation set" in one]
    assert len(said) == 1
    assert f"{limit_pj:g}" in said[0]
    assert f"{last.validation.floor_pj:g}" in said[0]
