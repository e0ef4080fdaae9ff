"""Gradients of the penalties, against finite differences on a network that is smooth forwards."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import picojoule as pj
from picojoule.energy.events import event_map
from training.spiking import metered

POWERS = [1, 1.5, 2, 3]
PENALTIES = {
    **{f"synaptic {p}": pj.SynapticPenalty(0.1, p=p) for p in POWERS},
    **{f"spike {p}": pj.SpikePenalty(0.1, p=p) for p in POWERS},
    **{f"balanced {p}": pj.BalancedPenalty(1.0, p=p) for p in POWERS},
    "synops": pj.SynOpsTarget(20.0),
    **{s: pj.RateTarget(0.4, weight=50.0, side=s) for s in ("above", "below", "both")},
}


class Threshold(nn.Module):
    """Somebody's neuron without memory."""

    def forward(self, current: Tensor) -> Tensor:
        return (current > 0.5).to(current.dtype)


class Smooth(nn.Module):
    """The same with spikes that are no steps: a sigmoid in both directions."""

    def forward(self, current: Tensor) -> Tensor:
        return torch.sigmoid(2 * current - 1)


COST = {Threshold: pj.NeuronCost(adds=1)}


class Net(nn.Module):
    """A convolution whose spikes two layers consume, one of them before more neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.neuron = nn.Conv1d(1, 2, 3, stride=2, padding=1), Threshold()
        self.main, self.other = nn.Linear(3, 4), Threshold()
        self.short, self.last = nn.Conv1d(2, 3, 2), nn.Linear(4, 2)
        # Some fire often and some seldom, so that no rate comes near a target between them.
        self.first.bias = nn.Parameter(torch.tensor([-0.5, 1.5]))
        self.main.bias = nn.Parameter(torch.tensor([-0.5, 1.5, -0.5, 1.5]))
        for layer in (self.first, self.main):
            layer.weight.data.mul_(0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What both layers of neurons put out."""
        spikes = self.neuron(self.first(x))
        inner = self.other(self.main(spikes))
        self.last(inner)
        self.short(spikes)
        return spikes, inner


def case() -> tuple[Net, Tensor]:
    return Net().double(), torch.randn(5, 1, 6, dtype=torch.float64)


def traffic(net: Net, x: Tensor) -> list[pj.energy.Traffic]:
    """Records of smooth spikes, in place of the whole ones without which a meter counts nothing."""
    net.neuron, net.other = Threshold(), Threshold()
    records = metered(net, x, samples=len(x), neurons=COST).traffic
    net.neuron, net.other = Smooth(), Smooth()
    spikes, inner = net(x)
    smooth = {"neuron": spikes, "main": spikes, "short": spikes, "other": inner, "last": inner}
    return [
        replace(
            one,
            values=smooth[one.layer],
            events=event_map(smooth[one.layer], one.kind, one.fanout),
            version=None,
        )
        for one in records
        if one.layer in smooth
    ]


def differences(function: Callable[[], float], weight: nn.Parameter) -> list[float]:
    """Central differences with respect to each element."""
    found, step = [], 1e-5
    for element in weight.data.view(-1):
        ends = []
        for move in (step, -2 * step, step):
            element += move
            ends.append(function())
        found.append((ends[0] - ends[1]) / (2 * step))
    return found


@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_equal_finite_differences(name):
    net, x = case()
    penalty = PENALTIES[name]

    def charge() -> Tensor:
        return penalty.charge(penalty.records(traffic(net, x)))  # float64; the penalty is float32

    gradients = torch.autograd.grad(charge(), [net.first.weight, net.main.weight])
    for weight, gradient in zip((net.first.weight, net.main.weight), gradients, strict=True):
        expected = differences(lambda: charge().item(), weight)
        assert gradient.flatten().tolist() == pytest.approx(expected, rel=1e-6, abs=1e-9)
        assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("name", PENALTIES)
def test_the_penalty_is_the_weight_times_the_charge_with_its_gradient(name, energy):
    net, x = case()
    penalty, seen = PENALTIES[name], traffic(net, x)
    term, charge = penalty(energy(1.0), seen), penalty.charge(penalty.records(seen))
    assert term.dtype == torch.float32
    assert term.item() == pytest.approx(penalty.weight * charge.item(), rel=1e-6)
    one, other = (
        torch.autograd.grad(value, net.first.weight, retain_graph=True)[0]
        for value in (term, charge)
    )
    torch.testing.assert_close(one, penalty.weight * other)


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("kind", [pj.SynapticPenalty, pj.SpikePenalty, pj.BalancedPenalty])
def test_omega_of_every_layer_equals_finite_differences(kind, p):
    net, x = case()
    penalty = kind(1.0, p=p)
    found = penalty.omega(traffic(net, x))
    assert len(found) == (3 if kind is pj.SynapticPenalty else 2)
    for layer, omega in found.items():
        (gradient,) = torch.autograd.grad(omega, net.first.weight, retain_graph=True)
        expected = differences(
            lambda layer=layer: penalty.omega(traffic(net, x))[layer].item(), net.first.weight
        )
        assert gradient.flatten().tolist() == pytest.approx(expected, rel=1e-6, abs=1e-9)
