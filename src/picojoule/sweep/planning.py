"""The plan of a sweep: every run that answers its question, by name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from picojoule.recipe import Recipe, load_recipe
from picojoule.run.unconstrained import without_budget
from picojoule.sweep.question import Question

_LONGEST = 60  # characters of values in the name of a run


@dataclass(frozen=True)
class Planned:
    """A run that is to be made.

    Attributes:
        name: Name of its folder.
        overrides: What it sets beside the question's settings, by key, as ``--set`` takes it; None
            if a search chooses it when its turn comes.
        seed: Its seed.
        needs: Name of the run that must be finished first: the one without a budget that its share
            is of, or in a search the one with the first seed, which has the same overrides.
    """

    name: str
    overrides: dict[str, str] | None
    seed: int
    needs: str | None = None


def planned(question: Question, base: str | Path) -> list[Planned]:
    """Plans the runs of a question, those that others need first.

    A budget that is a share is of what the same configuration and seed spends without one. That is
    measured by one run for all shares, which the plan has too, with ``budget.limit`` none.

    Args:
        question: The question.
        base: Name or path of its recipe.

    Raises:
        ValueError: If a key or value is wrong, or two configurations are the same.
    """
    if question.search is None:
        return _grid(question, base)
    for key, one in question.ranges.items():
        for value in one.ends:
            configured(question, base, {key: value}, 0)
    width = len(str(question.search - 1))
    names = [f"{number:0{width}}" for number in range(question.search)]
    first = [Planned(f"{name}-seed0", None, 0) for name in names]
    others = [
        Planned(f"{name}-seed{seed}", None, seed, f"{name}-seed0")
        for seed in range(1, question.seeds)
        for name in names
    ]
    return first + others


def configured(
    question: Question, base: str | Path, overrides: Mapping[str, str], seed: int
) -> Recipe:
    """Returns the recipe of one run.

    Args:
        question: The question.
        base: Name or path of its recipe.
        overrides: What the run sets, by key.
        seed: Its seed.

    Raises:
        ValueError: If a key or value is wrong.
    """
    given = [f"{key}={value}" for key, value in overrides.items()]
    return load_recipe(base, [*question.settings, *given, f"seed={seed}"])


def _grid(question: Question, base: str | Path) -> list[Planned]:
    found: dict[str, tuple[dict[str, str], Recipe]] = {}
    for values in product(*question.over.values()):
        overrides = dict(zip(question.over, values, strict=True))
        recipe = configured(question, base, overrides, 0)
        if recipe.sha256 in found:
            raise ValueError(
                f"{_worded(overrides)} and {_worded(found[recipe.sha256][0])} are the same recipe: "
                "leave one of them out"
            )
        found[recipe.sha256] = (overrides, recipe)
    frees: dict[str, tuple[dict[str, str], Recipe]] = {}
    for overrides, recipe in found.values():
        if recipe.budget.share is not None:
            free = without_budget(recipe)
            levers = {"budget.levers": "none"} if recipe.budget.levers else {}
            key = free.sha256
            frees[key] = found.get(key) or ({**overrides, "budget.limit": "none"} | levers, free)
    rest = {sha256: one for sha256, one in found.items() if sha256 not in frees}
    return _named({**frees, **rest}, question.seeds)


def _named(found: Mapping[str, tuple[dict[str, str], Recipe]], seeds: int) -> list[Planned]:
    """Names the runs of configurations, which are by the sum of their recipe."""
    width = len(str(len(found) - 1))
    names = {
        sha256: f"{number:0{width}}-{_slug(overrides.values())}".rstrip("-")
        for number, (sha256, (overrides, _)) in enumerate(found.items())
    }
    runs = []
    for sha256, (overrides, recipe) in found.items():
        free = None
        if recipe.budget.share is not None:
            free = names[without_budget(recipe).sha256]
        for seed in range(seeds):
            needs = None if free is None else f"{free}-seed{seed}"
            runs.append(Planned(f"{names[sha256]}-seed{seed}", overrides, seed, needs))
    return runs


def _slug(values: Iterable[str]) -> str:
    words = (re.sub(r"[^A-Za-z0-9.]+", "-", value).strip("-.") for value in values)
    return "-".join(filter(None, words))[:_LONGEST]


def _worded(overrides: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in overrides.items())
