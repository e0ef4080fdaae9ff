"""The question of a sweep: a recipe, and what is varied; two files that a sweep keeps."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picojoule import _files, _sums
from picojoule.recipe import CHIP_FILE, load_recipe, toml
from picojoule.sweep.ranges import Range, distinct, ranges

QUESTION, BASE = "sweep.toml", "base.toml"


@dataclass(frozen=True)
class Question:
    """Question that a sweep answers; equal questions are the same sweep.

    Attributes:
        recipe: The recipe that is varied, with every default, as text.
        chip: The user's own chip file that it names, as text; None if it names none.
        settings: What is set in every run, as ``--set`` takes it.
        over: The values of each key of a grid, as ``--set`` takes them.
        ranges: What a search chooses from, by key.
        search: Number of configurations of a search; None for a grid.
        seeds: Number of runs of each configuration, with the seeds from 0 on.
    """

    recipe: str
    chip: str | None
    settings: tuple[str, ...]
    over: dict[str, tuple[str, ...]]
    ranges: dict[str, Range]
    search: int | None
    seeds: int

    @property
    def name(self) -> str:
        """The name of the recipe."""
        return str(tomllib.loads(self.recipe)["name"])

    @property
    def whole_recipe(self) -> str:
        """The recipe with the ``[sweep]`` that a search chooses from."""
        if not self.ranges:
            return self.recipe
        return f"{self.recipe}\n{toml.dumps({'sweep': self._ranges()})}"

    @property
    def command(self) -> str:
        """The command that asks it of ``whole_recipe``."""
        over = [f"{key}={','.join(values)}" for key, values in self.over.items()]
        asked = [f"--over {shlex.quote(one)}" for one in over]
        asked += [] if self.search is None else [f"--search {self.search}"]
        asked += [f"--set {shlex.quote(one)}" for one in self.settings]
        return " ".join([f"pj sweep {BASE}", *asked, f"--seeds {self.seeds}"])

    def _ranges(self) -> dict[str, Any]:
        return {key: one.table() for key, one in self.ranges.items()}

    def files(self) -> dict[str, str]:
        """Returns the files that say all of it, by name."""
        own = {} if self.chip is None else {CHIP_FILE: self.chip}
        asked = {
            "seeds": self.seeds,
            "search": self.search,
            "set": self.settings,
            "over": self.over,
            "ranges": self._ranges(),
        }
        return {BASE: self.recipe, **own, QUESTION: toml.dumps(asked)}

    @classmethod
    def of(cls, files: Mapping[str, str]) -> "Question":
        """Makes the question that ``files`` are of."""
        asked = tomllib.loads(files[QUESTION])
        return cls(
            recipe=files[BASE],
            chip=files.get(CHIP_FILE),
            settings=tuple(asked["set"]),
            over={key: tuple(values) for key, values in asked["over"].items()},
            ranges=ranges(asked["ranges"]),
            search=None if asked["search"] == "none" else asked["search"],
            seeds=asked["seeds"],
        )

    def write(self, folder: Path) -> None:
        """Writes its files into a folder, ``sweep.toml`` last: with it, all are there.

        Raises:
            ValueError: If there is another question in the folder, or something else.
            OSError: If it cannot be written.
        """
        if (folder / QUESTION).is_file():
            self.check_same(Question.read(folder), f"'{folder}'")
            return
        if folder.exists() and (not folder.is_dir() or any(_others(folder, self.files()))):
            raise ValueError(
                f"'{folder}' is there and is no sweep (it has no {QUESTION}): name a new folder"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in self.files().items():
                _sums.put(folder / name, text.encode())
        except OSError as error:
            raise OSError(
                error.errno,
                f"the sweep's folder '{folder}' cannot be made ({error.strerror}): name another by "
                "--out",
            ) from error

    @classmethod
    def read(cls, folder: Path) -> "Question":
        """Reads the question of a sweep's folder.

        Raises:
            ValueError: If there is no sweep, or its files were changed or damaged.
        """
        if not (folder / QUESTION).is_file():
            raise ValueError(f"there is no sweep in '{folder}': it has no {QUESTION}")
        names = [name for name in (QUESTION, BASE, CHIP_FILE) if (folder / name).is_file()]
        try:
            return cls.of({name: _files.text(folder / name) for name in names})
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{folder / QUESTION} or {BASE} beside it is damaged or was changed by hand "
                f"({error}): put back what was there, or begin a new sweep"
            ) from None

    def check_same(self, there: "Question", where: str) -> None:
        """Refuses to ask this question where there is another one.

        Raises:
            ValueError: If they differ; the message says in what.
        """
        if self == there:
            return
        mine, other = _parts(self), _parts(there)
        differ = "; ".join(
            f"{name} is {other[name]} there and {mine[name]} here"
            if name != "recipe"
            else "the recipe is another"
            for name in mine
            if mine[name] != other[name]
        )
        raise ValueError(
            f"{where} is a sweep of another question ({differ}): name another folder by --out, or "
            "go on with that one by --join"
        )


def ask(
    recipe: str | Path,
    *,
    settings: Iterable[str] = (),
    over: Sequence[str] = (),
    search: int | None = None,
    seeds: int = 1,
) -> Question:
    """Makes a question from what a user typed.

    Args:
        recipe: Name or path of a recipe.
        settings: Assignments for every run, such as ``"train.epochs=5"``.
        over: Several values for a key, such as ``"budget.limit=75%,50%"``; each key once. Empty for
            one configuration, with several seeds.
        search: Number of configurations to try of the recipe's ``[sweep]``; None for a grid.
        seeds: Number of runs of each configuration.

    Raises:
        ValueError: If something is missing or contradicts itself. Keys and values are checked when
            the runs are planned.
    """
    loaded, settings = load_recipe(recipe), tuple(settings)
    if seeds < 1:
        raise ValueError(f"the number of seeds must be at least 1, got {seeds}")
    if search is not None and search < 1:
        raise ValueError(f"the number of configurations of a search must be at least 1: {search}")
    if (search is not None and over) or (search is None and not over and seeds == 1):
        raise ValueError(
            "a sweep is a grid or a search: give --over KEY=VALUE,VALUE as often as needed, or "
            "--search N for a recipe with a table [sweep]"
            + (", not both" if over else ", or --seeds N for one recipe with several seeds")
        )
    if search is not None and not loaded.sweep:
        raise ValueError(
            f"recipe '{recipe}' has no table [sweep] to search in: write one, with a range for "
            'each key, such as "network.width" = { low = 32, high = 256, step = 32 }'
        )
    varied = _over(over)
    found = {} if search is None else ranges(loaded.sweep or {})
    _check_keys([*varied, *found], settings)
    chip = loaded.budget.chip_file
    return Question(
        recipe=loaded.to_toml(),
        chip=None if chip is None else _files.text(chip),
        settings=settings,
        over=varied,
        ranges=found,
        search=search,
        seeds=seeds,
    )


def _check_keys(varied: Sequence[str], settings: Sequence[str]) -> None:
    given = {setting.partition("=")[0].strip(): setting for setting in settings}
    if "seed" in (*varied, *given):
        raise ValueError("give seeds by their number: --seeds 3 are the seeds 0, 1 and 2")
    for key in varied:
        if key in given:
            raise ValueError(
                f"'{key}' is varied and set, too (--set {given[key]}): give one of them"
            )


def _over(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        key, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise ValueError(f"expected values such as budget.limit=75%,50%, got '{text}'")
        if key in found:
            raise ValueError(f"--over {key} is there twice: give all its values in one")
        found[key] = distinct(f"--over {key}", split_values(values))
    return found


def split_values(text: str) -> list[str]:
    """Splits values at their commas, but not within quotes or brackets.

    Example:
        >>> split_values("[1, 2], { name = 'a,b' }, 75%")
        ['[1, 2]', "{ name = 'a,b' }", '75%']
    """
    values, depth = [""], 0
    for token in re.findall(r""""(?:\\.|[^"\\])*"|'[^']*'|.""", text, flags=re.DOTALL):
        depth += (token in "[{(") - (token in "]})")
        if token == "," and depth <= 0:
            values.append("")
        else:
            values[-1] += token
    return [value.strip() for value in values]


def _others(folder: Path, files: Iterable[str]) -> Iterable[Path]:
    """Yields what is in a folder beside files that a killed process may have left."""
    return (item for item in folder.iterdir() if item.name not in files and item.suffix != ".tmp")


def _parts(question: Question) -> dict[str, str]:
    """Words the parts of a question, to compare it with another."""
    return {
        "recipe": question.recipe + (question.chip or ""),
        "--set": " ".join(question.settings) or "nothing",
        "--over": json.dumps(question.over) if question.over else "nothing",
        "[sweep]": str({key: one.table() for key, one in question.ranges.items()} or "nothing"),
        "--search": str(question.search),
        "--seeds": str(question.seeds),
    }
