"""TOML files that people write: found by name or path, and refused by line."""

import difflib
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from typing import Any

from picojoule import _files
from picojoule._names import unknown

# Tables and lists in one another; what people write has three or four.
_DEEPEST = 100
_LARGEST = 1 << 63
# Mistakes that a message shows, and of which it shows the first.
_TOLD, _LOOKED_AT = 20, 200
# Texts, comments, and what begins and ends a statement.
_TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'{3}.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|\#[^\n]*|[][{}\n]''',
    re.DOTALL,
)


def names_in(folder: Traversable) -> list[str]:
    """Lists the TOML files of a folder, in order and without their suffix."""
    return sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".toml"))


def read_text(what: str, name: str | Path, folder: Traversable) -> tuple[str, str]:
    """Returns the text of a TOML file, and what to call that file in errors.

    Args:
        what: What the file describes, such as ``"chip"``.
        name: A name in ``names_in(folder)``, or the path of a user's own file.
        folder: The files that have a name.

    Raises:
        ValueError: If there is no such name, or the file is not text in UTF-8.
        OSError: If a path was given and there is no file that can be read.
    """
    names = names_in(folder)
    if str(name) in names:
        return (folder / f"{name}.toml").read_text("utf-8"), f"{name}.toml"
    path = Path(name).expanduser()
    if not is_path(name):
        raise ValueError(f"{unknown(what, str(name), names)} (or the path of a .toml file)")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, and a {what} is a .toml file or a name")
    if not path.exists():
        near = difflib.get_close_matches(path.stem, names, n=1, cutoff=0.7)
        hint = f": did you mean the {what} '{near[0]}'?" if near else ""
        raise FileNotFoundError(f"no {what} file at {path}{hint}")
    return _files.text(path), str(path)


def is_path(name: str | Path) -> bool:
    """Returns whether the path of a file is meant, and not a name, whether it is there or not."""
    text = str(name)
    separators = os.sep + (os.altsep or "")
    there = text != "" and Path(text).exists()  # nothing is no path, though Path takes it for one
    return there or text.endswith(".toml") or any(one in text for one in separators)


def parse(text: str, file: str) -> dict[str, Any]:
    """Parses the text of a TOML file.

    Raises:
        ValueError: If it is not valid TOML, is nested more than 100 tables deep, or has a number of
            more than 64 bits; the message names ``file``.
    """
    # The library takes a time that grows with the square of the parts of a key.
    if any(part.count(".") > _DEEPEST for part in re.split("[=,\n]", text)):
        raise ValueError(f"{file} has a key of more than {_DEEPEST} parts")
    try:
        tables = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(f"{file} is nested too deep: its brackets do not end") from error
    except ValueError as error:
        raise ValueError(f"{file} is not valid TOML: {error}") from error
    _check(tables, file)
    return tables


def _check(tables: dict[str, Any], file: str) -> None:
    """Refuses what other parts of the program could not walk through or write."""
    level: list[Any] = [tables]
    for _ in range(_DEEPEST):
        below = []
        for value in level:
            if isinstance(value, int) and abs(value) > _LARGEST:
                raise ValueError(f"{file} has a whole number of more than 64 bits")
            below += value.values() if isinstance(value, dict) else ()
            below += value if isinstance(value, list) else ()
        level = below
    if level:
        raise ValueError(f"{file} is nested more than {_DEEPEST} deep")


def located(text: str, file: str, faults: Iterable[tuple[tuple[str, ...], str]]) -> str:
    """Formats the first faults of a file, one a line, in the order of the file.

    Args:
        text: The content of the file, valid TOML.
        file: The name of the file.
        faults: For each, the key, and what is wrong with its value. Of very many, only some are
            looked at.
    """
    lines = key_lines(text)
    found = [(line_of(lines, keys), why) for keys, why in islice(faults, _LOOKED_AT)]
    found.sort(key=lambda fault: fault[0] or 0)
    told = [f"{file}:{line}: {why}" if line else f"{file}: {why}" for line, why in found]
    if len(told) > _TOLD:
        least = " at least" if len(told) == _LOOKED_AT else ""
        told[_TOLD:] = [f"... and {len(told) - _TOLD} more{least}"]
    return "\n".join(told)


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    r"""Finds the lines of valid TOML at which each table and each key begins.

    The keys in a table of an array have its number before them.

    Example:
        >>> key_lines("a = 1\n[b]\nc = [\n  2,\n]\n[[d]]\ne = 3\n")
        {('a',): 1, ('b',): 2, ('b', 'c'): 3, ('d',): 6, ('d', '0'): 6, ('d', '0', 'e'): 7}
    """
    begun: dict[tuple[str, ...], int] = {}
    above: tuple[str, ...] = ()
    numbers: Counter[tuple[str, ...]] = Counter()
    for line, statement in _statements(text.replace("\r\n", "\n")):
        content: Any = tomllib.loads(statement)
        if not statement.lstrip().startswith("["):
            _note(begun, above, content, line)
            continue
        above = ()
        while isinstance(content, dict) and content:
            ((key, content),) = content.items()
            above = (*above, key)
            begun.setdefault(above, line)
            numbers[above] += isinstance(content, list)
            if numbers[above]:
                above = (*above, str(numbers[above] - 1))
                begun.setdefault(above, line)
    return begun


def _note(
    begun: dict[tuple[str, ...], int], above: tuple[str, ...], content: dict[str, Any], line: int
) -> None:
    for key, value in content.items():
        begun.setdefault((*above, key), line)
        if isinstance(value, dict):
            _note(begun, (*above, key), value, line)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yields the line at which each statement begins, and its text."""
    start, depth, line = 0, 0, 1
    text += "\n"
    for token in _TOKEN.finditer(text):
        depth += (token[0] in ("[", "{")) - (token[0] in ("]", "}"))
        if token[0] == "\n" and not depth:
            statement = text[start : token.end()]
            yield line, statement
            line += statement.count("\n")
            start = token.end()


def line_of(lines: Mapping[tuple[str, ...], int], keys: tuple[str, ...]) -> int | None:
    """Returns the line at which a key begins, or else its table; None if neither is there.

    Example:
        >>> line_of({("a",): 1, ("a", "b"): 2}, ("a", "b")), line_of({("a",): 1}, ("a", "c"))
        (2, 1)
    """
    return next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), None)
