"""Resonators against closed forms and loops written from their equations."""

import cmath
import math

import pytest
import torch

from picojoule.neurons import BRF, HRF, RF
from picojoule.neurons.balanced import divergence_boundary
from picojoule.surrogate import DoubleGaussian


def wave(omega, dt, steps=2000, gain=1.0):
    """A sinusoidal current [T, 1, 1]."""
    return gain * torch.sin(omega * dt * torch.arange(steps).double()).view(-1, 1, 1)


def trace(neuron, x):
    """Every state on the way."""
    state, states = None, []
    for step in x.unsqueeze(1):
        _, state = neuron(step, state)
        states.append(state)
    return states


def test_the_impulse_response_of_rf_is_a_spiral():
    omega, b, dt = 40.0, -5.0, 2e-3
    x = torch.zeros(300, 1, 1, dtype=torch.float64)
    x[0] = 0.7
    states = trace(RF(omega=omega, b=b, dt=dt, threshold=10.0).double(), x)
    for t, state in enumerate(states):
        z = 0.7 * cmath.exp((b + 1j * omega) * dt * t)
        assert state.real.item() == pytest.approx(z.real, abs=1e-6)
        assert state.imaginary.item() == pytest.approx(z.imag, abs=1e-6)


def test_rf_is_its_equation_in_both_forms():
    omega, b, dt = 60.0, -40.0, 1e-3
    x = 2.0 * torch.randn(600, 1, 1, dtype=torch.float64)
    for integration, factor in (
        ("exact", cmath.exp(dt * (b + 1j * omega))),
        ("euler", 1 + dt * (b + 1j * omega)),
    ):
        z, expected = 0j, []
        for current in x.flatten().tolist():
            z = z * factor + current
            s = float(z.imag >= 1)
            z = z * (1 - s) + 1j * s
            expected.append(s)
        neuron = RF(omega=omega, b=b, dt=dt, integration=integration).double()
        spikes, state = neuron(x)
        assert 5 < sum(expected) < 300
        assert spikes.flatten().tolist() == expected
        assert complex(state.real.item(), state.imaginary.item()) == pytest.approx(z)


@pytest.mark.parametrize("integration", ["exact", "euler"])
def test_rf_fires_at_its_own_frequency_and_not_off_it(integration):
    omega, b, dt = 60.0, -6.0, 1e-3
    for factor, fires in ((1.0, True), (0.5, False), (2.0, False)):
        neuron = RF(omega=omega, b=b, dt=dt, integration=integration).double()
        spikes, _ = neuron(wave(factor * omega, dt, gain=0.025))
        assert bool(spikes.any()) == fires, factor


def test_without_a_frequency_rf_is_a_leaky_integrator():
    x = torch.rand(50, 2, 3, dtype=torch.float64)
    _, state = RF(omega=0.0, b=-50.0).double()(x)
    weights = math.exp(-0.05) ** torch.arange(50, dtype=torch.float64).flip(0)
    assert torch.allclose(state.real, (weights.view(-1, 1, 1) * x).sum(0), rtol=1e-6)
    assert not state.imaginary.any()


def test_a_spike_of_rf_leaves_it_at_its_threshold():
    spikes, state = RF(omega=1000.0, threshold=0.5)(torch.tensor([3.0, 0.0]).view(2, 1, 1))
    assert spikes.flatten().tolist() == [0.0, 1.0]
    assert (state.real.item(), state.imaginary.item()) == (0.0, 0.5)


@pytest.mark.parametrize("dt", [1e-3, 1e-2, 0.1])
def test_the_divergence_boundary_is_the_unit_circle(dt):
    omega = torch.linspace(0, 1 - 1e-9, 1000, dtype=torch.float64) / dt
    p = divergence_boundary(omega, dt)
    assert torch.allclose(
        torch.hypot(1 + dt * p, dt * omega), torch.ones(1000).double(), atol=1e-14
    )
    published = (-1 + torch.sqrt(1 - (dt * omega) ** 2)) / dt
    assert torch.allclose(p, published, atol=1e-12 / dt)


def test_at_its_boundary_brf_neither_grows_nor_decays():
    x = torch.zeros(5000, 1, 4, dtype=torch.float64)
    x[0] = 20.0
    omega = torch.tensor([1.0, 10.0, 50.0, 99.0])
    states = trace(BRF(4, omega=omega, b_offset=0.0).double(), x)
    for state in (states[0], states[2500], states[-1]):
        sizes = torch.hypot(state.real, state.imaginary)
        assert torch.allclose(sizes, torch.full_like(sizes, 0.2), rtol=1e-9)


@pytest.mark.parametrize("gain", [1.0, 100.0])
def test_brf_is_its_equation(gain):
    omega, b_offset, dt = 8.0, 1.5, 0.01
    x = 30 / gain * torch.randn(800, 1, 1, dtype=torch.float64)
    p = (-1 + math.sqrt(1 - (dt * omega) ** 2)) / dt
    u = v = q = 0.0
    expected = []
    for current in x.flatten().tolist():
        b = p - b_offset - q
        u, v = u + dt * (b * u - omega * v + gain * current), v + dt * (omega * u + b * v)
        s = float(u - 1 - q >= 0)
        q = 0.9 * q + s
        expected.append(s)
    spikes, state = BRF(1, omega=omega, b_offset=b_offset, gain=gain).double()(x)
    assert 5 < sum(expected) < 400
    assert spikes.flatten().tolist() == expected
    assert [part.item() for part in state] == pytest.approx([u, v, q])


@pytest.mark.parametrize(("dt", "gain"), [(0.01, 1.0), (0.02, 50.0)])
def test_hrf_is_its_equation(dt, gain):
    omega, b_offset = 25.0, 2.0
    x = 50 / gain * torch.randn(800, 1, 1, dtype=torch.float64)
    u = v = q = 0.0
    expected = []
    for current in x.flatten().tolist():
        b = dt / 2 * omega**2 + b_offset + q
        v += dt * u
        u += dt * (gain * current - 2 * b * u - omega**2 * v)
        s = float(u - 1 - q >= 0)
        q = 0.9 * q + s
        expected.append(s)
    spikes, state = HRF(1, omega=omega, b_offset=b_offset, dt=dt, gain=gain).double()(x)
    assert 5 < sum(expected) < 400
    assert spikes.flatten().tolist() == expected
    assert [part.item() for part in state] == pytest.approx([u, v, q])


@pytest.mark.parametrize(
    ("make", "omega", "gain"),
    [(lambda o: BRF(1, omega=o, b_offset=0.5), 10.0, 3.0), (lambda o: HRF(1, omega=o), 20.0, 12.0)],
    ids=["BRF", "HRF"],
)
def test_balanced_resonators_fire_at_their_own_frequency_and_not_off_it(make, omega, gain):
    torch.manual_seed(0)
    for factor, fires in ((1.0, True), (0.3, False), (3.0, False)):
        spikes, _ = make(omega).double()(wave(factor * omega, 0.01, gain=gain))
        assert bool(spikes.any()) == fires, factor


def test_a_spike_of_brf_damps_it_and_raises_its_threshold():
    x = torch.zeros(3, 1, 1)
    x[0] = 150.0
    first, second, third = trace(BRF(1, omega=5.0, b_offset=0.0), x)
    assert [s.refractory.item() for s in (first, second, third)] == pytest.approx([1, 0.9, 0.81])
    sizes = [torch.hypot(s.real, s.imaginary).item() for s in (first, second, third)]
    assert sizes[1] == pytest.approx(sizes[0] * (1 - 0.01 * 1.0), rel=1e-3)
    assert sizes[2] == pytest.approx(sizes[1] * (1 - 0.01 * 0.9), rel=1e-3)


@pytest.mark.parametrize("make", [BRF, HRF])
@pytest.mark.parametrize("current", [80.0, 120.0])
def test_the_refractory_variable_is_in_the_graph(make, current):
    x = torch.full((1, 1, 1), current, dtype=torch.float64, requires_grad=True)
    _, state = make(1, omega=5.0).double()(x)
    state.refractory.sum().backward()
    v = torch.tensor(0.01 * current - 1, dtype=torch.float64)
    assert x.grad.item() == pytest.approx(0.01 * DoubleGaussian().derivative(v).item())


def test_the_published_constants_are_the_defaults():
    for neuron, frequencies, dampings in (
        (BRF(4000), (5, 10), (0, 3)),
        (HRF(4000), (10, 50), (1, 6)),
    ):
        assert (neuron.dt, neuron.threshold.unique().tolist()) == (0.01, [1.0])
        assert neuron.surrogate == DoubleGaussian()
        for value, (low, high) in ((neuron.omega, frequencies), (neuron.b_offset, dampings)):
            assert low <= value.min() < low + 0.05 * (high - low)
            assert high >= value.max() > high - 0.05 * (high - low)


@pytest.mark.parametrize("beyond", [1.0, 1.5, 1e6])
def test_a_frequency_that_training_pushes_too_far_stays_finite(beyond):
    neuron = BRF(2)
    for parameter in neuron.parameters():
        parameter.requires_grad_()
    neuron.omega.data.fill_(beyond / neuron.dt)
    out, state = neuron(torch.randn(500, 2, 2))
    (out.sum() + state.real.sum()).backward()
    assert all(part.isfinite().all() for part in state)
    assert all(p.grad.isfinite().all() for p in neuron.parameters())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BRF(2, omega=100.0), r"dt \* omega must be below 1, got 1:"),
        (lambda: BRF(2, omega=5.0, dt=0.2), r"take omega below 5,"),
        (lambda: BRF(2, omega=torch.tensor([1.0, 200.0])), "got 2:"),
        (lambda: BRF(2, omega=-5.0), "omega must be zero or above"),
        (lambda: BRF(2, b_offset=-1.0), "b_offset must be zero or above"),
        (lambda: BRF(2, b_offset=250.0), r"b_offset must not be above 2 \* sqrt"),
        (lambda: BRF(2, dt=math.nan), "dt must be positive"),
        (lambda: BRF(2, threshold=0.0), "threshold must be positive"),
        (lambda: BRF(2, gain=0.0), "gain must be positive"),
        (lambda: HRF(2, gain=math.inf), "gain must be positive"),
        (lambda: BRF(2, omega=torch.ones(3)), r"\[2\], got shape \[3\]"),
        (lambda: HRF(2, omega=200.0), "grows by itself, got 3"),
        (lambda: HRF(2, b_offset=101.0), "grows by itself"),
        (lambda: HRF(2, omega=-1.0), "omega must be zero or above"),
        (lambda: RF(b=0.0), "b must be below zero"),
        (lambda: RF(b=1.0), "b must be below zero"),
        (lambda: RF(omega=-1.0), "omega must be zero or above"),
        (lambda: RF(omega=3200.0), "turns by pi or more"),
        (lambda: RF(omega=(10.0, 20.0)), "give size="),
        (lambda: RF(omega=200.0, b=-10.0, integration="euler"), r"is 1.01 and must"),
        (lambda: RF(b=-2500.0, integration="euler"), "grows by itself"),
        (lambda: RF(integration="heun"), "'exact' or 'euler', not 'heun'"),
    ],
)
def test_parameters_out_of_range_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_brf_needs_a_size():
    with pytest.raises(TypeError, match="size"):
        BRF()


def test_forward_euler_on_the_boundary_is_taken():
    omega = 60.0
    b = divergence_boundary(torch.tensor(omega), 1e-3).item()
    RF(omega=omega, b=b, integration="euler")
