"""Servers that do not mean well, or cannot do better, on this machine and within short times."""

import gzip
import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread

import pytest

from picojoule.data import dataset, fetch
from picojoule.data.store import download
from picojoule.data.store.transfer import Bounds, transfer

BOUNDS = Bounds(most_bytes=100_000)
IMPATIENT = Bounds(most_bytes=100_000, least_bytes=1_000, within_s=0.2, answer_s=1.0)
BODY = bytes(range(256)) * 40
Talk = Callable[[socket.socket, dict[str, str]], None]


@contextmanager
def served(talk: Talk) -> Iterator[str]:
    """The address of a server that says what ``talk`` does, with the lines that it was asked by."""
    place = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                with place.accept()[0] as one:
                    _, *lines = asked_of(one).decode().splitlines()
                    talk(one, dict(line.split(": ", 1) for line in lines if ": " in line))
            except (ConnectionError, TimeoutError):
                continue
            except OSError:
                return  # closed

    thread = Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{place.getsockname()[1]}/a.bin"
    place.shutdown(socket.SHUT_RDWR)
    place.close()


def asked_of(one: socket.socket) -> bytes:
    """The head of a request, whole: what is left unread resets the connection once it is closed."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and (more := one.recv(1 << 16)):
        head += more
    return head


def whole(one: socket.socket, asked: dict[str, str]) -> None:
    """Goes on where it is asked to."""
    start = int(asked.get("Range", "bytes=0-")[6:-1])
    if start >= len(BODY):
        one.sendall(b"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n")
        return
    head = f"HTTP/1.1 {206 if start else 200} OK\r\nContent-Length: {len(BODY) - start}\r\n"
    head += f"Content-Range: bytes {start}-{len(BODY) - 1}/{len(BODY)}\r\n" if start else ""
    one.sendall(head.encode() + b"\r\n" + BODY[start:])


def stubborn(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)


def elsewhere(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(b"HTTP/1.1 206 OK\r\nContent-Range: bytes 7-9/10\r\nContent-Length: 3\r\n\r\nabc")


def crawling(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    while True:
        one.sendall(b"x")
        time.sleep(0.02)


def crawling_head(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        one.sendall(b"X: y\r\n")
        time.sleep(0.05)


def silent(one: socket.socket, asked: dict[str, str]) -> None:
    time.sleep(0.5)


def endless(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        one.sendall(bytes(10_000))


def endless_pieces(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        one.sendall(b"2710\r\n" + bytes(10_000) + b"\r\n")


def boastful(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")


def around(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(
        b"HTTP/1.1 302 Found\r\nLocation: /a.bin\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )


def local_file(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")


def packed(one: socket.socket, asked: dict[str, str]) -> None:
    """Sends a bomb that a browser would unpack."""
    body = gzip.compress(bytes(50_000_000), 6)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    one.sendall(head.encode() + body)


def breaking_off(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + bytes(100))


def no_http(one: socket.socket, asked: dict[str, str]) -> None:
    one.sendall(b"\x00" * 100_000)


@pytest.mark.parametrize(
    ("talk", "said", "kept"),
    [
        (crawling, "too slow: .* bytes in", True),
        (crawling_head, "no answer within 1 s|100 headers", False),
        (silent, "could not be fetched", False),
        (around, "redirects", False),
        (local_file, "could not be fetched", False),
        (breaking_off, "could not be fetched", True),
        (no_http, "could not be fetched", False),
    ],
)
def test_a_bad_connection_ends_and_what_came_is_kept(tmp_path, talk, said, kept):
    with served(talk) as url, pytest.raises(ConnectionError, match=said) as error:
        transfer(url, tmp_path / "part", IMPATIENT)
    assert url in str(error.value)
    assert (tmp_path / "part").exists() == kept


@pytest.mark.parametrize("talk", [endless, endless_pieces, boastful])
def test_too_many_bytes_are_not_kept(tmp_path, talk):
    with served(talk) as url, pytest.raises(ValueError, match="more than 100,000 bytes"):
        transfer(url, tmp_path / "part", BOUNDS)
    assert not (tmp_path / "part").exists()


def test_nothing_is_unpacked_on_the_way(tmp_path):
    with served(packed) as url:
        transfer(url, tmp_path / "part", BOUNDS)
    assert gzip.decompress((tmp_path / "part").read_bytes()) == bytes(50_000_000)


@pytest.mark.parametrize("talk", [whole, stubborn])
@pytest.mark.parametrize("there", [0, 1, 5_000, len(BODY), len(BODY) + 9])
def test_it_goes_on_where_it_ended_or_starts_over(tmp_path, talk, there):
    (tmp_path / "part").write_bytes((BODY + bytes(9))[:there])
    with served(talk) as url:
        transfer(url, tmp_path / "part", BOUNDS)
    assert (tmp_path / "part").read_bytes() == BODY


def test_other_bytes_than_asked_for_are_refused(tmp_path):
    (tmp_path / "part").write_bytes(b"abc")
    with served(elsewhere) as url, pytest.raises(ConnectionError, match="other bytes"):
        transfer(url, tmp_path / "part", BOUNDS)
    assert (tmp_path / "part").read_bytes() == b"abc"


def test_too_little_room_is_said_before(tmp_path):
    with (
        served(boastful) as url,
        pytest.raises(OSError, match=r"bytes are needed, and .* are free"),
    ):
        transfer(url, tmp_path / "part", Bounds(most_bytes=1 << 60))


def test_a_part_of_something_else_is_noticed_and_not_kept(tmp_path):
    file = replace(
        dataset("cifar10").files[0], sha256=hashlib.sha256(BODY).hexdigest(), path="a.bin"
    )
    part = tmp_path / "a.bin.part"
    part.write_bytes(b"something else")
    with served(whole) as url:
        described = replace(dataset("cifar10"), files=(replace(file, url=url, gives=""),))
        with pytest.raises(ValueError, match="is not the published file"):
            fetch(described, tmp_path, progress=False)
        assert not part.exists()
        part.write_bytes(BODY[:100])
        fetch(described, tmp_path, progress=False)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", BODY)]


def test_a_whole_part_is_taken_without_asking(tmp_path):
    file = replace(
        dataset("cifar10").files[0], sha256=hashlib.sha256(BODY).hexdigest(), path="a.bin"
    )
    file = replace(file, url="http://127.0.0.1:1/", gives="")
    (tmp_path / "a.bin.part").write_bytes(BODY)
    fetch(replace(dataset("cifar10"), files=(file,)), tmp_path, progress=False)
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_one_process_fetches_a_file_at_a_time(tmp_path):
    file = replace(dataset("cifar10").files[0], url="http://127.0.0.1:1/", path="a.bin", gives="")
    with (
        download._alone(tmp_path / "a.bin.part"),
        pytest.raises(OSError, match="another process fetches it"),
    ):
        fetch(replace(dataset("cifar10"), files=(file,)), tmp_path, progress=False)
    with pytest.raises(ConnectionError):
        fetch(replace(dataset("cifar10"), files=(file,)), tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []
