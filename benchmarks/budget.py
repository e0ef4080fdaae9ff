"""Ways to keep a joule budget, on one network and one limit: who meets it, and at what accuracy.

    python benchmarks/budget.py [--recipe digits] [--chip 45nm] [--shares 0.3 0.08] [--seeds 0]
        [--only EnergyBudget] [--seconds 250] [--json FILE]

A limit is the floor and a share of what the recipe spends above it without a budget, on the
validation split. All train alike and end with the epoch that `pj.training.choose` takes by that
limit; a fixed price has none, and ends where it ends. Printed are energy over limit, the part used
of what the limit leaves above the floor, and the accuracy, on the test split. With ``--json`` what
was done is kept, and a later call goes on with what is missing.
"""

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from contenders.budgets import methods
from lightning_fabric import Fabric
from torch import nn

import picojoule as pj
from picojoule.data import Splits, prepared
from picojoule.readout import readout
from picojoule.recipe import load_recipe
from picojoule.run.build import (
    build_network,
    build_optimizer,
    build_schedule,
    evaluation_loader,
    steps_per_epoch,
    training_loader,
)
from picojoule.run.open_data import open_data
from picojoule.training import Log, evaluate

Make = Callable[[nn.Module], pj.Penalty]


class Job:
    """A recipe on a chip with a seed, trained with any penalty."""

    def __init__(self, name: str, chip: str, seed: int) -> None:
        recipe = load_recipe(name, [f"seed={seed}", f"budget.chip={chip}"])
        self.recipe, splits = open_data(recipe, os.environ.get("PICOJOULE_DATA"))
        self.encoder = self.recipe.data.make_encoder()
        ready = (prepared(one, self.encoder) for one in (splits.train, splits.validation))
        self.splits = Splits(*ready, prepared(splits.test, self.encoder))
        self.chip = pj.load_chip(chip)
        self.fabric = Fabric(accelerator="cpu", devices=1)
        self.fabric.launch()

    def train(self, make: Make | None) -> tuple[Log, dict[str, float]]:
        """Trains from the start; returns the last record, and what the test split says."""
        recipe, fabric = self.recipe, self.fabric
        fabric.seed_everything(recipe.seed, verbose=False)
        net = build_network(recipe)
        optimizer = build_optimizer(recipe, net)
        read = readout(recipe.train.readout)
        started = time.perf_counter()
        *_, last = pj.train(
            net,
            training_loader(recipe, self.splits, 1),
            optimizer,
            criterion=nn.CrossEntropyLoss(),
            readout=read,
            chip=self.chip,
            penalty=None if make is None else make(net),
            validation=evaluation_loader(recipe, self.splits.validation),
            epochs=recipe.train.epochs,
            scheduler=build_schedule(
                recipe, optimizer, recipe.train.epochs * steps_per_epoch(recipe, self.splits, 1)
            ),
            inputs=self.encoder.kind,
            fabric=fabric,
        )
        seconds = time.perf_counter() - started
        found = evaluate(
            net,
            evaluation_loader(recipe, self.splits.test),
            readout=read,
            chips=[self.chip],
            inputs=self.encoder.kind,
            fabric=fabric,
        )
        cost = found.chips[self.chip.name]
        spent = {"test_pj": cost.total_pj, "floor_pj": cost.floor_pj}
        return last, spent | {"accuracy": found.accuracy, "seconds": seconds}

    @cache  # noqa: B019 (as many as there are seeds)
    def free(self) -> tuple[float, float]:
        """Energy and floor of the chosen epoch without a budget, on the validation split."""
        last, _ = self.train(None)
        assert last.chosen is not None
        chosen = last.history[last.chosen.epoch - 1].validation
        assert chosen is not None
        return chosen.energy_pj, chosen.floor_pj or 0.0


def one_run(job: Job, make: Callable[[float, nn.Module], pj.Penalty], share: float) -> dict:
    """What came of one method at one limit."""
    spent_pj, floor_pj = job.free()
    limit_pj = floor_pj + share * (spent_pj - floor_pj)
    _, found = job.train(lambda net: make(limit_pj, net))
    used = (found["test_pj"] - found["floor_pj"]) / (limit_pj - found["floor_pj"])
    return found | {"ratio": found["test_pj"] / limit_pj, "used": used}


def table(records: dict[str, dict[str, Any]]) -> str:
    """One line for each method and limit: means over seeds."""
    lines = ["| method | limit | runs | met | energy / limit | used | accuracy | seconds |"]
    lines.append("|---" * 8 + "|")
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for key, record in records.items():
        method, share, _ = key.split(" | ")
        groups.setdefault((share, method), []).append(record)
    for (share, method), runs in sorted(groups.items(), key=lambda item: -float(item[0][0])):
        mean = {name: statistics.mean(run[name] for run in runs) for name in runs[0]}
        met = sum(run["ratio"] <= 1 for run in runs)
        numbers = f"{mean['ratio']:.3f} | {mean['used']:.3f} | {mean['accuracy']:.3f}"
        lines.append(
            f"| {method} | {float(share):.0%} | {len(runs)} | {met} | {numbers} | "
            f"{mean['seconds']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs what is missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--chip", default="45nm")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.3, 0.08])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    started, all_methods = time.monotonic(), methods()
    kept = given.json is not None and given.json.exists()
    records: dict[str, dict[str, Any]] = json.loads(given.json.read_text()) if kept else {}
    for seed in given.seeds:
        job = Job(given.recipe, given.chip, seed)
        for share in given.shares:
            for method in given.only or all_methods:
                key = f"{method} | {share:g} | {seed}"
                if key in records or time.monotonic() - started > given.seconds:
                    continue
                records[key] = one_run(job, all_methods[method], share)
                if given.json is not None:
                    given.json.write_text(json.dumps(records, indent=1) + "\n")
    print(table(records))


if __name__ == "__main__":
    main()
