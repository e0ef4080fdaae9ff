"""Processes that run ``pj``, forked from one that has imported everything."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess

import tiny

# What a training imports, and a worker of a sweep, whose runs may be kept in a PostgreSQL. There is
# one server in a process, which imports this when it starts.
MODULES = ["picojoule.cli.commands", "picojoule.cli.show", "picojoule.cli.follow"]
MODULES += ["picojoule.cli.sweep_follow", "picojoule.run.run", "picojoule.sweep.workers"]
MODULES += ["rich.logging", "optuna.storages._rdb.models", "alembic.command", "psycopg"]
MODULES += ["sqlalchemy.dialects.postgresql", "tiny", "sweeping"]


@contextmanager
def processes(target: Callable[..., None] = tiny.pj) -> Iterator[Callable[..., BaseProcess]]:
    """Gives what starts a process, with the arguments of ``tiny.pj``; ends those that are left."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(MODULES)
    made: list[BaseProcess] = []

    def process(words: list[str], *given: str, **environment: str) -> BaseProcess:
        made.append(context.Process(target=target, args=(words, *given), kwargs=environment))
        made[-1].start()
        return made[-1]

    try:
        yield process
    finally:
        for one in made:
            one.kill()
            one.join()
