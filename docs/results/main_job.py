"""The main job on real data: each recipe without a budget and at half of what it then spends.

    python docs/results/main_job.py RUNS --data-dir DIR [--recipes digits,fsdd] [--seeds 0,1,2]

Runs what is missing in the folder RUNS (a run that was interrupted goes on), then writes the
reports of both trainings of each run to ``main_job/``; ``make results`` makes the table of
``main_job.md`` of what lies there.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent / "main_job"
RECIPES = ("digits", "fsdd", "fashion-mnist")
COLUMNS = (
    "recipe | seeds | test accuracy without | energy without | floor share | "
    "budget | test accuracy within | energy within | energy / budget | met | seconds"
)


def run(recipe: str, seed: int, runs: Path, data_dir: str | None) -> Path:
    """The finished run of a recipe and a seed."""
    folder = runs / f"{recipe}-{seed}"
    command = [sys.executable, "-m", "picojoule.cli", "train"]
    if not folder.exists():
        command += [recipe, "--set", "budget.limit=50%", "--seed", str(seed), "--out", str(folder)]
    else:
        command += ["--resume", str(folder)]
    subprocess.run([*command, *(["--data-dir", data_dir] if data_dir else [])], check=True)
    return folder


def row(recipe: str, free: Sequence[Any], kept: Sequence[Any]) -> str:
    """One line of the table: means over seeds, with the lowest and the highest.

    Args:
        recipe: The recipe.
        free: The reports without a budget.
        kept: Those of the same seeds within one.
    """
    budgets = [report["budget"] for report in kept]
    seconds = [spread([report["seconds"] for report in reports], ".0f") for reports in (free, kept)]
    chips = [(a["chips"]["45nm"], b["chips"]["45nm"]) for a, b in zip(free, kept, strict=True)]
    cells = [
        recipe,
        str(len(kept)),
        spread([report["accuracy"]["test"] for report in free], ".4f"),
        spread([a["total_pj"] / 1e3 for a, _ in chips], ".1f") + " nJ",
        spread([a["floor_pj"] / a["total_pj"] for a, _ in chips], ".2f"),
        spread([budget["limit_pj"] / 1e3 for budget in budgets], ".1f") + " nJ",
        spread([report["accuracy"]["test"] for report in kept], ".4f"),
        spread([b["total_pj"] / 1e3 for _, b in chips], ".1f") + " nJ",
        spread([budget["ratio"] for budget in budgets], ".3f"),
        f"{sum(budget['met'] for budget in budgets)} of {len(budgets)}",
        "; ".join(seconds),
    ]
    return "| " + " | ".join(cells) + " |"


def spread(values: list[float], form: str) -> str:
    """The mean and, in brackets, the range."""
    mean = statistics.mean(values)
    return f"{mean:{form}} ({min(values):{form}} to {max(values):{form}})"


def table() -> str:
    """One line for each recipe of which there are reports."""
    lines = [f"| {COLUMNS} |", "|---" * len(COLUMNS.split("|")) + "|"]
    for recipe in RECIPES:
        free, kept = (
            [json.loads(file.read_text("utf-8")) for file in sorted(TARGET.glob(name))]
            for name in (f"{recipe}-[0-9]-free.json", f"{recipe}-[0-9]-half.json")
        )
        lines += [row(recipe, free, kept)] if kept else []
    return "\n".join([*lines, ""])


def main() -> None:
    """Runs and collects."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--seeds", default="0,1,2")
    given = parser.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    TARGET.mkdir(exist_ok=True)
    for recipe in given.recipes.split(","):
        for seed in given.seeds.split(","):
            folder = run(recipe, int(seed), given.runs, given.data_dir)
            for source, name in ((folder / "unconstrained", "free"), (folder, "half")):
                report = (source / "report.json").read_text("utf-8")
                (TARGET / f"{folder.name}-{name}.json").write_text(report, "utf-8")


if __name__ == "__main__":
    main()
