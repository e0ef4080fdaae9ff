"""Tables of results say what their records say."""

import pytest
from making import paper_marks, paper_networks, papers


def record(recipe, weight, seed, accuracy, energy_pj, validation=None):
    """The record of a run on one chip."""
    cost = {"total_pj": energy_pj, "floor_pj": 0.0, "by_kind": {"ac": energy_pj}, "unpriced": {}}
    cost |= {"ann_pj": None, "quantised_ann_pj": 5e5, "quantised_ann_bits": 3}
    return {
        "recipe": recipe,
        "chip": "45nm",
        "settings": {"penalty.weight": str(weight)},
        "penalty": {"name": "FixedPrice", "weight": weight},
        "levers": [],
        "limit_pj": None,
        "seed": seed,
        "validation": accuracy if validation is None else validation,
        "accuracy": accuracy,
        "samples": 100,
        "chips": {"45nm": cost},
        "spikes_per_neuron": 2.0,
        "seconds": 30.0,
        "versions": {"python": "3.11"},
    }


RECORDS = [
    record("one", 0, 0, 0.98, 100e3),
    record("one", 0, 1, 0.96, 140e3),
    record("one", 1, 0, 0.97, 60e3),
    record("one", 1, 1, 0.97, 60e3),
    record("one", 3, 0, 0.99, 20e3, validation=0.90),
    record("two", 0, 0, 0.95, 50e3),
    record("two", 1, 0, 0.93, 25e3, validation=0.945),
]
TOTAL = {"45nm": paper_marks.total("45nm")}


@pytest.fixture(autouse=True)
def _records(monkeypatch):
    for module in (papers, paper_marks, paper_networks):
        monkeypatch.setattr(module, "read", lambda part: RECORDS)


def cells(table):
    """The cells of a table without its head."""
    return [[one.strip() for one in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_a_row_is_of_all_seeds_of_a_configuration():
    first, second, *_ = cells(papers.outcomes("any", ["45nm"], {}))
    assert first[:6] == ["`one`", "", "none", "2", "97.0 ± 1.4", "120 ± 28 nJ"]
    assert first[6] == "500 ± 0 nJ (3 bits)"
    assert second[:4] == ["`one`", "45nm", "FixedPrice weight 1", "2"]


def test_what_saves_most_is_chosen_on_validation():
    """Weight 3 is the cheapest and the best on the test split, but lost 7 points on validation."""
    one, two = cells(paper_marks.savings("any", TOTAL, points=1.0))
    assert one[1:4] == ["`one`", "FixedPrice weight 1 on 45nm", "2"]
    assert one[6:] == ["2.0x", "+0.0 ± 1.7"]
    assert two[1:4] == ["`two`", "FixedPrice weight 1 on 45nm", "1"]
    assert two[6:] == ["2.0x", "+2.0 ± 3.4"]


def test_a_front_covers_what_its_points_dominate():
    """Of 0.2 of accuracy times 1.1 times the most energy, 120 nJ."""
    ((_, one, two),) = cells(paper_marks.fronts("any", TOTAL, worst=0.8))
    assert float(one) == pytest.approx(0.19 * (132 - 20) / (0.2 * 132), abs=5e-4)
    assert float(two) == pytest.approx((0.15 * (132 - 50) + 0.13 * 25) / (0.2 * 132), abs=5e-4)


def test_two_networks_are_compared():
    ((*_, less, gained),) = cells(paper_networks.beside("any", ["45nm"], [("`one`", "`two`")]))
    assert (less, gained) == ("2.40x", "-2.0 ± 2.5")


def test_rivals_are_the_cheapest_within_the_points():
    """Of one weight 3 lost too much on validation; two at 0.945 lost 2.5 points of 97."""
    charged, free = cells(paper_marks.rivals("any", ["45nm"], points=1.0))
    assert charged[:4] == ["`one` by FixedPrice", "FixedPrice weight 1", "2", "97.0 ± 0.0"]
    assert charged[-1] == "60.0 ± 0 nJ (1.0x)"
    assert (free[0], free[-1]) == ("`one`", "120 ± 28 nJ (2.0x)")


def test_spikes_of_blocks_are_put_out_and_arrive(monkeypatch):
    def residual(kind, rate, arriving):
        one = record("one", 0, 0, 0.9, 100e3)
        one["settings"] = {"network.residual": kind}
        counts = {"stem.conv1": 7.0, "stage1.block1.body.conv1": arriving}
        return one | {"rates": {"1": rate}, "neurons": {"1": 400}, "arrived": counts}

    records = [residual("sew", 0.5, 8.0), residual("sparse", 0.25, 2.0)]
    monkeypatch.setattr(paper_networks, "read", lambda part: records)
    sew, sparse = cells(paper_networks.fired("any", "one", "residual sew"))
    assert sew[3:] == ["2", "0%", "8", "0%"]
    assert sparse[3:] == ["1", "50%", "2", "75%"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([12_000.0], "12.0 nJ"),
        ([1_240_000.0, 1_260_000.0], "1.25 ± 0.014 µJ"),
        ([999.9e3, 999.9e3], "1.00 ± 0 µJ"),
        ([0.0, 0.0], "0"),
        ([5.0, None], "no price"),
    ],
)
def test_energies_have_a_unit_and_a_deviation(values, text):
    assert papers.energy(values) == text
