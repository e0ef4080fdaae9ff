"""Data sets by name, and a user's own: TOML files, refused with line and key of each mistake."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from importlib import resources
from pathlib import Path, PurePath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from picojoule import _toml
from picojoule._faults import explain
from picojoule._names import unknown
from picojoule.data.readers.formats import FORMATS
from picojoule.data.schema import Dataset, File, Sizes, SplitFiles

_SETS = resources.files("picojoule.data") / "sets"
_NUMBERS = ("mean", "std")  # one, or one for each channel
_KEYS = {
    "": tuple(field.name for field in fields(Dataset)),
    "files": tuple(field.name for field in fields(File)),
    "sizes": Sizes._fields,
    "splits": SplitFiles._fields,
}


class _Named(Mapping[str, Dataset]):
    """The data sets that come with picojoule, each read at its first use."""

    def __getitem__(self, name: str) -> Dataset:
        if name not in _names():
            raise KeyError(name)
        return _read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


DATASETS: Mapping[str, Dataset] = _Named()


def dataset(name: str | Path) -> Dataset:
    """Returns a data set by name, in whatever case, or from a user's own TOML file.

    Args:
        name: One of ``DATASETS``, or the path of a file.

    Raises:
        ValueError: If no data set has that name (the message names the nearest), or the file does
            not describe one (the message has a line for each mistake).
        FileNotFoundError: If a path was given and there is no file.

    Example:
        >>> dataset("digits").sizes
        Sizes(train=1237, validation=200, test=360)
    """
    if str(name).lower() in DATASETS:
        return DATASETS[str(name).lower()]
    return parse_dataset(*_toml.read_text("data set", name, _SETS))


def parse_dataset(text: str, file: str) -> Dataset:
    """Parses the text of a data set's file; ``file`` is named in errors.

    Raises:
        ValueError: If it does not describe a data set; the message has a line for each mistake.
    """
    content = _toml.parse(text, file)
    try:
        found = _reader().validate_python(content)
    except ValidationError as error:
        # Of a value that may be of two types there are two errors, which say the same.
        faults = dict.fromkeys(_explained(problem) for problem in error.errors())
        raise ValueError(_toml.located(text, file, faults)) from error
    faults = list(_misfits(found))
    if faults:
        raise ValueError(_toml.located(text, file, faults))
    return found


def _misfits(found: Dataset) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yields each key that does not fit the format of the data set, and what is wrong with it."""
    if found.format not in ("bundled", *FORMATS):
        yield ("format",), unknown("format", found.format, ["bundled", *FORMATS])
        return
    for keys, name in _places(found):
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            yield keys, f"{'.'.join(keys)}: {name!r} leads out of the folder of the data"
    needs = None if found.format == "bundled" else FORMATS[found.format].needs
    for key in ("splits", "speakers"):
        if bool(getattr(found, key)) == (key == needs):
            continue
        why = "is missing: a data set of" if key == needs else "is not for a data set of"
        yield (key,), f"{key} {why} the format '{found.format}'"


def _places(found: Dataset) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yields the keys of what becomes a path within the folder of the data, each with its value."""
    for key in ("folder", "marker"):
        yield (key,), getattr(found, key)
    for key in ("labels", "speakers"):
        yield from (((key,), name) for name in getattr(found, key))
    for number, file in enumerate(found.files):
        yield ("files", str(number), "path"), file.path
        yield ("files", str(number), "gives"), file.gives
    for key, names in (found.splits or SplitFiles((), ()))._asdict().items():
        yield from ((("splits", key), name) for name in names)


@cache
def _reader() -> TypeAdapter[Dataset]:
    return TypeAdapter(Dataset)


@cache
def _names() -> tuple[str, ...]:
    return tuple(_toml.names_in(_SETS))


@cache
def _read(name: str) -> Dataset:
    return parse_dataset((_SETS / f"{name}.toml").read_text("utf-8"), f"{name}.toml")


def _explained(problem: Any) -> tuple[tuple[str, ...], str]:
    """Returns the key of one of pydantic's errors, and what is wrong with it."""
    keys: tuple[str, ...] = tuple(map(str, problem["loc"]))
    if keys[0] in _NUMBERS:
        where = keys[0]
        return keys[:1], f"{where} must be a number or a list of numbers, one for each channel"
    where = ".".join(keys)
    if problem["type"] in ("missing", "missing_argument"):
        return keys, f"{where} is missing"
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        table, name = keys[0] if len(keys) > 1 else "", where.rpartition(".")[2]
        return keys, unknown("key", name, _KEYS[table])
    return keys, explain(problem, where)
