"""Rules of a budget by ablation: each switch of ``Rule`` changes one thing.

    python docs/results/budget_trials.py [--recipe digits] [--set train.epochs=8] [--data-dir DIR]
        [--chips 45nm loihi] [--shares 0.15 0.05] [--seeds 10 11 12]
        [--rules built margin=0.01,known=0]

The test split takes no part in this: 300 samples held out of the training split stand for it. Adds
what is missing to ``budget/rules.json``, a run at a time. Limits are a share of the part above the
floor of what the chosen epoch of the same recipe spends without a budget, on the validation split.
"""

import argparse
import json
import math
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, fields
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
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
from picojoule.training import evaluate
from picojoule.training.penalties import energy_budget

# Their names in the package are those of their functions.
choice, training = (import_module(f"picojoule.training.{name}") for name in ("choose", "train"))

FILE = Path(__file__).parent / "budget" / "rules.json"
HELD = 300


@dataclass(frozen=True)
class Rule:
    """What a budget does; by default what ``EnergyBudget`` does.

    Attributes:
        margin: Share of the part above the floor by which to aim lower.
        errors: Standard errors by which a validation has to be within the limit.
        known: Whether the floor of the training set counts in what is to be expected in use.
        share: The aim comes down within this share of the training.
        pull: The excess from which the pull grows no more.
        rho: Curvature of the penalty.
        step: How fast the multiplier follows.
    """

    margin: float = 0.02
    errors: float = 1.64
    known: bool = True
    share: float = 0.5
    pull: float = 0.3
    rho: float = 4.0
    step: float = 0.1

    @classmethod
    def of(cls, text: str) -> "Rule":
        """Reads ``margin=0.01,known=0``; ``built`` changes nothing."""
        pairs = [] if text == "built" else [one.split("=") for one in text.split(",")]
        return cls(**{name: float(value) for name, value in pairs})

    def __str__(self) -> str:
        changed = [one.name for one in fields(self) if getattr(self, one.name) != one.default]
        return ",".join(f"{name}={getattr(self, name):g}" for name in changed) or "built"

    def budget(self, limit_pj: float) -> pj.EnergyBudget:
        """Makes a budget that keeps a limit by it."""
        return pj.EnergyBudget(limit_pj, margin=self.margin, rho=self.rho, step=self.step)

    @contextmanager
    def ruling(self) -> Iterator[None]:
        """Has it rule what a budget does by no argument."""
        with ExitStack() as changes:
            for module, values in {
                energy_budget: {"SAFELY": self.errors, "_DESCENT": self.share, "_PULL": self.pull},
                choice: {"SAFELY": self.errors},
                training: {} if self.known else {"plain": lambda loader: None},
            }.items():
                if values:
                    changes.enter_context(patch.multiple(module, **values))
            yield


class Job:
    """A recipe with a seed, its training split without the samples held out."""

    def __init__(self, name: str, settings: Sequence[str], seed: int, data_dir: str | None) -> None:
        recipe = load_recipe(name, [f"seed={seed}", *settings])
        self.recipe, splits = open_data(recipe, data_dir)
        self.encoder = self.recipe.data.make_encoder()
        order = torch.randperm(len(splits.train), generator=torch.Generator().manual_seed(seed))
        parts = splits.train.at(order[HELD:]), splits.validation, splits.train.at(order[:HELD])
        self.splits = Splits(*(prepared(part, self.encoder) for part in parts))
        self.steps = recipe.train.epochs * steps_per_epoch(recipe, self.splits, 1)
        self.fabric = Fabric(accelerator="cpu", devices=1)
        self.fabric.launch()

    def train(self, chips: Sequence[pj.Chip], penalty: pj.Penalty | None) -> dict[str, Any]:
        """Trains from the start; returns what validation and the samples held out say."""
        recipe, fabric = self.recipe, self.fabric
        fabric.seed_everything(recipe.seed, verbose=False)
        net = build_network(recipe)
        optimizer = build_optimizer(recipe, net)
        common = {"readout": readout(recipe.train.readout), "inputs": self.encoder.kind}
        *_, last = pj.train(
            net,
            training_loader(recipe, self.splits, 1),
            optimizer,
            criterion=nn.CrossEntropyLoss(),
            chip=chips,
            penalty=penalty,
            validation=evaluation_loader(recipe, self.splits.validation),
            epochs=recipe.train.epochs,
            scheduler=build_schedule(recipe, optimizer, self.steps),
            fabric=fabric,
            **common,
        )
        held = evaluation_loader(recipe, self.splits.test)
        unseen = evaluate(net, held, chips=chips, fabric=fabric, **common)
        assert last.chosen is not None
        chosen = last.history[last.chosen.epoch - 1].validation
        assert chosen is not None
        energies = {}
        for chip in chips:
            one, cost = chosen.on("" if chip is chips[0] else chip.name), unseen.chips[chip.name]
            energies[chip.name] = {
                "validation_pj": one.energy_pj,
                "validation_floor_pj": one.floor_pj,
                "spread": one.spread,
                "held_out_pj": cost.total_pj,
                "held_out_floor_pj": cost.floor_pj,
            }
        return {
            "epoch": last.chosen.epoch,
            "validation": last.chosen.accuracy,
            "accuracy": unseen.accuracy,
            "chips": energies,
        }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One line for each recipe, share and rule: means over chips and seeds."""
    lines = ["| recipe | share | rule | runs | met | used | accuracy | standard error |"]
    lines.append("|---" * 8 + "|")
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        if row.get("rule") and "limit_pj" in row and "chips" in row:
            name = " ".join([row["recipe"], *row["settings"]])
            groups.setdefault((name, -row["share"], row["rule"]), []).append(row)
    for (name, share, rule), runs in sorted(groups.items()):
        met, used = zip(*map(kept, runs), strict=True)
        accuracies = [run["accuracy"] for run in runs]
        accuracy = statistics.mean(accuracies)
        error = statistics.stdev(accuracies) / len(runs) ** 0.5 if len(runs) > 1 else math.nan
        lines.append(
            f"| {name} | {-share:.0%} | {rule} | {len(runs)} | {sum(met)} | "
            f"{statistics.mean(used):.3f} | {accuracy:.3f} | {error:.3f} |"
        )
    return "\n".join(lines)


def kept(row: dict[str, Any]) -> tuple[bool, float]:
    """Whether a limit is met on the samples held out, and the part of it that was used."""
    one, limit_pj = row["chips"][row["chip"]], row["limit_pj"]
    spent, floor = one["held_out_pj"], one["held_out_floor_pj"]
    return spent <= limit_pj, (spent - floor) / (limit_pj - floor)


def main() -> None:
    """Runs what is missing, and prints the table of the seeds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--data-dir")
    parser.add_argument("--chips", nargs="+", default=["45nm", "loihi"])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.15, 0.05])
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12])
    parser.add_argument("--rules", nargs="*", type=Rule.of, default=[])
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = json.loads(FILE.read_text()) if FILE.exists() else []

    def row(job: Job, chips: Sequence[str], limit_pj: float, **key: Any) -> dict[str, Any]:
        key = {"recipe": given.recipe, "settings": given.set, **key}
        for one in rows:
            if one.items() >= key.items():
                return one
        rule = Rule.of(key["rule"]) if limit_pj else None
        priced = [pj.load_chip(chip) for chip in chips]
        with rule.ruling() if rule else nullcontext():
            found = job.train(priced, rule and rule.budget(limit_pj))
        rows.append(key | ({"limit_pj": limit_pj} if limit_pj else {}) | found)
        FILE.write_text(json.dumps(rows, indent=1) + "\n")
        return rows[-1]

    for seed in given.seeds if given.rules else []:
        job = Job(given.recipe, given.set, seed, given.data_dir)
        priced = sorted(given.chips)
        free = row(job, priced, 0.0, seed=seed, rule="no budget", priced=priced)["chips"]
        for rule, share, chip in product(given.rules, given.shares, given.chips):
            spent, floor = free[chip]["validation_pj"], free[chip]["validation_floor_pj"]
            limit_pj = floor + share * (spent - floor)
            row(job, [chip], limit_pj, seed=seed, rule=str(rule), chip=chip, share=share)
    print(table([one for one in rows if one["seed"] in given.seeds]))


if __name__ == "__main__":
    main()
