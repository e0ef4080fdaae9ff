"""Reading of chip files, by name or path, with line and key of each mistake."""

from collections.abc import Iterator
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from picojoule import _toml
from picojoule._faults import explain
from picojoule._names import shown, unknown
from picojoule.energy.chips.chip import Chip, conflicts
from picojoule.energy.chips.price import Price
from picojoule.units import picojoule

_CHIPS = resources.files("picojoule.energy") / "chips"
_FILE_KEYS = tuple(field.alias or name for name, field in Chip.model_fields.items())
_EXPECTED = {
    "source": "every number needs the place where it is published",
    "node": 'say the process, such as node = "28 nm CMOS, 0.9 V"',
    "precision": 'say of what the prices are, such as precision = "int8"',
    "evidence": "say whether the prices were measured, simulated or estimated",
}


def chip_names() -> list[str]:
    """Returns the names of the chips that come with picojoule."""
    return _toml.names_in(_CHIPS)


def load_chip(name: str | Path) -> Chip:
    """Loads a chip by name, or from a user's own TOML file.

    Args:
        name: One of ``chip_names()``, or the path of a file.

    Raises:
        ValueError: If there is no chip of that name, or the file is not a valid price list; the
            message has a line for each mistake, with file, line and key.
        FileNotFoundError: If there is no file at the path.
    """
    return parse_chip(*read_chip(name))


def read_chip(name: str | Path) -> tuple[str, str]:
    """Returns the text of a chip's file and the name of that file; see ``load_chip``."""
    return _toml.read_text("chip", name, _CHIPS)


def parse_chip(text: str, file: str) -> Chip:
    """Parses the text of a chip's file; errors name ``file``."""
    content = _toml.parse(text, file)
    try:
        return Chip.model_validate(content)
    except ValidationError as error:
        explained = (_explained(problem) for problem in error.errors() if problem["loc"])
        others = ((keys, f"{'.'.join(keys)}: {why}") for keys, why in _conflicts(content))
        raise ValueError(_toml.located(text, file, chain(explained, others))) from error


def _conflicts(content: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    prices, excluded = content.get("price"), content.get("excluded")
    prices = prices if isinstance(prices, dict) else {}
    names = [name for name in excluded if isinstance(name, str)] if type(excluded) is list else []
    return conflicts(prices, names, content.get("scope", ""))


def _explained(problem: Any) -> tuple[tuple[str, ...], str]:
    """Explains one of pydantic's errors: its key, and what is wrong and what to do."""
    keys = tuple(str(key) for key in problem["loc"] if key not in ("<price>", "<types>"))
    where, given = ".".join(keys), problem["input"]
    match problem["type"]:
        case "missing":
            why = _EXPECTED.get(keys[-1])
            return keys, f"{where} is missing" + (f": {why}" if why else "")
        case "extra_forbidden" if len(keys) == 3 and isinstance(given, dict):
            table = ".".join(keys[:-1])
            return keys, (
                f"{table} has a price of its own and one for {keys[-1]}: give one for all neurons, "
                "or one for each type"
            )
        case "extra_forbidden":
            known = Price.model_fields if len(keys) > 1 else _FILE_KEYS
            return keys, unknown("key", where, [".".join([*keys[:-1], name]) for name in known])
        case "float_type":
            return keys, f"{where}: expected a number in pJ, got {shown(given)}{_in_pj(given)}"
        case "model_type" | "model_attributes_type":
            return keys, f"{where}: expected a table with pj and source, got {shown(given)}"
        case "tuple_type":
            return keys, f'{where}: expected a list of counts, such as ["pool"], got {shown(given)}'
        case "too_short":
            return keys, f"{where}: expected at least one price, such as [price.ac]"
    return keys, explain(problem, where)


def _in_pj(given: Any) -> str:
    """Says how to write an energy that was given as a text."""
    try:
        return f": write {picojoule(given):g}" if isinstance(given, str) else ""
    except ValueError:
        return ""
