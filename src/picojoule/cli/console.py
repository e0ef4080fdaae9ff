"""The consoles of the commands: results go to stdout, everything else to stderr."""

import json
import logging
from typing import Any

from rich.console import Console
from rich.text import Text

OUT = Console()
ERR = Console(stderr=True)


class Lines(logging.Handler):
    """Writes each record as a line on stderr for files and pipes, not padded and not wrapped."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(levelname)-8s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record."""
        ERR.print(Text(self.format(record)), soft_wrap=True)


def say(line: str) -> None:
    """Prints a line on stdout; a narrow terminal may wrap it, but never cuts it off."""
    OUT.print(Text(line), soft_wrap=True)


def say_json(content: Any) -> None:
    """Prints a value as JSON on stdout."""
    OUT.out(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False), highlight=False)
