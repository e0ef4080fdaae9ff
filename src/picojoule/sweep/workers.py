"""Several workers of a sweep on one machine, each a process."""

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from picojoule.run import Machine
from picojoule.sweep.work import Event, Worker

logger = logging.getLogger(__name__)

_THREADS = "OMP_NUM_THREADS"
_PATIENCE_S = 30.0  # in which a worker that is to end puts its run back


def together(
    folder: Path, address: str | None, machine: Machine, number: int
) -> Generator[Event, None, None]:
    """Lets several workers take runs until all have ended.

    Args:
        folder: Folder of the sweep.
        address: Address of the storage, see ``Worker``.
        machine: The devices and data folder of the runs.
        number: Number of workers.

    Yields:
        What is to be shown of all of them.

    Raises:
        OSError: If none of the workers came to the end; the message has their errors.
    """
    errors: list[str] = []
    with _started(folder, address, machine, number) as workers:
        while workers:
            for ready in wait(list(workers)):
                assert isinstance(ready, Connection)
                said = _received(ready)
                if isinstance(said, logging.LogRecord):
                    logging.getLogger(said.name).handle(said)
                elif isinstance(said, str):
                    errors.append(said)
                elif said is not None:
                    yield said
                elif killed := _killed(workers.pop(ready)):
                    errors.append(killed)
                    if workers:
                        logger.warning("%s: another one takes up its run in a minute", killed)
        if len(errors) >= number:
            raise OSError("no worker is left: " + "; ".join(dict.fromkeys(errors)))


def _received(told: Connection) -> Event | logging.LogRecord | str | None:
    """Returns what a worker says, None if it has ended."""
    try:
        return told.recv()
    except (EOFError, OSError):
        return None


def _killed(process: SpawnProcess) -> str:
    """Returns how a worker was killed, nothing if it was not."""
    process.join()
    code = process.exitcode or 0
    return f"a worker was killed (signal {-code})" if code < 0 else ""


@contextmanager
def _started(
    folder: Path, address: str | None, machine: Machine, number: int
) -> Iterator[dict[Connection, SpawnProcess]]:
    """Starts the workers, and ends those that are left after the block."""
    context = multiprocessing.get_context("spawn")
    level = logging.getLogger("picojoule").level
    level = logging.WARNING if level == logging.INFO else level  # not every run's own steps
    workers: dict[Connection, SpawnProcess] = {}
    with _threads(number):
        for _ in range(number):
            here, there = context.Pipe(duplex=False)
            words = (folder, address, machine, there, level)
            process = context.Process(target=_work, args=words, daemon=True)
            process.start()
            there.close()
            workers[here] = process
    left = list(workers.values())
    try:
        yield workers
    finally:
        for process in left:
            process.terminate()
        for process in left:
            process.join(_PATIENCE_S)
            process.kill()


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Shares the cores of the machine among workers, unless the user said what each has."""
    if _THREADS in os.environ:
        yield
        return
    each = max(1, (os.cpu_count() or 1) // number)
    logger.info("each of %d workers runs on %d threads (%s)", number, each, _THREADS)
    os.environ[_THREADS] = str(each)
    try:
        yield
    finally:
        del os.environ[_THREADS]


class _Told(logging.Handler):
    """Sends what is logged to the first process."""

    def __init__(self, told: Connection) -> None:
        super().__init__()
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        """Sends a record as a plain message."""
        plain = logging.makeLogRecord(
            {"name": record.name, "levelno": record.levelno, "levelname": record.levelname}
            | {"msg": record.getMessage()}
        )
        with suppress(OSError):  # the first process is gone, which the next event tells
            self._told.send(plain)


def _work(
    folder: Path, address: str | None, machine: Machine, told: Connection, level: int
) -> None:
    """The body of a worker's process, which ends with the first process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of which the first process hears, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.basicConfig(handlers=[_Told(told)], force=True)
    logging.getLogger("picojoule").setLevel(level)
    try:
        with closing(Worker(folder, address, machine).work()) as events:
            for event in events:
                told.send(event)
    except BrokenPipeError:
        return
    except (ValueError, OSError) as error:
        told.send(str(error))
