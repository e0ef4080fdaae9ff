"""The graph is kept: energy's gradient is the fan-out, priced."""

import pytest
import torch
from torch import nn

from energy.metering import Two, events, run
from picojoule.energy import Meter, load_chip
from picojoule.networks import Sequential
from picojoule.neurons import LI, LIF, Recurrent

AC = 0.9
LAYERS = [
    (nn.Linear(6, 4), (3, 2, 6)),
    (nn.Conv1d(2, 3, 3, padding=1), (2, 2, 6)),
    (nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), (2, 2, 5, 4)),
    (nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (2, 2, 5, 4)),
    (nn.Conv3d(1, 2, 2, dilation=2), (2, 1, 4, 4, 4)),
    (nn.ConvTranspose2d(2, 3, 3, stride=2), (2, 2, 3, 3)),
    (nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 5)), (2, 3, 4, 4)),
    (
        nn.Sequential(nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.Conv2d(2, 2, 2)),
        (1, 2, 5, 5),
    ),
    (Two(lambda net, x: net.fc(x * 0.5 + 0.5 * x.flip(0)), fc=nn.Linear(6, 4)), (3, 2, 6)),
]
every = pytest.mark.parametrize(
    ("layer", "shape"), LAYERS, ids=[type(layer).__name__ + str(s) for layer, s in LAYERS]
)


def energy(layer, x, chip="45nm", inputs="events"):
    return load_chip(chip).price(run(layer, x, inputs=inputs).counts).total


def fanout(layer, shape):
    """Accumulates of each element alone, from an input of one spike."""
    result = torch.zeros(shape, dtype=torch.float64)
    for index in range(result.numel()):
        one = torch.zeros(result.numel())
        one[index] = 1
        result.view(-1)[index] = energy(layer, one.view(shape)).detach() / AC
    return result


@every
def test_gradient_at_a_spike_is_what_the_spike_costs(layer, shape):
    x = events(*shape).requires_grad_()
    energy(layer, x).backward()
    assert x.grad.double() == pytest.approx(AC * fanout(layer, shape), rel=1e-5)


@every
def test_silent_neurons_have_the_same_gradient(layer, shape):
    quiet = torch.zeros(shape, requires_grad=True)
    busy = torch.ones(shape, requires_grad=True)
    for x in (quiet, busy):
        energy(layer, x).backward()
    assert torch.allclose(quiet.grad, busy.grad)
    assert quiet.grad.any()


@pytest.mark.parametrize("chip", ["45nm", "45nm-int8", "45nm-sram"])
def test_gradient_equals_finite_differences(chip):
    net = nn.Conv2d(2, 3, 3, padding=1).double()
    x = events(2, 2, 5, 4).double().requires_grad_()
    whole = energy(net, x, chip, "levels")
    whole.backward()
    for index in (0, 7, 33, 79):
        other = x.detach().clone().flatten()
        other[index] += 1
        change = energy(net, other.view_as(x), chip, "levels") - whole
        assert x.grad.flatten()[index].item() == pytest.approx(change.item(), rel=1e-9)


def test_gradient_reaches_weights_through_the_surrogate():
    net = Sequential(nn.Linear(3, 2), LIF(), nn.Linear(2, 5)).double()
    x = torch.rand(1, 4, 3, dtype=torch.float64)
    with Meter(net) as meter:
        net(x)
    load_chip("45nm").price(meter.counts).total.backward()
    v = net[0](x[0]) - 1
    slope = net[1].surrogate.derivative(v.detach())
    expected = AC * 5 / 4 * slope.t() @ x[0]  # 0.9 pJ x 5 synapses, mean of 4 samples
    assert torch.allclose(net[0].weight.grad, expected)
    assert net[2].weight.grad is None


def test_recurrent_spikes_are_charged_for_coming_back():
    layer = Recurrent(LIF(), 3)
    layer.engine = "eager"  # a compiled loop takes the charge of its spikes in
    with Meter(layer) as meter:
        out, _ = layer(torch.rand(4, 1, 3))
    out.retain_grad()
    load_chip("45nm").price(meter.counts).total.backward()
    assert torch.allclose(out.grad[:3], torch.full((3, 1, 3), 3 * AC))
    assert not out.grad[3].any()  # the last spikes come back to no step


@pytest.mark.parametrize("neuron", [lambda: LIF(), lambda: Recurrent(LIF(), 6)])
def test_both_engines_charge_for_the_same(neuron):
    torch.manual_seed(0)
    layer, x = Sequential(neuron(), nn.Linear(6, 2)), (3 * torch.rand(5, 4, 6)).requires_grad_()
    found = []
    for engine in ("eager", "fused"):
        layer[0].engine = engine
        with Meter(layer) as meter:
            layer(x)
        energy = load_chip("45nm").price(meter.counts).total
        found.append((energy.detach(), torch.autograd.grad(energy, x)[0]))
    (energy, gradient), (compiled, its_gradient) = found
    assert energy == compiled
    assert gradient.any()
    torch.testing.assert_close(its_gradient, gradient, rtol=1e-5, atol=1e-6)


def test_counts_may_be_detached_and_energy_used_after_the_block():
    net = Sequential(nn.Linear(3, 2), LIF(), nn.Linear(2, 5), LI())
    with Meter(net) as meter:
        out, _ = net(torch.rand(4, 1, 3))
    counts = meter.counts
    assert counts["2"].ac.requires_grad
    assert not counts["2"].detach().ac.requires_grad
    priced = load_chip("45nm").price(counts)
    (out.sum() + priced.total).backward()
    assert torch.isfinite(net[0].weight.grad).all()
    assert not priced.floor.requires_grad


def test_the_penalty_and_the_report_agree_on_spikes():
    net = Sequential(nn.Conv2d(1, 2, 3), LIF(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    x = torch.rand(5, 3, 1, 6, 6) * 4
    values = []
    for mode in (torch.enable_grad(), torch.no_grad(), torch.inference_mode()):
        with mode, Meter(net) as meter:
            net(x)
        values.append(load_chip("45nm-sram").price(meter.counts).total.item())
    assert values[0] == values[1] == values[2]


def test_measuring_first_does_not_break_training():
    net = Sequential(nn.Conv2d(1, 2, 2, padding=1), nn.AvgPool2d(3, 3, 1), LIF(threshold=0.01))
    net.append(nn.Conv2d(2, 2, 2, padding=2))
    x = torch.rand(2, 1, 1, 7, 9)
    with torch.inference_mode(), Meter(net) as meter:
        net(x)
    assert meter.counts
    with Meter(net) as meter:
        net(x)
    load_chip("45nm").price(meter.counts).total.backward()
    assert net[0].weight.grad.any()


def test_dense_layers_have_no_gradient_to_follow():
    x = torch.rand(2, 6, requires_grad=True)
    meter = run(nn.Linear(6, 4), x, inputs="analog")
    assert not load_chip("45nm").price(meter.counts).total.requires_grad
