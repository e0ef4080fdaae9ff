"""Searches in one process: what they try, what they stop, and how they go on."""

import json
import signal
from pathlib import Path

import pytest

import picojoule as pj_
from picojoule.run import Run
from sweeping import SETTINGS, results, weights

RANGES = """
[sweep]
"network.width" = { low = 8, high = 32, step = 8 }
"network.neuron.name" = ["LIF", "IF"]
"train.lr" = { low = 1e-3, high = 1e-1, log = true }
"""
COMMAND = ["sweep", "mine.toml", "--search", "4", "--seeds", "2", "--accelerator", "cpu"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a recipe that has something to search in."""
    monkeypatch.chdir(tmp_path)
    fixed = [one for one in SETTINGS if "width" not in one]
    lines = "".join(f"{one}\n" for one in (*fixed, 'budget.limit="none"'))
    Path("mine.toml").write_text(f'extends = "digits"\nname = "mine"\n{lines}{RANGES}')
    return tmp_path


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept") / "s"


@pytest.fixture
def search(pj, kept) -> Path:
    """A finished search that was never interrupted."""
    if not kept.exists():
        finished(pj, kept)
    return kept


def finished(pj, out: str | Path) -> list[dict]:
    code, said, err = pj(*COMMAND, "--out", out)
    assert code == 0, err
    assert "8 finished · front of" in said
    return pj_.Sweep.load(out).table()


def test_a_search_tries_configurations_within_its_ranges_and_again_the_same(pj, search):
    rows = finished(pj, "again")
    keys = ["network.width", "network.neuron.name", "train.lr"]
    assert [row["seed"] for row in rows] == [0] * 4 + [1] * 4
    for one, other in zip(rows[:4], rows[4:], strict=True):
        assert [one[key] for key in keys] == [other[key] for key in keys]
        assert one["network.width"] in ("8", "16", "24", "32")
        assert one["network.neuron.name"] in ("LIF", "IF")
        assert 1e-3 <= float(one["train.lr"]) <= 1e-1
    assert len({tuple(row[key] for key in keys) for row in rows}) > 2
    assert all(row["seeds"] == 2 for row in pj_.Sweep.load("again").configurations())
    assert results(Path("again")) == results(search)


def test_a_search_that_is_interrupted_keeps_what_it_has_chosen(pj, search, monkeypatch):
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    train, number = Run.train, 0

    def interrupted(self):
        nonlocal number
        for step in train(self):
            yield step
            number += 1
            if number in (5, 20):
                signal.raise_signal(signal.SIGINT)

    try:
        monkeypatch.setattr(Run, "train", interrupted)
        for _ in range(2):
            assert pj(*COMMAND, "--out", "s")[0] == 130
        finished(pj, "s")
    finally:
        signal.signal(signal.SIGINT, was)
    assert (results(Path("s")), weights(Path("s"))) == (results(search), weights(search))


def test_a_hopeless_run_is_stopped_and_said_to_be_dominated(pj, monkeypatch):
    asked = []

    def is_hopeless(curve, others, measure):
        assert measure == "accuracy"
        asked.append((curve, others))
        return bool(curve) and len(others) == 1

    monkeypatch.setattr("picojoule.sweep.work.is_hopeless", is_hopeless)
    words = [*COMMAND[:3], "2", *COMMAND[4:], "--out", "s"]
    code, out, _ = pj(*words)
    assert code == 0
    assert "2 finished · 2 dominated" in out
    rows = {row["run"]: row for row in pj_.Sweep.load("s").table()}
    stopped = rows["1-seed0"]
    assert stopped["state"] == rows["1-seed1"]["state"] == "dominated"
    log = [json.loads(line) for line in Path("s/runs/1-seed0/log.jsonl").read_text().splitlines()]
    assert [one["epoch"] for one in log] == [1]
    assert stopped["validation_accuracy"] == log[0]["validation"]["accuracy"]
    assert stopped["accuracy"] is None
    assert not Path("s/runs/1-seed1").exists()
    ((_, known),) = {(str(curve), str(others)) for curve, others in asked if curve and others}
    assert known.count("[") == 4  # one finished run with two validations
    code, out, _ = pj(*words)
    assert (code, out.count(" 1/2 ")) == (0, 0)
