"""Learnable polynomial dynamics against loops by hand and other neurons."""

import math

import pytest
import torch
from torch import nn

from picojoule.energy import Meter
from picojoule.networks import Sequential
from picojoule.neurons import LIF, LNM, LNMState, NeuronCost


def with_theta(*theta, **options):
    neuron = LNM(degree=len(theta) - 1, **options).double()
    for parameter, value in zip(neuron.theta, theta, strict=True):
        parameter.data.fill_(value)
    return neuron


def by_hand(theta, currents, threshold=1.0):
    """u = sum_k theta_k v^k + I; a spike and back to zero where u >= threshold."""
    v, spikes, membranes = 0.0, [], []
    for current in currents:
        u = sum(coefficient * v**k for k, coefficient in enumerate(theta)) + current
        spikes.append(float(u >= threshold))
        v = 0.0 if u >= threshold else u
        membranes.append(v)
    return spikes, membranes


def column(values):
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("tau", [2e-3, 20e-3])
def test_starts_as_the_leaky_integrator(degree, tau):
    torch.manual_seed(degree)
    x = (torch.rand(300, 2, 6, dtype=torch.float64) * 0.5 - 0.1) * (1 if tau > 1e-2 else 3)
    neuron = LNM(degree=degree, tau=tau, threshold=0.9).double()
    neuron.theta[1].data.copy_(torch.exp(-1e-3 / LIF(tau=tau).double().tau))
    out, state = neuron(x)
    expected, end = LIF(tau=tau, threshold=0.9).double()(x)
    assert 0 < out.mean() < 1
    assert torch.equal(out, expected)
    assert torch.allclose(state.membrane, end.membrane, rtol=1e-13, atol=1e-13)


def test_starts_with_its_time_constant():
    theta = [parameter.item() for parameter in LNM(degree=3, tau=10e-3, dt=2e-3).theta]
    assert theta == pytest.approx([0, math.exp(-0.2), 0, 0])


def test_has_the_gradients_of_the_leaky_integrator():
    x = torch.rand(30, 2, 3, dtype=torch.float64) * 0.5
    gradients = []
    for neuron in (LNM(tau=5e-3).double(), LIF(tau=5e-3).double()):
        given = x.clone().requires_grad_()
        out, _ = neuron(given)
        (out * torch.arange(30).view(-1, 1, 1)).sum().backward()
        gradients.append(given.grad)
    assert torch.allclose(*gradients, rtol=1e-5)
    assert gradients[0].any()


@pytest.mark.parametrize(
    "theta",
    [(0.05, 0.8, 0.3), (0.0, 1.2, 0.1, -0.9), (-0.02, 0.9)],
    ids=["quadratic", "cubic", "leak and constant"],
)
def test_follows_its_polynomial(theta):
    torch.manual_seed(0)
    currents = (torch.rand(60, dtype=torch.float64) * 0.7 - 0.2).tolist()
    spikes, membranes = by_hand(theta, currents)
    neuron, state = with_theta(*theta), None
    for current, spike, membrane in zip(currents, spikes, membranes, strict=True):
        out, state = neuron(column([current]), state)
        assert out.item() == spike
        assert state.membrane.item() == pytest.approx(membrane, abs=1e-12)
    assert 0 < sum(spikes) < 60


def test_a_quadratic_neuron_fires_by_itself_above_its_unstable_point():
    # v = v + v (v - 0.4): falls to rest below 0.4, and runs to the threshold above it
    neuron = with_theta(0.0, 0.6, 1.0)
    pulse = torch.zeros(60, 1, 2, dtype=torch.float64)
    pulse[0, 0] = torch.tensor([0.39, 0.41])
    out, state = neuron(pulse)
    assert out.sum(0).tolist() == [[0.0, 1.0]]
    assert state.membrane.abs().max() < 1e-3


def test_a_cubic_neuron_has_two_stable_points():
    # v = v + 0.5 v (1 - (v / 0.6)^2): zero is unstable, +-0.6 are stable
    neuron = with_theta(0.0, 1.5, 0.0, -0.5 / 0.36)
    pulse = torch.zeros(100, 1, 2, dtype=torch.float64)
    pulse[0, 0] = torch.tensor([0.01, -0.01])
    out, state = neuron(pulse)
    assert not out.any()
    assert state.membrane.flatten().tolist() == pytest.approx([0.6, -0.6])


def test_gradient_of_theta_by_finite_differences():
    theta, x = (0.02, 0.7, 0.2, -0.3), torch.rand(12, 2, 3, dtype=torch.float64) * 0.2
    options = {"threshold": 100.0}  # without a spike the membrane is smooth

    def end(values):
        return with_theta(*values, **options)(x)[1].membrane.square().sum()

    neuron = with_theta(*theta, **options)
    neuron(x)[1].membrane.square().sum().backward()
    for k in range(4):
        up, down = ([v + (j == k) * d for j, v in enumerate(theta)] for d in (1e-6, -1e-6))
        expected = ((end(up) - end(down)) / 2e-6).item()
        assert neuron.theta[k].grad.item() == pytest.approx(expected, rel=1e-6)


def test_gradient_of_currents_by_finite_differences():
    neuron = with_theta(0.02, 0.7, 0.2, -0.3, threshold=100.0, slope=0.9, clamp=2.0)
    x = (torch.rand(6, 1, 2, dtype=torch.float64) * 0.3).requires_grad_()
    assert torch.autograd.gradcheck(lambda currents: neuron(currents)[1].membrane, x)


def test_theta_learns_and_the_threshold_does_not():
    neuron = LNM()
    assert all(parameter.requires_grad for parameter in neuron.theta)
    assert not neuron.threshold.requires_grad


def test_training_finds_the_dynamics_of_another_neuron():
    torch.manual_seed(0)
    x = torch.rand(40, 8, 4, dtype=torch.float64) * 0.1
    target = with_theta(0.0, 0.8, 0.15, threshold=100.0)
    neuron = LNM(degree=2, tau=10e-3, threshold=100.0).double()
    optimizer = torch.optim.Adam(neuron.theta.parameters(), 0.02)
    losses = []
    for _ in range(200):
        loss = (neuron(x)[1].membrane - target(x)[1].membrane.detach()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 1000


def test_clamped_membranes_do_not_run_away():
    wild = with_theta(0.5, 3.0, 2.0, -4.0, clamp=2.0, threshold=1e9)
    _, state = wild(torch.randn(10_000, 1, 4, dtype=torch.float64))
    bound = 0.5 + 3 * 2 + 2 * 4 + 4 * 8
    assert state.membrane.abs().max() < bound + 10


def test_a_clamp_does_nothing_inside_its_range():
    x = torch.randn(200, 2, 4, dtype=torch.float64) * 0.3
    theta = (0.0, 0.9, 0.05)
    one, end = with_theta(*theta)(x)
    other, last = with_theta(*theta, clamp=None)(x)
    assert torch.equal(one, other)
    assert torch.equal(end.membrane, last.membrane)


@pytest.mark.parametrize(("clamp", "slope"), [(10.0, None), (0.5, 1.0), (None, None)])
@pytest.mark.parametrize("theta", [(0.0, 0.95, 0.0, 0.0), (1.0, -4.0, 3.0, 5.0), (0.0, 1e9, -1e9)])
def test_noise_for_ten_thousand_steps_stays_a_number(theta, clamp, slope):
    neuron = with_theta(*theta, clamp=clamp, slope=slope).float()
    with torch.no_grad():
        out, state = neuron(torch.randn(10_000, 1, 8))
    assert out.isfinite().all()
    assert not state.membrane.isnan().any()


def test_a_slope_of_one_keeps_gradients_from_growing():
    neuron = with_theta(0.0, -4.0, 3.0, 5.0, slope=1.0, threshold=1e9)
    x = (torch.randn(300, 1, 8, dtype=torch.float64)).requires_grad_()
    neuron(x)[1].membrane.sum().backward()
    assert x.grad.abs().max() <= 1
    assert x.grad.any()


def slopes(neuron):
    """|f'(v)| over the range of its clamp, from the polynomial as it acts."""
    v = torch.linspace(-neuron.clamp, neuron.clamp, 401, dtype=torch.float64).view(1, -1)
    v.requires_grad_()
    _, state = neuron.step(torch.zeros_like(v), LNMState(v))
    (slope,) = torch.autograd.grad(state.membrane.sum(), v)
    return slope.abs()


@pytest.mark.parametrize("theta", [(0.1, 0.9, 0.5), (0.0, -3.0, 0.2, 1.0), (0.0, 0.0, 0.0, 2.0)])
@pytest.mark.parametrize("slope", [0.5, 1.0])
def test_slope_is_bounded_on_the_whole_range(theta, slope):
    free = slopes(with_theta(*theta, clamp=3.0, threshold=1e9))
    bounded = slopes(with_theta(*theta, clamp=3.0, threshold=1e9, slope=slope))
    assert free.max() > slope
    assert bounded.max() <= slope * (1 + 1e-12)


def test_a_bound_that_is_kept_changes_nothing():
    x = torch.rand(100, 2, 3) * 0.3
    free, bounded = LNM(), LNM(slope=1.0)
    assert torch.equal(free(x)[0], bounded(x)[0])
    assert torch.equal(free(x)[1].membrane, bounded(x)[1].membrane)


def test_gradients_reach_theta_beyond_the_bound():
    neuron = with_theta(0.0, 2.0, 1.0, slope=1.0)
    neuron(torch.rand(10, 1, 3, dtype=torch.float64) * 0.5)[0].sum().backward()
    assert all(parameter.grad.isfinite() for parameter in neuron.theta)
    assert neuron.theta[1].grad.abs() > 0


@pytest.mark.parametrize("degree", [1, 2, 3, 7])
def test_an_update_is_one_multiplication_and_addition_per_degree_and_the_input(degree):
    neuron = LNM(degree=degree)
    assert (neuron.cost.adds, neuron.cost.multiplies) == (degree + 1, degree)
    assert neuron.cost.states == 1
    net = Sequential(nn.Linear(2, 3), neuron)
    with Meter(net) as meter:
        net(torch.rand(4, 5, 2))
    assert meter.counts["1"].multiply == 4 * 3 * degree
    assert LNM.cost == LNM().cost
    assert isinstance(LNM.cost, NeuronCost)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"degree": 0}, "degree must be a whole number of 1 to 32, got 0"),
        ({"degree": 2.0}, "degree must be a whole number"),
        ({"degree": 1_000_000_000}, "degree must be a whole number of 1 to 32, got 1000000000"),
        ({"clamp": 1e20}, "clamp=1e[+]20 has powers that are not finite: take 5.0.e[+]07 or less"),
        ({"tau": 0.0}, "tau must be positive"),
        ({"dt": -1.0}, "dt must be positive"),
        ({"threshold": 0.0}, "threshold must be positive"),
        ({"clamp": 0.0}, "clamp must be positive"),
        ({"slope": math.inf}, "slope must be positive"),
        ({"slope": 1.0, "clamp": None}, "give clamp= too"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        LNM(**options)
