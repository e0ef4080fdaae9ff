"""Reports: what they hold, how they are written and read, how they look."""

import io
import json
import re
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule.cli import show
from picojoule.report import BudgetReport
from picojoule.report.energy_tables import comparison, times
from picojoule.training import Cost
from picojoule.units import format_energy


@pytest.fixture(scope="module")
def report():
    torch.manual_seed(0)
    net = pj.Sequential(nn.Linear(6, 8), pj.LIF(), nn.Linear(8, 3), pj.LI())
    items = [((torch.rand(5, 4, 6) < 0.4).float() * 2, torch.arange(4) % 3, None) for _ in range(2)]
    loader = DataLoader(items, batch_size=None)  # pyright: ignore[reportArgumentType]
    chips = [pj.load_chip("45nm"), pj.load_chip("45nm-sram")]
    return pj.measure(net, loader, readout=pj.readout.mean, chips=chips, inputs="levels")


def shown(thing) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(thing)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def ratios(one: Cost) -> tuple[str, str]:
    """How many times what it costs its dense and its quantised ANN cost."""
    assert one.ann_pj is not None
    assert one.quantised_ann_pj is not None
    return times(one.ann_pj / one.total_pj), times(one.quantised_ann_pj / one.total_pj)


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


def test_dense_anns_stand_beside_the_total_and_not_as_a_share_of_it(report):
    lines = {
        line.split("│")[1].strip(): line
        for line in shown(report.table()).splitlines()[4:-1]
        if "│" in line
    }
    one = report.chips["45nm"]
    dense, quantised = ratios(one)
    assert [format_energy(one.ann_pj), dense] == cells(lines["dense ANN"])[1:3]
    assert [format_energy(one.quantised_ann_pj), quantised] == cells(lines["3-bit ANN"])[1:3]
    assert cells(lines["break-even rate, dense ANN"])[1] == f"{one.break_even_rate:.3g}"
    assert cells(lines["break-even rate, 3-bit ANN"])[1] == f"{one.quantised_break_even_rate:.3g}"
    assert cells(lines["spikes per neuron and step"])[1] == f"{report.spike_rate:.3g}"
    assert "low to high" not in lines
    assert "fp32" in shown(report.table())


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("│")[1:-1]]


def test_the_rate_is_that_of_the_counts(report):
    hidden = report.counts["1"]
    assert report.spike_rate == hidden["spike"] / hidden["update"] > 0
    assert report.spike_rate == pytest.approx(report.spikes_per_neuron / report.steps)


def test_a_band_is_shown_where_prices_have_ranges(report):
    one = report.chips["45nm"].model_copy(update={"low_pj": 1.0, "high_pj": 2e6})
    text = shown(report.model_copy(update={"chips": {"45nm": one}}).table())
    assert re.search(r"low to high +│ +1 pJ to 2 µJ", text)


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"ann_pj": 1.0, "break_even_rate": None}, "no rate"),
        ({"ann_pj": None, "break_even_rate": None}, ""),
    ],
)
def test_where_there_is_no_break_even_rate_it_is_said_why(report, update, said):
    one = report.chips["45nm"].model_copy(update=update)
    text = shown(report.model_copy(update={"chips": {"45nm": one}}).table())
    (line,) = [line for line in text.splitlines() if "break-even rate, dense ANN" in line]
    assert cells(line)[1] == said


def test_a_comparison_has_a_row_for_each_chip(report):
    memory = {"ac": 1.0, "weight_read": 50.0, "state_read": 49.0}
    costs = {
        "45nm": report.chips["45nm"],
        "mine": report.chips["45nm"].model_copy(
            update={"by_kind": memory, "total_pj": 100.0, "low_pj": 90.0, "high_pj": 110.0}
        ),
        "nothing": report.chips["45nm"].model_copy(
            update={"by_kind": {}, "total_pj": 0.0, "unpriced": {"ac": 3.0, "spike.LIF": 2.0}}
        ),
    }
    text = shown(comparison(costs, report.spike_rate))
    for part in (
        *(
            "45nm",
            "mine",
            "nothing here is priced",
            "no price for ac, spike.LIF",
            "memory 99%, ac 1%",
        ),
        *("90 pJ to", "110 pJ", "3-bit ANN", *ratios(report.chips["45nm"])),
        f"{report.chips['45nm'].break_even_rate:.3g}",
        f"at {report.spike_rate:.3g} spikes per neuron and step",
        "fp32",
    ):
        assert part in text, (part, text)


def test_a_comparison_is_whole_on_a_narrow_terminal(report):
    chips = [pj.load_chip(name) for name in pj.chip_names()]
    costs = {
        chip.name: report.chips["45nm"].model_copy(
            update={
                "precision": chip.precision,
                "scope": chip.scope,
                "low_pj": 1.0,
                "unpriced": dict.fromkeys(("second.LIF", *chip.unpriced), 1.0),
            }
        )
        for chip in chips
    }
    console = Console(file=io.StringIO(), width=80)
    console.print(comparison(costs, report.spike_rate))
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "…" not in text
    for line in text.splitlines():
        assert len(line) <= 80
        assert not line.startswith("│") or line.endswith("│")
    for chip in chips:
        assert f"│ {chip.name} " in text
        for word in chip.precision.split():  # which may be on several lines
            assert f"{word} " in text or f"{word}," in text


def test_reports_from_before_a_key_was_there_still_load(report):
    content = json.loads(report.to_json())
    del content["convention"]
    for one in content["chips"].values():
        for key in ("quantised_ann_pj", "quantised_ann_bits", "break_even_rate", "spread"):
            del one[key]
        for key in ("quantised_break_even_rate", "scope", "precision"):
            del one[key]
    old = pj.Report.from_json(json.dumps(content))
    assert old.convention is None
    assert old.chips["45nm"].quantised_ann_pj is None
    assert "dense ANN" in shown(old.table())
    assert "dense ANN" in show.summary(old, Path("runs/x"))
    assert shown(comparison(old.chips, old.spike_rate))


def test_a_report_says_how_was_counted(report):
    assert report.convention == {
        "levels": "accumulate",
        "skip_zero_weights": False,
        "fold_batch_norm": True,
    }


def test_what_a_chip_has_no_price_for_is_shown(report):
    chip = report.chips["45nm"].model_copy(update={"unpriced": {"pool": 12.0}})
    text = shown(show.energies(report.model_copy(update={"chips": {"45nm": chip}})))
    assert "45nm has no price for: pool (12)" in text


def test_the_summary_says_whether_the_budget_was_met(report):
    one = report.model_copy(update={"chips": {"45nm": report.chips["45nm"]}})
    spent = format_energy(report.chips["45nm"].total_pj)
    beside = "(dense ANN {}, 3-bit ANN {})".format(*ratios(report.chips["45nm"]))
    start = f"test accuracy {one.accuracy.test:.3f} · {spent} per inference on 45nm {beside} · "
    assert show.summary(one, "runs/x") == start + "no budget · runs/x"
    met = one.model_copy(update={"budget": budget()})
    assert show.summary(met, "runs/x") == start + "budget 12 nJ on 45nm: met · runs/x"
    missed = one.model_copy(update={"budget": budget(met=False, ratio=1.031)})
    assert show.summary(missed, "runs/x") == start + "budget 12 nJ on 45nm: missed by 3.1% · runs/x"
    both = report.model_copy(update={"budget": budget()})
    assert "budget 12 nJ on 45nm: met" in show.summary(both, "runs/x")


def test_the_share_of_the_floor_is_said(report):
    one = report.model_copy(update={"chips": {"45nm": report.chips["45nm"]}})
    share = one.chips["45nm"].floor_pj / one.chips["45nm"].total_pj
    assert f"{share:.2f} of what it spends" in show.floor(one)
    known = one.model_copy(update={"budget": budget(unconstrained_pj=17_222.0)})
    text = "floor (training set) 3.1 nJ on 45nm, 0.18 of what it spends without a budget (17.2 nJ)"
    assert show.floor(known) == text
    unknown = one.model_copy(update={"budget": budget()})
    assert show.floor(unknown) == "floor (training set) 3.1 nJ on 45nm, 0.26 of the budget"
