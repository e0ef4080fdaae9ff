"""Reads recipe files and merges them with those they extend."""

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from picojoule import _toml
from picojoule._names import shortened
from picojoule.recipe.base import NOTHING

_RECIPES = resources.files("picojoule") / "recipes"
Tables = dict[str, Any]

# Keys of [budget] that stand in each other's place.
_INSTEAD = (("limit", "limits"), ("limits", "limit"))
# Recipes that extend one another, and parts of a key on the command line before its last.
_EXTENDED, _PARTS = 16, 16


def recipe_names() -> list[str]:
    """Lists the recipes that come with the package."""
    return _toml.names_in(_RECIPES)


def read(name_or_path: str | Path, over: Mapping[str, Any], above: tuple[str, ...] = ()) -> Tables:
    """Reads the tables of a recipe, merged with those of the recipe it extends.

    Args:
        name_or_path: Name of a recipe that comes with the package, or path of a file.
        over: Tables that take precedence over those of the file.
        above: The files that extend this one, to notice a circle.

    Raises:
        ValueError: If there is no such recipe, or it is not valid TOML, or it extends itself.
        OSError: If a path was given and there is no file that can be read.
    """
    text, label = _toml.read_text("recipe", name_or_path, _RECIPES)
    named = str(name_or_path) in recipe_names()
    folder = None if named else Path(label).resolve().parent
    label = str(name_or_path) if named else str(Path(label).resolve())
    if len(above) > _EXTENDED:
        raise ValueError(f"recipe '{above[0]}' extends more than {_EXTENDED} others")
    if label in above:
        raise ValueError(f"recipe '{label}' extends itself: " + " -> ".join([*above, label]))
    tables = _toml.parse(text, label)
    budget = tables.get("budget")
    if folder is not None and isinstance(budget, dict) and _is_chip_file(budget.get("chip")):
        budget["chip"] = str(folder / budget["chip"])
    data = tables.get("data")
    if folder is not None and isinstance(data, dict):
        own = data.get("folder", NOTHING)
        if isinstance(own, str) and own != NOTHING:
            data["folder"] = str(folder / Path(own).expanduser())
    if "extends" in tables:
        below = str(tables.pop("extends"))
        if folder is not None and (_toml.is_path(below) or (folder / below).is_file()):
            below = str(folder / Path(below).expanduser())
        tables = read(below, tables, (*above, label))
    if over:
        tables.pop("measured", None)  # which is of the recipe as it stood
    return merge(tables, over)


def _is_chip_file(chip: object) -> bool:
    return isinstance(chip, str) and chip.endswith(".toml")


def merge(base: Mapping[str, Any], over: Mapping[str, Any], table: str = "") -> Tables:
    """Merges two tables, and the tables in them; ``over`` takes precedence over ``base``.

    If ``over`` names another encoder, network, neuron or surrogate than ``base``, the parameters
    of the former are dropped, because they mean nothing to the latter.
    """
    renamed = "name" in over and over["name"] != base.get("name")
    if renamed and table not in ("", "data"):
        base = {key: value for key, value in base.items() if key == "neuron"}
    merged = dict(base)
    for one, other in _INSTEAD if table == "budget" else ():
        if one in over and other not in over:
            merged.pop(other, None)
    for key, value in over.items():
        # A mere name stands for the table of that name: surrogate = "atan".
        below = {"name": merged[key]} if isinstance(merged.get(key), str) else merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(below, value, key)
        else:
            merged[key] = value
    return merged


def assignments(overrides: Iterable[str]) -> Tables:
    """Parses texts such as ``"a.b=value"`` to tables; a value that is no TOML is a text.

    Raises:
        ValueError: If a text has no ``=``.

    Example:
        >>> assignments(["train.epochs=5", "budget.limit=20 nJ"])
        {'train': {'epochs': 5}, 'budget': {'limit': '20 nJ'}}
    """
    tables: Tables = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"expected a setting such as train.epochs=5, got '{override}'")
        *parents, last = key.strip().split(".")
        if len(parents) > _PARTS:
            raise ValueError(f"expected a setting such as train.epochs=5, got '{shortened(key)}'")
        table = tables
        for part in parents:
            below = table.get(part, {})
            # A mere name stands for the table of that name: surrogate=atan, surrogate.alpha=3.
            table[part] = below if isinstance(below, dict) else {"name": below}
            table = table[part]
        value, before = _literal(text.strip()), table.get(last)
        if isinstance(value, str) and isinstance(before, dict):  # other keys are set already
            value = before | {"name": value}
        table[last] = value
    return tables


def _literal(text: str) -> Any:
    try:
        return _toml.parse(f"value = {text}", "a setting")["value"]
    except ValueError:
        return text
