"""A progress bar on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


class Bar:
    """A progress bar, shown by rich."""

    def __init__(self, show: Callable[[int, int], None]) -> None:
        self.total = 0
        self._done = 0
        self._show = show

    def update(self, count: int) -> None:
        """Adds ``count`` finished bytes."""
        self._done = min(self._done + count, self.total) if self.total else self._done + count
        self._show(self._done, self.total)


@contextmanager
def shown(label: str, progress: bool) -> Iterator[Bar | None]:
    """Shows a bar with a label; gives None if ``progress`` is off."""
    if not progress:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=None)
        yield Bar(lambda done, total: bars.update(task, completed=done, total=total or None))
