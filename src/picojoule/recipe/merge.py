"""Recipe files: found, read, and laid over one another."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from picojoule._names import unknown

Tables = dict[str, Any]


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("picojoule").joinpath("recipes")
    return sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".toml"))


def read(name_or_path: str | Path, over: Mapping[str, Any], above: tuple[str, ...] = ()) -> Tables:
    """The tables of a recipe with those it extends below it and ``over`` on top.

    Args:
        name_or_path: Name of a recipe of ours or path of a file.
        over: What to lay over it.
        above: The files that extend this one, to notice a circle.

    Raises:
        ValueError: No such recipe, a file that is no TOML, or one that extends itself.
    """
    if str(name_or_path) in recipe_names():
        source = resources.files("picojoule").joinpath("recipes", f"{name_or_path}.toml")
        label, folder = str(name_or_path), None
    else:
        source = Path(name_or_path)
        if not source.is_file():
            message = unknown("recipe", str(name_or_path), recipe_names())
            raise ValueError(f"{message} (or the path of a recipe file)")
        label, folder = str(source.resolve()), source.resolve().parent
    if label in above:
        raise ValueError(f"recipe '{label}' extends itself: " + " -> ".join([*above, label]))
    try:
        tables = tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"recipe '{label}' is no valid TOML: {error}") from None
    budget = tables.get("budget")
    if folder is not None and isinstance(budget, dict) and _is_chip_file(budget.get("chip")):
        budget["chip"] = str(folder / budget["chip"])
    data = tables.get("data")
    if folder is not None and isinstance(data, dict) and isinstance(data.get("folder"), str):
        data["folder"] = str(folder / Path(data["folder"]).expanduser())
    if "extends" in tables:
        below = str(tables.pop("extends"))
        if folder is not None and below not in recipe_names():
            below = str(folder / below)
        tables = read(below, tables, (*above, label))
    if over:
        tables.pop("measured", None)  # which is of the recipe as it stood
    return merge(tables, over)


def _is_chip_file(chip: object) -> bool:
    return isinstance(chip, str) and chip.endswith(".toml")


def merge(base: Mapping[str, Any], over: Mapping[str, Any], table: str = "") -> Tables:
    """``over`` laid over ``base``, table by table.

    A table that names another thing than before (an encoder, a network, a neuron, a surrogate)
    drops the former one's parameters, which mean nothing to it.
    """
    renamed = "name" in over and over["name"] != base.get("name")
    if renamed and table not in ("", "data"):
        base = {key: value for key, value in base.items() if isinstance(value, Mapping)}
    merged = dict(base)
    for key, value in over.items():
        # A mere name stands for the table of that name: surrogate = "atan".
        below = {"name": merged[key]} if isinstance(merged.get(key), str) else merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(below, value, key)
        else:
            merged[key] = value
    return merged


def assignments(overrides: Iterable[str]) -> Tables:
    """Tables of ``"a.b=value"`` texts; a value that is no TOML is taken as a text.

    Raises:
        ValueError: A text without ``=``.

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
        table = tables
        for part in parents:
            below = table.get(part, {})
            # A mere name stands for the table of that name: surrogate=atan, surrogate.alpha=3.
            table[part] = below if isinstance(below, dict) else {"name": below}
            table = table[part]
        table[last] = _literal(text.strip())
    return tables


def _literal(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
