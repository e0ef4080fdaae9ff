"""The page of a sweep: it shows every configuration and every run, and escapes what it shows."""

import json

import pytest

from pages import Parsed
from picojoule.report.page import sweep_page

BAD = '</script><img src=x onerror=alert(1)>"&'
STATE = {"state": "finished", "error": "", "limit_pj": 9_000.0, "met": True}


def configuration(limit: str, energy_pj: float, accuracy: float, *runs: str, spread=0.02) -> dict:
    numbers = {"accuracy": accuracy, "energy_pj": energy_pj, "parameters": 640.0}
    spreads = {
        f"{name}_std": None if spread is None else spread * one for name, one in numbers.items()
    }
    return {
        "budget.limit": limit,
        "seeds": len(runs),
        "met": 1,
        "runs": [*runs],
        **numbers,
        **spreads,
    }


def run(name: str, limit: str, seed: int, **changes) -> dict:
    known = {"accuracy": 0.9, "energy_pj": 8_000.0, "folder": f"runs/{name}"}
    return {"run": name, "budget.limit": limit, "seed": seed, **known, **STATE, **changes}


@pytest.fixture
def content():
    found = [
        configuration("75%", 12_000.0, 0.95, "a-0", "a-1"),
        configuration("50%", 8_000.0, 0.93, "b-0", spread=None),
        configuration("30%", 9_000.0, 0.90, "c-0", spread=None),
    ]
    failed = {"state": "failed", "accuracy": None, "energy_pj": None, "met": None}
    return {
        "name": "digits",
        "keys": ["budget.limit"],
        "measure": "accuracy",
        "command": "pj sweep base.toml --set train.epochs=5 --seeds 2",
        "recipe": 'description = "small"',
        "versions": {"python": "3.11.7"},
        "runs": [
            run("a-0", "75%", 0),
            run("a-1", "75%", 1, met=False),
            run("b-0", "50%", 0),
            run("c-0", "30%", 0),
            run("d-0", "1%", 0, **failed, error="below this network's floor"),
        ],
        "configurations": found,
        "front": found[:2],
        "hypervolume": 1234.5,
        "reference": {"validation_accuracy": 0.0, "validation_energy_pj": 13_200.0},
    }


def test_every_configuration_is_a_point_with_its_name_and_its_bars(content):
    (figure,) = Parsed(sweep_page(content)).figures
    front, others = figure["data"]
    assert front["x"] == [8.0, 12.0]
    assert front["y"] == [0.93, 0.95]
    assert front["text"] == ["limit=50%", "limit=75%"]
    assert front["customdata"] == ["b-0", "a-0<br>a-1"]
    assert front["error_y"]["array"] == [0.0, pytest.approx(0.019)]
    assert front["error_x"]["array"] == [0.0, pytest.approx(0.24)]
    assert (others["x"], others["y"]) == ([9.0], [0.9])


def test_every_run_is_there_and_a_finished_one_links_to_its_page(content):
    page = Parsed(sweep_page(content, latex=r"\toprule"))
    links = [given["href"] for tag, given in page.elements if tag == "a"]
    assert [link for link in links if not link.startswith("#")] == [
        f"runs/{name}/report.html" for name in ("a-0", "a-1", "b-0", "c-0")
    ]
    for told in (
        "5 runs: 4 finished, 1 failed",
        "Limit missed: a-1",
        "--set train.epochs=5 --seeds 2",
        'description = "small"',
        "3.11.7",
        r"\toprule",
    ):
        assert told in page.words
    assert "below this network's floor" in page.words
    assert "0.950 ± 0.019" in page.words


def test_a_sweep_without_a_finished_run_has_a_page(content):
    runs = [one | {"state": "waiting", "accuracy": None} for one in content["runs"]]
    empty = {"configurations": [], "front": [], "runs": runs}
    page = Parsed(sweep_page(content | empty))
    assert page.figures == []
    assert "5 runs: 5 waiting" in page.words
    assert "This sweep has not ended." in page.words


def test_a_sweep_that_ended_is_not_said_to_go_on(content):
    assert "has not ended" not in Parsed(sweep_page(content)).words


def test_the_numbers_of_the_front_have_their_spreads_and_their_runs(content):
    words = " ".join(Parsed(sweep_page(content)).words.split())
    assert "limit=75% 12 ± 0.24 nJ 0.950 ± 0.019 yes a-0, a-1" in words


def test_numbers_of_many_digits_are_rounded(content):
    for one in (*content["configurations"], *content["runs"]):
        one["budget.limit"] = "7.4938830192854116e-3"
    page = sweep_page(content)
    assert "0.007494" in page
    assert "74938830192854116" not in page


def test_what_comes_from_data_is_escaped(content):
    text = json.dumps(content)
    for name in (
        "a-0",
        "75%",
        "digits",
        "below this network's floor",
        "train.epochs=5",
        "3.11.7",
        "small",
    ):
        text = text.replace(name, json.dumps(BAD)[1:-1])
    page = Parsed(sweep_page(json.loads(text), latex=BAD))
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 3
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert not [
        name for figure in page.figures for name in figure["data"][0]["text"] if "<" in name
    ]
    assert not [one for one in page.figures[0]["data"][1]["customdata"] if "<img" in one]
    assert not [one for one in page.figures[0]["data"][0]["customdata"] if "<img" in one]
