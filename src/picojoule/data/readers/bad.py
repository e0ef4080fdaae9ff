"""Items that cannot be read: an error, or a list of what was left out."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

Source = TypeVar("Source")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Bad:
    """A rule for bad items: the first is refused, or all are left out and listed.

    Args:
        skip: Whether bad items are left out.

    Example:
        >>> bad = Bad(skip=True)
        >>> bad.met(ValueError("cat/7.png is truncated"))
        >>> bad.items
        ['cat/7.png is truncated']
    """

    skip: bool
    items: list[str] = field(default_factory=list, init=False)

    def met(self, error: ValueError) -> None:
        """Notes what is wrong with an item.

        Raises:
            ValueError: This very error, if nothing is left out.
        """
        if not self.skip:
            raise error
        self.items.append(str(error))

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
