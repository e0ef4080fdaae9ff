"""A page of HTML in one file: its sections, tables and charts, and the script that draws them."""

import html
import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from string import Template
from typing import Any

Figure = dict[str, Any]

# What a chart's names may hold: Plotly reads some markup in them, which escaping takes away.
text = html.escape


class Page:
    """A page that is filled section by section.

    Args:
        title: Its title.
        lead: Lines of HTML below the title.
    """

    def __init__(self, title: str, lead: Iterable[str] = ()) -> None:
        self._title = title
        self._lead = "".join(lead)
        self._sections: list[tuple[str, str]] = []
        self._figures: list[Figure] = []

    def section(self, title: str, blocks: Iterable[str]) -> None:
        """Adds a section of blocks of HTML; one without blocks is left out."""
        if body := "".join(blocks):
            self._sections.append((title, body))

    def chart(self, figure: Figure, *, says: str, numbers: str, height: int = 300) -> str:
        """Returns a chart as a block.

        Args:
            figure: ``data`` and ``layout``, as Plotly takes them.
            says: What it shows, in a sentence.
            numbers: A table of the same, for those who cannot see it or run no script.
            height: In pixels.
        """
        self._figures.append(figure)
        return (
            f'<figure><div class="plot" style="height:{height}px" role="img" '
            f'aria-label="{text(says)}" data-figure="{len(self._figures) - 1}"></div>'
            f"<figcaption>{text(says)}</figcaption>{folded('Numbers', numbers)}</figure>"
        )

    def html(self) -> str:
        """Returns the page."""
        room = files("picojoule.report.page")
        menu = "".join(f'<a href="#{_anchor(one)}">{text(one)}</a>' for one, _ in self._sections)
        body = "".join(
            f'<section id="{_anchor(title)}"><h2>{text(title)}</h2>{body}</section>'
            for title, body in self._sections
        )
        # A script ends at the first </script>, also within a text.
        figures = json.dumps(self._figures, allow_nan=False).replace("<", "\\u003c")
        return Template(room.joinpath("page.html").read_text("utf-8")).substitute(
            title=text(self._title),
            lead=self._lead,
            menu=menu,
            body=body,
            figures=figures,
            style=room.joinpath("page.css").read_text("utf-8"),
            script=room.joinpath("page.js").read_text("utf-8"),
            plotly=room.joinpath("plotly-basic.min.js").read_text("utf-8")
            if figures != "[]"
            else "",
        )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """Returns a table: the first cell of a row is its head, the others are right-aligned."""
    head = "".join(f'<th scope="col">{text(one)}</th>' for one in heads)
    lines = (
        f'<tr><th scope="row">{text(first)}</th>'
        + "".join(f"<td>{text(cell)}</td>" for cell in others)
        + "</tr>"
        for first, *others in rows
    )
    said = f"<caption>{text(caption)}</caption>" if caption else ""
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide" tabindex="0"><table>{said}{body}</table></div>'


def folded(title: str, body: str) -> str:
    """Returns a block that is shown if it is asked for."""
    return f"<details><summary>{text(title)}</summary>{body}</details>"


def choices(title: str, blocks: Sequence[tuple[str, str]]) -> str:
    """Returns blocks by name of which one is chosen; without a script all are there.

    Args:
        title: What is chosen.
        blocks: Name and HTML of each, the first chosen at first.
    """
    names = "".join(f"<option>{text(name)}</option>" for name, _ in blocks)
    parts = "".join(
        f'<div class="choice" data-choice="{text(name)}"><h3>{text(name)}</h3>{body}</div>'
        for name, body in blocks
    )
    choose = (
        f'<label class="scripted">{text(title)} <select class="choose">{names}</select></label>'
    )
    return f'<div class="choices">{choose if len(blocks) > 1 else ""}{parts}</div>'


def _anchor(title: str) -> str:
    return "".join(one if one.isalnum() else "-" for one in title.lower())
