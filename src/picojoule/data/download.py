"""Fetches a named data set once, by checksum."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from picojoule.data import fsdd, idx
from picojoule.data.archive import unpack
from picojoule.data.record import Dataset, File
from picojoule.data.registry import dataset as named

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 16
_TIMEOUT_S = 30


def get(name: str, data_dir: str | Path, progress: bool = True) -> Path:
    """Fetches a named data set into a folder, laid out as ``load`` reads it.

    What is there already and whole is not fetched again. A file takes its place only when it is
    whole: whatever happens on the way, nothing half-written is left there.

    Args:
        name: One of ``DATASETS``.
        data_dir: The folder, made where it does not exist.
        progress: Show a progress bar on standard error.

    Returns:
        The folder.

    Raises:
        ValueError: For an unknown name, or bytes that are not those published; the message names
            the file and both checksums.
        ConnectionError: Where the server cannot be reached or breaks off.
        OSError: Where the folder cannot be written.
    """
    return fetch(named(name), Path(data_dir).expanduser(), progress)


def fetch(dataset: Dataset, data_dir: Path, progress: bool = True) -> Path:
    """As ``get``, for a data set that is described by the caller."""
    if dataset.format == "bundled":
        return data_dir
    if not dataset.files:
        place = data_dir / dataset.folder
        if (place / dataset.marker).exists():
            return data_dir
        raise ValueError(
            f"{dataset.name} cannot be fetched for you: get it from {dataset.page}, so that there "
            f"is {place / dataset.marker}"
        )
    data_dir.mkdir(parents=True, exist_ok=True)
    for file in dataset.files:
        if not _is_whole(file, dataset, data_dir):
            archive = _download(file, data_dir, progress)
            if dataset.format == "wav":
                _take_recordings(archive, dataset, data_dir)
            elif file.gives:
                _take_all(archive, file, data_dir / dataset.folder)
    return data_dir


def _is_whole(file: File, dataset: Dataset, data_dir: Path) -> bool:
    """Whether the file's content is there, as it was published."""
    if file.gives:
        return (data_dir / dataset.folder / file.gives).exists()
    try:
        if dataset.format == "wav":
            folder = fsdd.find(data_dir)
            if folder is None:
                return False
            return fsdd.digest(fsdd.read_all(folder)) == file.content_sha256
        path = idx.find(data_dir, file)
        return path is not None and sha256(idx.content(path)).hexdigest() == file.content_sha256
    except ValueError as error:
        logger.warning("%s: it is fetched again", error)
        return False


def _download(file: File, data_dir: Path, progress: bool) -> Path:
    place = data_dir / file.path
    # Pooch writes to a temporary name beside the place and moves it there when the download
    # returned without an error.
    known = None if file.checksum is None else ":".join(file.checksum)
    store = pooch.create(
        path=data_dir, base_url="", registry={file.path: known}, urls={file.path: file.url}
    )

    def download(url: str, output: str, _: object) -> None:
        with _bar(place.name, progress) as bar:
            _transfer(url, output, place, bar)
        if file.checksum is not None:
            _compare(Path(output), file, place, *file.checksum)

    # A bar says it already, or nobody wants to know.
    told, level = pooch.get_logger(), pooch.get_logger().level
    told.setLevel(logging.WARNING)
    try:
        return Path(store.fetch(file.path, downloader=download))  # pyright: ignore[reportArgumentType]
    finally:
        told.setLevel(level)


def _transfer(url: str, output: str, place: Path, bar: "_Bar | None") -> None:
    from requests import RequestException  # a tenth of a second: not at import

    # Pooch takes any object with ``total``, ``update``, ``reset`` and ``close``; its signature says
    # bool.
    shown: Any = bar or False
    try:
        pooch.HTTPDownloader(shown, _CHUNK_BYTES, timeout=_TIMEOUT_S)(url, output, None)
    except RequestException as error:
        raise ConnectionError(
            f"{url} could not be fetched ({_reason(error)}), and nothing of it was kept: try "
            f"again, or fetch it by other means and put it at {place}"
        ) from error


def _reason(error: BaseException) -> str:
    """Why, in the words of the error that was there first."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return getattr(error, "strerror", None) or str(error)


def _compare(output: Path, file: File, place: Path, algorithm: str, expected: str) -> None:
    found = pooch.file_hash(str(output), alg=algorithm)
    if found != expected:
        raise ValueError(
            f"{place.name} from {file.url} is not the published file: expected {algorithm} "
            f"{expected}, found {found} ({output.stat().st_size} bytes); nothing of it was "
            f"kept. Try again; if it stays so, fetch it by other means and put it at {place}"
        )


def _take_recordings(archive: Path, dataset: Dataset, data_dir: Path) -> None:
    """Puts the recordings of an archive, all seen to be whole, in their place; removes it."""
    with _unpacked(archive, data_dir) as folder:
        first = next(fsdd.recordings()).file
        source = next((path.parent for path in sorted(folder.rglob(first))), folder)
        found = fsdd.digest(fsdd.read_all(source))
        expected = dataset.files[0].content_sha256
        if found != expected:
            raise ValueError(
                f"the recordings in {archive.name} from {dataset.files[0].url} are not the "
                f"published ones: expected sha256 {expected} of their samples, found {found}; "
                "nothing of it was kept. Try again"
            )
        place = data_dir / fsdd.FOLDER
        place.mkdir(parents=True, exist_ok=True)
        for recording in fsdd.recordings():
            os.replace(source / recording.file, place / recording.file)


def _take_all(archive: Path, file: File, place: Path) -> None:
    """Puts all that lies beside ``file.gives`` in its place, that last; removes the archive."""
    with _unpacked(archive, place.parent) as folder:
        found = min(folder.rglob(file.gives), key=lambda path: len(path.parts), default=None)
        if found is None:
            raise ValueError(
                f"{archive.name} from {file.url} has no {file.gives} in it; nothing of it was kept"
            )
        place.mkdir(parents=True, exist_ok=True)
        for entry in sorted(found.parent.iterdir(), key=lambda path: path == found):
            target = place / entry.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(entry, target)


@contextmanager
def _unpacked(archive: Path, beside: Path) -> Iterator[Path]:
    """A folder with what is in an archive, which is removed in any case."""
    try:
        with tempfile.TemporaryDirectory(dir=beside, prefix=".unpacking-") as folder:
            unpack(archive, Path(folder))
            yield Path(folder)
    finally:
        archive.unlink()


class _Bar:
    """What pooch asks of a progress bar, shown by rich."""

    def __init__(self, show: Callable[[int, int], None]) -> None:
        self.total = 0
        self._done = 0
        self._show = show

    def update(self, count: int) -> None:
        self._done = min(self._done + count, self.total) if self.total else self._done + count
        self._show(self._done, self.total)

    def reset(self) -> None:
        """Nothing: pooch starts over only to jump to the end."""

    def close(self) -> None:
        """Nothing: the context manager closes the bar."""


@contextmanager
def _bar(label: str, progress: bool) -> Iterator[_Bar | None]:
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
        yield _Bar(lambda done, total: bars.update(task, completed=done, total=total or None))
