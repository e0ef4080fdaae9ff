"""Compiled code is loaded only if it is this user's own and what was written."""

import errno
import logging
import os
import shutil
from pathlib import Path

import pytest

from event_cases import there
from picojoule import _cache, _sums
from picojoule.kernels import cc, module, private

C = "int answer(void) { return 42; }"
PYTHON = """
from picojoule.kernels.module import kept

@kept(nogil=True)
def answer(x):
    return x + 41
"""


def by_c() -> int:
    return cc._load.__wrapped__(C, "-O2", os.environ.get("CC", "")).answer()


def by_numba() -> int:
    return module.load.__wrapped__(PYTHON).answer(1)


MAKERS = [
    pytest.param(by_c, marks=pytest.mark.skipif(not there("c"), reason="no compiler")),
    pytest.param(by_numba, marks=pytest.mark.skipif(not there("numba"), reason="no numba")),
]
both = pytest.mark.parametrize("answer", MAKERS, ids=["c", "numba"])


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The folder of compiled code, which is new; what is said once is said again."""
    monkeypatch.setenv("PICOJOULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_cache, "own_cache_folder", lambda room: tmp_path / "own" / room)
    private._kept_in.cache_clear()
    private._say_not_kept.cache_clear()
    return tmp_path / "cache" / "kernels"


def code_in(folder: Path) -> Path:
    """The only code that is kept, as a file that is not the one which this process has loaded."""
    (file,) = (one for one in folder.iterdir() if not one.name.startswith("."))
    copy = file.with_name("copy")
    shutil.copy(file, copy)
    return copy.replace(file)


def given_away(path: Path, monkeypatch) -> None:
    """Makes a file another user's; who is not root becomes another user."""
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)


def linked(file: Path) -> None:
    moved = file.with_name("elsewhere")
    file.rename(moved)
    file.symlink_to(moved)


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def swapped(file: Path) -> None:
    """Another file under its name, with a sum that was right for that one."""
    other = file.with_name("other")
    _sums.write(other, b"something else")
    shutil.copy(other, file)
    shutil.copy(_sums.beside(other), _sums.beside(file))


DAMAGE = {
    "halved": lambda file: os.truncate(file, file.stat().st_size // 2),
    "emptied": lambda file: os.truncate(file, 0),
    "flipped": flipped,
    "another": lambda file: file.write_bytes(b"\x7fELF and no more"),
    "swapped": swapped,
    "linked": linked,
    "sum halved": lambda file: os.truncate(_sums.beside(file), 30),
    "sum emptied": lambda file: os.truncate(_sums.beside(file), 0),
    "sum another": lambda file: _sums.beside(file).write_bytes(b"\xff" * 80),
    "sum linked": lambda file: linked(_sums.beside(file)),
    "writable": lambda file: file.chmod(0o666),
    "sum writable": lambda file: _sums.beside(file).chmod(0o620),
}


@both
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_what_was_written_is_compiled_again(folder, caplog, answer, damage):
    assert answer() == 42
    file = code_in(folder)
    DAMAGE[damage](file)
    for said in (1, 1):  # the second start finds it mended
        assert answer() == 42
        assert sum("compiled again" in record.message for record in caplog.records) == said
    assert _sums.has_sum(file)
    assert _sums.read(file)
    assert private.find(file.name) == file


@both
def test_what_has_no_sum_is_compiled_again(folder, answer):
    assert answer() == 42
    file = code_in(folder)
    _sums.beside(file).unlink()
    file.write_bytes(b"planted")
    assert answer() == 42
    assert private.find(file.name) == file


@both
@pytest.mark.parametrize("which", ["code", "its sum"])
def test_another_user_s_file_is_not_loaded(folder, monkeypatch, caplog, answer, which):
    assert answer() == 42
    file = code_in(folder)
    file.write_bytes(b"planted")
    _sums.write(file, b"planted")
    given_away(file if which == "code" else _sums.beside(file), monkeypatch)
    assert answer() == 42
    assert "belongs to another user" in caplog.text


OPEN = {
    "its own": lambda folder: folder.chmod(0o777),
    "its group's": lambda folder: folder.chmod(0o770),
    "sticky": lambda folder: folder.chmod(0o1777),
    "in an open one": lambda folder: folder.parent.chmod(0o777),
    "in a group's": lambda folder: folder.parent.chmod(0o775),
}


@both
@pytest.mark.parametrize("opened", OPEN)
def test_where_others_may_write_nothing_is_kept_or_loaded(folder, caplog, answer, opened):
    folder.mkdir(mode=0o700, parents=True)
    OPEN[opened](folder)
    assert [answer(), answer()] == [42, 42]
    assert not list(folder.iterdir())
    (said,) = (record.message for record in caplog.records)
    assert said.startswith(f"compiled code is not kept in {folder}: others may write to ")
    assert said.endswith("; PICOJOULE_CACHE names another folder")
    own = folder.parent.with_name("own") / "kernels"
    assert private.find(code_in(own).name) is not None


@both
@pytest.mark.parametrize("whose", ["its own", "the parent's"])
def test_another_user_s_folder_is_not_used(folder, monkeypatch, caplog, answer, whose):
    folder.mkdir(mode=0o700, parents=True)
    given_away(folder if whose == "its own" else folder.parent, monkeypatch)
    assert answer() == 42
    assert "belongs to another user" in caplog.text
    assert not list(folder.iterdir())


def test_a_folder_in_one_of_all_users_is_this_user_s_if_it_is_sticky(folder):
    folder.parent.mkdir()
    folder.parent.chmod(0o1777)
    file = private.keep("name", b"code")
    assert file is not None
    assert private.find("name") == file
    assert file.stat().st_mode & 0o777 == folder.stat().st_mode & 0o666 == 0o600


def test_a_link_to_a_folder_is_followed_once(folder, tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "real")
    assert private.keep("name", b"code") == tmp_path / "real" / "name"


@both
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_is_named_and_gone_around(
    folder, monkeypatch, caplog, answer, number
):
    put = _sums.put

    def refuses(file, content, mode=0o666):
        if folder in file.parents:
            raise OSError(number, os.strerror(number))
        put(file, content, mode)

    monkeypatch.setattr(_sums, "put", refuses)
    assert [answer(), answer()] == [42, 42]
    (said,) = (record.message for record in caplog.records if record.levelno == logging.WARNING)
    assert f"in {folder}: it cannot be written ({os.strerror(number)})" in said


@both
def test_what_was_kept_is_loaded_from_a_disk_that_takes_nothing(folder, monkeypatch, answer):
    assert answer() == 42

    def never(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(_sums, "put", never)
    monkeypatch.setattr(cc, "_compiled", never)
    assert answer() == 42


@pytest.mark.skipif(not there("c"), reason="no compiler")
def test_a_disk_that_runs_nothing_is_gone_around(folder, monkeypatch, caplog):
    load = cc.ctypes.CDLL

    def refuses(path, *given):
        if Path(path).parent == folder:
            raise OSError(f"{path}: failed to map segment from shared object")
        return load(path, *given)

    monkeypatch.setattr(cc.ctypes, "CDLL", refuses)
    assert by_c() == 42
    assert "failed to map segment" in caplog.text
