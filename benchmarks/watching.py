"""Cost of watching a training: the page and the loggers of `pj train digits`.

    python benchmarks/watching.py [--recipe digits] [--rounds 5] [--json FILE]

Commands are as a user types them, each in a process of its own with one thread: as it is, and with
each logger, in turns for some rounds; and one that is made to write no page and no `activity.json`
for it, and logs nothing. Printed are medians of seconds of the clock and of the processor, of how
much more of the processor a command takes than the one without in the same round, and of the share
of its own processor time that went into page and loggers, imports included. On a machine with
other work the last one alone tells something. TensorBoard's logger needs the extra `test`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The command, told to write no page, or to say what its page and loggers take of the processor.
BARE = """
from picojoule.training import Activity
run.page_of = lambda folder: ""
fit.activity = lambda *given, **more: Activity(samples=0, rate={}, kept={}, examples=())
"""
TIMED = """
def timed(do):
    def call(*given, **more):
        began = time.process_time()
        try:
            return do(*given, **more)
        finally:
            spent[0] += time.process_time() - began
    return call

make = timed(loggers._logger)

def watched(*given):
    made = make(*given)
    for name in ("log_metrics", "save", "finalize"):
        setattr(made, name, timed(getattr(made, name)))
    return made

loggers._logger, loggers.check_loggers = watched, timed(loggers.check_loggers)
run.page_of, run.put_page, fit.activity = map(timed, (run.page_of, run.put_page, fit.activity))
"""
COMMAND = """
import atexit, sys, time
import picojoule.run.fit as fit, picojoule.run.loggers as loggers, picojoule.run.run as run
spent = [0.0]
{}
atexit.register(lambda: print("watching took", spent[0], time.process_time(), file=sys.stderr))
from picojoule.cli import main
main()
"""
WATCHED = {
    "without": [],
    "as it is": [],
    "--log csv": ["--log", "csv"],
    "--log tensorboard": ["--log", "tensorboard"],
}
MARK = 3.0  # percent


def measured(name: str, recipe: str) -> tuple[float, float, float]:
    """Returns the seconds of a command by the clock and by the processor, and those of watching."""
    with tempfile.TemporaryDirectory() as folder:
        code = COMMAND.format(BARE if name == "without" else TIMED)
        out = ["--out", str(Path(folder) / "run"), "--accelerator", "cpu"]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, "train", recipe, *out, *WATCHED[name]],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            check=True,
            text=True,
        )
        clock = time.perf_counter() - began
        watching, processor = done.stderr.rsplit("watching took", 1)[1].split()[:2]
        return clock, float(processor), float(watching)


def main() -> None:
    """Times all, and prints what they take."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--recipe", default="digits")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--json", type=Path)
    given = words.parse_args()
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in WATCHED}
    for _ in range(given.rounds):
        for name, found in taken.items():
            found.append(measured(name, given.recipe))
            if given.json:
                given.json.write_text(json.dumps(taken, indent=2) + "\n")
    title = f"pj train {given.recipe}"
    print(f"{title:<20} {'clock':>8} {'processor':>10} {'beyond':>8} {'watching':>9}")
    for name, found in taken.items():
        clock, processor, _ = (statistics.median(times) for times in zip(*found, strict=True))
        pairs = zip(found, taken["without"], strict=True)
        beyond = statistics.median(100 * (one[1] / base[1] - 1) for one, base in pairs)
        watching = statistics.median(100 * one[2] / one[1] for one in found)
        mark = "" if name == "without" else f" (mark {MARK:g} %)"
        numbers = f"{clock:>6.1f} s {processor:>8.2f} s {beyond:>6.1f} % {watching:>7.2f} %"
        print(f"{name:<20} {numbers}{mark}")


if __name__ == "__main__":
    main()
