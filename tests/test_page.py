"""The page of a run: it shows what is known, needs nothing else, and escapes what it shows."""

import os
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pages import Parsed
from picojoule import run
from picojoule.cli.commands import app
from picojoule.recipe import load_recipe
from picojoule.report.page import run_page
from picojoule.run.folder import Folder
from picojoule.run.write_page import PAGE, page_of, put_page, record_of
from tiny import SETTINGS

BAD = '</script><script>alert("x")</script><img src=x onerror=alert(1)>&'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "run"
    recipe = load_recipe(
        "digits",
        [
            *SETTINGS,
            "network.width=64",
            "train.epochs=3",
            "train.batch_size=64",
            "train.lr=5e-3",
            "budget.limit=80%",
        ],
    )
    for _ in run.start(recipe, out=path).train():
        pass
    return Folder(path)


@pytest.fixture
def record(folder):
    return record_of(folder)


def test_a_training_ends_with_its_page(folder):
    page = (folder.path / "report.html").read_text("utf-8")
    assert page == run_page(record_of(folder))
    assert len(page.encode()) < 3_000_000
    budget = folder.report.budget
    assert budget is not None
    assert budget.outcome in Parsed(page).words


def test_every_chart_has_data_a_sentence_and_its_numbers(record):
    page = Parsed(run_page(record))
    plots = page.having(role="img")
    drawn = [one for one in plots if one.get("data-figure")]
    assert [int(one["data-figure"] or -1) for one in drawn] == list(range(len(page.figures)))
    # two chips, accuracy, energy, multiplier, activity, three inputs
    assert len(page.figures) == 9
    for figure in page.figures:
        values = [x for trace in figure["data"] for x in trace["x"]]
        assert values
        assert all(isinstance(x, int | float) for x in values)
    assert all(one["aria-label"] for one in plots)
    summaries = [tag for tag, _ in page.elements if tag == "summary"]
    assert len(summaries) >= len(drawn)


def test_the_numbers_are_those_of_the_report(record):
    page, report = Parsed(run_page(record)), record.report
    for name, figure in zip(report.chips, page.figures, strict=False):
        cost, unit = report.chips[name], figure["layout"]["xaxis"]["title"]["text"]
        factor = {"(pJ)": 1, "(nJ)": 1e3, "(µJ)": 1e6}[unit.split()[-1]]
        drawn = sum(x for trace in figure["data"] for x in trace["x"]) * factor
        assert drawn == pytest.approx(cost.total_pj)
        for kind, pj in cost.by_kind.items():
            (trace,) = [one for one in figure["data"] if one["name"] == kind]
            assert sum(trace["x"]) * factor == pytest.approx(pj)


def test_activity_is_that_of_the_counts(record):
    # The report is over all test inputs, the activity over the first of them.
    for layer, rates in record.activity.rate.items():
        counted = record.report.counts[layer]
        mean = counted["spike"] / counted["update"]
        assert sum(rates) / len(rates) == pytest.approx(mean, rel=0.25, abs=0.01)
    for example in record.activity.examples:
        for layer, spikes in example.spikes.items():
            kept, _ = record.activity.kept[layer]
            assert all(0 <= step < example.steps and 0 <= at < kept for step, at in spikes)


def test_a_page_asks_for_nothing_else(record):
    page = Parsed(run_page(record))
    for tag, given in page.elements:
        assert tag not in ("link", "iframe", "object", "img"), tag
        assert (given.get("href") or "#").startswith("#")
        assert "src" not in given


def test_what_comes_from_data_is_escaped(record):
    report = record.report
    bad = report.model_copy(
        update={
            "chips": {BAD: next(iter(report.chips.values()))},
            "uncounted": {BAD: 3},
            "versions": {BAD: BAD},
        }
    )
    activity = record.activity.model_copy(
        update={"rate": {BAD: (0.1, 0.2)}, "kept": {BAD: (1, 1)}, "examples": ()}
    )
    labels = [BAD] * len(record.labels)
    fields = {"name": BAD, "title": BAD, "recipe": BAD, "labels": labels, "activity": activity}
    page = Parsed(run_page(type(record)(**(vars(record) | fields | {"report": bad}))))
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 3
    assert not [tag for tag, _ in page.elements if tag == "img"]
    names = [trace["name"] for figure in page.figures for trace in figure["data"]]
    assert not [name for name in names if "<" in name]  # Plotly reads markup in names


def test_a_run_that_has_not_ended_shows_what_there_is(folder, tmp_path):
    path = tmp_path / "begun"
    shutil.copytree(folder.path, path)
    for name in ("report.json", "activity.json", "report.html"):
        (path / name).unlink()
    result = CliRunner().invoke(app, ["report", str(path)])
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(path / "report.html")
    page = Parsed((path / "report.html").read_text("utf-8"))
    assert "This run has not ended: 3 epochs are there" in page.words
    assert len(page.figures) == 3
    (path / "log.jsonl").unlink()
    shutil.rmtree(path / "unconstrained")
    put_page(page_of(Folder(path)), path / PAGE)
    page = Parsed((path / "report.html").read_text("utf-8"))
    assert "This run has not ended: no epoch is there" in page.words
    assert page.figures == []


@pytest.mark.parametrize(
    ("kind", "make"), [("a folder", Path.mkdir), ("a pipe", os.mkfifo), ("a device", None)]
)
def test_a_page_takes_the_place_of_files_alone(tmp_path, kind, make):
    place = Path(os.devnull) if make is None else tmp_path / "place"
    if make is not None:
        make(place)
    before = place.stat()
    with pytest.raises(OSError, match=rf"{place} could not be written \({kind} is in its place\)"):
        put_page("page", place)
    assert place.stat().st_ino == before.st_ino


def test_a_page_is_written_to_the_file_that_a_link_names(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for page in ("first", "second"):
        put_page(page, tmp_path / "link")
        assert (tmp_path / "file").read_text() == page
    assert (tmp_path / "link").is_symlink()


def test_a_run_without_activity_has_a_page_without(folder, tmp_path):
    path = tmp_path / "old"
    shutil.copytree(folder.path, path)
    (path / "activity.json").unlink()
    put_page(page_of(Folder(path)), tmp_path / "page.html")
    page = Parsed((tmp_path / "page.html").read_text("utf-8"))
    assert "Activity" not in page.words
    assert len(page.figures) == 5


def test_of_many_classes_the_pairs_most_confused_are_shown(record):
    counts = [[0] * 40 for _ in range(40)]
    counts[3][7], counts[5][5], counts[8][2] = 4, 90, 6
    report = record.report.model_copy(update={"confusion": counts})
    labels = [f"class{number}" for number in range(40)]
    page = run_page(type(record)(**(vars(record) | {"report": report, "labels": labels})))
    rows = re.findall(
        r"<tr><th scope=\"row\">(class\d+)</th><td>(class\d+)</td><td>(\d+)</td>", page
    )
    assert rows == [("class8", "class2", "6"), ("class3", "class7", "4")]


@pytest.mark.parametrize("word", ["nowhere", "damaged"])
def test_what_is_no_run_is_an_error(folder, tmp_path, word, capsys):
    path = tmp_path / word
    if word == "damaged":
        shutil.copytree(folder.path, path)
        (path / "activity.json").write_text("{}")
    result = CliRunner().invoke(app, ["report", str(path)])
    told = "neither a run nor a sweep" if word == "nowhere" else "activity.json"
    assert told in str(result.exception)
    assert isinstance(result.exception, ValueError)
