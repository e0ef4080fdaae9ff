"""What every reader may do with any bytes: give something, or refuse them by name."""

from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def read_or_refused(read: Callable[[], Found], name: str) -> Found | None:
    """What ``read`` gives; None where it raises a ValueError that names the file."""
    try:
        return read()
    except ValueError as error:
        message = str(error)
    assert name in message
    return None
