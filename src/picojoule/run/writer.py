"""The one process that writes to a run, told apart from all others by a lock in its folder.

Among the processes of a machine the system's lock of ``.lock`` decides, which ends with a process
in whatever way that ends. Since folders are shared between machines, and these need not see each
other's locks, the holder also leaves its name in ``.writer``, and touches that file every second.
Whoever finds it there watches: while it is touched the run is held, and if it is not for half a
minute (a minute, if its process has not ended) the run is taken over. The number of a process
decides nothing.
"""

import json
import logging
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from picojoule import _sums
from picojoule._files import MIB, parsed_json, read

logger = logging.getLogger(__name__)

LOCK, RECORD = ".lock", ".writer"
_TAKING = ".lock-taking"  # held while the two of a silent holder are removed
_BEAT_S, _SILENT_S = 1.0, 30.0
_LOOK_S = 0.1


class RunHeld(OSError):  # noqa: N818
    """Error of a run that another process writes to."""


@dataclass(frozen=True)
class Holder:
    """The process that writes to a run.

    Attributes:
        host: Name of its machine.
        boot: What tells its machine from another of that name; empty where there is nothing.
        process: Its number there.
        since: When it began.
    """

    host: str
    boot: str
    process: int
    since: str

    @classmethod
    def this(cls) -> "Holder":
        """Returns this process, from now on."""
        boot = Path("/proc/sys/kernel/random/boot_id")
        now = datetime.now().astimezone().isoformat(" ", "milliseconds")
        known = boot.read_text("ascii").strip() if boot.exists() else ""
        return cls(socket.gethostname(), known, os.getpid(), now)

    def of_machine(self, other: "Holder") -> bool:
        """Returns whether both are on one machine, as far as that is certain."""
        return bool(self.boot) and (self.host, self.boot) == (other.host, other.boot)

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"


class Writer:
    """The right to write to a run, held inside a ``with`` block.

    Args:
        run: Folder of the run.

    Raises:
        RunHeld: On entering, if another process holds it.
        OSError: On entering, if the folder cannot be written.
    """

    def __init__(self, run: Path) -> None:
        self._run, self._lock = run, FileLock(run / LOCK, timeout=0, thread_local=False)
        self._self = Holder.this()
        self._done, self._lost, self._beaten = threading.Event(), threading.Event(), 0.0
        self._thread = threading.Thread(target=self._beats, name="picojoule-writer", daemon=True)

    def __enter__(self) -> "Writer":
        try:
            self._take()
            for left in self._run.rglob(".*.tmp"):  # of one that was killed
                left.unlink()
            _sums.put(self._run / RECORD, json.dumps(asdict(self._self)).encode())
        except RunHeld:
            raise
        except OSError as error:
            self._lock.release()
            raise OSError(
                error.errno,
                f"the run '{self._run}' cannot be written ({error.strerror}): copy it to a folder "
                "where you may write, and resume that one",
            ) from error
        self._beaten = time.time()
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._thread.join()
        if _holder(self._run) == self._self:
            with suppress(OSError):
                (self._run / RECORD).unlink()
        self._lock.release()

    def check(self) -> None:
        """Checks that no other process took over, as one may if this one stood still for long.

        Raises:
            RunHeld: If one did.
        """
        if time.time() - self._beaten > _SILENT_S / 2:
            self._beat()
        if self._lost.is_set():
            raise RunHeld(
                f"the run '{self._run}' was taken over by {_holder(self._run)}, since this process "
                f"({self._self}) had stood still: it stops"
            )

    def _take(self) -> None:
        """Gets the system's lock, unless the run is held."""
        while True:
            free, holder = self._locked(), _holder(self._run)
            if free and (holder is None or holder.of_machine(self._self)):
                return  # what was left there is of a process that ended
            # Who has the system's lock comes first of those who wait for a holder to be silent.
            lock, wait_s = _inode(self._run / LOCK), _SILENT_S if free else 2 * _SILENT_S
            logger.info(
                "%s may still write to '%s': watching for up to %g s whether it does",
                holder or "another process",
                self._run,
                wait_s,
            )
            touched = self._is_touched(wait_s, free)
            if free and not touched:
                return
            if not free and self._lock.is_locked:
                continue  # who had the system's lock ended
            self._lock.release()
            if touched and (holder := _holder(self._run)) is not None:
                raise RunHeld(
                    f"the run '{self._run}' is held by {holder}, and that goes on: only one "
                    "process writes to a run, so wait for it or end it"
                )
            if not touched:
                self._remove(lock)

    def _locked(self) -> bool:
        # Asked for only once: of a lock that is asked for twice, one release leaves it locked.
        with suppress(Timeout):
            if not self._lock.is_locked:
                self._lock.acquire()
        return self._lock.is_locked

    def _is_touched(self, wait_s: float, free: bool) -> bool:
        """Watches whether the holder goes on; by this machine's clock alone, as clocks differ.

        It ends as well if the system's lock was not free and now is, and is then held.
        """
        first, end = _state(self._run), time.monotonic() + wait_s
        while time.monotonic() < end:
            if _state(self._run) != first:
                return True
            if not free and self._locked():
                return False
            time.sleep(_LOOK_S)
        return False

    def _remove(self, lock: int | None) -> None:
        """Removes what a silent holder has, unless another process was faster."""
        with suppress(Timeout), FileLock(self._run / _TAKING, timeout=0):
            if _inode(self._run / LOCK) == lock:
                for name in (RECORD, LOCK):
                    (self._run / name).unlink(missing_ok=True)

    def _beats(self) -> None:
        while not self._done.wait(_BEAT_S) and not self._lost.is_set():
            self._beat()

    def _beat(self) -> None:
        with suppress(OSError):  # the next one may go through
            if _holder(self._run) in (self._self, None):
                os.utime(self._run / RECORD)
                self._beaten = time.time()
            else:
                self._lost.set()


def _holder(run: Path) -> Holder | None:
    try:
        return Holder(**parsed_json(read(run / RECORD, MIB)))
    except (FileNotFoundError, ValueError, TypeError):  # none, or what no process wrote
        return None


def _inode(file: Path) -> int | None:
    return file.stat().st_ino if file.exists() else None


def _state(run: Path) -> tuple[bytes, int] | None:
    """Returns what changes as long as a run is held; opened anew, so that no old state is seen."""
    try:
        with (run / RECORD).open("rb") as record:
            return record.read(), os.fstat(record.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None
