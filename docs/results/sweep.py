"""A sweep of digits by one worker, and again by two on PostgreSQL of which one is killed twice.

    PYTHONPATH=tests python docs/results/sweep.py RUNS

Both must end complete and equal: the same rows, the same weights, bit for bit. The folder RUNS
takes the runs. The sweep by one worker goes on where it was interrupted; that by two begins anew,
since the server is the script's own, of Debian's package ``postgresql``, and ends with it. The
tables and the page of the sweep by two go to ``sweep/``, with what befell it in ``workers.json``.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import postgres
from sweeping import results, weights

HERE = Path(__file__).parent / "sweep"
PJ = [sys.executable, "-m", "picojoule.cli"]
GRID = ["digits", "--over", "budget.limit=75%,50%,40%", "--over", "network.neuron.name=LIF,BRF"]
GRID += ["--seeds", "3"]
KILLS = 2
ALIVE_S = 25.0  # of a worker before it is killed at its next run


def start(out: Path, *words: str, address: str | None = None) -> subprocess.Popen[bytes]:
    """Starts a worker, the first of a sweep or one that joins; what it says goes to a file."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment |= {"PICOJOULE_STORAGE": address} if address else {}
    command = [*PJ, "sweep", *words, "--accelerator", "cpu", "--out", str(out)]
    with open(f"{out}.log", "ab") as said:
        return subprocess.Popen(command, stdout=said, stderr=said, env=environment)


def end(worker: subprocess.Popen[bytes]) -> None:
    """Waits for a worker to end well."""
    if code := worker.wait():
        raise SystemExit(f"a worker ended with code {code}: look into the logs beside the sweeps")


def at_work(worker: subprocess.Popen[bytes], out: Path) -> str:
    """Waits until a worker trains a run, whose name it returns."""
    while worker.poll() is None:
        for file in out.glob("runs/*/.writer"):
            try:
                if json.loads(file.read_bytes())["process"] == worker.pid:
                    return file.parent.name
            except (OSError, ValueError):  # of a run that is just let go
                continue
        time.sleep(0.05)
    raise SystemExit("the worker that was to be killed has ended: let it live less long")


def shared(out: Path, address: str) -> dict[str, Any]:
    """Makes the sweep by two workers, one of which is killed; returns what befell it."""
    shutil.rmtree(out, ignore_errors=True)
    began, killed = time.monotonic(), []
    first = start(out, *GRID, address=address)
    while not (out / "storage.txt").is_file():
        time.sleep(0.1)
    for _ in range(KILLS):
        second = start(out, "--join", address=address)
        time.sleep(ALIVE_S)
        run = at_work(second, out)
        second.send_signal(signal.SIGKILL)
        second.wait()
        killed.append({"run": run, "seconds": round(time.monotonic() - began, 1)})
    second = start(out, "--join", address=address)
    for worker in (first, second):
        end(worker)
    assert postgres.PASSWORD not in Path(f"{out}.log").read_text("utf-8")
    return {"killed": killed, "seconds": round(time.monotonic() - began, 1)}


def main() -> None:
    """Makes both sweeps, compares them, and keeps what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    place: Path = parser.parse_args().runs
    place.mkdir(parents=True, exist_ok=True)
    alone, both = place / "alone" / "digits", place / "shared" / "digits"
    for out in (alone, both):
        out.parent.mkdir(exist_ok=True)
    began = time.monotonic()
    end(start(alone, *GRID))
    seconds = round(time.monotonic() - began, 1)
    with postgres.server() as server:
        befell = shared(both, f"{server}/postgres")
    assert results(both) == results(alone)
    assert weights(both) == weights(alone)
    states = [row["state"] for row in results(both)["runs"]]
    assert set(states) == {"finished"}
    HERE.mkdir(exist_ok=True)
    for name in ("results.csv", "results.json", "results.tex"):
        shutil.copyfile(both / name, HERE / name)
    subprocess.run([*PJ, "report", str(both), "--out", str(HERE / "report.html")], check=True)
    told = {"runs": len(states), "seconds by one": seconds, "by two": befell}
    (HERE / "workers.json").write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
