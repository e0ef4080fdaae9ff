"""Storage in which the workers of a sweep find their runs: a file beside them, or a PostgreSQL.

An address may hold a password. It is never part of a message, and what is written of an address
is what ``shown`` returns. Errors of the libraries below are replaced by errors of our own, since
theirs may show an address.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from picojoule import _files, _sums
from picojoule._names import unknown

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from sqlalchemy.engine import URL

STUDY, PLACE = "study.log", "storage.txt"
_DIRECTIONS = ("maximize", "minimize")  # merit and energy
_SCHEMES = ("postgresql", "postgres")
_SHOWN = ("host", "port", "sslmode")  # options of an address that are no secret
_CONNECT_S = 10
_ADDRESS = "postgresql://USER@HOST/DATABASE"
# Parts of the server's answers, and what they mean.
_REASONS = {
    "password authentication failed": "it refuses this user and password",
    "no password supplied": "it asks for a password: give it in PGPASSWORD or ~/.pgpass",
    'database "': "it has no such database, or this user may not use it: createdb makes one",
    'role "': "it knows no such user: createuser makes one",
    "permission denied": "this user may not write there",
    "starting up": "it is just starting: try again",
    "too many": "it has too many connections: raise its max_connections, or end some workers",
    "translate host name": "there is no host of that name",
    "resolve host": "there is no host of that name",
}


class StorageLost(OSError):  # noqa: N818 (as RunHeld)
    """Error of a storage that cannot be reached, or that refuses."""


class StorageDamaged(StorageLost):
    """Error of a storage that holds what cannot be read, so that it is of no use to try again."""


def check_extra() -> None:
    """Checks that what the extra ``sweep`` installs is there.

    Raises:
        ValueError: If it is not; the message has the command.
    """
    if any(find_spec(name) is None for name in ("optuna", "sqlalchemy", "psycopg")):
        raise ValueError("pj sweep needs more packages: pip install 'picojoule[sweep]'")


def shown(address: str | None) -> str:
    """Returns the address of a PostgreSQL without its password, ``""`` for a file.

    Raises:
        ValueError: If it is no such address; the message does not show it.

    Example:
        >>> shown("postgresql://ann:secret@db.lab/sweeps")
        'postgresql://ann@db.lab/sweeps'
    """
    if address is None:
        return ""
    from sqlalchemy.engine import URL

    url = _parsed(address)
    options = {name: url.query[name] for name in _SHOWN if name in url.query}
    plain = URL.create("postgresql", url.username, None, url.host, url.port, url.database, options)
    return plain.render_as_string()


def remembered(folder: Path, address: str | None) -> str | None:
    """Returns where the runs of a sweep are kept, and notes it, without a password.

    Args:
        folder: Folder of the sweep.
        address: Address that was given now; None for that of before, or else a file.

    Raises:
        ValueError: If it is no address, or the sweep has its runs in another place.
    """
    file = folder / PLACE
    before = _files.text(file).strip() if file.is_file() else None
    if address is None:
        return before
    if before is not None and before != shown(address):
        raise ValueError(
            f"the runs of '{folder}' are kept in {before}, not in {shown(address)}: leave "
            "--storage out, or begin a new sweep"
        )
    if before is None and (folder / STUDY).is_file():
        raise ValueError(
            f"the runs of '{folder}' are kept in {STUDY} beside them: leave --storage out, or "
            "begin a new sweep"
        )
    if before is None and folder.is_dir():
        _sums.put(file, f"{shown(address)}\n".encode())
    return address


def opened(folder: Path, address: str | None) -> "tuple[Study, BaseStorage]":
    """Opens the study of a sweep, which is made if it is not there, and its storage.

    Args:
        folder: The sweep's folder, whose name is that of the study.
        address: Address of a PostgreSQL; None for a file in the folder.

    Raises:
        ValueError: If the address is none.
        StorageLost: If the server cannot be reached, or refuses.
    """
    import optuna
    from optuna.storages import get_storage

    shown(address)  # refuses what is no address
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with reached(folder, address):
        storage = get_storage(_file(folder) if address is None else _database(address))
        study = optuna.create_study(
            storage=storage,
            study_name=folder.resolve().name,
            directions=list(_DIRECTIONS),
            load_if_exists=True,
        )
        return study, storage


@contextmanager
def reached(folder: Path, address: str | None) -> Iterator[None]:
    """Replaces the errors of a storage in a block.

    Raises:
        StorageLost: If the storage failed.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    lost = None
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        lost = StorageLost(f"the storage {shown(address)} cannot be used: {_reason(error)}")
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        place = folder / STUDY if address is None else f"the sweep in {shown(address)}"
        lost = StorageDamaged(
            f"{place} is damaged ({type(error).__name__}): remove it, and the same command begins "
            "a new one; finished runs in runs/ are not made again"
        )
    except OSError as error:
        lost = StorageLost(f"{folder / STUDY} cannot be used: {error.strerror or 'it failed'}")
    if lost is not None:
        raise lost from None  # so that no traceback shows the other error


class _Lock:
    """The system's lock, which ends with a process in whatever way that ends."""

    def __init__(self, file: Path) -> None:
        self._lock = FileLock(file, thread_local=False)

    def acquire(self) -> bool:
        """Waits for it."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Gives it back."""
        self._lock.release()


def _file(folder: Path) -> "BaseStorage":
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    lock = _Lock(folder / f".{STUDY}.lock")
    return JournalStorage(JournalFileBackend(str(folder / STUDY), lock))  # pyright: ignore


def _database(address: str) -> "BaseStorage":
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DBAPIError, OperationalError

    text = _parsed(address).render_as_string(hide_password=False)
    connect = {"connect_timeout": _CONNECT_S}
    options: dict[str, Any] = {"pool_pre_ping": True, "connect_args": connect}
    for attempt in range(3):
        try:
            return RDBStorage(text.replace("{", "{{").replace("}", "}}"), options)
        except OperationalError:
            raise
        except DBAPIError:  # two that make its tables at once: the next attempt finds them
            if attempt == 2:
                raise
    raise AssertionError


def _parsed(address: str) -> "URL":
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    scheme, found, _ = address.partition("://")
    if not found or scheme not in _SCHEMES:
        known = unknown(
            "kind of storage", scheme if scheme.isalnum() and found else "", _SCHEMES[:1]
        )
        raise ValueError(
            f"{known}: expected {_ADDRESS}, or no --storage for a file beside the runs"
        )
    url = None
    with suppress(ArgumentError, ValueError):  # which may show the address
        url = make_url(address).set(drivername="postgresql+psycopg")
    rest = "" if url is None else f"{url.host}{url.database}"
    if url is None or not url.database or "@" in rest:  # which would be the end of a password
        raise ValueError(
            f"the address of --storage cannot be read: expected {_ADDRESS}; signs such as @, / and "
            "# in a password are written as %40, %2F and %23"
        )
    return url


def _reason(error: Exception) -> str:
    """Words what a server that was reached, or was not, says."""
    cause = error.__cause__ if error.__cause__ is not None else error
    said = str(getattr(cause, "orig", cause)).lower()
    for part, reason in _REASONS.items():
        if part in said:
            return reason
    return (
        "no PostgreSQL answers there: look whether it runs and lets this machine in; the same "
        "command goes on"
    )
