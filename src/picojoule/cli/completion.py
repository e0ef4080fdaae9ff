"""Completion by Tab of recipes, chips, data sets, and keys of settings with the values of some.

Nothing here may import torch, which takes longer than a user waits for a Tab. So the keys are read
from ``keys.toml``, which ``make docs`` makes of the tables of recipes.
"""

import tomllib
from collections.abc import Iterable
from importlib import resources

from picojoule import _toml
from picojoule.recipe.merge import recipe_names

_PACKAGE = resources.files("picojoule")
MACHINES = ("cpu", "gpu")  # that recipes are meant for


def recipes(incomplete: str) -> list[str]:
    """Lists the recipes that begin so."""
    return _beginning(incomplete, recipe_names())


def chips(incomplete: str) -> list[str]:
    """Lists the chips that begin so."""
    return _beginning(incomplete, _toml.names_in(_PACKAGE / "energy" / "chips"))


def chips_or_all(incomplete: str) -> list[str]:
    """Lists the chips that begin so, and ``all``."""
    return [*chips(incomplete), *_beginning(incomplete, ["all"])]


def machines(incomplete: str) -> list[str]:
    """Lists the machines that begin so."""
    return _beginning(incomplete, MACHINES)


def data_sets(incomplete: str) -> list[str]:
    """Lists the data sets that begin so."""
    return _beginning(incomplete, _toml.names_in(_PACKAGE / "data" / "sets"))


def parts(incomplete: str) -> list[str]:
    """Lists the data sets and the parts of recipes' names that begin so."""
    found = {part for name in recipe_names() for part in name.split("-")}
    return _beginning(incomplete, sorted(found | set(data_sets(""))))


def settings(incomplete: str) -> list[str]:
    """Lists the keys of a recipe that begin so, each with ``=``, or the values of a whole key."""
    keys = tomllib.loads((_PACKAGE / "cli" / "keys.toml").read_text("utf-8"))
    keys |= {"budget.chip": chips(""), "data.name": data_sets("")}
    key, equals, value = incomplete.partition("=")
    if equals:
        return [f"{key}={one}" for one in _beginning(value, keys.get(key, ()))]
    return _beginning(incomplete, (f"{one}=" for one in keys))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
