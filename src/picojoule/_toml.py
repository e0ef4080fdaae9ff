"""TOML files that people write: found by name or path, and refused by line."""

import difflib
import os
import tomllib
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from picojoule._names import unknown


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
    if not path.is_file():
        near = difflib.get_close_matches(path.stem, names, n=1, cutoff=0.7)
        hint = f": did you mean the {what} '{near[0]}'?" if near else ""
        raise FileNotFoundError(f"no {what} file at {path}{hint}")
    try:
        return path.read_text("utf-8"), str(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8: {error}") from error


def is_path(name: str | Path) -> bool:
    """Returns whether the path of a file is meant, and not a name, whether it is there or not."""
    text = str(name)
    separators = os.sep + (os.altsep or "")
    return text.endswith(".toml") or any(one in text for one in separators) or Path(text).exists()


def parse(text: str, file: str) -> dict[str, Any]:
    """Parses the text of a TOML file.

    Raises:
        ValueError: If it is not valid TOML; the message names ``file``.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is not valid TOML: {error}") from error


def located(text: str, file: str, faults: Iterable[tuple[tuple[str, ...], str]]) -> str:
    """Formats the faults of a file, one a line, in the order of the file.

    Args:
        text: The content of the file, valid TOML.
        file: The name of the file.
        faults: For each, the key, and what is wrong with its value.
    """
    found = [(key_line(text, keys), why) for keys, why in faults]
    found.sort(key=lambda fault: fault[0] or 0)
    return "\n".join(f"{file}:{line}: {why}" if line else f"{file}: {why}" for line, why in found)


def key_line(text: str, keys: tuple[str, ...]) -> int | None:
    r"""Finds the line of valid TOML at which a key begins, or else its table.

    What stands before a statement is valid by itself, and no part of a statement is; so reading
    ever more lines tells where each begins.

    Example:
        >>> key_line("a = 1\n[b]\nc = [\n  2,\n]\n", ("b", "c")), key_line("[b]", ("b", "d"))
        (3, 1)
    """
    lines, start = text.replace("\r\n", "\n").split("\n"), 0
    begun: dict[tuple[str, ...], int] = {}
    for end in range(1, len(lines) + 1):
        try:
            table: Any = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a statement
        for depth, key in enumerate(keys, 1):
            if not isinstance(table, dict) or key not in table:
                break
            begun.setdefault(keys[:depth], start + 1)
            table = table[key]
        start = end
    return max(begun.items(), key=lambda item: len(item[0]))[1] if begun else None
