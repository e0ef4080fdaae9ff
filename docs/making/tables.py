"""The tables in pages that are written by hand, each made of what the library has."""

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from making import data_sets, gallery, levers, markdown, neurons, penalties
from picojoule import networks
from picojoule.networks.options import GIVEN

PLACE = r"(<!-- ([\w-]+): made by {command} -->\n).*?(\n<!-- end -->)"


def architectures() -> str:
    """All named networks and what they take."""
    rows = []
    for name, builder in networks.NETWORKS.items():
        obj = markdown.described(builder)
        options = inspect.signature(builder).parameters.values()
        taken = [f"`{one.name}={one.default!r}`" for one in options if one.name not in GIVEN]
        rows.append((f"`{name}`", markdown.summary(obj), ", ".join(taken)))
    return markdown.table(("name", "what", "options"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "neurons": neurons.table,
    "penalties": penalties.table,
    "networks": architectures,
    "data": data_sets.table,
    "gallery": gallery.table,
    "levers": levers.table,
}


def fill(page: Path, made: Mapping[str, Callable[[], str]] = TABLES, by: str = "make docs") -> None:
    """Makes the tables of a page anew.

    Args:
        page: The page.
        made: Makes each table, by the name at its place.
        by: The command that the page says makes them.
    """
    text = page.read_text("utf-8")
    place = re.compile(PLACE.format(command=by), flags=re.S)
    filled = place.sub(lambda found: found[1] + "\n" + made[found[2]]() + found[3], text)
    if filled != text:
        page.write_text(filled, encoding="utf-8")
