"""What every reader may do with any bytes: give something, or refuse them by name."""

import traceback
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def read_or_refused(read: Callable[[], Found], name: str) -> Found | None:
    """What ``read`` gives; None where it raises a ValueError that names the file, in our words."""
    try:
        return read()
    except ValueError as error:
        message, cause = str(error), error.__cause__
    assert name in message
    while cause is not None:
        raised = traceback.extract_tb(cause.__traceback__)
        if raised and "picojoule" not in raised[-1].filename and len(str(cause)) > 5:
            assert str(cause) not in message, "the sentence of another library"
        cause = cause.__cause__
    return None
