"""Short tables of text, for ``print`` and for notebooks."""

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH = 80
_GAP = "  "


@dataclass(frozen=True)
class PlainTable:
    """Table of text that fits 80 columns.

    Attributes:
        title: Its first line.
        columns: Heads of the columns.
        rows: Cells; the first is left-aligned, the others right-aligned. An empty row is a rule.
        below: Lines below it, which are wrapped.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    below: Sequence[str] = ()

    def __str__(self) -> str:
        """Returns its lines; a name that is too long loses its beginning."""
        below = [short for line in self.below for short in _wrapped(line)]
        return "\n".join([*_wrapped(self.title), *self._lines(), *below])

    def _lines(self) -> list[str]:
        """Returns the lines of the heads and rows, none without rows."""
        if not self.rows:
            return []
        cells = [self.columns, *(row for row in self.rows if row)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rest = sum(widths[1:]) + len(_GAP) * (len(widths) - 1)
        widths[0] = min(widths[0], max(8, _WIDTH - rest))
        rule = "-" * (widths[0] + rest)

        def line(row: Sequence[str]) -> str:
            name, *others = row
            if len(name) > widths[0]:
                name = "…" + name[1 - widths[0] :]
            right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
            return _GAP.join([name.ljust(widths[0]), *right]).rstrip()

        return [line(row) if row else rule for row in (self.columns, *self.rows)]

    def html(self) -> str:
        """Returns it as HTML."""
        rows = [self.columns, *self.rows] if self.rows else []
        lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows if row]
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        below = "".join(f"<div>{html.escape(line)}</div>" for line in self.below)
        return f"<div>{html.escape(self.title)}</div><table>{body}</table>{below}"


def place(layer: str) -> list[int]:
    """Returns a sort key: numbered layers by their numbers, others in the order they have.

    Example:
        >>> sorted(["10", "2.weight", "2"], key=place)
        ['2', '2.weight', '10']
    """
    return [int(part) if part.isdigit() else -1 for part in layer.split(".")]


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, _WIDTH, subsequent_indent=_GAP)
