"""Killed at any moment and resumed, a run ends with the bits of one that was never killed.

Processes are forked from a server that has imported everything, so that a kill -9 meets training
and not the start of Python.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from forked import processes
from picojoule.run.folder import Folder

KILLS = 12
SECONDS = 30.0  # in which a process must have done what it is waited for
EPOCHS = 5
COMMAND = [
    *("train", "digits", "--accelerator", "cpu"),
    *("--set", f"train.epochs={EPOCHS}", "--set", "train.batch_size=256"),
    *("--set", "data.encoder.steps=4", "--set", "network.width=32"),
    *("--set", "network.neuron.threshold=0.2", "--set", "budget.limit=7 nJ"),
]


@pytest.fixture(scope="module", name="processes")
def _processes():
    with processes() as made:
        yield made


@pytest.fixture(scope="module")
def whole(processes, tmp_path_factory) -> tuple[Folder, float]:
    """A run never killed, and the seconds its process took."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done(processes([*COMMAND, "--out", str(out)]))  # also starts the server
    started = time.monotonic()
    again = out.with_name("again")
    done(processes([*COMMAND, "--out", str(again)]))
    seconds = time.monotonic() - started
    assert weights(out) == weights(again)
    return Folder(out), seconds


def weights(run: Path) -> bytes:
    return (run / "weights.safetensors").read_bytes()


def done(process) -> None:
    process.join(SECONDS)
    assert process.exitcode == 0


def kill(process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.join(SECONDS)
    assert process.exitcode == -signal.SIGKILL


def soon(happened: Callable[[], bool]) -> None:
    """Waits until something happened, without a pause."""
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end


def check_same(run: Path, other: Folder) -> None:
    folder = Folder(run)
    assert weights(run) == weights(other.path)
    assert [record["epoch"] for record in folder.log()] == list(range(1, EPOCHS + 1))
    reports = [one.report.model_copy(update={"seconds": 0.0}) for one in (folder, other)]
    assert reports[0] == reports[1]
    timeless = [
        [{k: v for k, v in r.items() if k != "seconds"} for r in f.log()] for f in (folder, other)
    ]
    assert timeless[0] == timeless[1]
    assert not [item for item in run.rglob("*") if item.name.endswith(".tmp")]


def test_killed_at_random_moments_a_run_ends_with_the_same_bits(processes, whole, tmp_path):
    never_killed, seconds = whole
    chance = random.Random(0)
    killed, runs, ended = 0, 0, False
    run = tmp_path / "0"
    while killed < KILLS or not ended:
        if ended:
            check_same(run, never_killed)
            runs += 1
            run = tmp_path / str(runs)
        begun = ["train", "--resume", str(run)]
        process = processes(begun if run.exists() else [*COMMAND, "--out", str(run)])
        process.join(chance.uniform(0, seconds) if killed < KILLS else SECONDS)
        process.kill()
        process.join(SECONDS)
        assert process.exitcode in (0, -signal.SIGKILL)
        ended = process.exitcode == 0
        killed += not ended
    check_same(run, never_killed)


def test_killed_before_the_first_checkpoint_a_run_starts_over(processes, whole, tmp_path):
    run = tmp_path / "run"
    process = processes([*COMMAND, "--out", str(run)])
    soon(run.exists)
    kill(process)
    assert {item.name for item in run.iterdir() if not item.name.startswith(".")} == {
        "recipe.toml",
        "machine.json",
    }
    said = tmp_path / "said"
    done(processes(["train", "--resume", str(run)], str(said)))
    assert f"run 1/{EPOCHS} · " in said.read_text()
    check_same(run, whole[0])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells a stopped process by /proc")
def test_killed_while_a_checkpoint_is_written_a_run_goes_on_from_the_one_before(
    processes, whole, tmp_path
):
    run = tmp_path / "run"
    process = processes([*COMMAND, "--out", str(run)])
    half_written: list[Path] = []

    def stopped_while_writing() -> bool:
        """Stops the process when a checkpoint is being written; lets it go if that was too late."""
        written = list((run / "checkpoints").glob("epoch-*"))
        with suppress(FileNotFoundError):
            half_written[:] = (run / "checkpoints").glob(".*.tmp")
        if not (written and half_written):
            return False
        os.kill(process.pid, signal.SIGSTOP)
        soon(lambda: Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1][0] == "T")
        if half_written[0].exists():
            return True
        os.kill(process.pid, signal.SIGCONT)
        return False

    soon(stopped_while_writing)
    kill(process)
    assert half_written[0].exists()
    (before,) = (run / "checkpoints").glob("epoch-*")
    assert int(before.stem.removeprefix("epoch-")) < EPOCHS
    done(processes(["train", "--resume", str(run)]))
    check_same(run, whole[0])
