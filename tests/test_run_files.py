"""Files of a run that are no records, however they came there: refused by name, at once."""

import hashlib
import json
import os
from pathlib import Path

import pytest
import safetensors.torch

from bounded import outcome
from picojoule.recipe import load_recipe
from picojoule.run.folder import Folder, Machine
from picojoule.training import checkpoint

DEEP = "[" * 50_000 + "]" * 50_000


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Folder.create(load_recipe("digits"), Machine(), tmp_path / "run").path


READERS = {
    "machine.json": lambda run: Folder(run).machine,
    "report.json": lambda run: Folder(run).report,
    "log.jsonl": lambda run: Folder(run).log(),
    "recipe.toml": lambda run: Folder(run).recipe,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", [DEEP, '{"a":' * 50_000, "9" * 100_000, "\x00"])
def test_texts_that_are_no_records(run, name, text):
    (run / f".{name}.sha256").unlink(missing_ok=True)
    (run / name).write_text(text)
    assert name in outcome(lambda: READERS[name](run))


@pytest.mark.parametrize("name", READERS)
def test_pipes_are_not_waited_for(run, name):
    for file in (run / name, run / f".{name}.sha256"):
        file.unlink(missing_ok=True)
        os.mkfifo(file)
    outcome(lambda: READERS[name](run))


def test_a_sum_that_is_a_pipe_is_refused(run):
    (run / ".machine.json.sha256").unlink()
    os.mkfifo(run / ".machine.json.sha256")
    assert ".machine.json.sha256 is a pipe" in outcome(lambda: Folder(run).machine)


def test_a_deep_checkpoint_is_damaged(tmp_path):
    for tree in (DEEP, json.dumps([]).join(["[" * 600, "]" * 600])):
        entry = {"sha256": hashlib.sha256(tree.encode()).hexdigest(), "tree": tree}
        data = safetensors.torch.save({}, {"picojoule": json.dumps(entry)})
        (tmp_path / "epoch-0001.safetensors").write_bytes(data)
        message = outcome(lambda: checkpoint.load(tmp_path / "epoch-0001.safetensors"))
        assert "epoch-0001.safetensors is damaged" in message
