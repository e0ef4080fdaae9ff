"""New runs: what they take with them, and what is refused before or after they are made."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import picojoule as pj
from picojoule import _sums
from picojoule.recipe import load_recipe
from picojoule.run import Run, resume, start
from picojoule.run.fit import own_randomness
from picojoule.run.folder import Folder, Machine
from tiny import CHIP, SETTINGS

CPU = Machine(accelerator="cpu")
LIVELY = "network.neuron.threshold=0.1"


def tiny(*more: str):
    return load_recipe("digits", [*SETTINGS, *more])


def finish(run: Run) -> Folder:
    for _ in run.train():
        pass
    return run.folder


def refused(path: Path, *settings: str, recipe: str = "digits") -> str:
    """The message with which a new run is refused; it leaves no folder."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (each caller looks at the message)
        start(load_recipe(recipe, settings), out=path / "run", machine=CPU)
    assert not list(path.iterdir())
    return str(caught.value)


def test_a_run_does_not_need_the_chip_file_it_was_started_with(tmp_path):
    chip = tmp_path / "mine.toml"
    chip.write_text(CHIP)
    recipe = tiny(LIVELY, "budget.limit=80%", f"budget.chip={chip}")
    whole = finish(start(recipe, out=tmp_path / "whole", machine=CPU))
    both = [pj.load_chip(chip), pj.load_chip("45nm-sram")]
    assert pj.load(whole.path).measure(both) == whole.report
    cut = start(recipe, out=tmp_path / "cut", machine=CPU)
    assert cut.folder.recipe.sha256 == recipe.sha256
    assert (cut.folder.path / "chip.toml").read_text() == CHIP
    epochs = (step for step in cut.train() if step.log.history)
    next(epochs)
    epochs.close()
    chip.write_text(CHIP.replace("1.0", "9.0"))
    for change in (lambda: None, chip.unlink):
        change()
        moved = cut.folder.path.rename(tmp_path / f"moved-{chip.exists()}")
        folder = finish(resume(moved))
        for one in (folder, Folder(moved / "unconstrained")):
            assert (one.path / "chip.toml").read_text() == CHIP
            assert one.recipe.budget.chip == str(one.path / "chip.toml")
        assert folder.report.model_copy(update={"seconds": 0}) == whole.report.model_copy(
            update={"seconds": 0}
        )
        trained = pj.load(moved)
        own = pj.load_chip(trained.recipe.budget.chip)
        assert trained.measure([own, both[1]]) == folder.report
        picture = pj.data.load("digits").test.x[:1]
        assert trained.predict(picture) == pj.load(whole.path).predict(picture)
        cut = Run(folder, None, None, new=False)


@pytest.mark.parametrize(
    ("settings", "shape"),
    [(["network.name=keyword"], [1, 8, 8]), (["data.encoder.name=filterbank"], [1, 8, 8])],
)
def test_a_network_that_does_not_fit_its_input_is_refused(tmp_path, settings, shape):
    message = refused(tmp_path, *settings)
    assert f"the shape {shape} of digits do not fit" in message
    assert "choose another network.name or data.encoder.name" in message


def test_a_batch_that_cannot_be_dealt_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("lightning_fabric.Fabric.world_size", 3)
    assert "64 cannot be dealt to 3 processes" in refused(tmp_path)


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
def test_a_run_that_fails_before_any_step_leaves_no_folder(tmp_path, monkeypatch, error):
    def fails(*_, **__):
        raise error("no luck")

    for limit in ("none", "50%"):
        run = start(tiny(f"budget.limit={limit}"), out=tmp_path / "run", machine=CPU)
        monkeypatch.setattr(sys.modules["picojoule.run.fit"], "train", fails)
        with pytest.raises(error, match="no luck"):
            finish(run)
        assert not list(tmp_path.iterdir())
        monkeypatch.undo()


def test_what_was_made_in_a_step_is_kept(tmp_path, monkeypatch):
    run = start(tiny(), out=tmp_path / "run", machine=CPU)
    steps = run.train()
    next(steps)
    with pytest.raises(RuntimeError):
        steps.throw(RuntimeError("later"))
    assert run.folder.path.exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"threads": "x"}', "\xff"])
def test_a_damaged_machine_is_named(tmp_path, content):
    folder = start(tiny(), out=tmp_path / "run", machine=CPU).folder
    file = folder.path / "machine.json"
    file.write_text(content, encoding="latin-1")
    for why in ("or was changed", r"\("):  # a run from before there were sums
        with pytest.raises(ValueError, match=rf"machine\.json is damaged {why}.*: delete it"):
            resume(folder.path)
        _sums.beside(file).unlink(missing_ok=True)
    file.unlink()
    assert resume(folder.path).folder.machine == Machine()


@pytest.mark.parametrize("damage", [b"{", b"3\n", b"{}\n", b"\xff"])
def test_a_damaged_log_is_named_and_can_be_made_again(tmp_path, damage):
    folder = finish(start(tiny(), out=tmp_path / "run", machine=CPU))
    report, log = folder.report, folder.log()
    with (folder.path / "log.jsonl").open("ab") as file:
        file.write(damage)
    (folder.path / "report.json").unlink()
    for why in ("or was changed", r"\(a line of it"):  # a run from before there were sums
        with pytest.raises(ValueError, match=rf"log\.jsonl is damaged {why}.*: delete it"):
            finish(resume(folder.path))
        _sums.beside(folder.path / "log.jsonl").unlink(missing_ok=True)
    (folder.path / "log.jsonl").unlink()
    finish(resume(folder.path))
    assert [one | {"seconds": 0} for one in folder.log()] == [one | {"seconds": 0} for one in log]
    assert folder.report.accuracy == report.accuracy


def test_every_process_but_the_first_draws_numbers_of_its_own():
    def drawn(rank: int) -> tuple[float, ...]:
        torch.manual_seed(7)
        random.seed(7)
        np.random.seed(7)
        own_randomness(2**32 - 1, rank)
        return float(torch.rand(())), random.random(), float(np.random.rand())

    before = drawn(0)
    torch.manual_seed(7)
    assert before[0] == float(torch.rand(()))
    for values in zip(*(drawn(rank) for rank in range(4)), strict=True):
        assert len(set(values)) == 4
