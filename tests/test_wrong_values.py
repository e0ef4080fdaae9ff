"""A wrong value of any field in any file that people write is answered in words of ours."""

import copy
import re
import tomllib
from importlib import resources

import pytest

from picojoule._faults import explain
from picojoule.data.sets.named import parse_dataset
from picojoule.energy.chips.chip_file import parse_chip
from picojoule.recipe import load_recipe, toml

WRONG = (True, -1, 0.5, float("nan"), 2**62, "", "x", [], [0.9], ["a", 1], [{}], {}, {"a": 1})
FEW = (-1, "x", [0.9], {"a": 1}, True)  # of recipes, which take longer to read
# Words of pydantic and of Python, which name neither key nor way out.
FOREIGN = (
    *("Input should", "should have", "should be", "value_error", "Value error", "pydantic"),
    *("unable to", "object", "NoneType", "argument", "iterable", "operand", "has no len"),
    *("tensor(", "something else", "<types>", "<price>", "validation error"),
)
MIXTURE = {
    "name": "Mixture",
    "dt": 0.001,
    "kinds": [
        {"name": "LIF", "share": 0.75, "tau": [0.02, 0.06]},
        {"name": "BRF", "share": 0.25, "learn": ["omega"]},
    ],
}


def recipe(name, *settings, **neuron):
    content = tomllib.loads(load_recipe(name, settings).to_toml())
    content["network"] |= neuron
    return content


def packaged(room, folder, name):
    return tomllib.loads((resources.files(room) / folder / f"{name}.toml").read_text("utf-8"))


def read_recipe(text, folder):
    (folder / "mine.toml").write_text(text)
    load_recipe(folder / "mine.toml")


def read_chip(text, _):
    parse_chip(text, "mine.toml")


def read_set(text, _):
    parse_dataset(text, "mine.toml")


# The content of a file, the tables of it to change (None for all), and how it is read.
FILES = {
    "AdLIF": (
        recipe("digits", "network.neuron=AdLIF", "budget.limit=10 nJ"),
        ("data", "train", "network"),
        read_recipe,
    ),
    "levers": (
        recipe("fsdd", 'budget.levers=["gates"]', "budget.limit=50%"),
        ("name", "budget"),
        read_recipe,
    ),
    "penalty": (
        recipe(
            "digits", "budget.limit=none", "penalty.name=SynapticPenalty", "penalty.weight=1e-3"
        ),
        ("penalty", "sweep"),
        read_recipe,
    ),
    "mixture": (recipe("digits", neuron=MIXTURE), ("network",), read_recipe),
    "sram": (packaged("picojoule.energy", "chips", "45nm-sram"), None, read_chip),
    "analog": (packaged("picojoule.energy", "chips", "analog-65nm"), None, read_chip),
    "fsdd": (packaged("picojoule.data", "sets", "fsdd"), None, read_set),
    "cifar10": (packaged("picojoule.data", "sets", "cifar10"), None, read_set),
    "shd": (packaged("picojoule.data", "sets", "shd"), None, read_set),
}


def places(content, above=()):
    """Yields the keys of every value in a file, and of every table and list in it."""
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield (*above, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*above, key))


def changed(content, place, value):
    content = copy.deepcopy(content)
    inside = content
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return toml.dumps(content)


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_value_is_answered_by_file_and_key(name, tmp_path):
    content, tables, read = FILES[name]
    refused = 0
    for place in places(content):
        if tables is not None and place[0] not in tables:
            continue
        table = next(str(key) for key in place if isinstance(key, str))
        for value in WRONG if tables is None else FEW:
            try:
                read(changed(content, place, value), tmp_path)
            except ValueError as error:
                refused, told = refused + 1, str(error)
                assert "mine.toml" in told, (place, value, told)
                assert table in told or "unknown" in told, (place, value, told)
                assert not [word for word in FOREIGN if word in told], (place, value, told)
    assert refused > 10


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("train.betas", "[0.9]", "train.betas must have at least 2 of what it lists, got [0.9]"),
        ("train.betas", "[1,1,1]", "train.betas must have at most 2 of what it lists"),
        ("train.betas", "0.9", "train.betas must be a list, got 0.9"),
        ("network.neuron.tau", "-1", "tau must be a range (low, high), from which each neuron"),
        ("network.neuron.adaptation.tau", "x", "network.neuron.adaptation.tau: expected a time"),
    ],
)
def test_a_wrong_value_is_answered_by_what_is_right(key, value, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        load_recipe("digits", ["network.neuron=AdLIF", f"{key}={value}"])


def test_an_unheard_of_kind_of_error_is_in_words_of_ours_too():
    detail = {"type": "url_parsing", "loc": ("a", "b"), "input": 3, "msg": "Input should be"}
    assert explain(detail) == "a.b must be something else, got 3"
