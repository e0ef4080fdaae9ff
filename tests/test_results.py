"""The committed results are whole, and say of every recipe what the recipe promises."""

import json
import re
import runpy
import shlex
import shutil
import statistics
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import make
import pytest

from picojoule.recipe import load_recipe, recipe_names
from picojoule.recipe.merge import read
from picojoule.report import Report
from picojoule.sweep.planning import planned
from picojoule.sweep.question import ask

FOLDER = Path(__file__).parents[1] / "docs" / "results"
RESULTS = FOLDER / "main_job"
SEEDS = {1: "one seed", 3: "three seeds"}
MEASURED = [name for name in recipe_names() if read(name, {}).get("measured")]


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


@pytest.mark.parametrize("name", MEASURED)
def test_what_a_recipe_says_was_measured_lies_there(name):
    files = sorted((FOLDER / "networks").glob(f"{name}-[0-9].json"))
    found = [Report.from_json(file.read_text(encoding="utf-8")) for file in files]
    for report in found:
        assert report.recipe.sha256 == load_recipe(name, [f"seed={report.seed}"]).sha256
    tests = [report.accuracy.test for report in found]
    mean, low, high = statistics.mean(tests), min(tests), max(tests)
    said = f"{mean:.3f}" if len(tests) == 1 else f"{mean:.3f} ({low:.3f} to {high:.3f})"
    assert load_recipe(name).measured.startswith(f"{said}, {SEEDS[len(tests)]}, ")


def test_the_table_of_networks_is_that_of_the_records():
    table = (FOLDER / "networks.md").read_text(encoding="utf-8")
    for name in MEASURED:
        files = (FOLDER / "networks").glob(f"{name}-[0-9].json")
        tests = [json.loads(file.read_text(encoding="utf-8"))["accuracy"]["test"] for file in files]
        (row,) = (line for line in table.splitlines() if line.startswith(f"| {name} |"))
        assert row.split("|")[2].strip() == str(len(tests))
        assert row.split("|")[4].split()[0] == f"{statistics.mean(tests):.4f}"


def test_the_tables_of_budgets_are_those_of_the_records():
    records = json.loads((FOLDER / "budget" / "cells.json").read_text(encoding="utf-8"))
    made = runpy.run_path(str(FOLDER / "budget.py"))["tables"](records)
    assert (FOLDER / "budget" / "tables.md").read_text(encoding="utf-8") == made
    kept = [one for one in records if one["share"] and not one.get("refused")]
    assert kept
    assert all(one["met"] == (one["test_pj"] <= one["limit_pj"]) for one in kept)


def test_what_is_said_of_trials_of_budgets_is_what_their_rows_say():
    rows = json.loads((FOLDER / "budget" / "rules.json").read_text(encoding="utf-8"))
    script = runpy.run_path(str(FOLDER / "budget_trials.py"))
    _, *lines = script["table"]([one for one in rows if one["seed"] in (10, 11, 12)]).splitlines()
    said = (FOLDER.parent / "budget.md").read_text(encoding="utf-8")
    cells = [[one.strip() for one in line.strip("| ").split("|")] for line in lines[1:]]
    shown = [line for line in cells if line[1] in ("15%", "5%") and int(line[3]) > 1]
    assert len(shown) > 20
    for *_, runs, met, used, accuracy, error in shown:
        assert f" {met} of {runs}, {used}, {accuracy} ({error}) |" in said
    built = [script["kept"](one) for one in rows if one["rule"] == "before" and not one["settings"]]
    met, used = zip(*built, strict=True)
    assert f"met {sum(met)} of {len(met)}" in said.replace("\n", " ")
    assert f"used {statistics.mean(used):.3f} of the allowance" in said.replace("\n", " ")


def test_texts_made_of_records_again_are_the_same_byte_for_byte(tmp_path):
    docs = tmp_path / "docs"
    shutil.copytree(FOLDER, docs / "results")
    shutil.copy(FOLDER.parents[1] / "README.md", tmp_path)
    for page in tmp_path.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        made = re.compile(r"(made by make results -->\n).*?(\n<!-- end -->)", flags=re.S)
        page.write_text(made.sub(r"\1\2", text), encoding="utf-8")
    for name in make.results.texts():
        (docs / "results" / name).unlink()
    make.result_pages(docs)
    for page in (*FOLDER.rglob("*.md"), FOLDER.parents[1] / "README.md"):
        again = tmp_path / page.relative_to(FOLDER.parents[1])
        assert again.read_bytes() == page.read_bytes(), f"make results, for {page}"


def test_figures_of_results_are_those_that_are_drawn():
    drawn = make.results.figures()
    kept = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.svg")}
    assert drawn.keys() == kept
    assert all("<path" in svg and len(svg) < 200_000 for svg in drawn.values())


PAPERS = FOLDER / "papers"
PLAN = tomllib.loads((PAPERS / "plan.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", PLAN)
def test_every_record_of_the_papers_is_a_run_of_the_plan(part):
    script = runpy.run_path(str(FOLDER / "papers.py"))
    runs = {
        script["key"](sweep.name, settings, seed)
        for sweep in script["sweeps"](part, PLAN[part])
        for settings, seed in sweep.runs
    }
    file = PAPERS / f"{part}.json"
    records = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    found = [script["key"](one["sweep"], one["settings"], one["seed"]) for one in records]
    assert len(found) == len(set(found))
    assert set(found) <= runs


def test_a_sweep_of_the_papers_is_made_once(pj, tmp_path, monkeypatch):
    class Command:
        """A process that runs ``pj``: this one, which has imported everything."""

        def __init__(self, words):
            assert words[:3] == [sys.executable, "-m", "picojoule.cli"]
            self.code, *_ = pj(*words[3:])

        def wait(self, seconds):
            assert seconds is None or seconds > 0
            return self.code

    (tmp_path / "plan.toml").write_text(
        """[tiny]
        chips = ["45nm", "loihi"]
        levels = ["accumulate", "multiply"]
        seeds = 1
        [[tiny.sweeps]]
        name = "widths"
        recipes = ["digits"]
        set = ["train.epochs=1", "budget.limit=none"]
        over = ["network.width=4,8"]
        """,
        encoding="utf-8",
    )
    main = runpy.run_path(str(FOLDER / "papers.py"))["main"]
    monkeypatch.setitem(main.__globals__, "HERE", tmp_path)
    monkeypatch.setitem(main.__globals__, "subprocess", SimpleNamespace(Popen=Command))

    def collect():
        monkeypatch.setattr("sys.argv", ["papers.py", str(tmp_path / "runs")])
        main()

    collect()
    text = (tmp_path / "tiny.json").read_text(encoding="utf-8")
    found = json.loads(text)
    assert [one["settings"] for one in found] == [{"network.width": "4"}, {"network.width": "8"}]
    chips = {"45nm", "loihi", "45nm, multiply", "loihi, multiply"}
    assert all(one["chips"].keys() == chips and one["parameters"] > 0 for one in found)
    shutil.rmtree(tmp_path / "runs")
    collect()
    assert not (tmp_path / "runs").exists()
    assert (tmp_path / "tiny.json").read_text(encoding="utf-8") == text


SWEEPS = [
    shlex.split(line)[2:]
    for page in sorted(PAPERS.glob("*.md"))
    for line in page.read_text(encoding="utf-8").splitlines()
    if line.startswith("pj sweep")
]


@pytest.mark.parametrize("words", SWEEPS, ids=" ".join)
def test_every_sweep_that_a_page_names_can_be_asked(words):
    recipe, *rest = words
    given = {name: [] for name in ("--set", "--over", "--seeds", "--data-dir")}
    for name, value in zip(rest[::2], rest[1::2], strict=True):
        given[name].append(value)
    (seeds,) = map(int, given["--seeds"])
    question = ask(recipe, settings=given["--set"], over=given["--over"], seeds=seeds)
    assert len(planned(question, recipe)) >= seeds
