"""What is expected of other samples: the part above the floor as measured, the floor of more."""

import math
from dataclasses import asdict, replace

import pytest
import torch

import picojoule as pj
from picojoule.data import Augment, Latency, Split, load, loader
from picojoule.energy import Energy
from picojoule.training import EpochRecord, Validation, choose, evaluate
from picojoule.training.expected import expected
from picojoule.training.measurement import Evaluation
from picojoule.training.records import Spent
from picojoule.training.scores import Scored

CHIP = pj.load_chip("45nm")


def measured(floors, above):
    """An evaluation of samples, each a batch of its own, and its energy."""

    def error(parts):
        return {"45nm": float(parts.std() / len(parts) ** 0.5 / parts.mean())}

    found = Evaluation(
        target="classification",
        scored=Scored(labels=len(floors), accuracy=1.0),
        samples=len(floors),
        mean_steps=1.0,
        counts={},
        totals={},
        spread=error(floors + above),
        above=error(above),
        floor=error(floors),
    )
    total = (floors + above).mean()
    return found, Energy(total, floors.mean(), total, total, chip="45nm")


def draw(source, count):
    """Floors of 100 and parts above them of 20 on the mean, neither knowing of the other."""
    floors = 100 + 10 * torch.randn(count, generator=source, dtype=torch.float64)
    return floors, 20 + 6 * torch.randn(count, generator=source, dtype=torch.float64)


def test_it_is_the_part_above_the_floor_on_a_floor_of_all_samples():
    floors = torch.tensor([90.0, 110.0, 106.0, 98.0], dtype=torch.float64)  # mean 101
    above = torch.tensor([10.0, 30.0, 25.0, 15.0], dtype=torch.float64)  # mean 20
    found = expected(*measured(floors, above), floor_pj=97.0, samples=12)
    assert found.floor_pj == pytest.approx(101 / 4 + 97 * 3 / 4)
    assert found.energy_pj == pytest.approx(found.floor_pj + 20)
    of_floor, of_above = (one.std() / 2 for one in (floors, above))
    error = math.sqrt(of_above**2 + of_floor**2 / 4)
    assert found.spread == pytest.approx(error / found.energy_pj)


def test_it_is_right_on_the_mean_and_as_sure_as_it_says():
    source = torch.Generator().manual_seed(0)
    found = []
    for _ in range(400):
        others = draw(source, 900)[0].mean()
        found.append(expected(*measured(*draw(source, 100)), float(others), 900))
    energies = torch.tensor([one.energy_pj for one in found if one])
    said = torch.tensor([one.spread * one.energy_pj for one in found if one])
    assert len(energies) > 0.98 * 400  # of floors that differ by chance
    assert energies.mean() == pytest.approx(120, abs=4 * float(energies.std()) / 20)
    assert float(said.mean()) == pytest.approx(float(energies.std()), rel=0.15)
    assert said.mean() < 0.7 * math.hypot(10, 6) / 10  # than of these samples alone


def test_samples_of_another_kind_say_nothing():
    floors = torch.tensor([99.0, 101.0, 100.0, 100.0])
    given = measured(floors, torch.full((4,), 20.0))
    error = floors.std() / 2
    assert expected(*given, floor_pj=float(100 + 2.9 * error), samples=10) is not None
    assert expected(*given, floor_pj=float(100 + 3.1 * error), samples=10) is None


def test_a_choice_is_by_what_is_expected():
    dear = Validation(0.9, 104.0, 0.05, floor_pj=90.0, expected={"": Spent(98.0, 84.0, 0.01)})
    cheap = Validation(0.8, 96.0, 0.05, floor_pj=90.0)
    records = [EpochRecord(1, 1, 1.0, 0.5, 1.0, None, None, dear)]
    records += [EpochRecord(2, 2, 1.0, 0.5, 1.0, None, None, cheap)]
    assert choose(records, 100.0).epoch == 1
    assert choose([EpochRecord.of(asdict(one)) for one in records], 100.0) == choose(records, 100.0)
    records[0] = replace(records[0], validation=replace(dear, expected={}))
    assert choose(records, 100.0).epoch == 2


def train(part, augment=None, *, plain=True, **options):
    """Two epochs of a small network on 512 digits, and the last record."""
    torch.manual_seed(0)
    net = pj.network("mlp", inputs=(1, 8, 8), classes=10, neuron=pj.LIF, width=8)
    encoder = Latency(steps=4)
    batches = loader(part[:512], encoder, batch_size=32, shuffle=True, augment=augment)
    if not plain:
        collate = batches.collate_fn
        batches = torch.utils.data.DataLoader(
            batches.dataset, 32, shuffle=True, collate_fn=lambda batch: collate(batch)
        )
    budget = pj.EnergyBudget(1000.0)
    *_, last = pj.train(
        net,
        batches,
        torch.optim.Adam(net.parameters(), lr=1e-2),
        criterion=torch.nn.functional.cross_entropy,
        readout=pj.readout.mean,
        chip=CHIP,
        penalty=budget,
        validation=loader(part[512:768], encoder, batch_size=32),
        inputs=encoder.kind,
        epochs=2,
        **options,
    )
    return net, budget, last


@pytest.fixture(scope="module")
def part() -> Split:
    """The training digits."""
    return load("digits").train


@pytest.mark.parametrize("augment", [None, Augment(cutout=4)])
def test_training_knows_the_floor_of_its_samples_as_they_come_in_use(part, augment):
    net, budget, last = train(part, augment)
    floors = []
    for samples in (part[:512], part[512:768]):
        found = evaluate(
            net, loader(samples, Latency(4), batch_size=32), readout=pj.readout.mean, chips=[CHIP]
        )
        floors.append(found.chips["45nm"].floor_pj)
    assert budget.floor_pj == pytest.approx(floors[0])
    for record in last.history:
        one = record.validation.expected[""]
        assert one.floor_pj == pytest.approx((2 * floors[0] + floors[1]) / 3)
        above = record.validation.energy_pj - record.validation.floor_pj
        assert one.energy_pj == pytest.approx(one.floor_pj + above)


@pytest.mark.parametrize("options", [{"plain": False}, {"levers": (pj.Gates(),)}])
def test_a_floor_that_may_be_another_in_use_is_not_taken(part, options):
    _, _, last = train(part, **options)
    assert all(record.validation.expected == {} for record in last.history)
    assert last.validation.expects("") == last.validation.on("")
