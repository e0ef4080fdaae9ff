"""Messages on data, shown once however often they are said."""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


class Once(logging.Filter):
    """A filter that lets each message on data pass the first time that it is said.

    A run prepares the same data for a training without a budget and for that with one, say.

    Args:
        alike: Whether messages are one that differ in numbers, and in the file that they begin
            with.

    Attributes:
        said: How often each message was said, as it was the first time.
    """

    def __init__(self, *, alike: bool = False) -> None:
        super().__init__()
        self._alike = alike
        self._first: dict[str, str] = {}
        self.said = Counter[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether to show a record."""
        if not record.name.startswith("picojoule.data"):
            return True
        kind = message = record.getMessage()
        if self._alike:
            kind = re.sub(r"^.*: (?=\d+ of )|\d+", "", message)
        first = self._first.setdefault(kind, message)
        self.said[first] += 1
        return self.said[first] == 1


@contextmanager
def once_for_all_files() -> Iterator[None]:
    """Shows messages that are alike once in the block, and in the end of how many files."""
    once, handlers = Once(alike=True), logging.getLogger().handlers
    for handler in handlers:
        handler.addFilter(once)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(once)
    for message, count in once.said.items():
        if count > 1:
            logger.warning("in %d files: %s", count, message)
