"""``pj recipes``: one line for each recipe, of all or of those asked for."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from picojoule._names import unknown
from picojoule.cli import completion
from picojoule.cli.completion import MACHINES
from picojoule.cli.console import OUT, say, say_json
from picojoule.recipe.merge import Tables, read, recipe_names


def recipes(
    of: Annotated[
        str | None,
        typer.Argument(
            help="A data set, or a part of the names such as vgg11.",
            metavar="OF",
            autocompletion=completion.parts,
        ),
    ] = None,
    meant: Annotated[
        str | None,
        typer.Option(
            "--for",
            help="Those meant for such a machine, cpu or gpu.",
            autocompletion=completion.machines,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the recipes, whole, as JSON.")
    ] = False,
) -> None:
    """List the recipes that come with picojoule, and the penalties that a recipe may name."""
    if meant not in (None, *MACHINES):
        raise ValueError(unknown("machine", meant, MACHINES))
    found = _chosen({name: read(name, {}) for name in recipe_names()}, of, meant)
    if as_json:
        from picojoule.recipe import load_recipe

        say_json({"recipes": [load_recipe(name).model_dump(mode="json") for name in found]})
        return
    for line in _lines(found, OUT.width if OUT.is_terminal else None):
        say(line)
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


def _lines(found: dict[str, Tables], width: int | None) -> Iterator[str]:
    """Yields a heading and a line for each recipe.

    The descriptions are left out if one does not fit into the width, if there is one; a line too
    long without is cut off.
    """
    rows = [("recipe", "for", "reached", "network", "neuron", "what it is")]
    for name, tables in found.items():
        reached = tables.get("measured", "").split(" ")[0].strip(",")
        kind = tables["network"]["neuron"]["name"]
        what = tables.get("description", "")
        rows.append((name, _machine(tables), reached, tables["network"]["name"], kind, what))
    lines = list(_aligned(rows))
    if width is not None and max(map(len, lines)) > width:
        lines = list(_aligned([row[:-1] for row in rows]))
    yield from (_cut(line, width) for line in lines)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else f"{line[: width - 1]}…"
