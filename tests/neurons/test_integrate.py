"""Leaky integrators against closed forms."""

import math

import pytest
import torch

from picojoule.neurons import IF, LI, LIF, PLIF, CubaLIF
from picojoule.surrogate import SURROGATES, ATan

TAU, DT = 20e-3, 1e-3
ALPHA = math.exp(-DT / TAU)


def constant(value, steps=200):
    return torch.full((steps, 1, 1), value, dtype=torch.float64)


def spike_times(neuron, x):
    return neuron.double()(x)[0].flatten().nonzero().flatten().tolist()


def test_defaults_are_those_of_the_design():
    neuron = LIF()
    assert (neuron.tau.item(), neuron.threshold.item()) == pytest.approx((20e-3, 1.0))
    assert (neuron.dt, neuron.reset, neuron.detach_reset) == (1e-3, "zero", True)
    assert neuron.surrogate == ATan()


@pytest.mark.parametrize("neuron", [LI(), LIF(threshold=1e9)], ids=["LI", "LIF below threshold"])
@pytest.mark.parametrize(("tau", "dt"), [(20e-3, 1e-3), (5e-3, 1e-3), (10e-3, 4e-3)])
def test_impulse_response_is_a_power_of_alpha(neuron, tau, dt):
    made = type(neuron)(tau=tau, dt=dt) if isinstance(neuron, LI) else LIF(tau=tau, dt=dt)
    x = torch.zeros(30, 1, 1, dtype=torch.float64)
    x[0] = 0.9
    state, trace = None, []
    for step in x.unsqueeze(1):
        _, state = made.double()(step, state)
        trace.append(state.membrane.item())
    expected = [0.9 * math.exp(-dt / tau) ** t for t in range(30)]
    assert trace == pytest.approx(expected, rel=1e-6)


def test_readout_puts_out_its_membrane():
    x = torch.rand(20, 2, 3, dtype=torch.float64)
    out, state = LI().double()(x)
    weights = ALPHA ** torch.arange(20, dtype=torch.float64)
    assert out[-1] == pytest.approx((weights.flip(0).view(-1, 1, 1) * x).sum(0), rel=1e-6)
    assert torch.equal(state.membrane, out[-1])


@pytest.mark.parametrize("current", [0.06, 0.1, 0.25, 0.6, 1.0, 3.0])
def test_interval_between_spikes_at_constant_current(current):
    # v[n] = I (1 - alpha^n) / (1 - alpha) crosses the threshold at the first n with v[n] >= 1.
    steps = math.ceil(math.log(1 - (1 - ALPHA) / current) / math.log(ALPHA) - 1e-9)
    times = spike_times(LIF(), constant(current))
    assert times == list(range(steps - 1, 200, steps))


def test_too_little_current_never_fires():
    assert spike_times(LIF(), constant(0.99 * (1 - ALPHA), 1000)) == []


def test_reset_by_subtraction_keeps_the_rest():
    alpha, v, expected = ALPHA, 0.0, []
    for step in range(200):
        v = alpha * v + 0.3
        if v >= 1:
            expected.append(step)
            v -= 1
    times = spike_times(LIF(reset="subtract"), constant(0.3))
    assert times == expected
    assert times != spike_times(LIF(), constant(0.3))


@pytest.mark.parametrize(("reset", "left"), [("zero", 0.0), ("subtract", 1.5)])
def test_membrane_after_a_spike(reset, left):
    _, state = LIF(reset=reset)(torch.full((1, 1, 1), 2.5))
    assert state.membrane.item() == left


def test_threshold_itself_fires():
    assert LIF(threshold=0.5)(torch.tensor([[[0.5]]]))[0].item() == 1.0


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_detached_reset_leaves_one_path_for_the_gradient(reset):
    """Two steps below the threshold: the membrane's slope with and without the spike's own part."""
    first, second = 0.7, 0.2
    for detach_reset in (True, False):
        x = torch.tensor([first, second], dtype=torch.float64).view(2, 1, 1).requires_grad_()
        neuron = LIF(reset=reset, detach_reset=detach_reset).double()
        _, state = neuron(x)
        state.membrane.sum().backward()
        v1, v2 = first, ALPHA * first + second
        s1, s2 = (float(ATan().derivative(torch.tensor(v - 1.0).double())) for v in (v1, v2))
        if detach_reset:
            inner = outer = 1.0
        else:  # zero: d v (1 - s) = 1 - s - v s';  subtract: d (v - s) = 1 - s'
            inner = 1 - v1 * s1 if reset == "zero" else 1 - s1
            outer = 1 - v2 * s2 if reset == "zero" else 1 - s2
        expected = [outer * ALPHA * inner, outer]
        assert x.grad.flatten().tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", SURROGATES)
def test_surrogate_shapes_the_gradient(name):
    x = torch.tensor([[[0.8]]], requires_grad=True)
    LIF(surrogate=name)(x)[0].sum().backward()
    expected = SURROGATES[name]().derivative(torch.tensor(0.8) - 1.0)
    assert x.grad.item() == pytest.approx(expected.item())


def test_time_constants_per_neuron():
    taus = torch.tensor([5e-3, 20e-3, 80e-3])
    x = torch.rand(40, 2, 3)
    together, _ = LIF(3, tau=taus)(x)
    for index, tau in enumerate(taus.tolist()):
        alone, _ = LIF(tau=tau)(x[..., index : index + 1])
        assert torch.equal(together[..., index], alone[..., 0])


def test_time_constants_per_channel():
    taus = torch.tensor([5e-3, 80e-3])
    x = torch.rand(10, 2, 2, 3, 4)
    together, _ = LI(2, tau=taus)(x)
    alone, _ = LI(tau=80e-3)(x)
    assert torch.equal(together[:, :, 1], alone[:, :, 1])
    assert not torch.equal(together[:, :, 0], alone[:, :, 0])


def test_time_constant_learns_in_the_right_direction():
    neuron = LI()
    neuron.tau.requires_grad_()
    out, _ = neuron(torch.ones(10, 1, 1))
    out[-1].sum().backward()
    assert neuron.tau.grad > 0  # a slower leak keeps more


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tau": 0}, "tau must be positive"),
        ({"tau": math.nan}, "tau must be positive"),
        ({"tau": torch.tensor([1e-3, -1e-3]), "size": 2}, "tau must be positive"),
        ({"dt": -1e-3}, "dt must be positive"),
        ({"threshold": 0.0}, "threshold must be positive"),
        ({"threshold": math.inf}, "threshold must be positive"),
        ({"reset": "none"}, "'zero' or 'subtract', not 'none'"),
        ({"tau": torch.tensor([1e-3, 2e-3])}, "size="),
        ({"tau": torch.tensor([1e-3, 2e-3]), "size": 3}, r"\[3\], got shape \[2\]"),
        ({"surrogate": "atn"}, "did you mean 'atan'"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        LIF(**options)


def test_a_surrogate_class_instead_of_an_instance_is_refused():
    with pytest.raises((TypeError, ValueError), match="ATan"):
        LIF(surrogate=ATan)


def test_if_never_forgets():
    x = torch.zeros(1000, 1, 1)
    x[0] = x[-1] = 0.5
    assert spike_times(IF(), x.double()) == [999]


def test_if_is_a_lif_that_never_leaks():
    x = torch.rand(100, 2, 3)
    for reset in ("zero", "subtract"):
        assert torch.equal(IF(reset=reset)(x)[0], LIF(tau=1e30, reset=reset)(x)[0])


@pytest.mark.parametrize("current", [0.09, 0.3, 0.8])
def test_if_by_subtraction_fires_once_for_every_threshold_that_arrives(current):
    spikes, _ = IF(reset="subtract").double()(constant(current, 1000))
    assert abs(spikes.sum().item() - 1000 * current) <= 1


@pytest.mark.parametrize(("tau", "synapse"), [(20e-3, 5e-3), (5e-3, 20e-3), (30e-3, 1e-3)])
def test_impulse_response_of_cubalif_is_a_difference_of_exponentials(tau, synapse):
    neuron = CubaLIF(tau=tau, tau_synapse=synapse, threshold=1e9).double()
    x = torch.zeros(60, 1, 1, dtype=torch.float64)
    x[0] = 0.9
    alpha, beta = math.exp(-DT / tau), math.exp(-DT / synapse)
    state = None
    for n, step in enumerate(x.unsqueeze(1)):
        _, state = neuron(step, state)
        membrane = 0.9 * (alpha ** (n + 1) - beta ** (n + 1)) / (alpha - beta)
        assert state.membrane.item() == pytest.approx(membrane, rel=1e-5)
        assert state.current.item() == pytest.approx(0.9 * beta**n, rel=1e-5)


def test_cubalif_whose_synapse_forgets_at_once_is_a_lif():
    x = torch.rand(100, 2, 3)
    for reset in ("zero", "subtract"):
        assert torch.equal(CubaLIF(tau_synapse=1e-9, reset=reset)(x)[0], LIF(reset=reset)(x)[0])


def test_plif_starts_as_the_lif_of_its_time_constant_with_a_scaled_input():
    x = torch.rand(100, 2, 3, dtype=torch.float64) * 3
    k = 1 - math.exp(-DT / 5e-3)
    for reset in ("zero", "subtract"):
        spikes, state = PLIF(tau=5e-3, reset=reset).double()(x)
        expected, end = LIF(tau=5e-3, reset=reset).double()(k * x)
        assert expected.any()
        assert torch.equal(spikes, expected)
        assert torch.allclose(state.membrane, end.membrane, rtol=1e-5)


@pytest.mark.parametrize("tau", [1e-4, 2e-3, 20e-3, 10.0])
def test_the_time_constant_of_plif_is_what_was_asked_for(tau):
    neuron = PLIF(3, tau=tau)
    assert neuron.tau.tolist() == pytest.approx([tau] * 3, rel=1e-4)
    assert torch.sigmoid(neuron.raw[0]).item() == pytest.approx(1 - math.exp(-DT / tau), rel=1e-4)


def test_plif_learns_its_time_constant_whatever_the_step_of_the_optimizer():
    neuron = PLIF(threshold=1e9)
    _, state = neuron(torch.ones(10, 1, 1))
    state.membrane.sum().backward()
    assert neuron.raw.grad > 0  # the input is scaled up as the leak grows
    for raw in (-1e9, -50.0, 50.0, 1e9):
        neuron.raw.data.fill_(raw)
        _, state = neuron(torch.rand(100, 1, 1))
        assert 0 <= state.membrane.item() <= 1


@pytest.mark.parametrize("kind", [IF, PLIF, CubaLIF])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dt": 0.0}, "dt must be positive"),
        ({"threshold": -1.0}, "threshold must be positive"),
        ({"reset": "hard"}, "'zero' or 'subtract', not 'hard'"),
        ({"surrogate": "atn"}, "did you mean 'atan'"),
        ({"threshold": torch.ones(2)}, "size="),
    ],
)
def test_bad_options_of_all_integrators_are_refused(kind, options, words):
    with pytest.raises(ValueError, match=words):
        kind(**options)


@pytest.mark.parametrize("kind", [PLIF, CubaLIF])
def test_time_constants_that_are_not_positive_are_refused(kind):
    with pytest.raises(ValueError, match="tau must be positive"):
        kind(tau=-1e-3)
    with pytest.raises(ValueError, match="tau_synapse must be positive"):
        CubaLIF(tau_synapse=0.0)
