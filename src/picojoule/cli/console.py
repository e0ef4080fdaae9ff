"""The consoles of the commands: results go to stdout, everything else to stderr."""

from rich.console import Console
from rich.text import Text

OUT = Console()
ERR = Console(stderr=True)


def say(line: str) -> None:
    """Prints a line on stdout; a narrow terminal may wrap it, but never cuts it off."""
    OUT.print(Text(line), soft_wrap=True)
