"""What Tab completes, as the shells ask for it."""

import json
import os
import subprocess
import sys
from importlib import resources

import pytest

from picojoule.cli import completion
from picojoule.data import DATASETS
from picojoule.energy import chip_names
from picojoule.recipe import Recipe, recipe_names, toml
from picojoule.recipe.keys import every_key, keys_of

# A process that completes lines as zsh has it do, and tells whether it loaded torch.
PROGRAM = """
import contextlib, io, json, os, sys
from picojoule.cli import app
told = {}
for line in json.loads(sys.argv[1]):
    os.environ.update({"_PJ_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": line,
                       "_TYPER_COMPLETE_FISH_ACTION": "get-args"})
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        app(prog_name="pj")
    told[line] = [one.split("\\t")[0] for one in out.getvalue().split()]
print(json.dumps([told, "torch" in sys.modules]))
"""


def test_names_and_keys_complete_without_torch():
    lines = {
        "pj train fas": [name for name in recipe_names() if name.startswith("fas")],
        "pj train digits --chip lo": ["loihi"],
        "pj train digits --set train.ep": ["train.epochs="],
        "pj train digits --set network.neuron.ta": [
            "network.neuron.tau=",
            "network.neuron.tau_adaptation=",
            "network.neuron.tau_synapse=",
        ],
        "pj train digits --set train.optimizer=a": [
            "train.optimizer=adam",
            "train.optimizer=adamw",
        ],
        "pj train digits --set data.name=mn": ["data.name=mnist"],
        "pj measure RUN --chip true": ["truenorth", "truenorth-marginal"],
        "pj measure RUN --chip al": ["all"],
        "pj data show ss": ["ssc"],
        "pj data get ss": ["ssc"],
        "pj chips show odin-": ["odin-marginal"],
        "pj chips check odin-": ["odin-marginal"],
        "pj recipes vgg": ["vgg11", "vgg16"],
        "pj recipes --for ": ["cpu", "gpu"],
        "pj train my-own/": [],
    }
    command = [sys.executable, "-c", PROGRAM, json.dumps(list(lines))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told, torch_loaded = json.loads(done.stdout)
    assert told == lines
    assert not torch_loaded


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_own_script(shell):
    asked = os.environ | {"_PJ_COMPLETE": f"source_{shell}"}
    program = "from picojoule.cli import app; app(prog_name='pj')"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=asked)
    assert "_PJ_COMPLETE=complete_" in done.stdout


def test_all_there_is_completes():
    assert completion.recipes("") == recipe_names()
    assert completion.chips("") == chip_names()
    assert completion.data_sets("") == list(DATASETS)


def test_the_keys_are_those_of_the_code():
    """Where this fails, ``make docs`` writes them anew."""
    kept = resources.files("picojoule") / "cli" / "keys.toml"
    assert kept.read_text("utf-8") == toml.dumps(every_key(Recipe))


def test_the_keys_are_those_that_recipes_may_have():
    every = every_key(Recipe)
    for encoder in every["data.encoder"]:
        named = {"data": {"encoder": encoder}, "network": {"neuron": "AdLIF"}}
        keys = keys_of(Recipe, named)
        assert set(keys.fields) <= set(every)
