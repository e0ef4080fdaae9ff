"""Writes TOML: the few kinds of value that a recipe holds, always in the same form."""

import json
import re
from collections.abc import Mapping
from typing import Any


def dumps(tables: Mapping[str, Any]) -> str:
    """Writes a document: plain values, then one table per mapping; deeper mappings are inline.

    None is the text ``"none"``.

    Raises:
        TypeError: If TOML has no form for a value.

    Example:
        >>> print(dumps({"seed": 0, "data": {"name": "digits", "encoder": {"steps": 16}}}), end="")
        seed = 0
        <BLANKLINE>
        [data]
        name = "digits"
        encoder = { steps = 16 }
    """
    plain = {key: value for key, value in tables.items() if not isinstance(value, Mapping)}
    parts = [_lines(plain)] if plain else []
    for name, table in tables.items():
        if isinstance(table, Mapping):
            parts.append(f"[{_key(name)}]\n" + _lines(table))
    return "\n".join(parts)


def text(value: str) -> str:
    """Writes a text in quotes, escaped as TOML wants it."""
    # A JSON string is a TOML string, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {inline(value)}\n" for key, value in table.items())


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else inline(key)


def inline(value: Any) -> str:
    """Writes a value in one line; None is the text ``"none"``.

    Raises:
        TypeError: If TOML has no form for it.
    """
    if value is None:
        return inline("none")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(inline(item) for item in value) + "]"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {inline(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    raise TypeError(f"TOML has no word for {type(value).__name__} {value!r}")
