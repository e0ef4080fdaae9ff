"""The sweep of budgets: networks, chips, limits and seeds, a run each, and hand-set prices beside.

    python docs/results/budget.py RUNS --data-dir DIR [--jobs digits,fsdd] [--seeds 0,1,2]
        [--only 45nm,loihi,0.5,0.05] [--workers 2] [--seconds 1000] [--prices]

Runs what ``budget/cells.json`` lacks in the folder RUNS, a cell at a time (a run that was
interrupted goes on), as long as ``--seconds`` allows; then adds what is finished to that file and
writes the tables of ``budget/tables.md``. Limits are a share of the part above the floor of what
the same recipe spends without a budget, both measured on its validation split, so that this run
comes first. ``--prices`` adds ``FixedPrice`` at eight weights, for the jobs and the chip of
``PRICED``.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import picojoule as pj
from picojoule.data import prepared
from picojoule.readout import readout
from picojoule.run.build import evaluation_loader
from picojoule.run.open_data import open_data

HERE = Path(__file__).parent / "budget"
FOUR = ("45nm", "45nm-sram", "analog-65nm", "loihi")
SHARES = (0.75, 0.5, 0.3, 0.15, 0.08, 0.05)
# name: recipe and settings, chips, shares
JOBS: dict[str, tuple[list[str], Sequence[str], Sequence[float]]] = {
    "digits": (["digits"], FOUR, SHARES),
    "fsdd": (["fsdd", "train.epochs=20"], FOUR, SHARES),
    "fsdd-brf": (
        ["fsdd-brf"],
        ("45nm", "analog-65nm"),
        (0.5, 0.15, 0.05),
    ),
    "fsdd-mixture": (
        [
            "fsdd",
            "train.epochs=20",
            "network.neuron={ name = 'Mixture', learned = true, dt = '10 ms', kinds = [ "
            "{ name = 'LIF', tau = '40 ms', surrogate = 'slayer', share = 0.5 }, "
            "{ name = 'BRF', gain = 100, share = 0.5 } ] }",
        ],
        ("45nm", "analog-65nm"),
        (0.5, 0.15, 0.05),
    ),
    "fashion-cnn": (
        ["fashion-mnist", "data.limit=4000", "train.epochs=5"],
        ("45nm", "45nm-sram"),
        (0.5, 0.15, 0.05),
    ),
    "fashion-cnn-long": (
        ["fashion-mnist", "data.limit=4000", "train.epochs=15"],
        ("45nm", "45nm-sram"),
        (0.5, 0.15, 0.05),
    ),
    "fashion-cnn7": (
        ["fashion-mnist-cnn7-cpu", "network.width=8", "data.limit=2000", "train.epochs=6"],
        ("45nm", "45nm-sram"),
        (0.5, 0.15, 0.05),
    ),
    "cifar10-vgg11": (
        [
            "cifar10-vgg11-cpu",
            "network.neuron={ name = 'MultiLevelIF', levels = 4 }",
            "network.width=8",
            "data.limit=2000",
            "train.epochs=6",
        ],
        ("45nm", "45nm-sram"),
        (0.5, 0.15, 0.05),
    ),
    "fashion-cnn7-long": (
        ["fashion-mnist-cnn7-cpu", "network.width=8", "data.limit=4000", "train.epochs=16"],
        ("45nm", "45nm-sram"),
        (0.5, 0.15, 0.05),
    ),
    "cifar10-vgg11-long": (
        ["cifar10-vgg11-cpu", "network.width=8", "data.limit=4000", "train.epochs=16"],
        ("45nm", "45nm-sram"),
        (0.5, 0.15, 0.05),
    ),
    "nmnist": (
        ["nmnist-cpu", "data.limit=1500", "train.epochs=6"],
        ("45nm", "loihi"),
        (0.5, 0.15, 0.05),
    ),
}
PRICED = ("digits", "fsdd"), "45nm"
WEIGHTS = (0.01, 0.03, 0.1, 0.2, 0.3, 0.6, 1.0, 2.0)
COLUMNS = "job | chip | share | runs | met | used | energy / limit | accuracy | without a budget"


@dataclass(frozen=True)
class Cell:
    """One run: a job with a seed, and its limit or its price; without both, no budget."""

    job: str
    seed: int
    chip: str = ""
    share: float = 0.0
    weight: float = 0.0

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Cell":
        """Returns the cell that a record is of."""
        return cls(**{one.name: record[one.name] for one in fields(cls)})

    @property
    def name(self) -> str:
        """Name of its folder."""
        parts = [self.job, self.chip, f"{self.share:g}" if self.share else ""]
        parts += [f"price{self.weight:g}" if self.weight else "", str(self.seed)]
        return "-".join(filter(None, parts))


@dataclass(frozen=True)
class Sweep:
    """A folder of runs, and where the data are."""

    runs: Path
    data_dir: str | None

    def done(self, cell: Cell) -> bool:
        """True if the run of a cell is finished, or was refused."""
        finished = (self.runs / cell.name / "report.json").exists()
        return finished or self._refused(cell).exists()

    def run(self, cell: Cell, until: float) -> None:
        """Trains a cell until it is done or the time is over; does nothing if it is done."""
        left = until - time.monotonic()
        if self.done(cell) or left < 1:
            return
        folder = self.runs / cell.name
        command = [sys.executable, "-m", "picojoule.cli", "train"]
        command += ["--resume", str(folder)] if folder.exists() else self._words(cell, folder)
        command += ["--data-dir", self.data_dir] if self.data_dir else []
        try:
            ended = subprocess.run(command, timeout=left, capture_output=True, text=True)
        except subprocess.TimeoutExpired:
            return
        if "below this network's floor" in ended.stderr:
            self._refused(cell).write_text(ended.stderr)
        elif ended.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{ended.stderr}")

    def _refused(self, cell: Cell) -> Path:
        """The file that says why a run was refused."""
        return self.runs / f"{cell.name}.refused"

    def _words(self, cell: Cell, folder: Path) -> list[str]:
        """Words the arguments of a new run."""
        recipe, *settings = JOBS[cell.job][0]
        if cell.share:
            settings += [f"budget.limit={self.limit_pj(cell):.6g} pJ", f"budget.chip={cell.chip}"]
        else:
            settings += ["budget.limit=none"]
        if cell.weight:
            settings += ["penalty.name=FixedPrice", f"penalty.weight={cell.weight}"]
        said = [word for one in settings for word in ("--set", one)]
        return [recipe, *said, "--seed", str(cell.seed), "--out", str(folder)]

    def limit_pj(self, cell: Cell) -> float:
        """The limit of a cell, from the run without a budget."""
        free = self.free(cell.job, cell.seed)["chips"][cell.chip]
        return free["floor_pj"] + cell.share * (free["total_pj"] - free["floor_pj"])

    def free(self, job: str, seed: int) -> dict[str, Any]:
        """Energies on the validation split without a budget, on every chip; measured once."""
        folder = self.runs / Cell(job, seed).name
        file = folder.with_suffix(".validation.json")
        if not file.exists():
            trained = pj.load(folder)
            recipe, splits = open_data(trained.recipe, self.data_dir)
            encoder = recipe.data.make_encoder()
            found = pj.measure(
                trained.net,
                evaluation_loader(recipe, prepared(splits.validation, encoder)),
                readout=readout(recipe.train.readout),
                chips=[pj.load_chip(chip) for chip in FOUR],
                inputs=encoder.kind,
            )
            file.write_text(found.to_json())
        return json.loads(file.read_text())

    def record(self, cell: Cell) -> dict[str, Any]:
        """What came of a cell that is done."""
        if not (self.runs / cell.name / "report.json").exists():
            return asdict(cell) | {"refused": True}
        report = json.loads((self.runs / cell.name / "report.json").read_text())
        without = json.loads(
            (self.runs / Cell(cell.job, cell.seed).name / "report.json").read_text()
        )
        chip = cell.chip or next(iter(report["chips"]))
        cost, budget = report["chips"][chip], report["budget"] or {}
        limit_pj = budget.get("limit_pj")
        return asdict(cell) | {
            "accuracy": report["accuracy"]["test"],
            "validation": report["accuracy"]["validation"],
            "without": without["accuracy"]["test"],
            "samples": report["samples"],
            "test_pj": cost["total_pj"],
            "floor_pj": cost["floor_pj"],
            "limit_pj": limit_pj,
            "met": budget.get("met"),
            "ratio": budget.get("ratio"),
            "used": limit_pj and _used(cost["total_pj"], cost["floor_pj"], limit_pj),
            "notes": report["notes"],
            "seconds": report["seconds"],
        }


def _used(spent_pj: float, floor_pj: float, limit_pj: float) -> float | None:
    """The part of what a limit leaves above the test set's floor that was spent."""
    return (spent_pj - floor_pj) / (limit_pj - floor_pj) if limit_pj > floor_pj else None


def cells(
    jobs: Sequence[str], seeds: Sequence[int], prices: bool, only: Sequence[str]
) -> Iterator[Cell]:
    """Yields the cells with a limit, then those with a price.

    Args:
        jobs: Names of ``JOBS``.
        seeds: Seeds of each.
        prices: True to run hand-set prices too.
        only: Chips and shares to leave it at; all if it names none.
    """
    for seed, job in product(seeds, jobs):
        for share, chip in product(JOBS[job][2], JOBS[job][1]):
            if not only or (chip in only and f"{share:g}" in only):
                yield Cell(job, seed, chip, share)
    priced = [job for job in PRICED[0] if job in jobs and prices]
    for seed, job, weight in product(seeds, priced, WEIGHTS):
        yield Cell(job, seed, weight=weight)


def tables(records: Sequence[Mapping[str, Any]]) -> str:
    """Writes the tables: every limit over seeds, and the marks over all of them."""
    kept = [one for one in records if one["share"] and not one.get("refused")]
    lines = [f"| {COLUMNS} |", "|---" * len(COLUMNS.split("|")) + "|"]
    for key in dict.fromkeys((one["job"], one["chip"], one["share"]) for one in kept):
        runs = [one for one in kept if (one["job"], one["chip"], one["share"]) == key]
        cells = [key[0], key[1], f"{key[2]:.0%}", str(len(runs))]
        cells.append(f"{sum(one['met'] for one in runs)} of {len(runs)}")
        cells += [_mean(runs, name) for name in ("used", "ratio", "accuracy", "without")]
        lines.append("| " + " | ".join(cells) + " |")
    used = [one["used"] for one in kept if one["used"] is not None]
    chance = [one for one in kept if any("at chance" in note for note in one["notes"])]
    if kept:
        lines += [
            "",
            f"{len(kept)} runs: {sum(one['met'] for one in kept)} met; "
            f"{sum(share >= 0.9 for share in used)} used 90 % or more of what the limit leaves "
            f"above the floor ({statistics.mean(used):.3f} on the mean); {len(chance)} at chance.",
        ]
    return "\n".join([*lines, *_against_prices(records), ""])


def _against_prices(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields a table of budgets beside the best hand-set price at no more energy."""
    priced = [one for one in records if one["weight"]]
    if not priced:
        return
    yield from (
        "",
        "| job | share | budget | best of eight prices | standard error |",
        "|---" * 5 + "|",
    )
    budgets = [one for one in records if one["chip"] == PRICED[1] and one.get("limit_pj")]
    for job, share in dict.fromkeys((one["job"], one["share"]) for one in budgets):
        pairs = []
        for one in budgets:
            if (one["job"], one["share"]) != (job, share):
                continue
            beside = [p for p in priced if (p["job"], p["seed"]) == (job, one["seed"])]
            within = [p for p in beside if p["test_pj"] <= one["limit_pj"]]
            if within:
                pairs.append((one, max(within, key=lambda p: p["validation"])))
        if pairs:
            ours, theirs = (
                statistics.mean(one["accuracy"] for one in side)
                for side in zip(*pairs, strict=True)
            )
            samples = sum(one["samples"] for one, _ in pairs)
            error = math.sqrt(theirs * (1 - theirs) / samples)
            yield f"| {job} | {share:.0%} | {ours:.4f} | {theirs:.4f} | {error:.4f} |"


def _mean(runs: Sequence[Mapping[str, Any]], name: str) -> str:
    """The mean and, if there are several, the range."""
    values = [one[name] for one in runs if one[name] is not None]
    if not values:
        return ""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    """Runs, collects and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", default="", help="chips and shares: 45nm,loihi,0.5,0.05")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--prices", action="store_true")
    given = parser.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    sweep = Sweep(given.runs, given.data_dir)
    until = time.monotonic() + min(given.seconds, 1e6)
    file = HERE / "cells.json"
    before = json.loads(file.read_text()) if file.is_file() else []
    found = {Cell.of(one): one for one in before}
    seeds = [int(seed) for seed in given.seeds.split(",")]
    only = [one for one in given.only.split(",") if one]
    missing = [
        one for one in cells(given.jobs.split(","), seeds, given.prices, only) if one not in found
    ]
    free = dict.fromkeys(Cell(one.job, one.seed) for one in missing)
    for stage in (free, missing):
        with ThreadPoolExecutor(given.workers) as workers:
            ready = [one for one in stage if not one.share or sweep.done(Cell(one.job, one.seed))]
            list(workers.map(lambda cell: sweep.run(cell, until), ready))
        found |= {one: sweep.record(one) for one in ready if sweep.done(one)}
    records = sorted(found.values(), key=lambda one: list(JOBS).index(one["job"]))
    HERE.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(one) for one in records)
    file.write_text(f"[\n{lines}\n]\n")
    (HERE / "tables.md").write_text(tables(records))
    print(tables(records), end="")


if __name__ == "__main__":
    main()
