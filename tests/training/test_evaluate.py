import pytest
import torch
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule.training import evaluate


def run(task, net, loader, chips=None, **options):
    options = {"inputs": "events"} | options
    chips = [task.chip] if chips is None else chips
    return evaluate(net, loader, readout=pj.readout.mean, chips=chips, **options)


def test_totals_are_whole_and_those_of_one_batch(task):
    net = task.setup().net
    many = run(task, net, task.loader(60))
    x = torch.stack([x for x, _ in task.samples[:60]], 1)
    label = torch.tensor([label for _, label in task.samples[:60]])
    with torch.no_grad(), pj.Meter(net.eval(), inputs="events") as meter:
        out, _ = net(x)
    for layer, counts in meter.counts.items():
        for name, value in counts.items():
            total = many.counts[layer][name]
            assert total == pytest.approx(value.item() * 60)
            assert name == "second" or isinstance(total, int)
    cost, energy = many.chips["45nm"], task.chip.price(meter.counts)
    assert cost.total_pj == pytest.approx(energy.total.item())
    assert cost.floor_pj == pytest.approx(task.floor_pj(task.loader(60)))
    assert sum(cost.by_layer.values()) == pytest.approx(cost.total_pj)
    assert sum(cost.by_kind.values()) == pytest.approx(cost.total_pj)
    assert many.accuracy == (out.mean(0).argmax(-1) == label).double().mean().item()
    assert (many.samples, many.steps, many.parameters) == (
        60,
        6,
        (12 + 1) * 16 + (16 + 1) * 16 + (16 + 1) * 3,
    )
    assert many.spikes_per_neuron == pytest.approx(
        sum(meter.counts[layer].spike.item() for layer in ("1", "4")) / 32
    )
    assert (many.uncounted, many.unreached) == ({}, ())


def test_spread_is_the_standard_error_over_batches(task):
    net, loader = task.setup().net, task.loader(48)
    singles = []
    for start in range(0, 48, 8):
        part = DataLoader(
            task.samples[start : start + 8], batch_size=8, collate_fn=loader.collate_fn
        )
        one = run(task, net, part).chips["45nm"]
        assert one.spread == 0
        singles.append(one.total_pj)
    totals = torch.tensor(singles, dtype=torch.float64)
    cost = run(task, net, loader).chips["45nm"]
    assert cost.spread == pytest.approx((totals.std() / 6**0.5 / totals.mean()).item())


def test_several_chips_in_one_pass(task):
    chips = [task.chip, pj.load_chip("45nm-sram")]
    both = run(task, task.setup().net, task.loader(), chips).chips
    assert set(both) == {"45nm", "45nm-sram"}
    assert both["45nm-sram"].total_pj > both["45nm"].total_pj
    with pytest.raises(ValueError, match="two chips of one name: 45nm, 45nm"):
        run(task, task.setup().net, task.loader(), [task.chip, task.chip])
    with pytest.raises(ValueError, match="give at least one"):
        run(task, task.setup().net, task.loader(), [])


def test_the_dense_network_to_compare_with(task):
    net, synapses = task.setup().net, 12 * 16 + 16 * 16 + 16 * 3
    every = run(task, net, task.loader()).chips["45nm"].ann_pj
    once = run(task, net, task.loader(), ann_steps=1).chips["45nm"].ann_pj
    assert every == pytest.approx(4.6 * 6 * synapses)
    assert once == pytest.approx(4.6 * synapses)


def test_modes_random_states_and_graph_are_left_alone(task):
    net = task.setup(dropout=0.5).net
    net[2].eval()
    modes = [module.training for module in net.modules()]
    before = torch.get_rng_state()
    loader = task.loader(shuffle=True, jitter=True)
    first, second = run(task, net, loader), run(task, net, loader)
    assert torch.equal(torch.get_rng_state(), before)
    assert [module.training for module in net.modules()] == modes
    assert first.counts == second.counts
    assert all(p.grad is None for p in net.parameters())


def test_an_empty_set_is_refused(task):
    with pytest.raises(ValueError, match="nothing to measure"):
        run(task, task.setup().net, task.loader(0))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_inputs_that_are_not_finite_are_refused(value):
    """A neuron that gets NaN puts out nothing, so that neither scores nor counts show it."""
    net = pj.Sequential(torch.nn.Linear(3, 4), pj.LIF(), torch.nn.Linear(4, 2))
    x = torch.ones(5, 2, 3)
    bad = x.clone()
    bad[2, 1, 0] = value
    labels = torch.zeros(2, dtype=torch.int64)
    loader = DataLoader([(x, labels, None), (bad, labels, None)], batch_size=None)
    with pytest.raises(
        ValueError, match="the inputs of 1 batches hold values that are infinite or"
    ):
        pj.measure(net, loader, readout=pj.readout.mean, chips=[pj.load_chip("45nm")])
