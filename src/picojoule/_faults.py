"""Faults of values that people write into files, in words of ours."""

import re
from typing import Any

from picojoule._names import shown, unknown

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_LENGTHS = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}
# What was expected, by how the kind of an error begins.
_EXPECTED = {
    "finite": "a finite number",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string_pattern": "made of letters, digits, '.', '_' and '-', the first no sign",
    "string_too_short": "a text that is not empty",
    "string": "a text",
    "list": "a list",
    "tuple": "a list",
    "dict": "a table of keys and values",
    "model": "a table of keys and values",
    "dataclass": "a table of keys and values",
    "named_tuple": "a table of keys and values",
}


def explain(detail: Any, where: str | None = None) -> str:
    """Words one of pydantic's errors in one line: where, what was expected, what came.

    Args:
        detail: The error.
        where: Its key in the file, with dots; None for its place in the model.
    """
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    where = ".".join(map(str, detail["loc"])) if where is None else where
    if kind in ("missing", "missing_argument"):
        return f"'{where}' is missing"
    if kind == "extra_forbidden":
        return f"unknown key '{where}'"
    if kind == "value_error":
        message = str(context["error"])
        return message if not where or message.startswith(f"{where}.") else f"{where}: {message}"
    if kind == "literal_error":
        return unknown(where, str(given), re.findall("'(.*?)'", context["expected"]))
    if kind in _LENGTHS:
        name, words = _LENGTHS[kind]
        return f"{where} must have {words} {context[name]} of what it lists, got {shown(given)}"
    for name, words in _BOUNDS.items():
        if name in context:
            bound = context[name]
            bound = int(bound) if bound == int(bound) else bound
            return f"{where} must be {words} {bound}, got {shown(given)}"
    expected = next((words for begin, words in _EXPECTED.items() if kind.startswith(begin)), None)
    return f"{where} must be {expected or 'something else'}, got {shown(given)}"
