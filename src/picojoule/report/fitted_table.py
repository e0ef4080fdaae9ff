"""Tables for a terminal, which become lists of blocks where a terminal is too narrow for them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_BESIDE = 3  # a border and a space on either side of a cell


@dataclass(frozen=True)
class Head:
    """Head of a column.

    Attributes:
        name: Its name; of several lines if each line of a cell has its own.
        right: Whether cells are right-aligned.
        whole: Whether lines of cells are never wrapped.
    """

    name: str
    right: bool = False
    whole: bool = False


@dataclass(frozen=True)
class FittedTable:
    """Table whose rows become blocks of ``name: value`` if a word does not fit into its column.

    Attributes:
        title: Line above it.
        heads: Heads of the columns.
        rows: Cells, of which the first names the row. An empty row is a rule.
        below: Line below it.
        ruled: Whether there is a rule between all rows.
    """

    title: str
    heads: Sequence[Head]
    rows: Sequence[Sequence[str]]
    below: str = ""
    ruled: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields the table, or the blocks, for a console."""
        yield Text(self.title, style="table.title")
        if self._least() <= options.max_width:
            yield self._table()
        else:
            yield from blocks([head.name for head in self.heads], filter(None, self.rows))
        if self.below:
            yield Text(self.below, style="table.caption")

    def _least(self) -> int:
        """Returns the columns of a terminal that it takes without breaking a word."""
        columns = zip(*filter(None, self.rows), strict=True)
        least = 1
        for head, cells in zip(self.heads, columns, strict=True):
            words = [word for cell in (head.name, *cells) for word in _unbroken(cell, head.whole)]
            least += max(map(cell_len, words), default=0) + _BESIDE
        return least

    def _table(self) -> Table:
        table = Table(show_lines=self.ruled)
        for head in self.heads:
            justify = "right" if head.right else "left"
            table.add_column(head.name, justify=justify, no_wrap=head.whole, overflow="fold")
        for row in self.rows:
            if row:
                table.add_row(*map(Text, row))
            else:
                table.add_section()
        return table


def blocks(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[RenderableType]:
    """Yields each row as its first cell, and below it a line for each other cell with its name."""
    for first, *cells in rows:
        head, *more = first.split("\n")
        told = (
            line for name, cell in zip(names[1:], cells, strict=True) for line in _told(name, cell)
        )
        yield from entry(head, (*more, *told))


def entry(head: str, lines: Iterable[str]) -> Iterator[RenderableType]:
    """Yields a heading and indented lines, which a narrow terminal wraps but never cuts off."""
    yield Text(head, style="bold", overflow="fold")
    for line in lines:
        if line:
            yield Padding(Text(line, overflow="fold"), (0, 0, 0, 4), expand=False)


def _told(name: str, cell: str) -> Iterator[str]:
    """Yields a cell's lines, each with its own name if the name has as many lines."""
    names, values = name.split("\n"), cell.split("\n")
    if len(names) != len(values):
        names, values = [" ".join(names)], [", ".join(values)]
    for one, value in zip(names, values, strict=True):
        if value:
            yield f"{one}: {value}" if one else value


def _unbroken(cell: str, whole: bool) -> Sequence[str]:
    return cell.split("\n") if whole else cell.split()
