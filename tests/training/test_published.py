"""Penalties from the literature: what they charge, by hand and on every kind of layer."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import picojoule as pj
from energy.metering import Two
from picojoule.energy import Kind, Traffic
from training.spiking import NETWORKS, ac_chip, metered

POWERS = [1, 1.5, 2, 3]


def spikes_of(meter, layer):
    """What a layer of neurons put out, all records in a row."""
    return torch.cat([r.values for r in meter.traffic if r.fired and r.layer == layer])


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_omega_is_proportional_to_the_energy_of_accumulates(name, p):
    """Theorem 3.4 of arXiv:2302.01500: E = p E_AC Omega, layer by layer."""
    meter = metered(*NETWORKS[name]())
    energy = ac_chip(0.9).price(meter.counts)
    omega = pj.SynapticPenalty(1.0, p=p).omega(meter.traffic)
    assert set(omega) == set(energy.by_layer) != set()
    for layer, pj_ in energy.by_layer.items():
        assert pj_ > 0, layer
        assert 0.9 * p * omega[layer].item() == pytest.approx(pj_.item(), rel=1e-12), layer


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_penalty_is_weight_times_the_sum_over_layers(name, p, energy):
    meter = metered(*NETWORKS[name]())
    charge = pj.SynapticPenalty(0.01, p=p)(energy(1.0), meter.traffic)
    spent = ac_chip(1.0).price(meter.counts).total.item()
    assert charge.dtype == torch.float32
    assert charge.dim() == 0
    assert charge.item() == pytest.approx(0.01 * spent / p, rel=1e-6)


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize(
    ("layer", "shape", "psi"),
    [
        (nn.Linear(6, 4), (6,), torch.full((6,), 4.0)),
        # Kernel 3, padding 1, stride 2 on 5: the ends are met by 1 position, the others by 2, 1, 2.
        (nn.Conv1d(1, 2, 3, stride=2, padding=1), (1, 5), 2 * torch.tensor([1.0, 2, 1, 2, 1])),
        (nn.Conv1d(4, 4, 2, groups=2), (4, 3), torch.tensor([2.0, 4, 2])),
    ],
    ids=["linear", "strided", "grouped"],
)
def test_the_gradient_at_a_spike_is_its_synapses_times_the_power(layer, shape, psi, p):
    net = pj.Sequential(pj.LIF(), layer)
    net[0].engine = "eager"  # a compiled loop takes the charge of its spikes in
    meter = metered(net, (torch.rand(5, 3, *shape) * 3).requires_grad_())
    (fired,) = [record.values for record in meter.traffic if record.fired]
    assert 0 < fired.mean() < 1
    omega = pj.SynapticPenalty(1.0, p=p).omega(meter.traffic)["1"]
    (gradient,) = torch.autograd.grad(omega, fired)
    expected = psi * fired.detach() ** (p - 1) / 3  # of three samples
    torch.testing.assert_close(gradient, expected.expand_as(gradient))


def test_a_spike_with_two_consumers_is_charged_for_both():
    """A block of a residual network: two convolutions and an identity, which has no synapse."""

    def forward(net, x):
        spikes, _ = net.neuron(x)
        return net.main(spikes[0]) + net.short(spikes[0]) + spikes[0].sum((1, 2, 3))[:, None]

    net = Two(
        forward,
        neuron=pj.LIF(),
        main=nn.Sequential(nn.Flatten(), nn.Linear(18, 7)),
        short=nn.Sequential(nn.Flatten(), nn.Linear(18, 5), nn.Linear(5, 7)),
    )
    meter = metered(net, torch.rand(1, 4, 2, 3, 3) * 2)
    number = spikes_of(meter, "neuron").sum().item() / 4
    omega = pj.SynapticPenalty(1.0).omega(meter.traffic)
    assert {name: one.item() for name, one in omega.items()} == pytest.approx(
        {"main.1": 7 * number, "short.1": 5 * number}
    )


@pytest.mark.parametrize("p", [1, 2])
def test_levels_that_arrive_are_as_many_spikes(p):
    net = pj.Sequential(pj.LIF(), nn.AvgPool1d(3), nn.Linear(2, 4))
    meter = metered(net, torch.rand(5, 2, 6) * 3)
    number = spikes_of(meter, "0").sum().item()
    omega = pj.SynapticPenalty(1.0, p=p).omega(meter.traffic)
    assert omega["2"].item() == pytest.approx(4 * number / 2 / p)


def test_levels_that_are_put_out_are_taken_to_the_power_as_they_are(energy):
    values = torch.tensor([[[0.0, 0.5, 1.5], [0.5, 0.0, 0.0]]])  # one step, two samples; 0 1 3 1
    kind = Kind("levels", scale=0.5, hidden=True)
    events = torch.tensor([1.0, 1, 3], dtype=torch.float64)
    traffic = [Traffic("n", values, kind, 1, None, events, leading=2, samples=2)]
    expected = {1: 5 / 2, 2: 11 / 2 / 2, 3: 29 / 2 / 3}
    for p, omega in expected.items():
        assert pj.SpikePenalty(1.0, p=p).omega(traffic)["n"].item() == pytest.approx(omega)
        assert pj.BalancedPenalty(1.0, p=p).omega(traffic)["n"].item() == pytest.approx(omega / 3)
    rate = pj.RateTarget(0.25)(energy(1.0), traffic)
    assert rate.item() == pytest.approx((0.25**2 + 0.25**2 + 1.25**2) / 3)


def test_graded_values_are_charged_nothing():
    net = Two(lambda net, x: net.fc(net.neuron(x)[0] * x), neuron=pj.LIF(), fc=nn.Linear(6, 4))
    meter = metered(net, torch.rand(5, 2, 6) * 3)
    assert "fc" not in pj.SynapticPenalty(1.0).omega(meter.traffic)
    assert meter.counts["fc"].mac > 0


@pytest.mark.parametrize("p", POWERS)
def test_spikes_and_balanced_spikes_by_hand(p, energy):
    net = pj.Sequential(
        nn.Linear(6, 8), pj.LIF(), nn.Unflatten(-1, (2, 2, 2)), nn.Conv2d(2, 3, 2), pj.LIF()
    )
    meter = metered(net, torch.rand(7, 5, 6) * 5)
    first, second = (spikes_of(meter, layer).sum().item() / 5 for layer in ("1", "4"))
    assert first > 0
    assert second > 0
    spike, balanced = pj.SpikePenalty(0.5, p=p), pj.BalancedPenalty(0.5, p=p)
    found = {name: one.item() for name, one in spike.omega(meter.traffic).items()}
    assert found == pytest.approx({"1": first / p, "4": second / p})
    found = {name: one.item() for name, one in balanced.omega(meter.traffic).items()}
    assert found == pytest.approx({"1": first / 8 / p, "4": second / 3 / p})
    assert spike(energy(1.0), meter.traffic).item() == pytest.approx(0.5 * (first + second) / p)
    assert balanced(energy(1.0), meter.traffic).item() == pytest.approx(
        0.5 * (first / 8 + second / 3) / p
    )


def test_synops_target_by_hand(energy):
    net = pj.Sequential(nn.Linear(6, 8), pj.LIF(), nn.Linear(8, 3), pj.LI())
    x = (torch.rand(7, 5, 6) < 0.4).float()
    net[0].weight.data.abs_().mul_(3)
    meter = metered(net, x, inputs="events")
    done = (8 * x.sum().item() + 3 * spikes_of(meter, "1").sum().item()) / 5
    assert done == sum(counts.ac.item() for counts in meter.counts.values())
    for target in (done / 3, 2 * done):
        charge = pj.SynOpsTarget(target, weight=0.5)(energy(1.0), meter.traffic)
        assert charge.item() == pytest.approx(0.5 * ((done - target) / target) ** 2)
    assert pj.SynOpsTarget(done)(energy(1.0), meter.traffic).item() == 0


@pytest.mark.parametrize("side", ["above", "below", "both"])
def test_rate_target_by_hand(side, energy):
    net = pj.Sequential(nn.Linear(6, 8), pj.LIF(), nn.Linear(8, 4), pj.LIF())
    meter = metered(net, torch.rand(7, 5, 6) * 5)
    rates = [rate for layer in ("1", "3") for rate in spikes_of(meter, layer).mean((0, 1)).tolist()]
    rate = sum(rates) / 12
    assert min(rates) < rate < max(rates)
    excess = {"above": lambda p: max(p - rate, 0), "below": lambda p: max(rate - p, 0)}
    expected = sum(excess.get(side, lambda p: p - rate)(p) ** 2 for p in rates) / 12
    charge = pj.RateTarget(rate, weight=3.0, side=side)(energy(1.0), meter.traffic)
    assert charge.item() == pytest.approx(3 * expected)
    assert expected > 0


def test_rates_of_pictures_are_those_of_each_neuron(energy):
    """One pixel that always fires among silent ones: its rate is 1, and no mean hides it."""
    x = torch.zeros(4, 2, 3, 2, 2)
    x[:, :, 1, 0, 1] = 5.0
    meter = metered(pj.Sequential(pj.LIF()), x)
    charge = pj.RateTarget(0.25)(energy(1.0), meter.traffic)
    assert charge.item() == pytest.approx(0.75**2 / 12)


def test_products_of_spikes_are_charged_for_what_coincides(energy):
    """Attention without a softmax: queries meet keys, both spikes."""

    def forward(net, x):
        queries, keys = net.neuron(net.q(x))[0], net.neuron(net.k(x))[0]
        return queries @ keys.transpose(-1, -2)

    net = Two(forward, neuron=pj.LIF(), q=nn.Linear(6, 5), k=nn.Linear(6, 5))
    net.q.weight.data.abs_()
    net.k.weight.data.abs_()
    meter = metered(net, torch.rand(3, 2, 4, 6) * 2)
    queries, keys = (r.values for r in meter.traffic if r.fired)
    coincide = torch.einsum("tbid,tbjd->", queries, keys).item()
    omega = pj.SynapticPenalty(1.0, p=2).omega(meter.traffic)
    assert coincide > 0
    assert sum(one.item() for one in omega.values()) == pytest.approx(coincide / 2 / 2)
    assert F.relu(pj.SynapticPenalty(1.0)(energy(1.0), meter.traffic)) > 0
