"""Ctrl-C, at any moment: no traceback, a line that says how to go on, exit code 130."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

import tiny
from picojoule.cli import main
from picojoule.run import Run
from picojoule.run.folder import Folder

TINY = [word for setting in tiny.SETTINGS for word in ("--set", setting)]
SHARE = ["--set", "network.neuron.threshold=0.1", "--set", "budget.limit=80%"]


@pytest.fixture(autouse=True)
def listening():
    """Ctrl-C is heard, also where the tests run behind a shell that lets them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ctrl_c(*_, **__) -> None:
    signal.raise_signal(signal.SIGINT)
    time.sleep(5)
    raise AssertionError("it went on")


class Unhashed:
    """Something that is interrupted where Python ignores errors."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)
        len("here it comes")


def ignored(*_, **__) -> None:
    Unhashed()
    time.sleep(5)
    raise AssertionError("it went on")


def hidden(*_, **__) -> None:
    """As numpy does whose import is interrupted."""
    try:
        ctrl_c()
    except BaseException:  # noqa: BLE001
        raise ImportError("cannot load the extension") from None


def run(monkeypatch, capsys, *words: object) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["pj", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL  # while Python ends
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return int(caught.value.code or 0), capsys.readouterr().err


PLACES = [
    ("picojoule.recipe.load_recipe", None),
    ("picojoule.run.run.open_data", False),
    ("picojoule.run.run.build_network", False),
    ("picojoule.run.folder.Folder.create", False),
    ("picojoule.run.run.check_untrained", True),
    ("picojoule.run.fit.build_network", True),
    ("picojoule.training.progress.Progress.close_epoch", True),
    ("picojoule.training.checkpoint._encode", True),
    ("picojoule._sums.put", False),
    ("picojoule.run.fit._tested", True),
    ("picojoule.run.fit._write", True),
    ("picojoule.cli.follow._values", True),
]
CASES = [(ctrl_c, *place) for place in PLACES]
CASES += [(how, *place) for how in (ignored, hidden) for place in PLACES[1::5]]


@pytest.mark.parametrize(("how", "where", "begun"), CASES)
def test_interrupted_anywhere_a_run_says_how_to_go_on(
    tmp_path, monkeypatch, capsys, how, where, begun
):
    out = tmp_path / "run"
    monkeypatch.setattr(where, how)
    code, said = run(monkeypatch, capsys, "train", *TINY, *SHARE, "--out", out)
    lines = [line for line in said.splitlines() if not line.startswith("INFO")]
    ends = {None: "", False: "; no run was begun", True: f"; pj train --resume {out} goes on"}
    assert (code, lines) == (130, [f"interrupted{ends[begun]}"])
    assert [item.name for item in tmp_path.iterdir()] == (["run"] if begun else [])


def test_what_was_interrupted_goes_on(tmp_path, monkeypatch, capsys):
    out, start, number = tmp_path / "run", Run.train, 3

    def some(self):
        for done, step in enumerate(start(self)):
            if done == number:
                ctrl_c()
            yield step

    monkeypatch.setattr(Run, "train", some)
    words = ["train", *TINY, "--out", out]
    for number in (3, 3, 1):  # noqa: B007
        code, said = run(monkeypatch, capsys, *words)
        assert (code, said.splitlines()[-1]) == (
            130,
            f"interrupted; pj train --resume {out} goes on",
        )
        words = ["train", "--resume", out]
    monkeypatch.undo()
    assert run(monkeypatch, capsys, *words)[0] == 0
    assert len(Folder(out).log()) == 2


def test_no_other_process_of_a_run_says_it_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("picojoule.run.run.open_data", ctrl_c)
    assert run(monkeypatch, capsys, "train", *TINY, "--out", tmp_path / "run") == (0, "")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[gloo/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:25506."),
        RuntimeError("[gloo/tcp/pair.cc:534] Read error [127.0.0.1]:31: Connection reset by peer"),
        torch.distributed.DistNetworkError("Failed to recv, got 0 bytes."),
    ],
    ids=str,
)
@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_whose_first_one_ended_says_nothing(tmp_path, monkeypatch, capsys, error, rank):
    def lost(*_, **__):
        raise error

    monkeypatch.setenv("LOCAL_RANK", rank)
    monkeypatch.setattr("picojoule.run.run.open_data", lost)
    words = ("train", *TINY, "--out", tmp_path / "run")
    if rank == "0":  # that another one ended is news
        with pytest.raises(RuntimeError):
            run(monkeypatch, capsys, *words)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    else:
        assert run(monkeypatch, capsys, *words) == (0, "")


def test_a_program_that_starts_is_interrupted_without_a_traceback():
    """While it imports torch, which takes longer than anything else."""
    for wait in (0.4, 0.9):
        process = subprocess.Popen(
            [sys.executable, "-m", "picojoule.cli", "train", "--out", os.devnull],
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
        assert process.returncode in (130, 2), said
        assert "Traceback" not in said
