import math
import warnings

import pytest
import torch

import picojoule as pj


def test_fixed_price_is_the_share_of_the_reference(energy):
    leaf = torch.tensor(300.0, dtype=torch.float64, requires_grad=True)
    penalty = pj.FixedPrice(weight=0.5, reference_pj=600.0)(energy(leaf))
    penalty.backward()
    assert penalty.dtype == torch.float32
    assert penalty.item() == 0.25
    assert leaf.grad is not None
    assert leaf.grad.item() == pytest.approx(0.5 / 600)


def test_the_first_batch_is_the_reference_where_none_is_given(energy):
    price = pj.FixedPrice(weight=0.1)
    assert price(energy(400.0)).item() == pytest.approx(0.1)
    price.update(energy(400.0))
    price.update(energy(100.0))
    assert price(energy(200.0)).item() == pytest.approx(0.05)


def test_a_batch_that_spends_nothing_is_no_reference(energy):
    price = pj.FixedPrice(weight=0.1)
    assert price(energy(0.0)).item() == 0
    price.update(energy(0.0))
    assert price(energy(400.0)).item() == pytest.approx(0.1)


@pytest.mark.parametrize("levers", [(), (pj.Gates(), pj.Weights())], ids=["plain", "levers"])
@pytest.mark.parametrize("penalty", [pj.FixedPrice(0.1), pj.EnergyBudget(100.0)])
def test_a_chip_without_a_price_for_the_network_is_refused(task, penalty, levers):
    price = task.chip.prices["mac"]
    chip = task.chip.model_copy(update={"name": "mine", "prices": {"mac": price}, "excluded": ()})
    made = task.setup()
    before, said = made.net[0].weight.clone(), repr(made.net)
    with pytest.raises(
        ValueError, match=r"chip 'mine' has no price for anything .*\(ac, event_read"
    ):
        next(task.train(made, task.loader(), chip=chip, penalty=penalty, levers=levers, epochs=1))
    assert torch.equal(made.net[0].weight, before)
    assert repr(made.net) == said


def test_the_reference_does_not_take_the_gradient(energy):
    leaf = torch.tensor(400.0, dtype=torch.float64, requires_grad=True)
    pj.FixedPrice(weight=0.1)(energy(leaf)).backward()
    assert leaf.grad is not None
    assert leaf.grad.item() == pytest.approx(0.1 / 400)


def test_the_reference_is_in_the_state(energy):
    price, again = pj.FixedPrice(weight=0.1), pj.FixedPrice(weight=0.1)
    price.update(energy(400.0))
    again.load_state_dict(price.state_dict())
    assert again(energy(200.0)).item() == pytest.approx(0.05)
    assert again.multiplier is None
    assert again.limit_pj is None


@pytest.mark.parametrize("weight", [-1.0, math.nan])
def test_weight_out_of_range(weight):
    with pytest.raises(ValueError, match="weight must be 0 or more"):
        pj.FixedPrice(weight)


@pytest.mark.parametrize("reference", [0.0, -1.0, math.nan])
def test_reference_out_of_range(reference):
    with pytest.raises(ValueError, match="reference_pj must be above 0"):
        pj.FixedPrice(1.0, reference)


class Opaque(torch.nn.Module):
    """Somebody's network, whose spikes have no gradient."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(8, 8), torch.nn.Linear(8, 4)

    def forward(self, x):
        return self.second((self.first(x) > 0).float().detach())


@pytest.mark.parametrize("penalty", [pj.FixedPrice(0.1, 1_000), pj.EnergyBudget(100.0)])
def test_a_penalty_that_reaches_no_parameter_says_so_once(penalty):
    net = Opaque()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for grad in (False, True, True):
            with torch.set_grad_enabled(grad):
                with pj.Meter(net, samples=3) as meter:
                    net(torch.randn(3, 8))
                penalty(pj.load_chip("45nm").price(meter.counts))
    told = [str(one.message) for one in seen if "reaches no parameter" in str(one.message)]
    assert [type(penalty).__name__ in one for one in told] == [True]


def test_an_energy_that_is_not_finite_leaves_the_multiplier_alone(energy):
    budget = pj.EnergyBudget(100.0)
    for _ in range(2):  # the first only says where the aim begins
        budget.update(energy(400.0))
    before = budget.multiplier.item()
    for total in (float("nan"), float("inf")):
        budget.update(energy(total))
    assert budget.multiplier.item() == before > 0
