"""Bytes from a server into a file: no more than there may be, and none that come without end."""

import errno
import shutil
import time
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from picojoule.data.store.bar import Bar

if TYPE_CHECKING:
    from requests import Response

_CHUNK_BYTES = 1 << 16
_ALL, _PART, _NOTHING_LEFT = 200, 206, 416


class Bounds(NamedTuple):
    """Bounds on what a server may do.

    Attributes:
        most_bytes: Of a file.
        least_bytes: Of what comes ``within_s``; less is too slow.
        within_s: Seconds that slowness is measured over, and that no byte may come.
        answer_s: Seconds until the server's answer has come, with all that it sends before a file.
    """

    most_bytes: int = 16 << 30
    least_bytes: int = 30_000
    within_s: float = 30.0
    answer_s: float = 60.0


class _TransferError(Exception):
    """An end before the end, in words."""


def transfer(url: str, part: Path, bounds: Bounds, bar: Bar | None = None) -> None:
    """Fetches a file, or what is missing of it.

    Args:
        url: Its address.
        part: Where to; what it holds already is not fetched again if the server can go on. It stays
            if the connection breaks off.
        bounds: What the server may do.
        bar: Shows the progress.

    Raises:
        ConnectionError: If the server cannot be reached, refuses, breaks off or is too slow.
        ValueError: For more than ``bounds.most_bytes``; nothing is kept.
        OSError: If the file cannot be written.
    """
    from requests import RequestException  # a tenth of a second: not at import
    from urllib3.exceptions import HTTPError

    try:
        with _answer(url, part, bounds) as answer:
            _receive(answer, part, bounds, bar)
    except (RequestException, HTTPError, _TransferError) as error:
        raise ConnectionError(f"{url} could not be fetched ({_reason(error)})") from error


def _answer(url: str, part: Path, bounds: Bounds) -> "Response":
    """Asks for what is not there yet.

    In a thread, since a server that sends the lines before a file one byte at a time is never too
    late for any of them.
    """
    import requests
    from urllib3.exceptions import HTTPError

    start = part.stat().st_size if part.exists() else 0
    asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    answers: Queue[Any] = Queue()

    def ask() -> None:
        try:
            answers.put(requests.get(url, headers=asked, stream=True, timeout=bounds.within_s))
        except (requests.RequestException, HTTPError, ValueError) as error:
            answers.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=bounds.answer_s)
    except Empty:
        raise _TransferError(f"no answer within {bounds.answer_s:g} s") from None
    if not isinstance(answer, requests.Response):
        raise answer
    if start and answer.status_code == _NOTHING_LEFT:
        answer.close()
        part.unlink()
        return _answer(url, part, bounds)
    answer.raise_for_status()
    return answer


def _receive(answer: "Response", part: Path, bounds: Bounds, bar: Bar | None) -> None:
    start = part.stat().st_size if part.exists() else 0
    if answer.status_code == _ALL:
        start = 0
    elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise _TransferError("it sends other bytes than it was asked for")
    length = answer.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None
    _check_size(total or start, part, bounds)
    _check_disk((total or start) - start, part)
    if bar is not None:
        bar.total = total or 0
        bar.update(start)
    size, came, since = start, 0, time.monotonic()
    with part.open("ab" if start else "wb") as target:
        while piece := answer.raw.read1(_CHUNK_BYTES):
            size += len(piece)
            came += len(piece)
            _check_size(size, part, bounds)
            target.write(piece)
            if bar is not None:
                bar.update(len(piece))
            took = time.monotonic() - since
            if took > bounds.within_s:
                if came < bounds.least_bytes:
                    raise _TransferError(f"it is too slow: {came:,} bytes in {took:.0f} s")
                came, since = 0, time.monotonic()
    if total is not None and size < total:
        raise _TransferError(f"it broke off after {size:,} of {total:,} bytes")


def _check_size(size: int, part: Path, bounds: Bounds) -> None:
    if size > bounds.most_bytes:
        part.unlink(missing_ok=True)
        raise ValueError(
            f"more than {bounds.most_bytes:,} bytes come, the most that are taken; nothing was kept"
        )


def _check_disk(size: int, part: Path) -> None:
    free = shutil.disk_usage(part.parent).free
    if size > free:
        raise OSError(errno.ENOSPC, f"{size:,} bytes are needed, and {free:,} are free", str(part))


def _reason(error: BaseException) -> str:
    """Returns the message of the first error in a chain."""
    while before := error.__cause__ or (not error.__suppress_context__ and error.__context__):
        error = before
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
