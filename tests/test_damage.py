"""A run is never trained on, used or reported from a file that is not what was written."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import picojoule as pj
from picojoule import _sums
from picojoule.recipe import load_recipe
from picojoule.run import resume, start
from picojoule.run.finished import spent_pj
from picojoule.run.folder import Folder, Machine
from picojoule.training import checkpoint
from tiny import CHIP, SETTINGS

CPU = Machine(accelerator="cpu")
FILES = ("recipe.toml", "chip.toml", "machine.json", "log.jsonl")
ENDS = ("weights.safetensors", "report.json")


def finish(run) -> Folder:
    for _ in run.train():
        pass
    return run.folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Path]:
    """A run that was interrupted after an epoch with its budget, and the same one at its end."""
    place = tmp_path_factory.mktemp("made")
    (place / "mine.toml").write_text(CHIP)
    lively = ["network.neuron.threshold=0.1", "budget.limit=80%", f"budget.chip={place}/mine.toml"]
    run = start(load_recipe("digits", [*SETTINGS, *lively]), out=place / "cut", machine=CPU)
    for step in run.train():
        if step.log.history and step.folder == run.folder.path:
            break
    shutil.copytree(place / "cut", place / "done")
    finish(resume(place / "done"))
    return {"cut": place / "cut", "done": place / "done"}


def flipped(at: float) -> Callable[[Path], None]:
    def flip(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[int(at * (len(content) - 1))] ^= 4
        file.write_bytes(content)

    return flip


DAMAGE = {
    "first bit": flipped(0),
    "some bit": flipped(0.61),
    "last bit": flipped(1),
    "emptied": lambda file: os.truncate(file, 0),
    "halved": lambda file: os.truncate(file, file.stat().st_size // 2),
    "longer": lambda file: file.write_bytes(file.read_bytes() + b"\n"),
    "sum's bit": lambda file: flipped(0.3)(_sums.beside(file)),
    "sum emptied": lambda file: os.truncate(_sums.beside(file), 0),
}
WHERE = [("cut", name) for name in (*FILES, *(f"unconstrained/{one}" for one in FILES + ENDS))]
WHERE += [("done", name) for name in ENDS]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("state", "name"), WHERE, ids=lambda one: str(one))
def test_a_damaged_file_is_named_and_the_run_does_not_go_on(made, tmp_path, state, name, damage):
    run = shutil.copytree(made[state], tmp_path / "run")
    DAMAGE[damage](run / name)
    before = {item: item.read_bytes() for item in run.rglob("*") if item.is_file()}
    with pytest.raises(ValueError, match=rf"{name} is damaged or was changed \(.*\): \w+"):
        resume(run)
    if state == "done":
        with pytest.raises(ValueError, match=rf"{name} is damaged or was changed"):
            pj.load(run)
    assert {item: item.read_bytes() for item in run.rglob("*") if item.is_file()} == before


@pytest.mark.parametrize("gone", [("log.jsonl",), ENDS, ENDS[1:], ("machine.json",)], ids=str)
@pytest.mark.parametrize("state", ["cut", "done"])
def test_what_its_message_says_mends_a_damaged_file(made, tmp_path, caplog, state, gone):
    """Their sums stay: whoever deletes a file does not see them."""
    run = shutil.copytree(made[state], tmp_path / "run")
    for name in gone if gone == ("machine.json",) else (*gone, "report.json"):
        (run / name).unlink(missing_ok=True)
    folder = finish(resume(run))
    right = Folder(made["done"])
    if gone != ("machine.json",):
        assert folder.read("weights.safetensors") == right.read("weights.safetensors")
        assert folder.report.accuracy == right.report.accuracy
        assert len(folder.log()) == 2
        assert not caplog.records


def test_a_recipe_that_was_changed_by_hand_is_not_followed_in_silence(made, tmp_path):
    run = shutil.copytree(made["cut"], tmp_path / "run")
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("lr = 0.004", "lr = 0.04"))
    with pytest.raises(ValueError, match="put that back, or train the changed one in a new run"):
        resume(run)
    assert load_recipe(recipe).train.lr == 0.04


def unchecked(run: Path) -> Path:
    """Makes of a run one from before there were sums."""
    for file in [*run.rglob("*.sha256")]:
        file.unlink()
    return run


def test_a_run_from_before_there_were_sums_goes_on_and_that_is_said(made, tmp_path, caplog):
    right = Folder(made["done"])
    done = unchecked(shutil.copytree(made["done"], tmp_path / "done"))
    chips = [pj.load_chip(done / "chip.toml")]
    assert pj.load(done).measure(chips) == pj.load(right.path).measure(chips)
    assert [one.message.count("had sums") for one in caplog.records] == [1]
    caplog.clear()
    cut = finish(resume(unchecked(shutil.copytree(made["cut"], tmp_path / "cut"))))
    assert cut.read("weights.safetensors") == right.read("weights.safetensors")
    assert cut.report.budget == right.report.budget
    assert [one.message.count("had sums") for one in caplog.records] == [1, 1]  # and unconstrained
    assert _sums.has_sum(cut.path / "weights.safetensors")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda one: one * torch.nan, "is infinite or not a number"),
        (lambda one: one / 0, "is infinite or not a number"),
        (lambda one: one.to(torch.int8), r"is of torch\.int8, expected torch\.float32"),
        (lambda one: one.bool(), r"is of torch\.bool, expected torch\.float32"),
        (lambda one: one[:-1], r"is of shape \[.*\], expected \["),
    ],
)
def test_weights_that_cannot_be_this_network_s_are_refused(made, tmp_path, change, why):
    run = unchecked(shutil.copytree(made["done"], tmp_path / "run"))
    file = run / "weights.safetensors"
    weights = safetensors.torch.load_file(file)
    (name, *_) = (one for one, weight in weights.items() if weight.dim() == 2)
    file.write_bytes(safetensors.torch.save(weights | {name: change(weights[name])}))
    with pytest.raises(ValueError, match=rf"weights\.safetensors is damaged \('{name}' {why}"):
        pj.load(run)


def test_a_limit_comes_from_what_is_checked(made, tmp_path):
    free = Folder(shutil.copytree(made["cut"] / "unconstrained", tmp_path / "free"))
    right, log = spent_pj(free), free.path / "log.jsonl"
    records = [json.loads(line) for line in log.read_text().splitlines()]
    for one in records:
        one["validation"]["energy_pj"] *= 2
    text = "".join(json.dumps(one) + "\n" for one in records)
    unchecked(free.path)
    log.write_text(text)
    assert spent_pj(free) == right
    saved = checkpoint.newest(free.path / "checkpoints")
    assert saved is not None
    flipped(0.5)(saved)
    with pytest.raises(ValueError, match=r"checkpoint .* is damaged"):
        spent_pj(free)
    saved.unlink()
    assert spent_pj(free) == 2 * right
    log.write_text(text.replace('"validation"', '"validatioN"'))
    with pytest.raises(ValueError, match=r"log\.jsonl is damaged"):
        spent_pj(free)


def test_killed_between_any_two_steps_of_writing_a_file_has_its_sum(tmp_path, monkeypatch):
    """Each write stops at its n-th call of the system, as after kill -9."""

    class KilledError(Exception):
        pass

    file, seen = tmp_path / "file", set()
    calls = {name: getattr(os, name) for name in ("open", "replace", "fsync")}
    left = [0]

    def stopping(name):
        def call(*given, **how):
            if not left[0]:
                raise KilledError
            left[0] -= 1
            return calls[name](*given, **how)

        return call

    def written(content: bytes) -> bool:
        with monkeypatch.context() as patch:
            for name in calls:
                patch.setattr(os, name, stopping(name))
            try:
                _sums.write(file, content)
            except KilledError:
                return False
        return True

    for number in range(20):
        left[0] = 100
        assert written(b"old %d" % number)
        left[0] = number
        whole = written(b"new")
        assert _sums.read(file) in ((b"new",) if whole else (b"new", b"old %d" % number))
        seen.add((_sums.read(file) == b"new", whole))
        assert not list(tmp_path.glob("*.tmp"))
    assert seen == {(True, True), (True, False), (False, False)}


# What a command reads of a run, and so refuses if it is damaged.
USED = {
    "measure": ("recipe.toml", "chip.toml", "machine.json", "weights.safetensors", "report.json"),
    "report": (
        *("recipe.toml", "chip.toml", "log.jsonl", "report.json", "activity.json"),
        "unconstrained/log.jsonl",
    ),
}
USED["predict"] = USED["measure"]


def removed(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("damage", [flipped(0.61), removed])
@pytest.mark.parametrize("command", USED)
def test_a_command_says_once_which_files_are_damaged_and_goes_on_without(
    made, tmp_path, pj, command, damage
):
    """Of all files of a finished run, those of its training without a budget too."""
    whole = made["done"]
    names = [str(one.relative_to(whole)) for one in whole.rglob("*") if _sums.has_sum(one)]
    names = [name for name in names if not name.startswith("checkpoints")]
    assert set(USED["report"]) | set(USED["measure"]) < set(names)
    np.save(tmp_path / "a.npy", np.zeros((8, 8), np.float32))
    more = {
        "predict": [tmp_path / "a.npy"],
        "measure": [],
        "report": ["--out", tmp_path / "a.html"],
    }
    if damage is removed:
        names = [name for name in names if not name.endswith("report.json")]  # has not ended
    for name in names:
        run = tmp_path / name.replace("/", "-")
        shutil.copytree(whole, run)
        damage(run / name)
        code, _, err = pj(command, run, *more[command])
        used = name in USED[command]
        if used and damage is removed:  # a file that may be missing, or an error of its own
            assert str(run) in err
        else:
            assert code == (2 if used else 0), (name, err)
            assert err.count(f"{run / name} is damaged") == 1, (name, err)
            assert ("nothing of it is used here" in err) != used
