"""A place where a fault is only a fault: a process with little memory that does not live long."""

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

# Of memory beside what the process has; and long enough that only a hang breaks it.
ROOM_BYTES = 512 << 20
SECONDS = 60


def outcome(work: Callable[[], object], room_bytes: int = ROOM_BYTES) -> str:
    """What becomes of ``work`` in a process of its own: ``"done"``, or why it is refused.

    Raises:
        AssertionError: If it raises something else, takes more memory, or does not come back.
    """
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        said = "gave nothing"
        try:
            signal.alarm(SECONDS)
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + room_bytes
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            work()
            said = "+done"
        except (ValueError, OSError) as error:
            said = f"+{error}"
        finally:
            kind, error, _ = sys.exc_info()
            said = said if kind is None else f"{kind.__name__}: {error}"
            os.write(write, said.encode()[:60_000])
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, "it did not come back in time" if code == -signal.SIGALRM else code
    assert said.startswith("+"), said
    return said[1:]
