import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file

from training.two_processes import compare, learn_steps

SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """What one process, which is this one, and each of two saw."""
    folder = tmp_path_factory.mktemp("processes")
    compare(Fabric(accelerator="cpu", devices=1), folder, world=1)
    learn_steps(Fabric(accelerator="cpu", devices=1), folder, world=1)
    subprocess.run(
        [sys.executable, SCRIPT, folder],
        check=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return folder


def seen(out, name):
    return json.loads((out / f"{name}.json").read_text())


@pytest.mark.parametrize("labels", ["", "steps-"], ids=["of samples", "of steps"])
def test_two_processes_learn_the_weights_of_one(out, labels):
    names = [f"{labels}{name}.safetensors" for name in ("1-0", "2-0", "2-1")]
    one, *two = (load_file(out / name) for name in names)
    for name, weight in one.items():
        for other in two:
            torch.testing.assert_close(other[name], weight, rtol=1e-5, atol=1e-6)
        assert torch.equal(two[0][name], two[1][name])


def test_energy_and_multiplier_are_the_same_on_all_ranks(out):
    assert seen(out, "2-0") == seen(out, "2-1")
    assert max(seen(out, "2-0")["multiplier"]) > 0


def test_what_is_told_does_not_depend_on_the_number_of_processes(out):
    one, two = seen(out, "1-0"), seen(out, "2-0")
    for name, value in one.items():
        assert two[name] == pytest.approx(value, rel=1e-6), name
    for name in ("counts", "samples", "measured_accuracy", "chosen"):
        assert two[name] == one[name]


def test_measures_of_labels_per_step_are_over_all_processes(out):
    one, two, other = (seen(out, f"steps-{name}") for name in ("1-0", "2-0", "2-1"))
    assert two == other
    for ours, theirs in zip(one, two, strict=True):
        assert theirs == pytest.approx(ours, rel=1e-6)


def test_two_processes_go_on_bit_identical(out):
    assert seen(out, "resumed-0")
    assert seen(out, "resumed-1")
