"""Laws of the penalties from the literature: what must not change them."""

import pytest
import torch

import picojoule as pj
from training.spiking import ALL, NETWORKS, Loop, metered


@pytest.mark.parametrize("name", ALL)
def test_doubling_and_permuting_the_batch_change_nothing(name, energy):
    net, x = NETWORKS["network"]()
    penalty = ALL[name]()
    other = torch.cat([x, x], 1)[:, torch.randperm(2 * x.shape[1])]
    one, two = (penalty(energy(1.0), metered(net, values).traffic) for values in (x, other))
    assert one.item() > 0
    assert two.item() == pytest.approx(one.item(), rel=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_what_lies_after_the_end_of_a_sequence_is_not_charged(name, energy):
    """Padding by four steps is as if they were not there."""
    net, x = NETWORKS["network"]()
    lengths = torch.full((x.shape[1],), len(x))
    padded = torch.cat([x, torch.ones_like(x[:4])])
    penalty = ALL[name]()
    one = penalty(energy(1.0), metered(net, x).traffic)
    two = penalty(energy(1.0), metered(net, padded, lengths=lengths).traffic)
    assert two.item() == pytest.approx(one.item(), rel=1e-6)


@pytest.mark.parametrize("name", [name for name in ALL if name[-1].isdigit()])
def test_the_mean_over_processes_is_the_penalty_of_the_whole_batch(name, energy):
    """Each process has its part; training takes the mean of their gradients."""
    net, x = NETWORKS["network"]()
    penalty = ALL[name]()

    def gradient(values):
        net.zero_grad()
        charge = penalty(energy(1.0), metered(net, values).traffic)
        charge.backward()
        return charge.item(), [p.grad.clone() for p in net.parameters() if p.grad is not None]

    whole, parts = gradient(x), [gradient(part) for part in x.chunk(2, 1)]
    assert sum(charge for charge, _ in parts) / 2 == pytest.approx(whole[0], rel=1e-6)
    for one, left, right in zip(whole[1], parts[0][1], parts[1][1], strict=True):
        torch.testing.assert_close((left + right) / 2, one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_a_foreign_network_in_a_loop_is_charged_what_ours_is(name, energy):
    """One record per step: the same spikes, the same charge and the same gradient."""
    ours, x = NETWORKS["network"]()
    foreign = Loop(ours)
    penalty = ALL[name]()
    charges, gradients = [], []
    for net, options in ((ours, {}), (foreign, {"samples": x.shape[1], "neurons": Loop.NEURONS})):
        meter = metered(net, x, **options)
        charges.append(penalty(energy(1.0), meter.traffic))
        gradients.append(torch.autograd.grad(charges[-1], ours[0].weight)[0])
    assert len([r for r in meter.traffic if r.fired]) == 2 * len(x)
    assert charges[1].item() == pytest.approx(charges[0].item(), rel=1e-6)
    assert gradients[0].any()
    torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(name, dtype, energy):
    net, x = NETWORKS["network"]()
    meter = metered(net.to(dtype), x.to(dtype))
    charge = ALL[name]()(energy(1.0), meter.traffic)
    assert charge.dtype == torch.float32
    assert torch.isfinite(charge)


def test_more_spikes_than_half_precision_can_count(energy):
    """70 000 spikes: more than the largest number of float16."""
    x = torch.full((7, 1, 10_000), 2.0, dtype=torch.float16)
    meter = metered(pj.Sequential(pj.LIF()), x)
    for p in (1, 2):
        assert pj.SpikePenalty(1.0, p=p)(energy(1.0), meter.traffic).item() == 70_000 / p
    assert pj.RateTarget(0.5)(energy(1.0), meter.traffic).item() == 0.25
