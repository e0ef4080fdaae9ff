"""The program ``pj``: how a command ends that fails or is interrupted.

What is imported here is imported before Ctrl-C is looked after, and so is little.
"""

import os
import signal
import sys
import threading
from typing import Any

from picojoule._memory import collect_seldom


def main() -> None:
    """Runs a command.

    An error that the user can mend is a message on stderr and exit code 2, an interruption (Ctrl-C)
    a line that says how to go on and exit code 130.
    """
    collect_seldom()
    with _Interruptible():
        from picojoule.cli.commands import app

        try:
            app()
        except (ValueError, TypeError, OSError, ArithmeticError) as error:
            import logging

            logging.getLogger("picojoule").debug("traceback", exc_info=True)
            _say(f"error: {_worded(error)}", style="red")
            sys.exit(2)
        except RuntimeError as error:
            if not _is_alone(error):
                raise
            sys.exit(0)  # with an error Fabric would kill one that is about to say why it ends


def _is_alone(error: RuntimeError) -> bool:
    """Tells whether an error is that the first process of a run, not this one, has ended."""
    from torch import distributed

    from picojoule.cli.runs import is_first

    if is_first() or not distributed.is_available():
        return False
    lost = ("Connection closed by peer", "Connection reset by peer")  # gloo's have no class
    return isinstance(error, distributed.DistError) or any(one in str(error) for one in lost)


def _worded(error: Exception) -> str:
    """Returns the message of an error; one of the system without its number."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"'{error.filename}': {error.strerror}"


def _say(line: str, style: str = "") -> None:
    from rich.text import Text

    from picojoule.cli.console import ERR
    from picojoule.cli.runs import is_first

    if is_first():
        ERR.print(Text(line, style=style), soft_wrap=True)


class _Interrupted(BaseException):
    """Ctrl-C; no KeyboardInterrupt, to which the parser of the command line has its own answer."""


class _Interruptible:
    """A block that Ctrl-C ends at any moment without a traceback, the second time at once.

    It is the last thing a program does: after it Ctrl-C ends the process, without a word.
    """

    def __init__(self) -> None:
        self._came = False

    def __enter__(self) -> None:
        # A program in the background is told by its shell not to listen.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)
        self._hook, sys.unraisablehook = sys.unraisablehook, self._ignored

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from picojoule.cli.runs import is_first

        came = self._came
        self._came = True  # from now on at once
        if came:
            _say("; ".join(["interrupted", *getattr(error, "__notes__", ())]))
        sys.unraisablehook = self._hook
        if signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        if came:
            # Also if what was interrupted made another error of it. Fabric kills the first process
            # if another one ends with an error, and the line with it.
            sys.exit(130 if is_first() else 0)

    def _interrupt(self, *_: Any) -> None:
        if self._came:
            if sys.stdout.isatty():
                os.write(1, b"\x1b[?25h")  # shows the cursor, which a progress bar hides
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
        self._came = True
        raise _Interrupted

    def _ignored(self, ignored: Any) -> None:
        """Interrupts again where Python could only have written that it ignored it."""
        if issubclass(ignored.exc_type, _Interrupted):
            self._came = False
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            self._hook(ignored)
