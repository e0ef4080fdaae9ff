"""The tables in pages that are written by hand, each made of what the library has."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

from making import data_sets, gallery, levers, markdown, neurons, penalties
from picojoule import networks
from picojoule.networks.options import GIVEN

PLACE = re.compile(r"(<!-- (\w+): made by make docs -->\n).*?(\n<!-- end -->)", flags=re.S)


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


def fill(page: Path) -> None:
    """Makes the tables of a page anew."""
    text = page.read_text("utf-8")
    made = PLACE.sub(lambda found: found[1] + "\n" + TABLES[found[2]]() + found[3], text)
    if made != text:
        page.write_text(made, encoding="utf-8")
