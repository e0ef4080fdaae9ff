"""What levers do at a tight limit: networks with and without them, a run each.

    python docs/results/levers.py RUNS --data-dir DIR [--jobs digits,fsdd] [--seeds 0,1,2]

Does what is missing in the folder RUNS, one after the other (a run that was interrupted goes on),
and writes ``levers/cells.json`` and the table of ``levers/table.md`` from all that is finished.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "levers"
MIXTURE = (
    "network.neuron={ name = 'Mixture', learned = true, dt = '10 ms', kinds = [ "
    "{ name = 'LIF', tau = '40 ms', surrogate = 'slayer', share = 0.5 }, "
    "{ name = 'BRF', gain = 100, share = 0.5 } ] }"
)
# job: recipe and settings, the limit on each chip, and the ways: settings and levers
JOBS: dict[str, tuple[list[str], dict[str, str], dict[str, tuple[list[str], list[str]]]]] = {
    "digits": (
        ["digits"],
        {"45nm": "3.62 nJ"},
        {"no lever": ([], []), "thresholds": ([], ["thresholds"])},
    ),
    "fsdd": (
        ["fsdd", "train.epochs=20"],
        {"analog-65nm": "2.3 uJ", "45nm": "95 nJ"},
        {
            "LIF": ([], []),
            "LIF, thresholds": ([], ["thresholds"]),
            "LIF, gates": ([], ["gates"]),
            "learned mixture": ([MIXTURE], []),
            "learned mixture, kinds": ([MIXTURE], ["kinds"]),
        },
    ),
}


def train(folder: Path, words: Sequence[str], data_dir: str | None) -> None:
    """Trains a run until it is done; does nothing if it is."""
    if (folder / "report.json").exists():
        return
    command = [sys.executable, "-m", "picojoule.cli", "train"]
    command += ["--resume", str(folder)] if folder.exists() else [*words, "--out", str(folder)]
    command += ["--data-dir", data_dir] if data_dir else []
    subprocess.run(command, check=True, capture_output=True)


def record(folder: Path) -> dict[str, Any]:
    """What came of a run."""
    report = json.loads((folder / "report.json").read_text())
    budget = report["budget"]
    return {
        "accuracy": report["accuracy"]["test"],
        "met": budget["met"],
        "ratio": budget["ratio"],
        "parameters": report["parameters"],
        "layers": {
            name: {count: one[count] for count in ("update", "spike") if count in one}
            for name, one in report["counts"].items()
        },
    }


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """One line for each way at each limit: means and ranges over seeds."""
    names = ("accuracy", "ratio", "parameters")
    columns = ("job", "chip", "limit", "way", "seeds", "met", "accuracy", "energy / limit")
    lines = [f"| {' | '.join(columns)} | parameters |", "|---" * (len(columns) + 1) + "|"]
    keys = dict.fromkeys(tuple(one[name] for name in columns[:4]) for one in records)
    for key in keys:
        runs = [one for one in records if tuple(one[name] for name in columns[:4]) == key]
        seeds = " ".join(str(one["seed"]) for one in runs)
        met = f"{sum(one['met'] for one in runs)} of {len(runs)}"
        values = [[one[name] for one in runs] for name in names]
        forms = (".3f", ".3f", ",.0f")
        numbers = [
            f"{format(statistics.mean(one), form)} ({min(one):{form}} to {max(one):{form}})"
            for form, one in zip(forms, values, strict=True)
        ]
        lines.append("| " + " | ".join([*key, seeds, met, *numbers]) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Runs, collects and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--seeds", default="0,1,2")
    given = parser.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    cells = [
        (job, chip, way, seed)
        for seed in given.seeds.split(",")
        for job in given.jobs.split(",")
        for chip in JOBS[job][1]
        for way in JOBS[job][2]
    ]
    for job, chip, way, seed in cells:
        (recipe, *settings), limits, ways = JOBS[job]
        more, levers = ways[way]
        words = [recipe, "--seed", seed, "--chip", chip, "--budget", limits[chip]]
        said = [*settings, *more, *([f"budget.levers={json.dumps(levers)}"] if levers else [])]
        words += [word for one in said for word in ("--set", one)]
        name = "-".join([job, chip, *way.replace(",", "").split(), seed])
        train(given.runs / name, words, given.data_dir)
        _write(given.runs, cells)


def _write(runs: Path, cells: Sequence[tuple[str, str, str, str]]) -> None:
    """Writes what is finished."""
    records = []
    for job, chip, way, seed in cells:
        folder = runs / "-".join([job, chip, *way.replace(",", "").split(), seed])
        if (folder / "report.json").exists():
            about = {
                "job": job,
                "chip": chip,
                "limit": JOBS[job][1][chip],
                "way": way,
                "seed": seed,
            }
            records.append(about | record(folder))
    HERE.mkdir(exist_ok=True)
    (HERE / "cells.json").write_text(json.dumps(records, indent=1) + "\n")
    (HERE / "table.md").write_text(table(records))


if __name__ == "__main__":
    main()
