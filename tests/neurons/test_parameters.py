"""How parameters are given, and that no value they may take ends in NaN."""

import math

import pytest
import torch
from torch.distributions import LogNormal, Normal, Uniform

from all_neurons import NEURONS, SIZE
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
