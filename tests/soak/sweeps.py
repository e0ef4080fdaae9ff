"""Storms of kills over sweeps: ``python -m soak.sweeps --minutes 10``, a part of ``make soak``.

A sweep of digits (3 limits x 2 neurons x 3 seeds) is shared by two commands, one of which has two
workers, on a PostgreSQL where there is one and by a file else. They are killed and interrupted at
random moments and started again, and the sweep must end as that of one worker did.
"""

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from contextlib import nullcontext, suppress
from pathlib import Path

import postgres
from forked import processes
from sweeping import SET, hasty, results, weights

GRID = ["sweep", "digits", "--over", "budget.limit=90%,80%,70%", "--accelerator", "cpu"]
GRID += ["--over", "network.neuron.name=LIF,IF", *SET, "--seeds", "3", "--set", "train.epochs=4"]
SECONDS = 600.0  # in which an undisturbed command must end; the machine may be busy


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--seed", type=int, default=0)
    given = words.parse_args()
    place = Path(tempfile.mkdtemp(prefix="picojoule-sweeps-"))
    end, chance, counts = (
        time.monotonic() + 60 * given.minutes,
        random.Random(given.seed),
        Counter(),
    )
    server = postgres.server() if postgres.programs() else nullcontext()
    try:
        with processes(hasty) as process, server as address:
            alone = place / "alone"
            began = time.monotonic()
            ended(process([*GRID, "--out", str(alone)], str(place / "said")))
            seconds = time.monotonic() - began
            while not counts["sweeps"] or time.monotonic() < end:
                out = place / str(counts["sweeps"])
                storage = ["--storage", f"{address}/postgres"] if address else []
                counts += storm(process, out, storage, chance, seconds)
                assert results(out) == results(alone)
                assert weights(out) == weights(alone)
                shutil.rmtree(out)
                counts["sweeps"] += 1
                print(dict(sorted(counts.items())), flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def storm(process, out: Path, storage: list[str], chance: random.Random, seconds: float) -> Counter:
    """Kills two commands at random moments until the sweep has ended."""
    counts = Counter[str]()
    begin = [*GRID, "--out", str(out), *storage]
    join = ["sweep", "--join", "--accelerator", "cpu", "--out", str(out), *storage]
    for _ in range(chance.randint(2, 5)):
        both = [process(begin, f"{out}.0"), process([*begin, "--workers", "2"], f"{out}.1")]
        for one in chance.sample(both, 2):
            one.join(chance.uniform(0.1, 0.5) * seconds)
            how = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT])
            with suppress(ProcessLookupError):
                os.kill(one.pid, how)
            one.join(SECONDS)
            assert one.exitcode in (0, 130, -how), one.exitcode
            counts["kills"] += one.exitcode == -signal.SIGKILL
            counts["interruptions"] += one.exitcode == 130
        for name in ("0", "1"):
            said = Path(f"{out}.{name}").read_text(errors="replace")
            assert "Traceback" not in said, said
            assert postgres.PASSWORD not in said
    ended(process(join if out.exists() else begin, f"{out}.2"))
    return counts


def ended(process) -> None:
    process.join(SECONDS)
    assert process.exitcode == 0


if __name__ == "__main__":
    main()
