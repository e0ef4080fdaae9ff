"""The consoles of the commands: results go to stdout, everything else to stderr."""

import json
from typing import Any

from rich.console import Console
from rich.text import Text

OUT = Console()
ERR = Console(stderr=True)


def say(line: str) -> None:
    """Prints a line on stdout; a narrow terminal may wrap it, but never cuts it off."""
    OUT.print(Text(line), soft_wrap=True)


def say_json(content: Any) -> None:
    """Prints a value as JSON on stdout."""
    OUT.out(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False), highlight=False)
