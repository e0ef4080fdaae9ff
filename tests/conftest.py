"""What every test starts from."""

import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

import tiny

# torch and picojoule are imported where they are used: what hands tests out needs neither.

# Derived cases are the same on every machine and in every run, and leave nothing on disk.
settings.register_profile(
    "picojoule", deadline=None, max_examples=40, derandomize=True, database=None
)
settings.load_profile("picojoule")


def pytest_configure() -> None:
    """Lets this process be as one that runs a command, but for memory and power.

    One that gives no memory back grows to gigabytes, whose tables each fork of a test copies.
    """
    from picojoule import _memory

    _memory.keep_freed_memory = lambda: True
    _memory.collect_seldom()
    tiny.unsynced()


def pytest_collection_finish() -> None:
    """Has the collector pass over what is there for good: modules, and thousands of tests.

    It looks through everything only when a quarter as much is new, which may hold gigabytes; so it
    looks once more, and finds that nothing is old.
    """
    gc.collect()
    gc.freeze()
    gc.collect()


@pytest.fixture(autouse=True, scope="session")
def _cache(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Caches decoded data in a fresh folder, and kernels in one that outlives the run.

    A compiled kernel is named by a hash of its source and appears whole, so workers and runs can
    share it. ``make clean`` and ``pytest --cache-clear`` delete it.
    """
    cache = tmp_path_factory.mktemp("cache")
    kernels = pytestconfig.rootpath / ".pytest_cache" / "d" / "kernels"
    kernels.mkdir(mode=0o700, parents=True, exist_ok=True)
    (cache / "kernels").symlink_to(kernels, target_is_directory=True)
    os.environ["PICOJOULE_CACHE"] = str(cache)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    import torch

    # Not torch.manual_seed, which keeps a traceback for each device that is not there.
    torch.default_generator.manual_seed(0)


@pytest.fixture
def pj(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Runs a command in this process; gives its exit code, stdout and stderr."""
    from picojoule.cli import main

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pj", *map(str, words)])
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(SystemExit) as caught:
            main()
        signal.signal(signal.SIGINT, before)  # a program need not restore it
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    yield run
    root = logging.getLogger()
    for handler in [one for one in root.handlers if type(one).__name__ == "RichHandler"]:
        root.removeHandler(handler)
