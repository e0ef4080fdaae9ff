"""One process writes to a run, and another one takes over only where that one is no more."""

import json
import logging
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from picojoule.run import RunHeld, writer
from picojoule.run.writer import Writer

forked = multiprocessing.get_context("fork")


@pytest.fixture
def hasty(monkeypatch) -> None:
    """Time runs faster: a holder is silent after less than a second."""
    monkeypatch.setattr(writer, "_BEAT_S", 0.05)
    monkeypatch.setattr(writer, "_SILENT_S", 0.8)
    monkeypatch.setattr(writer, "_LOOK_S", 0.01)


@pytest.fixture
def patient(monkeypatch) -> threading.Event:
    """Nobody is ever touched or silent; the event says that somebody watches."""
    monkeypatch.setattr(writer, "_BEAT_S", 1e9)
    monkeypatch.setattr(writer, "_SILENT_S", 1e9)
    looks, state = threading.Event(), writer._state

    def looked(run: Path) -> tuple[bytes, int] | None:
        looks.set()
        return state(run)

    monkeypatch.setattr(writer, "_state", looked)
    return looks


@contextmanager
def follower(run: Path) -> Iterator[tuple[threading.Event, threading.Event]]:
    """A thread that holds a run as soon as it can; events say that it does, and may end."""
    began, ended = threading.Event(), threading.Event()

    def follow() -> None:
        with Writer(run) as second:
            second.check()
            began.set()
            ended.wait(20)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield began, ended
    finally:
        ended.set()
        thread.join(20)


def _hold(run: Path, pipe) -> None:
    """The body of a process that holds a run, and says how that ended when it is asked."""
    try:
        with Writer(run) as held:
            pipe.send("held")
            pipe.recv()
            held.check()
            pipe.send("still held")
    except RunHeld as error:
        pipe.send(str(error))
        pipe.recv()


@contextmanager
def others(run: Path, count: int) -> Iterator[list[tuple]]:
    """Processes that hold a run or were refused it; none is left, however a test ends."""
    made = []
    try:
        for _ in range(count):
            ours, theirs = forked.Pipe()
            made.append((forked.Process(target=_hold, args=(run, theirs)), ours))
            made[-1][0].start()
        assert all(ours.poll(20) for _, ours in made)
        yield made
    finally:
        for process, _ in made:
            process.kill()
            process.join()


@contextmanager
def other_process(run: Path) -> Iterator[tuple]:
    with others(run, 1) as (one,):
        yield one


def record(run: Path) -> dict:
    return json.loads((run / ".writer").read_text())


@pytest.mark.usefixtures("hasty")
class TestOneMachine:
    def test_the_second_is_told_who_is_the_first(self, tmp_path):
        with other_process(tmp_path) as (process, pipe):
            assert pipe.recv() == "held"
            since = re.escape(record(tmp_path)["since"])
            with pytest.raises(
                RunHeld, match=f"held by process {process.pid} on .*, since {since}"
            ):
                Writer(tmp_path).__enter__()
            pipe.send("on")
            assert pipe.recv() == "still held"
            process.join()
        with Writer(tmp_path):
            assert record(tmp_path)["process"] == os.getpid()
        assert {item.name for item in tmp_path.iterdir()} <= {".lock"}

    def test_a_second_one_in_this_process_is_refused_as_well(self, tmp_path):
        with Writer(tmp_path), pytest.raises(RunHeld, match=f"process {os.getpid()} on"):
            Writer(tmp_path).__enter__()

    def test_what_a_killed_one_held_is_free_at_once(self, tmp_path, monkeypatch):
        with other_process(tmp_path) as (process, pipe):
            assert pipe.recv() == "held"
            (tmp_path / ".report.json.1f2e.tmp").write_text("half")
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        monkeypatch.setattr(writer, "_SILENT_S", 1e9)  # nobody waits for it to be silent
        with Writer(tmp_path):
            assert record(tmp_path)["process"] == os.getpid()
            assert not list(tmp_path.glob("*.tmp"))

    def test_of_many_at_once_one_takes_over_from_a_killed_one(self, tmp_path):
        with other_process(tmp_path) as (process, pipe):
            assert pipe.recv() == "held"
            process.kill()
            process.join()
        for _ in range(3):
            with others(tmp_path, 4) as made:
                said = {process.pid: pipe.recv() for process, pipe in made}
                (winner,) = (number for number, text in said.items() if text == "held")
                assert sum(f"held by process {winner} on" in text for text in said.values()) == 3

    @pytest.mark.parametrize("looked_at", ["while it holds", "while it lets go"])
    def test_one_that_lets_go_while_it_is_watched_is_followed(self, tmp_path, patient, looked_at):
        first = Writer(tmp_path).__enter__()
        if looked_at == "while it lets go":  # the record goes before the system's lock
            (tmp_path / ".writer").unlink()
        with follower(tmp_path) as (began, ended):
            assert patient.wait(20)
            assert not began.is_set()
            first.__exit__()
            assert began.wait(20)
            ended.set()
        with Writer(tmp_path):  # the follower has let go as well
            pass

    def test_one_that_is_killed_while_it_is_watched_is_followed(self, tmp_path, patient):
        with other_process(tmp_path) as (process, pipe):
            assert pipe.recv() == "held"
            with follower(tmp_path) as (began, ended):
                assert patient.wait(20)
                process.kill()
                assert began.wait(20)
                ended.set()

    def test_of_two_that_remove_a_silent_one_none_removes_the_other(self, tmp_path, monkeypatch):
        with other_process(tmp_path) as (process, pipe):
            assert pipe.recv() == "held"
            os.kill(process.pid, signal.SIGSTOP)
            one, faster, inode = Writer(tmp_path), Writer(tmp_path), writer._inode
            lock, got = inode(tmp_path / ".lock"), []

            def looked(file: Path) -> int | None:
                found = inode(file)
                if not got:  # the faster one tries between the look and the removal
                    got.append(None)
                    faster._remove(lock)
                    got[:] = [faster._locked()]
                return found

            monkeypatch.setattr(writer, "_inode", looked)
            one._remove(lock)
            assert got == [False]
            assert one._locked()
            one._lock.release()

    def test_one_that_stands_still_is_taken_over_from_and_stops(self, tmp_path):
        with other_process(tmp_path) as (process, pipe):
            assert pipe.recv() == "held"
            os.kill(process.pid, signal.SIGSTOP)
            with Writer(tmp_path) as ours:
                os.kill(process.pid, signal.SIGCONT)
                pipe.send("on")
                assert f"was taken over by process {os.getpid()} on" in pipe.recv()
                ours.check()
                with pytest.raises(RunHeld, match=f"held by process {os.getpid()}"):
                    Writer(tmp_path).__enter__()
                assert record(tmp_path)["process"] == os.getpid()

    def test_of_many_at_once_one_takes_over_from_one_that_stands_still(self, tmp_path):
        with other_process(tmp_path) as (process, pipe):
            assert pipe.recv() == "held"
            os.kill(process.pid, signal.SIGSTOP)
            with others(tmp_path, 4) as made:
                said = [pipe.recv() for _, pipe in made]
                assert said.count("held") == 1
                assert sum("is held by process" in text for text in said) == 3

    def test_one_that_missed_its_beats_looks_before_it_goes_on(self, tmp_path, monkeypatch):
        with Writer(tmp_path) as ours:
            ours.check()
            monkeypatch.setattr(writer, "_SILENT_S", -1.0)
            mine = record(tmp_path)
            (tmp_path / ".writer").write_text(json.dumps(mine | {"host": "elsewhere"}))
            with pytest.raises(RunHeld, match=r"taken over by process \d+ on elsewhere"):
                ours.check()


@pytest.fixture
def left(tmp_path, hasty) -> Path:
    """What another machine's process left: that the system's lock is free says nothing of it."""
    del hasty
    with Writer(tmp_path):
        mine = record(tmp_path)
    (tmp_path / ".writer").write_text(json.dumps(mine | {"process": 2**22 + 1}))
    return tmp_path / ".writer"


ELSEWHERE = [{"host": "elsewhere"}, {"boot": "another"}, {"boot": ""}]


@pytest.mark.parametrize("changed", ELSEWHERE, ids=str)
class TestManyMachines:
    """By the number of its process none of these is alive."""

    def test_one_that_goes_on_is_not_taken_over_from(self, left, changed):
        left.write_text(json.dumps(json.loads(left.read_text()) | changed))
        ended = threading.Event()

        def beats() -> None:
            while not ended.wait(0.1):
                os.utime(left)

        other = threading.Thread(target=beats)
        other.start()
        try:
            with pytest.raises(RunHeld, match=r"held by process 4194305 on \w+, since"):
                Writer(left.parent).__enter__()
        finally:
            ended.set()
            other.join()
        assert json.loads(left.read_text())["process"] == 2**22 + 1

    def test_one_that_is_silent_is_taken_over_from(self, left, changed, caplog):
        caplog.set_level(logging.INFO, "picojoule")
        left.write_text(json.dumps(json.loads(left.read_text()) | changed))
        os.utime(left, (2**32, 2**32))  # clocks of machines differ
        started = time.monotonic()
        with Writer(left.parent):
            assert time.monotonic() - started > 0.8
            assert record(left.parent)["process"] == os.getpid()
        (told,) = caplog.messages
        assert re.match(r"process 4194305 on \w+, since .* may still write to '.*'", told)
        assert told.endswith(f"'{left.parent}': watching for up to 0.8 s whether it does")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 3}', "\xff"])
def test_a_record_that_no_process_wrote_holds_nothing(tmp_path, content):
    (tmp_path / ".writer").write_text(content, encoding="latin-1")
    with Writer(tmp_path) as held:
        held.check()
        assert record(tmp_path)["process"] == os.getpid()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / ".writer").mkdir()
    with pytest.raises(OSError, match=r"cannot be written \(.*\): copy it"):
        Writer(tmp_path).__enter__()
    (tmp_path / ".writer").rmdir()
    with Writer(tmp_path):  # and nothing holds it
        pass
