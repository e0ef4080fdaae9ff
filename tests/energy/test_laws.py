"""Laws of energy, which hold whatever the network."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from energy.metering import run
from picojoule.energy import Chip, Meter, chip_names, load_chip
from picojoule.networks import Repeat, Sequential
from picojoule.neurons import LI, LIF, Recurrent

CHIPS = [load_chip(name) for name in chip_names()]
every_chip = pytest.mark.parametrize("chip", CHIPS)


def net():
    torch.manual_seed(0)
    made = Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        LIF(3),
        nn.AvgPool2d(2),
        nn.Conv2d(3, 4, 3, padding=1),
        LIF(4),
        nn.Flatten(),
        nn.Linear(36, 8),
        Recurrent(LIF(8), 8),
        nn.Linear(8, 3),
        LI(),
    )
    for parameter in made.parameters():
        parameter.data.abs_()
    return made.eval()


def energy(made, x, chip, inputs="events", **options):
    with Meter(made, inputs=inputs) as meter:
        made(x, **options)
    return chip.price(meter.counts)


def data(steps=4, batch=3):
    return (torch.rand(steps, batch, 1, 6, 7) < 0.3).float()


@every_chip
def test_doubling_permuting_and_padding_change_nothing(chip):
    made, x = net(), data()
    one = energy(made, x, chip)
    assert one.total > one.floor >= 0
    assert one.floor > 0 or "ac" not in chip.prices
    padded = torch.cat([x, torch.rand(3, *x.shape[1:])])
    for other in (
        energy(made, torch.cat([x, x, x], 1), chip),
        energy(made, x[:, [2, 0, 1]], chip),
        energy(made, padded, chip, lengths=torch.tensor([4, 4, 4])),
    ):
        assert other.total.item() == pytest.approx(one.total.item(), rel=1e-12)
        assert other.floor.item() == pytest.approx(one.floor.item(), rel=1e-12)


@every_chip
def test_a_batch_is_the_mean_of_its_samples(chip):
    made, x = net(), data()
    alone = [energy(made, x[:, b : b + 1], chip).total.item() for b in range(3)]
    assert energy(made, x, chip).total.item() == pytest.approx(sum(alone) / 3, rel=1e-9)


def test_more_input_events_never_cost_less():
    layer = nn.Conv2d(2, 3, 3, padding=1, stride=2)
    x = torch.zeros(1, 2, 5, 5)
    counts = [run(layer, x).counts]
    for index in torch.randperm(50).tolist():
        x.view(-1)[index] = 1
        counts.append(run(layer, x).counts)
    for chip in CHIPS:
        costs = [chip.price(done).total.item() for done in counts]
        for last, now in pairwise(costs):
            assert now > last or (now == last == 0 and "ac" not in chip.prices), chip.name


@given(seed=st.integers(0, 10_000))
def test_energy_is_linear_in_what_arrives(seed):
    torch.manual_seed(seed)
    layer = nn.Conv1d(2, 3, 3, padding=1, bias=False)
    first, second = (torch.randint(0, 3, (2, 2, 6)).float() for _ in range(2))
    counts = [run(layer, x, inputs="levels").counts for x in (first, second, first + second)]
    for chip in CHIPS:
        one, two, both = (chip.price(done).total.item() for done in counts)
        assert both == pytest.approx(one + two, rel=1e-12), chip.name


@every_chip
def test_floor_is_the_energy_without_hidden_spikes(chip):
    made, x = net(), data()
    loud = energy(made, x, chip)
    for module in made.modules():
        if isinstance(module, LIF):
            module.threshold.data.fill_(1e9)
    silent = energy(made, x, chip)
    assert silent.total.item() == pytest.approx(loud.floor.item(), rel=1e-12)
    assert silent.total.item() == pytest.approx(silent.floor.item(), rel=1e-12)
    assert loud.floor < loud.total


@every_chip
def test_energy_is_the_sum_of_its_parts(chip):
    for inputs in ("events", "analog"):
        priced = energy(net(), data(), chip, inputs)
        for parts in (priced.by_layer, priced.by_kind):
            found = sum(value.item() for value in parts.values())
            assert found == pytest.approx(priced.total.item(), rel=1e-12)
        assert 0 <= priced.floor <= priced.total
        assert priced.low <= priced.total <= priced.high


def test_an_analog_input_costs_the_same_whatever_it_is():
    chip, made = load_chip("45nm"), nn.Linear(6, 4)
    for x in (torch.zeros(2, 6), torch.rand(2, 6), torch.ones(2, 6)):
        assert chip.price(run(made, x, inputs="analog").counts).total.item() == 2 * 24 * 4.6


def test_a_static_image_costs_its_first_layer_once():
    chip = load_chip("45nm")
    late = Sequential(nn.Linear(6, 4), Repeat(5), LIF(), nn.Linear(4, 2))
    early = Sequential(Repeat(5), nn.Linear(6, 4), LIF(), nn.Linear(4, 2))
    x = torch.rand(1, 3, 6)
    once = energy(late, x, chip, "analog").by_layer["0"].item()
    assert once == pytest.approx(6 * 4 * 4.6)
    again = energy(early, x, chip, "analog").by_layer["1"].item()
    assert again == pytest.approx(5 * once)


def test_a_price_twice_as_high_costs_twice_as_much():
    def chip(pj):
        price = {"ac": {"pj": pj, "source": "a test"}}
        about = dict.fromkeys(("name", "description", "node", "precision"), "made up")
        return Chip.model_validate({**about, "evidence": "estimated", "price": price})

    made, x = net(), data()
    assert energy(made, x, chip(2.0)).total.item() == 2 * energy(made, x, chip(1.0)).total.item()
