"""``pj predict``: names of files in, a line for each of their items out."""

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from picojoule._files import check_links
from picojoule.cli.console import ERR, say, say_json

if TYPE_CHECKING:
    from picojoule.run import Prediction, Trained

READ, NOTHING_READ, SOME_READ = 0, 2, 3


def predict(trained: "Trained", names: Sequence[str], *, as_json: bool) -> int:
    """Prints a prediction for each item of each file, and an error for each file that is bad.

    Args:
        trained: The network.
        names: Files, folders, patterns such as ``"*.png"``, or ``-`` for names on standard input.
        as_json: Whether to print one JSON object in the end instead of lines.

    Returns:
        The exit code: 0 if all files were read, 3 if some were not, 2 if none was.

    Raises:
        ValueError: If no file is named.
    """
    from picojoule.cli.show import chip_beside, prediction
    from picojoule.energy import load_chip
    from picojoule.networks.exit import exit_of

    chip = load_chip(trained.recipe.budget.chip)
    cost = trained.report.chips.get(chip.name)
    marked = chip_beside(chip.name, cost)
    exits = exit_of(trained.net) is not None
    found: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    read = 0
    for name, result in _each(trained, names):
        if isinstance(result, Exception):
            errors.append({"file": name, "error": str(result)})
            ERR.print(Text(f"error: {result}", style="red"), soft_wrap=True)
            continue
        read += 1
        for item, one in enumerate(result):
            if as_json:
                found.append({"file": name, "item": item, **_plain(one)})
            else:
                place = name if len(result) == 1 else f"{name}[{item}]"
                say(f"{place}: {prediction(one, marked, exits=exits)}")
    if not read and not errors:
        raise ValueError("no file was named on standard input")
    if as_json:
        priced = {
            "chip": chip.name,
            "precision": chip.precision,
            "network_precision": cost.network_precision if cost else "",
        }
        say_json({**priced, "predictions": found, "errors": errors})
    if not errors:
        return READ
    return SOME_READ if read else NOTHING_READ


def _plain(prediction: "Prediction") -> dict[str, Any]:
    """Returns what a prediction says, as JSON has it."""
    said = {name: value for name, value in vars(prediction).items() if value is not None}
    if prediction.steps is not None:
        said["steps"] = [
            {name: value for name, value in vars(step).items() if value is not None}
            for step in prediction.steps
        ]
    return said


def _each(
    trained: "Trained", names: Sequence[str]
) -> Iterator[tuple[str, "list[Prediction] | Exception"]]:
    """Yields the name of each file with its predictions, or with what is wrong with it."""
    from picojoule.data import suffixes

    ends = suffixes(trained.recipe.data.dataset)
    for name in _typed(names):
        try:
            paths = _files(name, ends)
        except (ValueError, OSError) as error:
            yield name, error
            continue
        for path in paths:
            try:
                if Path(name).is_dir():
                    check_links(Path(name), [path])
                yield str(path), trained.predict_file(path)
            except (ValueError, OSError) as error:
                yield str(path), error


def _typed(names: Sequence[str]) -> Iterator[str]:
    """Yields the names; ``-`` stands for the lines of standard input."""
    for name in names:
        if name == "-":
            yield from filter(None, (line.rstrip("\r\n") for line in sys.stdin))
        else:
            yield name


def _files(name: str, ends: tuple[str, ...]) -> list[Path]:
    """Returns the files that a name stands for, of a folder those that can be read, in order.

    Raises:
        ValueError: If there are none.
    """
    path = Path(name)
    if path.is_dir():
        found = sorted(
            Path(folder) / file
            for folder, _, files in os.walk(path)
            for file in files
            if not file.startswith(".") and file.lower().endswith(ends)
        )
        if not found:
            raise ValueError(f"'{name}' holds no file of {', '.join(ends)}")
        return found
    if not path.exists() and glob.has_magic(name):
        if not (matching := sorted(glob.glob(name, recursive=True))):
            raise ValueError(f"there is no file '{name}'")
        return [Path(one) for one in matching]
    return [path]
