"""What levers do within a limit: networks with and without them, a run each.

    python docs/results/levers.py RUNS --data-dir DIR [--jobs digits,fsdd] [--seeds 0,1,2]

Does what is missing in the folder RUNS, one after the other (a run that was interrupted goes on),
and writes ``levers/cells.json`` and the table of ``levers/table.md`` from all that is finished,
there and in earlier folders. A limit that is below the floor without a lever has no run.
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
KEY = ("job", "chip", "limit", "way", "seed")
MIXTURE = (
    "network.neuron={ name = 'Mixture', learned = true, dt = '10 ms', kinds = [ "
    "{ name = 'LIF', tau = '40 ms', surrogate = 'slayer', share = 0.5 }, "
    "{ name = 'BRF', gain = 100, share = 0.5 } ] }"
)
# job: recipe and settings, limits on each chip, and the ways: settings and levers
JOBS: dict[str, tuple[list[str], dict[str, list[str]], dict[str, tuple[list[str], list[str]]]]] = {
    "digits": (
        ["digits"],
        {"45nm": ["2.49 nJ", "3.62 nJ", "5 nJ"]},  # 2.49: 0.8 of the floor
        {
            "no lever": ([], []),
            "thresholds": ([], ["thresholds"]),
            "gates": ([], ["gates"]),
            "weights": ([], ["weights"]),
            "steps": ([], ["steps"]),
        },
    ),
    "fsdd": (
        ["fsdd", "train.epochs=20"],
        {"analog-65nm": ["2.3 uJ"], "45nm": ["95 nJ"]},
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
    """Trains a run until it is done; does nothing if it is, or was refused."""
    refused = folder.parent / f"{folder.name}.refused"
    if (folder / "report.json").exists() or refused.exists():
        return
    command = [sys.executable, "-m", "picojoule.cli", "train"]
    command += ["--resume", str(folder)] if folder.exists() else [*words, "--out", str(folder)]
    command += ["--data-dir", data_dir] if data_dir else []
    ended = subprocess.run(command, capture_output=True, text=True)
    if "below this network's floor" in ended.stderr:
        refused.write_text(ended.stderr)
    elif ended.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{ended.stderr}")


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
    columns = (*KEY[:4], "seeds", "met", "accuracy", "energy / limit")
    lines = [f"| {' | '.join(columns)} | parameters |", "|---" * (len(columns) + 1) + "|"]
    for key in dict.fromkeys(tuple(one[name] for name in KEY[:4]) for one in records):
        runs = [one for one in records if tuple(one[name] for name in KEY[:4]) == key]
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
        (job, chip, limit, way, seed)
        for seed in given.seeds.split(",")
        for job in given.jobs.split(",")
        for chip, limits in JOBS[job][1].items()
        for limit in limits
        for way in JOBS[job][2]
    ]
    for cell in cells:
        job, chip, limit, way, seed = cell
        (recipe, *settings), _, ways = JOBS[job]
        more, levers = ways[way]
        words = [recipe, "--seed", seed, "--chip", chip, "--budget", limit]
        said = [*settings, *more, *([f"budget.levers={json.dumps(levers)}"] if levers else [])]
        words += [word for one in said for word in ("--set", one)]
        folder = given.runs / "-".join(cell).replace(",", "").replace(" ", "-")
        train(folder, words, given.data_dir)
        if (folder / "report.json").exists():
            _write(dict(zip(KEY, cell, strict=True)) | record(folder))


def _write(found: Mapping[str, Any]) -> None:
    """Writes what came of a run, in the place of what was known of it."""
    file = HERE / "cells.json"
    records = json.loads(file.read_text()) if file.exists() else []
    known = {tuple(one[name] for name in KEY): one for one in [*records, found]}
    HERE.mkdir(exist_ok=True)
    file.write_text(json.dumps(list(known.values()), indent=1) + "\n")
    (HERE / "table.md").write_text(table(list(known.values())))


if __name__ == "__main__":
    main()
