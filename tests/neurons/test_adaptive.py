"""Adaptive neurons against loops written from their equations."""

import math

import pytest
import torch

from picojoule.neurons import ALIF, Adaptation, AdLIF, AdLIFState
from picojoule.surrogate import DoubleGaussian, Slayer

DT, TAU, SLOW = 1e-3, 10e-3, 100e-3
ALPHA, BETA = math.exp(-DT / TAU), math.exp(-DT / SLOW)
A, B, SCALE = 0.5, 1.5, 120.0


def adlif(**options):
    """One neuron of known constants: ranges of which both ends are the same."""
    adaptation = Adaptation(tau=(SLOW, SLOW), a=(A, A), b=(B, B), scale=SCALE)
    return AdLIF(1, tau=(TAU, TAU), adaptation=adaptation, **options).double()


def noise(steps=400, gain=8.0):
    return gain * torch.rand(steps, 1, 1, dtype=torch.float64)


def test_adlif_is_its_equation():
    x = noise()
    for integration in ("symplectic", "euler"):
        u = w = s = 0.0
        expected = []
        for current in x.flatten().tolist():
            before = (u, s)
            u = ALPHA * u + (1 - ALPHA) * (current - w)
            s = float(u >= 1)
            u *= 1 - s
            followed, fired = (u, s) if integration == "symplectic" else before
            w = BETA * w + (1 - BETA) * SCALE * (A * followed + B * fired)
            expected.append(s)
        spikes, state = adlif(integration=integration)(x)
        assert 5 < sum(expected) < 200
        assert spikes.flatten().tolist() == expected
        assert state.membrane.item() == pytest.approx(u)
        assert state.adaptation.item() == pytest.approx(w)


@pytest.mark.parametrize(("membrane", "current"), [(0.4, 1.0), (0.9, 9.0)])
def test_symplectic_and_forward_euler_differ_only_in_the_adaptation(membrane, current):
    state = AdLIFState(*(torch.full((1, 1), v).double() for v in (membrane, 0.3, 1.0)))
    x = torch.full((1, 1), current).double()
    (s1, one), (s2, two) = (adlif(integration=i).step(x, state) for i in ("symplectic", "euler"))
    assert torch.equal(s1, s2)
    assert torch.equal(one.membrane, two.membrane)
    following = one.membrane, s1
    followed = state.membrane, state.spikes
    for found, (u, s) in ((one, following), (two, followed)):
        w = BETA * 0.3 + (1 - BETA) * SCALE * (A * u + B * s)
        assert found.adaptation.item() == pytest.approx(w.item())
    assert not torch.equal(one.adaptation, two.adaptation)


def slope(derivative, v):
    """The surrogate's derivative at a membrane less its threshold."""
    return derivative(torch.tensor(v, dtype=torch.float64)).item()


@pytest.mark.parametrize("current", [5.0, 15.0])
def test_the_spike_of_adlif_is_detached_in_its_reset_and_not_in_its_adaptation(current):
    x = torch.full((1, 1, 1), current, dtype=torch.float64, requires_grad=True)
    out, state = adlif()(x)
    u = (1 - ALPHA) * current
    assert out.item() == (u >= 1)
    state.adaptation.sum().backward()
    through = A * (u < 1) + B * slope(Slayer().derivative, u - 1)
    assert x.grad.item() == pytest.approx((1 - BETA) * SCALE * through * (1 - ALPHA))


@pytest.mark.parametrize("current", [0.5, 15.0])
def test_the_spike_of_alif_is_detached_in_its_reset_and_not_in_its_adaptation(current):
    x = torch.full((1, 1, 1), current, dtype=torch.float64, requires_grad=True)
    neuron = ALIF(tau=TAU, tau_adaptation=SLOW, threshold=0.5).double()
    _, state = neuron(x)
    membrane, adaptation = (
        torch.autograd.grad(part.sum(), x, retain_graph=True)[0].item() for part in state
    )
    assert membrane == pytest.approx(1 - ALPHA)
    steep = slope(DoubleGaussian().derivative, (1 - ALPHA) * current - 0.5)
    assert adaptation == pytest.approx((1 - BETA) * steep * (1 - ALPHA), rel=1e-5)


def test_forward_euler_grows_where_it_is_said_to_and_the_symplectic_form_does_not():
    """Free oscillation below a threshold out of reach, on both sides of the boundary."""
    alpha, beta = math.exp(-1 / 5), math.exp(-1 / 60)
    for a, grows in ((0.4, False), (0.7, True)):
        assert (alpha * beta + (1 - alpha) * (1 - beta) * SCALE * a > 1) == grows
        adaptation = Adaptation(tau=(60e-3, 60e-3), a=(a, a), b=(0.0, 0.0))
        for integration in ("symplectic", "euler"):
            neuron = AdLIF(
                1,
                tau=(5e-3, 5e-3),
                adaptation=adaptation,
                threshold=1e30,
                integration=integration,
            ).double()
            x = torch.zeros(2000, 1, 1, dtype=torch.float64)
            x[0] = 1.0
            _, state = neuron(x)
            assert (state.membrane.abs().item() > 1) == (grows and integration == "euler")


def test_adlif_answers_to_its_own_frequency():
    """Below the threshold it is a resonator, whose matrix has complex eigenvalues."""
    neuron = adlif(threshold=1e30)
    gain = (1 - ALPHA) * (1 - BETA) * SCALE * A
    trace, det = ALPHA + BETA - gain, ALPHA * BETA
    turn = math.acos(trace / 2 / math.sqrt(det))
    peaks = []
    for factor in (0.2, 1.0, 3.0):
        x = torch.cos(factor * turn * torch.arange(2000.0, dtype=torch.float64)).view(-1, 1, 1)
        state, trail = None, []
        for step in x.unsqueeze(1):
            _, state = neuron(step, state)
            trail.append(abs(state.membrane.item()))
        peaks.append(max(trail[1000:]))
    assert peaks[1] > 2 * max(peaks[0], peaks[2])


def test_parameters_start_uniformly_in_their_ranges_and_stay_there():
    neuron = AdLIF(2000)
    for value, (low, high) in (
        (neuron.tau, (5e-3, 25e-3)),
        (neuron.tau_adaptation, (60e-3, 300e-3)),
        (neuron.a, (0.0, 1.0)),
        (neuron.b, (0.0, 2.0)),
    ):
        assert value.min() >= low
        assert value.max() <= high
        assert value.mean().item() == pytest.approx((low + high) / 2, rel=0.1)
        assert value.std().item() == pytest.approx((high - low) / math.sqrt(12), rel=0.1)
    for name, raw in neuron.named_parameters():
        if name.startswith("raw"):
            raw.data.fill_(1e9)
    assert neuron.tau.max().item() == pytest.approx(25e-3)
    assert neuron.b.max().item() == 2.0
    spikes, _ = neuron(torch.rand(5, 2, 2000))
    assert not spikes.isnan().any()


def test_the_published_constants_are_the_defaults():
    neuron = AdLIF(1)
    assert (neuron.adaptation.scale, neuron.threshold.item(), neuron.dt) == (120.0, 1.0, 1e-3)
    assert neuron.surrogate == Slayer(alpha=5.0, scale=0.4)
    neuron = ALIF()
    assert neuron.surrogate == DoubleGaussian()
    constants = [neuron.tau, neuron.tau_adaptation, neuron.strength, neuron.threshold]
    assert [one.item() for one in constants] == pytest.approx([20e-3, 150e-3, 1.8, 0.01])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tau": (0.0, 1e-3)}, "tau must be positive"),
        ({"tau": (2e-3, 1e-3)}, r"range \(low, high\), got \(0.002, 0.001\)"),
        ({"tau": (1e-3, math.inf)}, r"range \(low, high\)"),
        ({"tau": (1e-3,)}, r"range \(low, high\)"),
        ({"adaptation": Adaptation(tau=(-1.0, 1.0))}, "the adaptation's tau must be positive"),
        ({"adaptation": Adaptation(a=(-1.0, 1.0))}, "a must be zero or above"),
        ({"adaptation": Adaptation(b=(-1.0, 1.0))}, "b must be zero or above"),
        ({"adaptation": Adaptation(scale=0.0)}, "scale must be positive"),
        ({"integration": "forward"}, "'symplectic' or 'euler', not 'forward'"),
        ({"dt": 0.0}, "dt must be positive"),
        ({"threshold": -1.0}, "threshold must be positive"),
    ],
)
def test_bad_options_of_adlif_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        AdLIF(3, **options)


def test_alif_is_its_equation():
    v = a = 0.0
    expected = []
    x = noise(gain=2.0)
    for current in x.flatten().tolist():
        theta = 0.1 + 1.8 * a
        v = ALPHA * v + (1 - ALPHA) * current
        s = float(v >= theta)
        v -= theta * s
        a = BETA * a + (1 - BETA) * s
        expected.append(s)
    neuron = ALIF(tau=TAU, tau_adaptation=SLOW, threshold=0.1)
    spikes, state = neuron.double()(x)
    assert 5 < sum(expected) < 300
    assert spikes.flatten().tolist() == expected
    assert state.membrane.item() == pytest.approx(v, rel=1e-6)
    assert state.adaptation.item() == pytest.approx(a, rel=1e-6)


def test_spikes_of_alif_become_rarer_while_the_input_stays():
    spikes, _ = ALIF(threshold=0.1, strength=20.0)(torch.ones(400, 1, 1))
    times = spikes.flatten().nonzero().flatten()
    gaps = times.diff()
    assert len(gaps) > 5
    assert gaps[-1] > 2 * gaps[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tau": -1.0}, "tau must be positive"),
        ({"tau_adaptation": 0.0}, "tau_adaptation must be positive"),
        ({"strength": -0.1}, "strength must be zero or above"),
        ({"threshold": 0.0}, "threshold must be positive"),
        ({"tau": (1e-3, 2e-3)}, "give size="),
    ],
)
def test_bad_options_of_alif_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        ALIF(**options)
