"""The four papers side by side: runs the sweeps of ``papers/plan.toml`` and collects the results.

    python docs/results/papers.py RUNS --data-dir DIR [--parts keyword,penalties] [--seconds 280]

Each sweep is one command of ``pj sweep`` in a folder of RUNS. The same call goes on with what is
missing, as long as ``--seconds`` allows; a sweep of which ``papers/PART.json`` has every run is not
made again. A finished run is measured once on the chips of its part, and becomes a line of that
file; ``make results`` makes tables and figures of them.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import picojoule as pj
from picojoule.run import Trained
from picojoule.sweep.planning import planned
from picojoule.sweep.question import ask
from picojoule.training.cost import rates

HERE = Path(__file__).parent / "papers"
RECIPES = HERE / "recipes"
MEMBRANES = torch.linspace(-2, 1, 31)  # of which the learned dynamics are noted
COST = {"total_pj", "floor_pj", "by_kind", "unpriced", "ann_pj", "quantised_ann_pj"}
COST |= {"quantised_ann_bits"}


@dataclass(frozen=True)
class Planned:
    """A sweep of the plan.

    Attributes:
        name: Name of its folder.
        recipe: Name of its recipe.
        words: What ``pj sweep`` is told.
        runs: The settings and the seed of each of its runs.
    """

    name: str
    recipe: str
    words: list[str]
    runs: list[tuple[dict[str, str], int]]

    @classmethod
    def of(cls, part: str, sweep: Mapping[str, Any], recipe: str, seeds: int) -> "Planned":
        """Reads a sweep of the plan, for one of its recipes."""
        file = RECIPES / f"{recipe}.toml"
        base, settings, over = (
            file if file.is_file() else recipe,
            sweep.get("set", []),
            sweep["over"],
        )
        question = ask(base, settings=settings, over=over, seeds=seeds)
        words = [str(base), *(word for one in settings for word in ("--set", one))]
        words += [word for one in over for word in ("--over", one)]
        runs = [(one.overrides or {}, one.seed) for one in planned(question, base)]
        return cls(
            f"{part}-{sweep['name']}-{recipe}", recipe, [*words, "--seeds", str(seeds)], runs
        )

    def done(self, found: Mapping[str, Any]) -> bool:
        """True if every run has a record."""
        return all(key(self.name, settings, seed) in found for settings, seed in self.runs)


def sweeps(part: str, plan: Mapping[str, Any]) -> list[Planned]:
    """The sweeps of a part."""
    return [
        Planned.of(part, sweep, recipe, sweep.get("seeds", plan["seeds"]))
        for sweep in plan["sweeps"]
        for recipe in sweep["recipes"]
    ]


def key(sweep: str, settings: Mapping[str, str], seed: int) -> str:
    """A run in one word."""
    return json.dumps([sweep, settings, seed])


def run(folder: Path, words: list[str], data_dir: str | None, until: float) -> None:
    """Goes on with a sweep until it is done or the time is over.

    Raises:
        RuntimeError: If it did not go on, or some of its runs failed.
    """
    left = until - time.monotonic()
    if left < 1:
        return
    command = [sys.executable, "-m", "picojoule.cli", "sweep", *words, "--out", str(folder)]
    command += ["--data-dir", data_dir] if data_dir else []
    process = subprocess.Popen(command)
    try:
        code = process.wait(left)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # the run in work is put back, and goes on next time
        process.wait()
        return
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}")


def records(
    folder: Path, recipe: str, plan: Mapping[str, Any], data_dir: str | None
) -> Iterator[dict[str, Any]]:
    """Yields a record of every finished run of a sweep.

    Args:
        folder: The sweep.
        recipe: Its recipe.
        plan: Its part, with the chips and conventions by which each run is measured.
        data_dir: Folder of the data sets.
    """
    if not (folder / "results.json").is_file():
        return
    for row in pj.Sweep.load(folder).table():
        if row["state"] != "finished":
            continue
        trained = pj.load(folder / row["folder"])
        reports = {
            levels: measured(trained, folder / row["folder"], plan["chips"], levels, data_dir)
            for levels in plan["levels"]
        }
        report = reports["accumulate"]
        yield {
            "sweep": folder.name,
            "recipe": recipe,
            "settings": {name: row[name] for name in row if "." in name and row[name]},
            "seed": row["seed"],
            "validation": row["validation_accuracy"],
            "accuracy": row["accuracy"],
            "chip": trained.recipe.budget.chip,
            "levers": trained.recipe.budget.levers or [],
            "penalty": report.penalty,
            "chips": {
                name if levels == "accumulate" else f"{name}, {levels}": one.model_dump(
                    include=COST
                )
                for levels, measurement in reports.items()
                for name, one in measurement.chips.items()
                if name in plan["chips"]
            },
            "spikes_per_neuron": report.spikes_per_neuron,
            "rates": rates(report.counts),
            "neurons": {
                layer: one["update"] for layer, one in report.counts.items() if "update" in one
            },
            "arrived": {
                layer: one["event_read"] / report.samples
                for layer, one in report.counts.items()
                if "ac" in one
            },
            "dynamics": {
                layer: [round(one, 4) for one in module.dynamics(MEMBRANES).tolist()]
                for layer, module in trained.net.named_modules()
                if isinstance(module, pj.LNM)
            },
            "parameters": report.parameters,
            "limit_pj": row["limit_pj"],
            "met": row["met"],
            "samples": report.samples,
            "seconds": row["seconds"],
            "versions": report.versions,
        }


def measured(
    trained: Trained, folder: Path, chips: Sequence[str], levels: str, data_dir: str | None
) -> pj.Report:
    """Measures a finished run on chips by a convention, unless its report or a file has it."""
    convention = replace(trained.convention, levels=levels)
    if convention == trained.convention and set(chips) <= trained.report.chips.keys():
        return trained.report
    file = folder / f"report-{'-'.join([*chips, levels])}.json"
    if not file.is_file():
        listed = [pj.load_chip(name) for name in chips]
        found = trained.measure(listed, data_dir=data_dir, convention=convention)
        file.write_text(found.to_json(), "utf-8")
    return pj.Report.from_json(file.read_text("utf-8"))


def main() -> None:
    """Runs, collects and writes."""
    plan = tomllib.loads((HERE / "plan.toml").read_text("utf-8"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="a folder for the runs")
    parser.add_argument("--data-dir")
    parser.add_argument("--parts", default=",".join(plan))
    parser.add_argument("--seconds", type=float, default=1e9, help="begin nothing after so long")
    given = parser.parse_args()
    until = time.monotonic() + given.seconds
    for part in given.parts.split(","):
        file = HERE / f"{part}.json"
        before = json.loads(file.read_text("utf-8")) if file.is_file() else []
        found = {key(one["sweep"], one["settings"], one["seed"]): one for one in before}
        for sweep in sweeps(part, plan[part]):
            if not sweep.done(found):
                folder = given.runs / sweep.name
                run(folder, sweep.words, given.data_dir, until)
                for one in records(folder, sweep.recipe, plan[part], given.data_dir):
                    found[key(one["sweep"], one["settings"], one["seed"])] = one
        lines = ",\n".join(json.dumps(one) for one in found.values())
        file.write_text(f"[\n{lines}\n]\n", "utf-8")


if __name__ == "__main__":
    main()
