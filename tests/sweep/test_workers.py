"""Several workers of one sweep, killed and interrupted: the runs are those of one worker.

They share a file, or a PostgreSQL that the tests start where its programs are.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import postgres
from forked import processes
from picojoule.run import Machine
from picojoule.sweep import queue, work
from picojoule.sweep.question import ask
from sweeping import GRID as SHORT
from sweeping import hasty, results, weights

GRID = [*SHORT, "--set", "train.epochs=8"]  # so that the last to come finds something to do
SECONDS = 60.0  # in which a process must have done what it is waited for
needs_postgres = pytest.mark.skipif(
    postgres.programs() is None, reason="needs the programs of a PostgreSQL server"
)


@pytest.fixture(scope="module", name="processes")
def _processes():
    with processes(hasty) as made:
        yield made


@pytest.fixture(scope="module")
def alone(processes, tmp_path_factory) -> Path:
    """A sweep by one worker that was never killed."""
    out = tmp_path_factory.mktemp("alone") / "grid"
    done(processes([*GRID, "--out", str(out)]))
    return out


@pytest.fixture(scope="module")
def address():
    with postgres.server() as found:
        yield found


def done(process, code: int = 0) -> None:
    process.join(SECONDS)
    assert process.exitcode == code


def soon(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.002)


def writes(process, sweep: Path) -> bool:
    """Whether a process trains a run just now."""
    for file in sweep.glob("runs/*/.writer"):
        try:
            if json.loads(file.read_bytes())["process"] == process.pid:
                return True
        except (OSError, ValueError):
            continue
    return False


def kill_at_work(process, sweep: Path) -> None:
    soon(lambda: writes(process, sweep))
    os.kill(process.pid, signal.SIGKILL)
    process.join(SECONDS)
    assert process.exitcode == -signal.SIGKILL


def check_same(sweep: Path, other: Path) -> None:
    assert results(sweep) == results(other)
    assert weights(sweep) == weights(other)
    assert all(row["state"] == "finished" for row in results(sweep)["runs"])


def shared_by_two(processes, out: Path, *storage: str) -> list[str]:
    """Lets two workers share a sweep, one of which is killed twice; returns what they said."""
    said = [f"{out}.{number}" for number in range(4)]
    first = processes([*GRID, "--out", str(out), *storage], said[0])
    soon((out / "runs").exists)
    join = ["sweep", "--join", "--accelerator", "cpu", "--out", str(out), *storage]
    for number in (1, 2):
        kill_at_work(processes(join, said[number]), out)
    last = processes(join, said[3])
    done(first)
    done(last)
    return [Path(one).read_text() for one in said]


def test_two_workers_share_a_file_and_one_is_killed_twice(processes, alone, tmp_path):
    out = tmp_path / "grid"
    said = shared_by_two(processes, out)
    check_same(out, alone)
    assert any("its worker gives no sign of life" in one for one in said)


@needs_postgres
def test_two_workers_share_a_postgresql_and_one_is_killed_twice(
    processes, alone, address, tmp_path
):
    out = tmp_path / "grid"
    storage = f"{address}/postgres"
    said = shared_by_two(processes, out, "--storage", storage)
    check_same(out, alone)
    assert not (out / "study.log").exists()
    secret = storage.partition("pj:")[2].partition("@")[0]
    written = [file for file in out.rglob("*") if file.is_file()]
    for text in [*said, *(file.read_bytes().decode("latin-1") for file in written)]:
        assert postgres.PASSWORD not in text
        assert secret not in text
    assert (out / "storage.txt").read_text() == storage.replace(f":{secret}", "") + "\n"


@needs_postgres
def test_a_worker_without_the_folder_gets_the_question_from_the_storage(
    processes, alone, address, tmp_path
):
    """As one on a machine that shares nothing with the others."""
    storage = ["--storage", f"{address}/postgres"]
    here, there = tmp_path / "here/other", tmp_path / "there/other"
    first = processes([*GRID, "--out", str(here), *storage])
    soon((here / "runs").exists)
    join = ["sweep", "--join", "--accelerator", "cpu", "--out", str(there), *storage]
    second = processes(join)
    done(first)
    done(second)
    assert results(here) == results(there) == results(alone)
    assert weights(here) | weights(there) == weights(alone)


@needs_postgres
@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (lambda a: a.replace("%231", "x"), "it refuses this user and password"),
        (lambda a: a.replace("pj:", "nobody:"), "it refuses this user and password"),
        (lambda a: a.replace("/postgres", "/none"), "it has no such database"),
        (lambda a: a.replace("geheim%2Fwort%231@", "@"), "it asks for a password"),
        (lambda a: a, "there is no sweep 'x' in"),
    ],
)
def test_a_server_that_refuses_is_said_without_the_password(
    pj, address, tmp_path, monkeypatch, change, answer
):
    monkeypatch.setenv("PICOJOULE_STORAGE", change(f"{address}/postgres"))
    code, out, err = pj("--verbose", "sweep", "--join", "--out", tmp_path / "x")
    assert (code, out) == (2, "")
    assert answer in err.splitlines()[-1]
    assert not [word for word in ("geheim", "wort", "psycopg", "sqlalche") if word in err]
    assert not list(tmp_path.iterdir())


def test_workers_of_one_command_make_the_same_runs(processes, alone, tmp_path):
    out, said = tmp_path / "grid", tmp_path / "said"
    done(processes([*GRID, "--out", str(out), "--workers", "2"], str(said), OMP_NUM_THREADS="1"))
    check_same(out, alone)
    assert said.read_text().count(" finished\n") == 6


def test_two_that_begin_the_same_sweep_at_once_make_each_run_once(processes, alone, tmp_path):
    out = tmp_path / "grid"
    said = [tmp_path / "0", tmp_path / "1"]
    both = [processes([*GRID, "--out", str(out)], str(one)) for one in said]
    for one in both:
        done(one)
    check_same(out, alone)
    ends = "".join(one.read_text() for one in said)
    assert ends.count(" finished\n") == 6
    shutil.rmtree(out)


def test_a_run_whose_worker_died_is_taken_up_before_those_that_wait(tmp_path, monkeypatch):
    made = []

    def fails(_, task):
        made.append(task.planned.name)
        yield work.Idle()
        raise ValueError

    monkeypatch.setattr(queue, "_SILENT_S", 0.0)
    monkeypatch.setattr(work.Worker, "_made", fails)
    ask("digits", over=["train.lr=1e-2,1e-3,1e-4"], settings=["budget.limit=none"]).write(tmp_path)
    dead = work.Worker(tmp_path, None, Machine()).queue
    dead.fill()
    left = dead.take()
    for _ in work.Worker(tmp_path, None, Machine()).work():
        pass
    assert made[0] == left.planned.name
    assert len(made) == 3
