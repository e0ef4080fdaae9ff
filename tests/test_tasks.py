"""A run from the command line for each thing that labels may tell to learn, on small arrays."""

import json
import logging
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from typer.testing import CliRunner

import picojoule as pj
from pages import Parsed
from picojoule.cli.commands import app
from picojoule.data import (
    Augment,
    Direct,
    Filterbank,
    Frames,
    Latency,
    Split,
    hold_out,
    load_own,
    loader,
)
from picojoule.recipe import load_recipe
from picojoule.run import resume, start
from picojoule.run.folder import Folder
from picojoule.targets import MEASURES

ITEMS, T, UNITS = 60, 8, 16
SHORT = ["train.epochs=2", "train.batch_size=16", "network.width=8", "train.lr=1e-2"]
# What the arrays of each task are trained by.
EVENTS = ["shd", f"data.encoder.steps={T}", "data.encoder.pool=1"]
PICTURES = ["digits", "data.encoder.steps=4"]
TASKS = {
    "classification": EVENTS,
    "classification per step": EVENTS,
    "regression": PICTURES,
    "regression per step": EVENTS,
}
every = pytest.mark.parametrize("task", TASKS)


def arrays(task, items=ITEMS):
    """Items told apart by which third of the units is busy, or by how bright they are."""
    rng = np.random.default_rng(0)
    if task == "regression":
        bright = rng.random(items)
        return {"x": (rng.random((items, 8, 8)) * bright[:, None, None]), "y": bright}
    y = np.repeat(rng.integers(0, 3, (items, 2)), T // 2, 1)
    if task == "classification":
        y[:] = y[:, :1]
    busy = np.arange(UNITS) * 3 // UNITS == y[..., None]
    x = (rng.random((items, T, UNITS)) < 0.05 + 0.6 * busy).astype(np.uint8)
    lengths = rng.integers(T // 2, T + 1, items)
    lengths[::7] = T
    if task == "classification":
        return {"x": x, "y": y[:, 0], "lengths": lengths}
    y[rng.random(y.shape) < 0.2] = -1
    if task == "regression per step":
        y = np.where(y < 0, np.nan, y)[..., None]
    return {"x": x, "y": y, "lengths": lengths}


@pytest.fixture
def mine(tmp_path):
    """Writes the arrays of a task, or others."""

    def write(task, **others):
        np.savez(tmp_path / "mine.npz", **arrays(task) | others)
        return tmp_path / "mine.npz"

    return write


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def sets(*settings):
    return [word for setting in settings for word in ("--set", setting)]


@every
def test_a_run_from_the_command_line(task, mine, tmp_path):
    file, run = mine(task), tmp_path / "run"
    recipe, *settings = TASKS[task]
    words = ["train", recipe, *sets(*settings, *SHORT), "--data", file, "--out", run]
    done = invoke(*words, "--budget", "1 uJ")
    assert done.exit_code == 0, done.output
    report = Folder(run).report
    own = "mse" if task.startswith("regression") else "accuracy"
    assert report.task == task
    assert report.budget.met
    assert report.chosen_by == own
    assert (report.accuracy is None) == (own == "mse")
    assert getattr(report, own).validation is not None
    assert f"test {report.measured} · " in done.output.replace("\n", " ")
    assert Folder(run).recipe.train.readout == ("each" if task.endswith("per step") else "mean")
    page = (run / "report.html").read_text("utf-8")
    assert f"Test {report.measured}, " in page
    assert ("MSE over the epochs" in page) == (own == "mse")
    record = Folder(run).log()[-1]
    assert record[own] is not None
    assert record["validation"][own] is not None
    assert report.labels == report.samples or task.endswith("per step")
    again = invoke("measure", run, "--chip", "45nm", "--json")
    assert json.loads(again.stdout)[own]["test"] == getattr(report, own).test
    _predicts(task, file, run)


def _predicts(task, file, run):
    said = invoke("predict", run, file)
    assert said.exit_code == 0, said.output
    assert len(said.stdout.splitlines()) == ITEMS
    found = json.loads(invoke("predict", run, file, "--json").stdout)["predictions"]
    given = arrays(task)
    for one, length in zip(found, given.get("lengths", [1] * ITEMS), strict=True):
        each = one["steps"] if task.endswith("per step") else [one]
        assert len(each) == (length if task.endswith("per step") else 1)
        for step in each:
            if task.startswith("regression"):
                assert len(step["values"]) == 1
                assert "label" not in step
            else:
                assert step["label"] == str(step["index"])
                assert "values" not in step


def test_a_prediction_per_step_is_worded_in_spans():
    from picojoule.cli.show import prediction
    from picojoule.run.trained import Prediction, StepPrediction

    names = ["low"] * 3 + ["high"] + ["low"] * 2
    steps = tuple(StepPrediction(label=name, index=0, confidence=0.5) for name in names)
    found = Prediction(None, None, None, 1_000.0, 6, steps=steps)
    said = "low (steps 0 to 2), high (step 3), low (steps 4 to 5) · 1 nJ on 45nm"
    assert prediction(found, "45nm", exits=False) == said
    numbers = Prediction(None, None, None, 1_000.0, 1, values=(0.25, -1.0))
    assert prediction(numbers, "45nm", exits=False) == "0.25, -1 · 1 nJ on 45nm"


@every
def test_interrupted_and_resumed_as_one(task, mine, tmp_path):
    recipe, *settings = TASKS[task]
    words = [*settings, *SHORT, f"data.folder={mine(task)}", "budget.limit=none"]
    made = load_recipe(recipe, words)
    whole = start(made, out=tmp_path / "whole")
    for _ in whole.train():
        pass
    steps = start(made, out=tmp_path / "cut").train()
    next(step for step in steps if step.log.history)
    steps.close()
    for _ in resume(tmp_path / "cut").train():
        pass
    files = [tmp_path / name / "weights.safetensors" for name in ("whole", "cut")]
    assert files[0].read_bytes() == files[1].read_bytes()


NONE = np.full((ITEMS, T), -1)
WRONG = {
    "of other steps than the encoder's": (
        "classification per step",
        {},
        ["data.encoder.steps=5"],
        "labels are of 8 steps, and the encoder 'frames' makes 5",
    ),
    "of other steps than the frames": (
        "classification per step",
        {"y": np.zeros((ITEMS, 5), int)},
        [],
        "y is of 5 steps, and x of 8",
    ),
    "without one": ("classification per step", {"y": NONE}, [], "no step of any item has a label"),
    "without a number": (
        "regression per step",
        {"y": NONE[..., None] * np.nan},
        [],
        "no step of the .* items for train has a label",
    ),
    "not finite": ("regression", {"y": np.full(ITEMS, np.nan)}, [], "that are finite numbers"),
    "of a class that nobody has": (
        "classification per step",
        {"y": np.where(NONE < 0, 2, 0)},
        [],
        "two or more classes 0, 1, .* found 1 of 3",
    ),
    "chosen by another measure": (
        "regression",
        {},
        ["train.choose=accuracy"],
        "cannot be chosen by 'accuracy': the labels are of a regression",
    ),
    "read at each step": (
        "classification",
        {},
        ["train.readout=each"],
        "train.readout = 'each' is for labels per step",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_labels_are_refused_before_anything_is_trained(name, mine, tmp_path):
    task, others, settings, said = WRONG[name]
    recipe, *own = TASKS[task]
    words = [*own, *SHORT, f"data.folder={mine(task, **others)}", *settings]
    made = load_recipe(recipe, words)
    with pytest.raises(ValueError, match=said):
        start(made, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_task_of_other_data_is_refused(mine, tmp_path):
    recipe, *settings = TASKS["classification"]
    words = [*settings, *SHORT, f"data.folder={mine('classification')}", "budget.limit=none"]
    made = load_recipe(recipe, words)
    run = start(made, out=tmp_path / "run")
    for _ in run.train():
        pass
    trained = pj.load(tmp_path / "run")
    other = mine("classification per step")
    with pytest.raises(ValueError, match=r"data of task classification, found .* per step"):
        trained.measure([pj.load_chip("45nm")], data=other)


@every
def test_what_is_learned_is_said_and_items_are_divided_and_limited(task, mine, monkeypatch):
    said = []
    for level in ("info", "warning"):
        logger = logging.getLogger("picojoule.run.open_data")
        monkeypatch.setattr(logger, level, lambda text, *given: said.append(text % given))
    recipe, *settings = TASKS[task]
    words = [*settings, *SHORT, f"data.folder={mine(task)}", "data.limit=20"]
    from picojoule.run.open_data import open_data

    made, splits = open_data(load_recipe(recipe, words))
    assert [len(one) for one in (splits.train, splits.validation, splits.test)] == [20, 6, 12]
    assert said[0].endswith(f"; labels are of a {task}")
    becomes = "labels are per step: the readout 'mean' becomes 'each'"
    assert (becomes in said) == task.endswith("per step")
    assert made.data.dataset.labels == (("0", "1", "2") if "class" in task else ("y",))


def test_items_with_labels_per_step_go_by_the_class_of_most_steps():
    y = torch.tensor([[0, 1, 1, -1], [2, 2, -1, -1], [-1] * 4, [1, 1, 1, 0]]).repeat(10, 1)
    kept, held = hold_out(y, 20)
    for some in (kept, held):
        rows = (some % 4).bincount(minlength=4).tolist()
        assert (rows[0] + rows[3], rows[1], rows[2]) == (10, 5, 5)
    assert hold_out(torch.rand(40, 2), 20)[1].equal(hold_out(torch.zeros(40), 20)[1])


def test_labels_per_step_move_with_their_steps():
    torch.manual_seed(0)
    y = torch.randint(0, 3, (50, T))
    x = y.unsqueeze(-1) + 1.0
    moved, labels = Augment(time_shift=3).labelled(x, y)
    assert torch.equal(moved[..., 0].long() - 1, labels)
    assert (labels == -1).any()
    lengths = torch.full((50,), 5)
    moved, values = Augment(time_shift=3).labelled(x, x, lengths)
    assert torch.equal(moved, values.nan_to_num(0))
    assert values[:, 5:].isnan().all()


def test_batches_have_time_first():
    given = arrays("classification per step")
    x, y, lengths = (torch.from_numpy(given[name]) for name in ("x", "y", "lengths"))
    encoder = Frames(steps=T)
    for shown, label, ends in loader(encoder.prepare(Split(x, y, lengths)), encoder, batch_size=7):
        assert label.shape == shown.shape[:2]
        assert len(label) == ends.max()
    with pytest.raises(ValueError, match="labels are of 8 steps, and the encoder 'frames' makes 9"):
        Frames(steps=9).prepare(Split(x, y, lengths))
    pictures = Split(torch.rand(4, 1, 8, 8), torch.zeros(4, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="labels are of 3 steps, and the encoder made 1"):
        next(iter(loader(pictures, Direct(), batch_size=4)))


def test_labels_of_pictures_are_of_the_steps_that_repeat_them():
    pictures, encoder = torch.rand(4, 1, 8, 8), Latency(steps=3)
    y = torch.tensor([[0, 1, -1]]).expand(4, -1)
    _, label, _ = next(iter(loader(Split(pictures, y), encoder, batch_size=4)))
    assert label.equal(y.T)
    with pytest.raises(
        ValueError, match="labels are of 2 steps, and the encoder 'latency' makes 3"
    ):
        encoder.check_labels(Split(pictures, y[:, :2]))


@pytest.mark.parametrize(
    ("task", "choose", "measure", "head"),
    [
        ("classification", None, "accuracy", r"accuracy (\%)"),
        ("classification per step", "macro_f1", "macro_f1", r"macro F1 (\%)"),
        ("regression", None, "mse", "MSE"),
        ("regression per step", "mse", "mse", "MSE"),
    ],
)
def test_a_sweep_compares_by_the_measure_of_its_task(task, choose, measure, head, mine, tmp_path):
    recipe, *settings = TASKS[task]
    words = [*settings, *SHORT[1:], f"data.folder={mine(task)}", "budget.limit=none"]
    words += [f"train.choose={choose}"] if choose else []
    out = tmp_path / "sweep"
    command = ["sweep", recipe, "--over", "train.epochs=1,3", "--seeds", "2", *sets(*words)]
    result = invoke(*command, "--out", out, "--accelerator", "cpu")
    assert result.exit_code == 0, result.output
    sweep = pj.Sweep.load(out)
    name = f"validation_{measure}"
    for row in sweep.table():
        found = getattr(Folder(out / row["folder"]).report, measure)
        assert (row[measure], row[name]) == (found.test, found.validation)
        assert row["chosen_by"] == sweep.measure == measure
    known = sweep.configurations()
    best = (min if measure == "mse" else max)(row[name] for row in known)
    assert best in [row[name] for row in sweep.front()]
    worst = 1.1 * max(row[name] for row in known) if measure == "mse" else 0
    assert sweep.reference[name] == worst
    assert sweep.hypervolume > 0
    assert f" & {head} & " in (out / "results.tex").read_text()
    figure = Parsed(sweep.page()).figures[0]
    assert figure["layout"]["yaxis"]["title"]["text"] == MEASURES[measure]
    drawn = [y for one in figure["data"] for y in one["y"]]
    assert sorted(drawn) == sorted(row[measure] for row in known)
    assert f"to {MEASURES[measure]} {worst:.4g} and" in result.output


def test_a_search_among_errors_stops_what_is_hopeless_and_tells_optuna_their_negatives(
    mine, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    ranges = '[sweep]\n"train.lr" = [0.03, 1e-7]\n'
    Path("mine.toml").write_text(f'extends = "digits"\nname = "mine"\n{ranges}')
    words = ["data.encoder.steps=4", "network.width=8", "train.batch_size=16", "train.epochs=8"]
    words += [f"data.folder={mine('regression')}", "budget.limit=none"]
    result = invoke("sweep", "mine.toml", "--search", "4", *sets(*words), "--out", "s",
                    "--accelerator", "cpu")  # fmt: skip
    assert result.exit_code == 0, result.output
    storage = JournalStorage(JournalFileBackend("s/study.log"))
    trials = optuna.load_study(study_name="s", storage=storage).trials
    for row, trial in zip(pj.Sweep.load("s").table(), trials, strict=True):
        if row["state"] == "finished":
            assert trial.values == [-row["validation_mse"], row["validation_energy_pj"]]
    assert {row["state"] for row in pj.Sweep.load("s").table()} <= {"finished", "dominated"}


def test_labels_of_sounds_are_of_the_steps_of_the_filterbank(tmp_path):
    rng = np.random.default_rng(0)
    sounds = {"x": rng.uniform(-0.5, 0.5, (30, 1_000)), "rate_hz": 8_000}
    encoder = Filterbank(bands=4)
    steps = 1 + (1_000 - 200) // 80
    np.savez(tmp_path / "mine.npz", **sounds, y=rng.integers(0, 2, (30, steps)))
    own = load_own(tmp_path / "mine.npz", pj.data.dataset("fsdd"))
    encoder.check_labels(own.splits.test)
    x, y, _ = next(iter(loader(encoder.prepare(own.splits.train), encoder, batch_size=5)))
    assert y.shape == x.shape[:2] == (steps, 5)
    np.savez(tmp_path / "mine.npz", **sounds, y=rng.integers(0, 2, (30, 1_000)))
    own = load_own(tmp_path / "mine.npz", pj.data.dataset("fsdd"))
    said = f"labels are of 1000 steps, and the encoder 'filterbank' makes {steps}"
    with pytest.raises(ValueError, match=said):
        encoder.prepare(own.splits.train)
    np.savez(tmp_path / "mine.npz", **sounds | {"rate_hz": 16_000}, y=np.zeros((30, steps), int))
    with pytest.raises(ValueError, match="bring them to 8000 Hz yourself"):
        load_own(tmp_path / "mine.npz", pj.data.dataset("fsdd"), resample=True)


def test_numbers_of_resampled_sounds_stay(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.random(30)
    sounds = {"x": rng.uniform(-0.5, 0.5, (30, 1_000)), "rate_hz": 16_000, "y": y}
    np.savez(tmp_path / "mine.npz", **sounds)
    own = load_own(tmp_path / "mine.npz", pj.data.dataset("fsdd"), resample=True)
    splits = (own.splits.train, own.splits.validation, own.splits.test)
    found = torch.cat([one.y for one in splits])
    assert np.allclose(np.sort(found.numpy()), np.sort(y))
