"""``pj recipes``: one line for each recipe, of all or of those asked for."""

import os
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from picojoule._names import unknown
from picojoule.cli import completion
from picojoule.cli.command_options import AsJson
from picojoule.cli.completion import MACHINES
from picojoule.cli.console import OUT, say_json
from picojoule.recipe.merge import Tables, read, recipe_names
from picojoule.report.fitted_table import blocks

_HEADS = ("recipe", "for", "reached", "network", "neuron", "what it is")


def recipes(
    of: Annotated[
        str | None,
        typer.Argument(
            help="A data set, or a part of the names, such as vgg11.",
            metavar="OF",
            autocompletion=completion.parts,
        ),
    ] = None,
    meant: Annotated[
        str | None,
        typer.Option(
            "--for",
            help="Recipes that are meant for this machine: cpu or gpu.",
            autocompletion=completion.machines,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes that come with picojoule, and the penalties that a recipe may name."""
    if meant not in (None, *MACHINES):
        raise ValueError(unknown("machine", meant, MACHINES))
    found = _chosen({name: read(name, {}) for name in recipe_names()}, of, meant)
    if as_json:
        from picojoule.recipe import load_recipe

        say_json({"recipes": [load_recipe(name).model_dump(mode="json") for name in found]})
        return
    bounded = OUT.is_terminal or "COLUMNS" in os.environ
    for line in _shown(found, OUT.width if bounded else None):
        OUT.print(line, soft_wrap=not bounded)
    if of is None and meant is None:
        from picojoule.cli import show

        OUT.print(show.penalties())


def _chosen(found: dict[str, Tables], of: str | None, meant: str | None) -> dict[str, Tables]:
    """Returns the recipes on a data set, or else with that part in their names, for a machine."""
    if of is not None:
        sets = {tables["data"]["name"] for tables in found.values()}
        names = {name for name in found if f"-{of}-" in f"-{name}-"}
        names = {name for name in found if found[name]["data"]["name"] == of} or names
        if not names:
            parts = {part for name in found for part in name.split("-")}
            raise ValueError(unknown("data set or part of a recipe's name", of, sets | parts))
        found = {name: one for name, one in found.items() if name in names}
    return {name: one for name, one in found.items() if meant in (None, _machine(one))}


def _machine(tables: Tables) -> str:
    return tables.get("machine", MACHINES[0])


def _shown(found: dict[str, Tables], width: int | None) -> Iterator[RenderableType]:
    """Yields a heading and a line for each recipe, without descriptions if they do not fit.

    Blocks of lines if that does not fit either.
    """
    rows: list[tuple[str, ...]] = [_HEADS]
    for name, tables in found.items():
        reached = tables.get("measured", "").split(" ")[0].strip(",")
        kind = tables["network"]["neuron"]["name"]
        what = tables.get("description", "")
        rows.append((name, _machine(tables), reached, tables["network"]["name"], kind, what))
    for lines in (_aligned(rows), _aligned([row[:-1] for row in rows])):
        if width is None or max(map(len, lines)) <= width:
            yield from map(Text, lines)
            return
    yield from blocks(_HEADS, rows[1:])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
