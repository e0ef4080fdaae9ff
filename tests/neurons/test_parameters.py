"""How parameters are given, and that no value they may take ends in NaN."""

import copy
import math
from functools import partial

import pytest
import torch
from torch.distributions import LogNormal, Normal, Uniform

from all_neurons import NEURONS, SIZE
from engine_cases import assert_same, currents, made
from picojoule.neurons import (
    ALIF,
    BRF,
    HRF,
    IF,
    LI,
    LIF,
    PLIF,
    RF,
    Adaptation,
    AdLIF,
    CubaLIF,
)
from picojoule.neurons.balanced import divergence_boundary
from picojoule.neurons.parameters import parameter


def test_a_range_is_drawn_uniformly_and_for_each_neuron():
    tau = LIF(5000, tau=(5e-3, 25e-3)).tau
    assert 5e-3 <= tau.min() < 5.1e-3
    assert 24.9e-3 < tau.max() <= 25e-3
    assert tau.mean().item() == pytest.approx(15e-3, rel=0.03)
    assert not tau.requires_grad


def test_any_distribution_of_torch_may_be_drawn_from():
    torch.manual_seed(1)
    tau = LI(5000, tau=LogNormal(math.log(20e-3), 0.5)).tau
    assert tau.log().mean().item() == pytest.approx(math.log(20e-3), rel=0.01)
    assert tau.log().std().item() == pytest.approx(0.5, rel=0.05)
    assert BRF(7, omega=Uniform(1.0, 2.0)).omega.shape == (7,)


def test_the_same_seed_draws_the_same():
    first, second = (torch.manual_seed(3) and CubaLIF(9, tau=(1e-3, 1.0)).tau for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("value", "size", "words"),
    [
        ((1.0, 2.0), None, r"tau=\(1.0, 2.0\) is drawn for each neuron: give size="),
        (Uniform(1.0, 2.0), None, "give size="),
        (1.0, 0, "size must be a whole number of at least 1"),
        (1.0, 2.5, "size must be a whole number of at least 1"),
        (1.0, True, "got True"),
        ((2.0, 1.0), 3, r"a range \(low, high\)"),
        ((1.0, 2.0, 3.0), 3, r"a range \(low, high\)"),
        ((0.0, math.inf), 3, r"a range \(low, high\)"),
        ((-2.0, -1.0), 3, "must be positive"),
        (Normal(-5.0, 1.0), 3, "must be positive"),
        (Uniform(torch.ones(2), 2 * torch.ones(2)), 3, r"\[3\], got shape \[3, 2\]"),
    ],
)
def test_what_cannot_be_drawn_is_refused(value, size, words):
    with pytest.raises(ValueError, match=words):
        parameter("tau", value, size)


@pytest.mark.parametrize("kind", [LIF, LI, CubaLIF, ALIF])
@pytest.mark.parametrize("tau", [0.0, -1e-3, -1e9])
def test_a_time_constant_that_training_pushes_below_zero_forgets_at_once(kind, tau):
    neuron = kind()
    for learnt in neuron.parameters():
        learnt.requires_grad_()
    neuron.tau.data.fill_(tau)
    out, state = neuron(torch.rand(50, 2, 2))
    (out.sum() + state.membrane.sum()).backward()
    assert state.membrane.abs().max() < 10
    assert neuron.tau.grad.isfinite()


# Parameters at the ends of what is allowed

NEAR_1 = 1 - 1e-7
EXTREMES = {
    "IF": lambda: IF(threshold=1e-30),
    "IF, huge threshold": lambda: IF(threshold=1e30, reset="subtract"),
    "LIF, fast": lambda: LIF(tau=1e-30),
    "LIF, slow": lambda: LIF(tau=1e30, reset="subtract"),
    "LIF, in the graph": lambda: LIF(tau=1e3, threshold=1e-30, detach_reset=False),
    "LI, slow": lambda: LI(tau=1e30),
    "PLIF, fast": lambda: PLIF(tau=1e-30, detach_reset=False),
    "PLIF, slow": lambda: PLIF(tau=1e6, threshold=1e-9, reset="subtract"),
    "CubaLIF, slow": lambda: CubaLIF(tau=1e30, tau_synapse=1e30),
    "CubaLIF, fast": lambda: CubaLIF(tau=1e-30, tau_synapse=1e-30, reset="subtract"),
    "ALIF, strong": lambda: ALIF(strength=1e6, tau_adaptation=1e30),
    "ALIF, weak": lambda: ALIF(strength=0.0, tau=1e-30, threshold=1e-30),
    "AdLIF, fast": lambda: AdLIF(
        4, tau=(1e-9, 1e-9), adaptation=Adaptation((1e-9, 1e-9), (9, 9), (9, 9), 1e6)
    ),
    "AdLIF, Euler that grows": lambda: AdLIF(
        4, tau=(1e-3, 1e-3), adaptation=Adaptation((2e-3, 2e-3), (9, 9)), integration="euler"
    ),
    "RF, undamped": lambda: RF(omega=3141.0, b=-1e-30),
    "RF, damped": lambda: RF(omega=0.0, b=-1e30),
    "RF, Euler on the circle": lambda: RF(
        omega=900.0, b=divergence_boundary(torch.tensor(900.0), 1e-3), integration="euler"
    ),
    "BRF, at the edge": lambda: BRF(4, omega=NEAR_1 / 0.01, b_offset=0.0),
    "BRF, reset beyond the edge": lambda: BRF(4, omega=0.9, b_offset=0.0, dt=1.0, threshold=1e-3),
    "BRF, steps of hours": lambda: BRF(4, omega=0.0, b_offset=0.0, dt=3600.0, threshold=1e-9),
    "HRF, at the edge": lambda: HRF(4, omega=115.0, b_offset=0.5, threshold=1e-3),
    "HRF, long steps": lambda: HRF(4, omega=1.0, b_offset=0.2, dt=1.0, threshold=1e-3),
    "HRF, steps of hours": lambda: HRF(4, omega=0.0, b_offset=0.0, dt=3600.0, threshold=1e-9),
}


def leaves(state):
    if isinstance(state, torch.Tensor):
        return [state]
    return [tensor for part in state for tensor in leaves(part)]


@torch.no_grad()
@pytest.mark.parametrize("make", EXTREMES.values(), ids=EXTREMES)
def test_no_nan_in_10000_steps_at_the_ends_of_what_is_allowed(make):
    gain = torch.tensor([[1.0], [1e4]])
    out, state = make()(gain * torch.randn(10_000, 2, 4))
    assert not out.isnan().any()
    assert not any(part.isnan().any() for part in leaves(state))


@torch.no_grad()
@pytest.mark.parametrize("case", NEURONS, ids=lambda case: case.name)
def test_no_nan_in_10000_steps_of_noise(case):
    out, state = case.make(size=SIZE)(3 * torch.randn(10_000, 2, SIZE))
    assert not out.isnan().any()
    assert not any(part.isnan().any() for part in leaves(state))


@pytest.mark.parametrize("make", EXTREMES.values(), ids=EXTREMES)
def test_gradients_at_the_ends_of_what_is_allowed_are_no_nan(make):
    neuron = make()
    for learnt in neuron.parameters():
        learnt.requires_grad_()
    x = torch.randn(200, 2, 4, requires_grad=True)
    out, _ = neuron(x)
    out.sum().backward()
    for gradient in (x.grad, *(learnt.grad for learnt in neuron.parameters())):
        assert gradient is None or not gradient.isnan().any()


# Parameters outside of their range

FAR = {
    "zero": lambda start: torch.zeros_like(start),
    "below zero": lambda start: -start.abs() - 1e-3,
    "far below zero": lambda start: -40.0 - start.abs(),
    "far above": lambda start: 40.0 + 40 * start.abs(),
}


def outside():
    """Every parameter of every kind, at each place that is out of its range or at an end of it."""
    for case in NEURONS:
        if case.mixed or case.chooses or case.name.startswith("Recurrent"):
            continue  # made of the others
        for name, _ in case.make(size=SIZE).named_parameters():
            # A polynomial has no range, and how far a threshold learns is the surrogate's matter.
            if name.startswith("theta") or (name == "threshold" and "Multi" not in case.name):
                continue
            bounded = name.startswith("raw") or (case.name, name) == ("BRF", "omega")
            for where in FAR if bounded else list(FAR)[:-1]:
                # A harmonic oscillator has its frequency squared; levels are above zero.
                if where != "zero" or (case.name != "HRF" and name != "threshold"):
                    yield pytest.param(case, name, where, id=f"{case.name}, {name}, {where}")


@pytest.mark.parametrize(("case", "name", "where"), list(outside()))
def test_a_parameter_outside_of_its_range_has_a_gradient(case, name, where):
    neuron = made(case)
    learned = neuron.get_parameter(name)
    learned.data.copy_(FAR[where](learned.data))
    assert_same(neuron, currents(20, 4, SIZE) + 0.4, 1e-9)
    gradient = learned.grad  # of the eager engine, which ran last
    assert gradient.isfinite().all()
    assert (gradient.abs() > 1e-7).all(), gradient


@pytest.mark.parametrize(
    ("make", "name", "start"),
    [
        (partial(LI), "tau", -1e-3),
        (partial(LIF, threshold=50.0), "tau", -20e-3),
        (partial(CubaLIF, threshold=50.0), "tau", 0.0),
        (partial(CubaLIF, threshold=50.0), "tau_synapse", -5e-3),
        (partial(ALIF, tau=5e-3, threshold=50.0), "tau", -1e-6),
        (partial(PLIF, threshold=50.0), "raw", 40.0),
        (partial(PLIF, threshold=50.0), "raw", -40.0),
        (partial(AdLIF, threshold=50.0), "raw_tau", -40.0),
        (partial(BRF, omega=60.0, threshold=50.0), "omega", 110.0),
        (partial(BRF, threshold=50.0, b_offset=3.0), "b_offset", 0.0),
        (partial(RF, threshold=50.0), "b", 0.0),
    ],
)
def test_a_parameter_that_left_its_range_finds_back(make, name, start):
    target = make(size=1)
    neuron = copy.deepcopy(target)
    learned = neuron.get_parameter(name).requires_grad_()
    way = float(target.get_parameter(name).detach() - start)
    learned.data.fill_(start)
    x = torch.ones(10, 1, 1)
    x[-1] = 0
    wanted, losses = target(x)[1], []
    optimizer = torch.optim.Adam([learned], lr=abs(way) / 20, betas=(0.5, 0.9))
    for _ in range(80):
        optimizer.zero_grad()
        loss = sum(
            (a - b.detach()).square().sum() for a, b in zip(neuron(x)[1], wanted, strict=True)
        )
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses) < losses[0] / 2
