"""Fetches a named data set once, by checksum."""

import errno
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pooch
from filelock import FileLock, Timeout

from picojoule import _folders
from picojoule._files import RECORD_BYTES, content, parsed_json
from picojoule.data.readers import fsdd, idx
from picojoule.data.readers.bad import Bad
from picojoule.data.schema import Dataset, File
from picojoule.data.sets.named import dataset as named
from picojoule.data.store.archive import unpack
from picojoule.data.store.bar import Bar, shown
from picojoule.data.store.transfer import Bounds, transfer

logger = logging.getLogger(__name__)

# A file that is fetched may have twice the bytes of what is read from it, and this beside.
_LITTLE_BYTES = 64 << 20


def get(name: str, data_dir: str | Path, progress: bool = True, *, again: bool = False) -> Path:
    """Fetches a named data set into a folder, laid out as ``load`` reads it.

    What is there already and whole is not fetched again. A file takes its place only when it is
    whole; what came before a connection broke off lies beside it, as ``.part``, and the next call
    goes on from there if the server can. Of an archive, the names
    and sizes of its files are noted beside them; one that is missing or has another size has the
    archive fetched again. If a user unpacked it, there is no such note, and what is there counts
    as whole.

    Args:
        name: One of ``DATASETS``.
        data_dir: The folder, made if it does not exist.
        progress: Show a progress bar on standard error.
        again: Fetch what counts as whole, too.

    Returns:
        The folder.

    Raises:
        ValueError: For an unknown name, or bytes that are not those published; the message names
            the file and both checksums.
        ConnectionError: If the server cannot be reached, breaks off, or is slower than 1 kB/s.
        OSError: If the folder cannot be written.
    """
    return fetch(named(name), Path(data_dir).expanduser(), progress, again=again)


def fetch(dataset: Dataset, data_dir: Path, progress: bool = True, *, again: bool = False) -> Path:
    """Fetches a data set that is described by the caller, as ``get`` does."""
    if dataset.format == "bundled":
        return data_dir
    if not dataset.files:
        place = data_dir / dataset.folder
        if (place / dataset.marker).exists():
            return data_dir
        raise ValueError(_by_hand(dataset, place / dataset.marker))
    for file in dataset.files:
        if again or not _is_whole(file, dataset, data_dir):
            with _folder_of(file, data_dir):
                fetched = _fetched(file, dataset, data_dir, progress)
            if file.gives:
                try:
                    _take(fetched, file, dataset, data_dir / dataset.folder)
                finally:
                    # A user's own stays where it was put.
                    if file.url:
                        fetched.unlink()
    return data_dir


@contextmanager
def _folder_of(file: File, data_dir: Path) -> Iterator[None]:
    """Makes the folder that a file is fetched into; it does not stay if nothing came."""
    try:
        missing = _folders.make((data_dir / file.path).parent)
    except OSError as error:
        raise OSError(
            error.errno,
            f"the data folder cannot be made ({error.strerror}): name another (--data-dir)",
            data_dir,
        ) from error
    try:
        yield
    finally:
        _folders.remove_empty(missing)


def _is_whole(file: File, dataset: Dataset, data_dir: Path) -> bool:
    """Tells whether the published content of a file is there."""
    try:
        if not file.gives:
            path = idx.find(data_dir, file)
            return path is not None and sha256(idx.content(path)).hexdigest() == file.content_sha256
        place = data_dir / dataset.folder
        note = _note(place, file)
        if not note.exists():
            return (place / file.gives).exists()
        sizes = parsed_json(content(note, RECORD_BYTES))
        wrong = [name for name, size in sizes.items() if _size(place / name) != size]
        if wrong:
            raise ValueError(f"{place / wrong[0]} is not as it was unpacked")
    except (ValueError, AttributeError) as error:
        logger.warning("%s: it is fetched again", error)
        return False
    return True


def _note(place: Path, file: File) -> Path:
    """Returns the note of the names and sizes of an archive's files."""
    return place / f".{Path(file.path).name}.json"


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _fetched(file: File, dataset: Dataset, data_dir: Path, progress: bool) -> Path:
    """Returns the file itself, downloaded or put there by the user."""
    if file.url:
        return _download(file, data_dir, progress)
    place = data_dir / file.path
    if not place.is_file():
        raise ValueError(_by_hand(dataset, place))
    fault = _fault(place, file)
    if fault:
        again = f"; get it from {dataset.page} again" if dataset.page else ""
        raise ValueError(f"{place} is not the published file: {fault}{again}")
    return place


def _by_hand(dataset: Dataset, place: Path) -> str:
    page = f"get it from {dataset.page}, so" if dataset.page else "put it there, so"
    return f"{dataset.name} cannot be fetched for you: {page} that there is {place}"


def _download(file: File, data_dir: Path, progress: bool) -> Path:
    place = data_dir / file.path
    # Pooch writes to a temporary name beside the place and moves it there when the download
    # returned without an error.
    known = None if file.checksum is None else ":".join(file.checksum)
    store = pooch.create(
        path=data_dir, base_url="", registry={file.path: known}, urls={file.path: file.url}
    )

    def download(url: str, output: str, _: object) -> None:
        part = place.with_name(f"{place.name}.part")
        with _alone(part), shown(place.name, progress) as bar:
            if file.checksum is None or not part.exists() or _fault(part, file):
                _transfer(url, part, file, bar)
            os.replace(part, output)
        fault = _fault(Path(output), file)
        if fault:
            raise ValueError(
                f"{place.name} from {file.url} is not the published file: {fault}; nothing of it "
                "was kept. Try again; if it stays so, fetch it by other means and put it at "
                f"{place}"
            )

    # A bar says it already, or nobody wants to know.
    told, level = pooch.get_logger(), pooch.get_logger().level
    told.setLevel(logging.WARNING)
    try:
        return Path(store.fetch(file.path, downloader=download))  # pyright: ignore[reportArgumentType]
    finally:
        told.setLevel(level)


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Lets one process at a time fetch a file.

    Raises:
        OSError: If another one does.
    """
    lock = Path(f"{part}.lock")
    try:
        with FileLock(lock, timeout=0):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except Timeout as error:
        raise OSError(
            errno.EBUSY, "another process fetches it: wait until it has ended", str(part)
        ) from error


def _transfer(url: str, part: Path, file: File, bar: Bar | None) -> None:
    bounds = Bounds()
    if file.content_bytes is not None:
        bounds = Bounds(most_bytes=_LITTLE_BYTES + 2 * file.content_bytes)
    try:
        transfer(url, part, bounds, bar)
    except (ConnectionError, ValueError) as error:
        size = part.stat().st_size if part.exists() else 0
        kept = f"the {size:,} bytes that came are kept: " if size else ""
        kind = ConnectionError if isinstance(error, ConnectionError) else ValueError
        raise kind(
            f"{error}; {kept}try again, or fetch it by other means and put it at "
            f"{part.with_suffix('')}"
        ) from error


def _fault(fetched: Path, file: File) -> str:
    """Returns how a file differs from the published one; empty if it does not."""
    if file.checksum is None:
        return ""
    algorithm, expected = file.checksum
    found = pooch.file_hash(str(fetched), alg=algorithm)
    if found == expected:
        return ""
    size = fetched.stat().st_size
    return f"expected {algorithm} {expected}, found {found} ({size} bytes)"


def _take(archive: Path, file: File, dataset: Dataset, place: Path) -> None:
    """Moves all files beside ``file.gives`` into place, that one last, and notes their sizes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".unpacking-") as folder:
        unpack(archive, Path(folder))
        named = Path(folder).rglob(file.gives)
        found = min(named, key=lambda path: len(path.parts), default=None)
        if found is None:
            raise ValueError(
                f"{archive.name} from {file.url} has no {file.gives} in it; nothing of it was kept"
            )
        if file.content_sha256 is not None:
            _compare_recordings(found.parent, archive, file, dataset)
        inside = found.parent
        sizes = {
            path.relative_to(inside).as_posix(): path.stat().st_size
            for path in inside.rglob("*")
            if path.is_file()
        }
        place.mkdir(exist_ok=True)
        for entry in sorted(inside.iterdir(), key=lambda path: path == found):
            target = place / entry.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(entry, target)
    _note(place, file).write_text(json.dumps(sizes), encoding="utf-8")


def _compare_recordings(folder: Path, archive: Path, file: File, dataset: Dataset) -> None:
    waves = [wave for _, wave in fsdd.read_all(folder, dataset, Bad(skip=False))]
    found = fsdd.digest(waves)
    if found != file.content_sha256:
        raise ValueError(
            f"the recordings in {archive.name} from {file.url} are not the published ones: "
            f"expected sha256 {file.content_sha256} of their samples, found {found}; nothing of it "
            "was kept. Try again"
        )
