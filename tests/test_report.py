"""Reports: what they hold, how they are written and read, how they look."""

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule.cli import show
from picojoule.report import BudgetReport
from picojoule.units import format_energy


@pytest.fixture(scope="module")
def report():
    torch.manual_seed(0)
    net = pj.Sequential(nn.Linear(6, 8), pj.LIF(), nn.Linear(8, 3), pj.LI())
    items = [((torch.rand(5, 4, 6) < 0.4).float() * 2, torch.arange(4) % 3, None) for _ in range(2)]
    loader = DataLoader(items, batch_size=None)  # pyright: ignore[reportArgumentType]
    chips = [pj.load_chip("45nm"), pj.load_chip("45nm-sram")]
    return pj.measure(net, loader, readout=pj.readout.mean, chips=chips, inputs="events")


def shown(thing) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(thing)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def budget(**changes) -> BudgetReport:
    fields = {
        "chip": "45nm",
        "limit_pj": 12_000.0,
        "floor_pj": 3_100.0,
        "met": True,
        "validation_pj": 11_700.0,
        "test_pj": 11_800.0,
        "ratio": 11_800 / 12_000,
        "multiplier": (0.0, 0.3),
    }
    return BudgetReport(**{**fields, **changes})


def test_a_report_comes_back_from_its_json(report):
    with_budget = report.model_copy(update={"budget": budget()})
    for one in (report, with_budget):
        assert pj.Report.from_json(one.to_json()) == one


def test_the_json_has_what_other_programs_rely_on(report):
    content = json.loads(report.model_copy(update={"budget": budget()}).to_json())
    assert content["schema"] == 1
    assert set(content) >= {
        *("schema", "recipe", "seed", "versions", "accuracy", "steps", "parameters", "chips"),
        *("counts", "samples", "spikes_per_neuron", "budget", "seconds"),
    }
    assert set(content["accuracy"]) == {"test"}
    assert set(content["chips"]) == {"45nm", "45nm-sram"}
    assert set(content["chips"]["45nm"]) >= {
        *("total_pj", "floor_pj", "by_layer", "by_kind", "unpriced", "ann_pj")
    }
    assert set(content["budget"]) >= {
        *("chip", "limit_pj", "floor_pj", "met", "validation_pj", "test_pj", "ratio", "multiplier")
    }
    assert content["budget"]["multiplier"] == [0.0, 0.3]
    assert (content["samples"], content["steps"]) == (8, 5)
    assert (content["recipe"], content["seed"]) == (None, None)
    assert json.loads(report.to_json())["budget"] is None


def test_counts_are_whole_totals_and_energies_are_per_sample(report):
    for layer in report.counts.values():
        assert all(isinstance(n, int) for name, n in layer.items() if name != "second")
    chip = report.chips["45nm"]
    accumulates = sum(layer.get("ac", 0) for layer in report.counts.values())
    assert accumulates > 0
    assert chip.total_pj == pytest.approx(0.9 * accumulates / report.samples)
    assert chip.total_pj == pytest.approx(sum(chip.by_layer.values()))
    assert chip.total_pj == pytest.approx(sum(chip.by_kind.values()))
    assert chip.floor_pj <= chip.total_pj


def test_the_parameters_that_learn_are_counted(report):
    assert report.parameters == 6 * 8 + 8 + 8 * 3 + 3


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 2}', "nonsense"])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ValueError, match="not a report of schema 1"):
        pj.Report.from_json(text)


def test_a_report_of_another_schema_is_refused(report):
    text = report.to_json().replace('"schema": 1', '"schema": 2')
    with pytest.raises(ValueError, match="schema"):
        pj.Report.from_json(text)


def test_a_report_does_not_change(report):
    with pytest.raises(ValueError, match="frozen"):
        report.samples = 3


def test_the_tables_hold_every_layer_kind_and_chip(report):
    text = shown(report.table())
    for name in ("45nm", "45nm-sram", "total", "floor", "dense ANN", "ac", "weight_read"):
        assert name in text
    assert format_energy(report.chips["45nm-sram"].total_pj) in text


def test_what_a_chip_has_no_price_for_is_shown(report):
    chip = report.chips["45nm"].model_copy(update={"unpriced": {"pool": 12.0}})
    text = shown(show.energies(report.model_copy(update={"chips": {"45nm": chip}})))
    assert "45nm has no price for: pool (12)" in text


def test_the_summary_says_whether_the_budget_was_met(report):
    one = report.model_copy(update={"chips": {"45nm": report.chips["45nm"]}})
    spent = format_energy(report.chips["45nm"].total_pj)
    start = f"test accuracy {one.accuracy.test:.3f} · {spent} per inference on 45nm · "
    assert show.summary(one, "runs/x") == start + "no budget · runs/x"
    met = one.model_copy(update={"budget": budget()})
    assert show.summary(met, "runs/x") == start + "budget 12 nJ: met · runs/x"
    missed = one.model_copy(update={"budget": budget(met=False, ratio=1.031)})
    assert show.summary(missed, "runs/x") == start + "budget 12 nJ: missed by 3.1% · runs/x"
    both = report.model_copy(update={"budget": budget()})
    assert "budget 12 nJ on 45nm: met" in show.summary(both, "runs/x")


def test_the_share_of_the_floor_is_said(report):
    one = report.model_copy(update={"chips": {"45nm": report.chips["45nm"]}})
    share = one.chips["45nm"].floor_pj / one.chips["45nm"].total_pj
    assert f"{share:.2f} of what it spends" in show.floor(one)
    known = one.model_copy(update={"budget": budget(unconstrained_pj=17_222.0)})
    text = "floor 3.1 nJ, 0.18 of what it spends without a budget (17.2 nJ)"
    assert show.floor(known) == text
    unknown = one.model_copy(update={"budget": budget()})
    assert show.floor(unknown) == "floor 3.1 nJ, 0.26 of the budget"


def test_the_public_face_holds_what_it_says():
    for name in pj.__all__:
        assert getattr(pj, name) is not None
    assert set(pj.__all__) <= set(dir(pj))
    with pytest.raises(AttributeError, match="no attribute 'LIFF'"):
        pj.LIFF  # noqa: B018  # pyright: ignore


def test_type_checkers_see_the_same_face():
    source = Path(pj.__file__).read_text(encoding="utf-8")
    for name in pj.__all__:
        assert f" as {name}\n" in source
