"""Grids in one process: what they make, and how they go on."""

import json
import logging
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import picojoule as pj_
from picojoule.run import Run, load, resume
from picojoule.run.finished import chosen
from picojoule.run.folder import Folder
from picojoule.training import EpochRecord, Validation
from sweeping import GRID, SET, results, weights

RUNS = 6


@pytest.fixture(scope="module", name="kept")
def _kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept") / "grid"


@pytest.fixture
def grid(pj, kept) -> Path:
    """A finished sweep."""
    if not kept.exists():
        code, out, err = pj(*GRID, "--out", kept)
        assert code == 0, err
        assert f"{RUNS} finished · front of" in out
        assert out.count(" finished\n") == RUNS
    return kept


def test_a_grid_makes_every_run(grid):
    sweep = pj_.Sweep.load(grid)
    rows = sweep.table()
    assert [row["state"] for row in rows] == ["finished"] * RUNS
    assert [row["budget.limit"] for row in rows] == [
        v for v in ("none", "90%", "80%") for _ in "01"
    ]
    for row in rows:
        report = load(grid / row["folder"]).report
        assert report.seed == row["seed"]
        assert report.accuracy.test == row["accuracy"]
        assert report.accuracy.validation == row["validation_accuracy"]
        assert report.chips["45nm"].total_pj == row["energy_pj"]
        if report.budget is not None:
            assert report.budget.validation_pj == row["validation_energy_pj"]
            assert (report.budget.met, report.budget.limit_pj) == (row["met"], row["limit_pj"])
    assert sweep.front()
    assert all(row in sweep.configurations() for row in sweep.front())


@pytest.mark.parametrize(("measure", "epoch"), [(None, 1), ("accuracy", 1), ("macro_f1", 2)])
def test_a_row_is_of_the_epoch_that_the_recipe_chose(monkeypatch, measure, epoch):
    epochs = [
        EpochRecord(number, 1, 1.0, 0.5, 9.0, None, None, Validation(a, 9.0, 0.0, macro_f1=f1))
        for number, a, f1 in ((1, 0.9, 0.6), (2, 0.8, 0.7))
    ]
    monkeypatch.setattr("picojoule.run.finished.history", lambda _: epochs)
    recipe = SimpleNamespace(train=SimpleNamespace(choose=measure))
    folder: Any = SimpleNamespace(report=SimpleNamespace(budget=None), recipe=recipe)
    assert chosen(folder).epoch == epoch


def test_a_share_is_of_the_run_without_a_budget_that_all_share(pj, grid, tmp_path):
    words = [word for word in SET if "limit" not in word]
    out = tmp_path / "run"
    code, _, _ = pj("train", "digits", *words, "--budget", "80%", "--seed", "1", "--out", out,
                    "--accelerator", "cpu")  # fmt: skip
    assert code == 0
    assert weights(grid)["2-80-seed1"] == (out / "weights.safetensors").read_bytes()
    ours, alone = (one.report for one in (Folder(grid / "runs/2-80-seed1"), Folder(out)))
    assert ours.budget == alone.budget
    assert ours.recipe == alone.recipe
    brought = grid / "runs/2-80-seed1/unconstrained"
    assert not (brought / "checkpoints").exists()
    assert (brought / "log.jsonl").read_bytes() == (
        grid / "runs/0-none-seed1/log.jsonl"
    ).read_bytes()


def test_a_copy_of_a_run_goes_on_without_the_sweep(grid, tmp_path):
    copy = shutil.copytree(grid / "runs/1-90-seed0", tmp_path / "copy")
    for name in ("report.json", "weights.safetensors"):
        (copy / name).unlink()
    for _ in resume(copy).train():
        pass
    assert weights(grid)["1-90-seed0"] == (copy / "weights.safetensors").read_bytes()


def test_the_same_command_makes_nothing_again(pj, grid, monkeypatch):
    before = results(grid), weights(grid)
    monkeypatch.setattr(Run, "train", None)
    for words in (GRID, ["sweep", "--join"]):
        code, out, _ = pj(*words, "--out", grid)
        assert code == 0
        assert f"{RUNS} finished" in out
    assert (results(grid), weights(grid)) == before
    code, _, err = pj(*GRID, "--set", "train.lr=1", "--out", grid)
    assert code == 2
    assert "is a sweep of another question (--set is" in err


def test_loggers_are_left_as_they_were(pj, grid):
    rooms = [logging.getLogger(f"picojoule.{room}") for room in ("run", "training")]
    before = [room.level for room in rooms]
    assert pj(*GRID, "--out", grid)[0] == 0
    assert [room.level for room in rooms] == before


def test_without_its_log_a_sweep_finds_its_runs_again(pj, grid, tmp_path):
    copy = shutil.copytree(grid, tmp_path / "grid")
    (copy / "study.log").write_text("{")
    code, _, err = pj("sweep", "--join", "--out", copy)
    assert code == 2
    assert "study.log is damaged" in err
    (copy / "study.log").unlink()
    shutil.rmtree(copy / "runs/1-90-seed0")
    code, out, _ = pj(*GRID, "--out", copy)
    assert code == 0
    assert out.count("1-90-seed0 2/2") == out.count(" 2/2 ") == 1
    assert (results(copy), weights(copy)) == (results(grid), weights(grid))


def test_a_failed_run_is_listed_and_the_rest_goes_on(pj, tmp_path):
    words = ["sweep", "digits", "--over", "budget.limit=none,1%,400pJ,10pJ", *SET]
    words += ["--accelerator", "cpu", "--out", tmp_path / "s"]
    for _ in range(2):  # and is tried again by the same command
        code, out, err = pj(*words)
        assert code == 3
        states = {row["run"]: row["state"] for row in pj_.Sweep.load(tmp_path / "s").table()}
        assert states == {
            "0-none-seed0": "finished",
            "1-1-seed0": "failed",
            "2-400pJ-seed0": "finished",
            "3-10pJ-seed0": "failed",
        }
        assert "1-1-seed0 failed: budget.limit = 1% is too little: after 2 of 2" in err
        assert "3-10pJ-seed0 failed: limit_pj=10" in err
        assert "2 finished · 2 failed" in out
    code, _, _ = pj("sweep", "--join", "--out", tmp_path / "s")
    assert code == 3


def test_what_needs_a_run_that_failed_fails_with_it_and_is_tried_again(pj, tmp_path, monkeypatch):
    train = Run.train

    def fails(self):
        if "none" in self.folder.path.name:
            raise OSError(28, "No space left on device")
        yield from train(self)

    words = [*GRID[:-4], "--accelerator", "cpu", "--out", tmp_path / "s"]
    monkeypatch.setattr(Run, "train", fails)
    code, _, err = pj(*words)
    assert code == 3
    assert "1-90-seed0 failed: 0-none-seed0, which it needs, failed" in err
    monkeypatch.setattr(Run, "train", train)
    assert pj(*words)[0] == 0


def test_interrupted_a_sweep_says_how_to_go_on_and_does(pj, grid, tmp_path, monkeypatch):
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    train, number = Run.train, 0

    def interrupted(self):
        nonlocal number
        for step in train(self):
            yield step
            number += 1
            if number == 9:
                signal.raise_signal(signal.SIGINT)

    try:
        monkeypatch.setattr(Run, "train", interrupted)
        out = tmp_path / "grid"
        code, _, err = pj(*GRID, "--out", out)
        lines = [line for line in err.splitlines() if not line.startswith("INFO")]
        assert (code, lines) == (130, [f"interrupted; pj sweep --join --out {out} goes on"])
        assert json.loads((out / "results.json").read_text())["runs"][1]["state"] == "waiting"
        monkeypatch.setattr(Run, "train", train)
        assert pj("sweep", "--join", "--out", out, "--accelerator", "cpu")[0] == 0
    finally:
        signal.signal(signal.SIGINT, was)
    assert (results(out), weights(out)) == (results(grid), weights(grid))


def test_a_run_of_another_recipe_is_not_taken_for_one_of_the_sweep(pj, grid, tmp_path):
    copy = shutil.copytree(grid, tmp_path / "grid")
    shutil.rmtree(copy / "runs/0-none-seed0")
    (copy / "runs/0-none-seed1").rename(copy / "runs/0-none-seed0")
    (copy / "study.log").unlink()
    code, _, err = pj(*GRID, "--out", copy)
    assert code == 3
    assert "0-none-seed0' holds a run of another recipe: move it away" in err


def test_one_configuration_is_a_sweep_of_its_seeds(pj, tmp_path):
    free = [*SET, "--set", "budget.limit=none", "--seeds", 2]
    words = ["sweep", "digits", *free, "--accelerator", "cpu", "--out", tmp_path / "x"]
    code, out, err = pj(*words)
    assert code == 0, err
    sweep = pj_.Sweep.load(tmp_path / "x")
    assert [row["run"] for row in sweep.table()] == ["0-seed0", "0-seed1"]
    (one,) = sweep.configurations()
    assert one["seeds"] == 2
    assert one["accuracy_std"] is not None
    assert sweep.front() == [one]
    assert "2 finished" in out
    assert "<table" in sweep.page()


def test_results_say_what_runs_from_its_first_step_on(pj, tmp_path, monkeypatch):
    train, seen = Run.train, []

    def watched(run):
        steps = train(run)
        yield next(steps)
        for step in steps:
            seen.append([row["state"] for row in pj_.Sweep.load(tmp_path / "grid").table()])
            yield step

    monkeypatch.setattr(Run, "train", watched)
    over = ["--over", "train.lr=1e-3,2e-3", "--set", "budget.limit=none"]
    code, _, err = pj("sweep", "digits", *SET, *over, "--out", tmp_path / "grid")
    assert code == 0, err
    assert seen[0] == ["running", "waiting"]
    assert seen[-1] == ["finished", "running"]


def test_help_names_the_table_of_a_search(pj):
    assert "[sweep]" in pj("sweep", "--help")[1]
