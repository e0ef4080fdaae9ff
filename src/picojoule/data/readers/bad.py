"""Items that cannot be read, or not as they are: an error, or what was left out or changed."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

logger = logging.getLogger(__name__)

Source = TypeVar("Source")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Bad:
    """A rule for bad items: the first is refused, or all are left out and listed.

    What readers change or drop of good ones is counted, and said once for all.

    Args:
        skip: Whether bad items are left out.
        resample: Whether sounds of another rate are resampled and several channels mixed; else they
            are bad.

    Example:
        >>> bad = Bad(skip=True)
        >>> bad.met(ValueError("cat/7.png is truncated"))
        >>> bad.items
        ['cat/7.png is truncated']
    """

    skip: bool
    resample: bool = False
    items: list[str] = field(default_factory=list, init=False)
    changed: Counter[str] = field(default_factory=Counter, init=False)
    seen: Counter[str] = field(default_factory=Counter, init=False)

    def met(self, error: ValueError) -> None:
        """Notes what is wrong with an item.

        Raises:
            ValueError: This very error, if nothing is left out.
        """
        if not self.skip:
            raise error
        self.items.append(str(error))

    def note(self, change: str, count: int, total: int = 1) -> None:
        """Counts what was changed or dropped.

        Args:
            change: What is said of them, as in ``pictures were turned``.
            count: How many were, 0 too.
            total: How many there are.
        """
        self.changed[change] += int(count)
        self.seen[change] += int(total)

    def say(self, where: str) -> None:
        """Logs what was left out, changed and dropped of the items of a place, with counts."""
        for line in self.items:
            logger.warning("left out: %s", line)
        if self.items:
            logger.warning("%s: %d left out", where, len(self.items))
        for change, count in self.changed.items():
            if count:
                logger.warning("%s: %d of %d %s", where, count, self.seen[change], change)

    def each(
        self, sources: Iterable[Source], read: Callable[[Source], Found]
    ) -> Iterator[tuple[Source, Found]]:
        """Yields each source, such as a path, with its content; bad ones are left out.

        Raises:
            ValueError: What ``read`` raises, if nothing is left out.
        """
        for source in sources:
            try:
                found = read(source)
            except ValueError as error:
                self.met(error)
                continue
            yield source, found
