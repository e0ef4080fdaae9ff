"""The committed results are whole, and say of every recipe what the recipe promises."""

import json
from pathlib import Path

import pytest

from picojoule.report import Report

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "main_job"


@pytest.mark.parametrize("recipe", ["digits", "fashion-mnist", "fsdd"])
def test_a_budget_has_something_to_work_on(recipe):
    """The floor is at most 0.35 of what a recipe spends without a budget, for three seeds."""
    files = sorted(RESULTS.glob(f"{recipe}-[0-9]-free.json"))
    assert len(files) >= 3
    for file in files:
        chip = Report.from_json(file.read_text(encoding="utf-8")).chips["45nm"]
        assert 0 < chip.floor_pj <= 0.35 * chip.total_pj


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*-half.json")), ids=lambda file: file.stem)
def test_what_is_said_of_a_budget_follows_from_its_numbers(file):
    report = json.loads(file.read_text(encoding="utf-8"))
    budget, chip = report["budget"], report["chips"]["45nm"]
    assert budget["met"] == (chip["total_pj"] <= budget["limit_pj"])
    assert budget["ratio"] == pytest.approx(budget["test_pj"] / budget["limit_pj"])
    assert budget["limit_pj"] == pytest.approx(0.5 * budget["unconstrained_pj"])
