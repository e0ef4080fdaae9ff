"""The penalties from the literature as penalties: what they need, keep and refuse."""

import math

import pytest
import torch
from torch import nn

import picojoule as pj
from training.spiking import ALL, NETWORKS, metered


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_remembered(name, energy):
    penalty = ALL[name]()
    meter = metered(*NETWORKS["network"]())
    before = penalty(energy(1.0), meter.traffic)
    penalty.update(energy(1.0))
    assert torch.equal(penalty(energy(5.0), meter.traffic), before)
    assert penalty.state_dict() == {}
    assert penalty.multiplier is None
    assert penalty.limit_pj is None


@pytest.mark.parametrize("name", ALL)
def test_the_energy_alone_is_not_enough(name, energy):
    penalty = ALL[name]()
    with pytest.raises(ValueError, match=r"call it as penalty\(energy, meter.traffic\)"):
        penalty(energy(1.0))


@pytest.mark.parametrize("name", ALL)
def test_a_network_without_neurons(name, energy):
    net = nn.Linear(6, 4)
    with pytest.warns(UserWarning, match="no neuron is known"):
        meter = metered(net, (torch.rand(3, 6) < 0.5).float(), samples=3, inputs="events")
    penalty = ALL[name]()
    where = "from any layer of neurons" if penalty.fired else "of neurons at any synapse"
    with pytest.raises(ValueError, match=f"{type(penalty).__name__} got .* spikes {where}"):
        penalty(energy(1.0), meter.traffic)


def test_a_silent_network_is_charged_nothing_and_can_learn(energy):
    net, x = NETWORKS["network"]()
    for layer in (net[0], net[2]):
        nn.init.zeros_(layer.bias)
    for name in ("SynapticPenalty 1", "SpikePenalty 1", "BalancedPenalty 1"):
        charge = ALL[name]()(energy(1.0), metered(net, 0 * x).traffic)
        assert charge.item() == 0
        charge.backward()
        assert net[2].bias.grad.any()


KINDS = [pj.SynapticPenalty, pj.SpikePenalty, pj.BalancedPenalty]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [0.999, 0, -1, math.inf, math.nan])
def test_power_out_of_range(kind, p):
    with pytest.raises(ValueError, match="p must be 1 or more"):
        kind(1.0, p=p)


@pytest.mark.parametrize(
    "kind", [*KINDS, lambda w: pj.SynOpsTarget(1, w), lambda w: pj.RateTarget(1, w)]
)
@pytest.mark.parametrize("weight", [-1e-9, math.inf, math.nan])
def test_weight_out_of_range(kind, weight):
    with pytest.raises(ValueError, match="weight must be 0 or more"):
        kind(weight)


@pytest.mark.parametrize("target", [0, -1.0, math.inf, math.nan])
def test_target_out_of_range(target):
    with pytest.raises(ValueError, match="target must be above 0"):
        pj.SynOpsTarget(target)


@pytest.mark.parametrize("rate", [0, -0.1, 1.01, math.inf, math.nan])
def test_rate_out_of_range(rate):
    with pytest.raises(ValueError, match="rate must be above 0 and at most 1"):
        pj.RateTarget(rate)


def test_unknown_side():
    with pytest.raises(ValueError, match="unknown side 'abov': did you mean 'above'"):
        pj.RateTarget(0.1, side="abov")
