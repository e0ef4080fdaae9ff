"""What becomes of an item that cannot be read."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bad:
    """Refuses the first bad item, or leaves all of them out and keeps a list.

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
            ValueError: This very error, where nothing is left out.
        """
        if not self.skip:
            raise error
        self.items.append(str(error))
