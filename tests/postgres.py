"""A PostgreSQL of the tests' own: Debian's, in a temporary folder, gone after a block."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "geheim/wort#1"
_QUOTED = "geheim%2Fwort%231"
_SECONDS = 20.0


def programs() -> Path | None:
    """The folder of the newest server's programs, None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def server() -> Iterator[str]:
    """Runs a server; gives its address with user and password, without the database.

    A server refuses to run as root, so root starts it as ``nobody``.
    """
    folder = Path(tempfile.mkdtemp(prefix="pj-postgres-"))
    secret = folder / "password"
    secret.write_text(PASSWORD)
    before: list[str] = []
    if os.getuid() == 0:
        for path in (folder, secret):
            shutil.chown(path, "nobody")
        user = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        before = ["setpriv", *user]
    bin_, data, port = programs(), folder / "data", _free_port()
    assert bin_ is not None
    make = [*before, bin_ / "initdb", "-D", data, "-U", "pj", "-A", "scram-sha-256", "--no-sync"]
    subprocess.run(
        [*make, f"--pwfile={secret}"], check=True, capture_output=True, cwd=folder, timeout=_SECONDS
    )
    options = ["-F", "-p", str(port), "-k", folder, "-h", "127.0.0.1"]
    process = subprocess.Popen(
        [*before, bin_ / "postgres", "-D", data, *options],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield f"postgresql://pj:{_QUOTED}@127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)  # which ends open connections, too
        try:
            process.wait(_SECONDS)
        finally:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _wait(port: int) -> None:
    import psycopg

    end = time.monotonic() + _SECONDS
    while True:
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, user="pj", password=PASSWORD, dbname="postgres"
            ).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < end
            time.sleep(0.05)
