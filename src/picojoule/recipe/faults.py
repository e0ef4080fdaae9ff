"""Faults of a recipe, in words."""

import re
from typing import Any

from picojoule._names import shown, unknown

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a table of keys and values",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a table of keys and values",
    "string_pattern_mismatch": "made of letters, digits, '.', '_' and '-', the first no sign",
    "string_type": "a text",
}


def explain(detail: Any) -> str:
    """Words one of pydantic's errors in one line: where, what was expected, what came."""
    where, kind, given = ".".join(map(str, detail["loc"])), detail["type"], detail["input"]
    context = detail.get("ctx", {})
    if kind == "missing":
        return f"'{where}' is missing"
    if kind == "value_error":
        message = str(context["error"])
        return message if not where or message.startswith(f"{where}.") else f"{where}: {message}"
    if kind == "literal_error":
        return unknown(where, str(given), re.findall("'(.*?)'", context["expected"]))
    for name, words in _BOUNDS.items():
        if name in context:
            bound = context[name]
            bound = int(bound) if bound == int(bound) else bound
            return f"{where} must be {words} {bound}, got {shown(given)}"
    expected = _EXPECTED.get(kind)
    if expected is None:
        return f"{where}: {detail['msg']}, got {shown(given)}"
    return f"{where} must be {expected}, got {shown(given)}"
