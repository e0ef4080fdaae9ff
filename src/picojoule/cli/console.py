"""Where the commands print: what was asked for on stdout, all else on stderr."""

from rich.console import Console
from rich.text import Text

OUT = Console()
ERR = Console(stderr=True)


def say(line: str) -> None:
    """A line on stdout, which a narrow terminal may break but nothing cuts off."""
    OUT.print(Text(line), soft_wrap=True)
