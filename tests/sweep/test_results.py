"""Tables of a sweep: means, escaped names, and what Python reads."""

import csv
import json
import statistics
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import picojoule as pj
from pages import Parsed
from picojoule.cli.commands import app
from picojoule.sweep.latex import booktabs, escaped
from picojoule.sweep.measures import NUMBERS
from picojoule.sweep.planning import Planned
from picojoule.sweep.question import ask
from picojoule.sweep.queue import Entry
from picojoule.sweep.results import write


def entry(value: str, seed: int, accuracy: float, energy_pj: float, met: bool | None = None):
    row = dict.fromkeys(NUMBERS, 1.0) | {"met": met, "machine": "here", "chosen_by": "accuracy"}
    row |= {"accuracy": accuracy, "validation_accuracy": accuracy}
    row |= {"energy_pj": energy_pj, "validation_energy_pj": energy_pj}
    one = Planned(f"{value}-{seed}", {"a_b.c": value}, seed)
    return Entry(one, "finished", {"a_b.c": value}, {"row": row})


ENTRIES = [
    entry("50%", 0, 0.8, 2000.0, met=True),
    entry("50%", 1, 0.9, 2400.0, met=False),
    entry('x, "y"', 0, 0.7, 9000.0),
    Entry(Planned("f", {"a_b.c": "z"}, 0), "failed", {"a_b.c": "z"}, {"error": "a\nb"}),
    Entry(Planned("w", None, 0), "waiting", {}, {}),
]


@pytest.fixture
def sweep(tmp_path):
    question = ask("digits", over=["train.lr=1,2"])
    question.write(tmp_path)
    write(tmp_path, question, ENTRIES)
    return pj.Sweep.load(tmp_path)


def test_a_row_for_each_run_and_means_over_seeds(sweep):
    assert [row["state"] for row in sweep.table()] == ["finished"] * 3 + ["failed", "waiting"]
    first, second = sweep.configurations()
    assert first["seeds"] == 2
    assert first["accuracy"] == pytest.approx(0.85)
    assert first["accuracy_std"] == pytest.approx(statistics.stdev([0.8, 0.9]))
    assert first["met"] == 1
    assert (second["accuracy_std"], second["met"]) == (None, None)
    assert sweep.front() == [first]
    assert sweep.reference["validation_energy_pj"] == pytest.approx(9900)
    assert sweep.hypervolume == pytest.approx(0.85 * (9900 - 2200))


def test_runs_of_another_task_than_the_first_are_listed_and_not_on_the_front(tmp_path):
    others = [
        replace(one, notes={"row": one.notes["row"] | changes})
        for one, changes in zip(
            ENTRIES,
            [{}, {}, {"chosen_by": "mse", "accuracy": None, "validation_accuracy": None}],
            strict=False,
        )
    ]
    question = ask("digits", over=["train.lr=1,2"])
    question.write(tmp_path)
    write(tmp_path, question, others)
    found = pj.Sweep.load(tmp_path)
    first, second = found.configurations()
    assert (found.measure, second["accuracy"]) == ("accuracy", None)
    assert found.front() == [first]
    assert r'x, "y" & 1 & -- & 9 & -- \\' in (tmp_path / "results.tex").read_text()
    assert len(Parsed(found.page()).figures[0]["data"]) == 1


def test_a_table_for_spreadsheets_holds_the_same(sweep):
    with open(sweep.path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["a_b.c"] for row in rows] == ["50%", "50%", 'x, "y"', "z", ""]
    for row, known in zip(rows, sweep.table(), strict=True):
        assert row == {key: "" if one is None else str(one) for key, one in known.items()}


def test_a_table_for_papers_escapes_names_and_has_the_spread(sweep):
    text = (sweep.path / "results.tex").read_text()
    assert r"a\_b.c & seeds & accuracy (\%) & energy (nJ) & limit met \\" in text
    assert r"50\% & 2 & $85.00 \pm 7.07$ & $2.20 \pm 0.28$ & 1 of 2 \\" in text
    assert r'x, "y" & 1 & 70 & 9 & -- \\' in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert booktabs([], ["a"], "accuracy").count("\n") == 7


def test_a_page_holds_all_runs_and_is_made_again_by_pj_report(sweep):
    page = (sweep.path / "report.html").read_text("utf-8")
    parsed = Parsed(page)
    assert "5 runs: 3 finished, 1 failed, 1 waiting" in parsed.words
    assert "Limit missed: 50%-1" in parsed.words
    (sweep.path / "report.html").unlink()
    result = CliRunner().invoke(app, ["report", str(sweep.path)])
    assert result.exit_code == 0, result.output
    assert (sweep.path / "report.html").read_text("utf-8") == page == sweep.page()


def test_a_page_that_goes_elsewhere_links_to_no_run(sweep, tmp_path_factory):
    file = tmp_path_factory.mktemp("mail") / "page.html"
    result = CliRunner().invoke(app, ["report", str(sweep.path), "--out", str(file)])
    assert result.exit_code == 0, result.output
    links = [
        {given["href"] for tag, given in Parsed(page).elements if tag == "a"}
        for page in (file.read_text("utf-8"), sweep.page())
    ]
    assert {link for link in links[0] if not link.startswith("#")} == set()
    assert links[1] > links[0]


def test_signs_that_latex_would_read_are_escaped():
    assert escaped("{a}^b~c\\d & #1 $ < >") == (
        r"\{a\}\textasciicircum{}b\textasciitilde{}c\textbackslash{}d \& \#1 \$ "
        r"\textless{} \textgreater{}"
    )


def test_results_that_are_gone_or_damaged_are_named(sweep, tmp_path):
    file = tmp_path / "results.json"
    for content in ("{", "[]", json.dumps({"runs": []})):
        file.write_text(content)
        with pytest.raises(ValueError, match=r"results.json is damaged: the same command"):
            pj.Sweep.load(tmp_path)
    file.unlink()
    with pytest.raises(ValueError, match=r"there is no results.json in"):
        pj.Sweep.load(tmp_path)
    with pytest.raises(ValueError, match="there is no sweep in"):
        pj.Sweep.load(tmp_path / "none")
