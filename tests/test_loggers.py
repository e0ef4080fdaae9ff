"""Loggers of other tools: each epoch is logged once and whole, also by a run that goes on."""

import csv
import json
from typing import ClassVar

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from picojoule.recipe import load_recipe
from picojoule.run import loggers as loggers_of
from picojoule.run import resume, start
from picojoule.run.folder import Folder
from picojoule.run.loggers import LOGGERS, check_loggers, logged
from tiny import SETTINGS


def trained(path, *settings, names=("csv", "tensorboard"), until=None):
    run = start(load_recipe("digits", [*SETTINGS, *settings]), out=path)
    for step in logged(run.train(), names):
        if step.log.history and step.log.epoch == until:
            break
    return Folder(path)


def rows(folder) -> list[dict[str, str]]:
    with open(folder / "logs" / "csv" / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def epochs(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def check_whole(folder):
    """A row for each epoch, with the numbers of log.jsonl."""
    found, known = rows(folder), epochs(folder)
    assert len(found) == len(known)
    for row, epoch in zip(found, known, strict=True):
        validation = epoch["validation"]
        assert int(row["step"]) == epoch["step"]
        for name in ("loss", "accuracy", "energy_pj", "floor_pj"):
            assert float(row[name]) == epoch[name]
        for name in ("accuracy", "macro_f1", "energy_pj", "floor_pj"):
            assert float(row[f"validation/{name}"]) == validation[name]
        for layer, rate in validation["activity"].items():
            assert float(row[f"activity/{layer}"]) == rate
        assert validation["activity"].keys() == {"2", "4"}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    path = tmp_path_factory.mktemp("logs") / "run"
    trained(path, "budget.limit=95%", "train.lr=1e-2")
    return path


def test_csv_has_every_epoch_with_and_without_the_budget(done):
    check_whole(done)
    check_whole(done / "unconstrained")
    assert all(float(row["multiplier"]) >= 0 for row in rows(done))
    assert "multiplier" not in rows(done / "unconstrained")[0]


def test_tensorboard_has_every_epoch(done):
    events = EventAccumulator(str(done / "logs" / "tensorboard"))
    events.Reload()
    for name in ("loss", "energy_pj", "multiplier", "validation/accuracy", "activity/2"):
        of = epochs(done)
        found = events.Scalars(name)
        assert [one.step for one in found] == [one["step"] for one in of]
    losses = [one.value for one in events.Scalars("loss")]
    assert losses == pytest.approx([one["loss"] for one in epochs(done)])


def test_a_run_that_goes_on_logs_what_was_before(tmp_path):
    trained(tmp_path / "run", names=["csv"], until=1)
    assert len(rows(tmp_path / "run")) == 1
    for _ in logged(resume(tmp_path / "run").train(), ["csv"]):
        pass
    check_whole(tmp_path / "run")


def test_logging_changes_no_weight(tmp_path, done):
    trained(tmp_path / "run", "budget.limit=95%", "train.lr=1e-2", names=[])
    assert not (tmp_path / "run" / "logs").exists()
    name = "weights.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (done / name).read_bytes()


def test_a_logger_that_is_unknown_or_not_there_is_an_error_before_anything_is_trained(monkeypatch):
    with pytest.raises(ValueError, match="did you mean 'tensorboard'"):
        check_loggers(["csv", "tensorbord"])
    monkeypatch.setattr(loggers_of, "find_spec", lambda name: name == "lightning_fabric" or None)
    check_loggers(["csv"])
    for name in set(LOGGERS) - {"csv"}:
        with pytest.raises(ValueError, match=f"'{name}' needs .* pip install"):
            check_loggers([name])


class Recorder:
    """Takes the place of a logger of Lightning's."""

    made: ClassVar[list["Recorder"]] = []

    def __init__(self, **options):
        self.options, self.steps, self.ends = options, [], 0
        self.experiment = self
        self.made.append(self)

    def log_metrics(self, _metrics, step):
        self.steps.append(step)

    def save(self):
        pass

    def finalize(self, status):
        assert status == "success"

    def finish(self):
        self.ends += 1


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
@pytest.mark.parametrize("server", [None, "http://tracking.lab"])
def test_loggers_of_services_get_a_run_for_each_training(name, server, tmp_path, monkeypatch):
    monkeypatch.setattr(Recorder, "made", [])
    monkeypatch.setattr(loggers_of, "_kind", lambda _: Recorder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    path = tmp_path / "mine"
    trained(path, "budget.limit=95%", "train.lr=1e-2", names=[name])
    first, second = Recorder.made
    for one, folder in ((first, path / "unconstrained"), (second, path)):
        assert one.steps == [epoch["step"] for epoch in epochs(folder)]
        if name == "mlflow":
            own = f"sqlite:///{path / 'logs' / 'mlflow.db'}"
            assert one.options["tracking_uri"] == (server or own)
            assert (path / "logs").is_dir()
        else:
            assert one.options["save_dir"] == folder / "logs"
            assert one.ends == 1
    titles = [one.options[{"mlflow": "run_name", "wandb": "name"}[name]] for one in Recorder.made]
    assert titles == ["mine/unconstrained", "mine"]


def test_a_logger_that_cannot_be_imported_is_an_error_before_anything_is_trained(monkeypatch):
    def broken(_):
        raise ImportError("libbroken.so")

    monkeypatch.setattr(loggers_of, "import_module", broken)
    with pytest.raises(ImportError, match="libbroken"):
        check_loggers(["csv"])
