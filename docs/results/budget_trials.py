"""Rules of a budget by ablation: each switch of ``Rule`` changes one thing.

    python docs/results/budget_trials.py [--recipe digits] [--set train.epochs=8] [--data-dir DIR]
        [--chips 45nm loihi] [--shares 0.15 0.05] [--seeds 10 11 12]
        [--rules plain fall=0.04,bound=0.3]

The test split takes no part in this: 300 samples held out of the training split stand for it. Adds
what is missing to ``budget/trials.json``, a run at a time. Limits are a share of the part above the
floor of what the chosen epoch of the same recipe spends without a budget, on the validation split.
"""

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

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

FILE = Path(__file__).parent / "budget" / "trials.json"
HELD, SMALL = 300, 1e-6


@dataclass(frozen=True)
class Rule:
    """What a budget does; by default the augmented Lagrangian alone.

    Attributes:
        bound: The excess from which the pull grows no more.
        fall: The aim comes down from what the network spends at first, by this share at each step.
        over: The aim comes down within this share of the training.
        margin: Share of the part above the floor by which to aim lower.
        errors: Standard errors of the validation by which to aim lower; chosen is by two.
        gain: Proportional gain on an average of the excess, as of nuPI.
        rho: Curvature of the penalty.
        step: How fast the multiplier follows.
    """

    bound: float = math.inf
    fall: float = 0.0
    over: float = 0.0
    margin: float = 0.02
    errors: float = 2.0
    gain: float = 0.0
    rho: float = 1.0
    step: float = 0.05

    @classmethod
    def of(cls, text: str) -> "Rule":
        """Reads ``fall=0.04,bound=0.3``; ``plain`` changes nothing."""
        pairs = [] if text == "plain" else [one.split("=") for one in text.split(",")]
        return cls(**{name: float(value) for name, value in pairs})

    def __str__(self) -> str:
        changed = [one.name for one in fields(self) if getattr(self, one.name) != one.default]
        return ",".join(f"{name}={getattr(self, name):g}" for name in changed) or "plain"


class Ruled(pj.Penalty):
    """A budget by a rule.

    Args:
        limit_pj: Energy per sample to stay within, in pJ.
        rule: What it does.
        steps: Steps of the training.
    """

    looks_at_traffic = False

    def __init__(self, limit_pj: float, rule: Rule, steps: int) -> None:
        super().__init__()
        self.limit_pj, self.rule, self.steps = limit_pj, rule, steps
        self.multiplier = torch.zeros((), dtype=torch.float64)
        self.allowance, self.ratio, self.average = 0.0, 1.0, 0.0
        self.first, self.done = 0.0, 0

    def start(self, floor_pj: float, steps: int | None = None) -> None:
        """Takes the floor of the training set."""
        del steps
        self.allowance = self._allowance(floor_pj, 0.0)

    def validated(self, validation: Any, trained: Any) -> None:
        """Learns the ratio of use to training, and what to allow."""
        small = SMALL * self.limit_pj
        used, spent = (one.energy_pj - one.floor_pj + small for one in (validation, trained))
        self.ratio = math.sqrt(self.ratio * min(max(used / spent, 0.25), 4.0))
        self.allowance = self._allowance(validation.floor_pj, validation.spread)

    def forward(self, energy: pj.Energy, traffic: Sequence | None = None) -> Tensor:
        """Computes the term of the loss."""
        del traffic
        rule, excess = self.rule, self._excess(energy)
        pull = excess.clamp(max=rule.bound)
        price = self.multiplier + rule.gain * max(self.average, 0.0)
        charge = torch.relu(price + rule.rho * pull)
        term = (charge.square() - price**2) / (2 * rule.rho)
        return (term + charge * (excess - pull)).float()

    @torch.no_grad()
    def update(self, energy: pj.Energy) -> None:
        """Moves the multiplier, and the aim."""
        excess = float(self._excess(energy).clamp(max=self.rule.bound))
        self.average = 0.9 * self.average + 0.1 * excess
        self.multiplier = torch.relu(self.multiplier + self.rule.step * excess)
        self.done += 1

    def _excess(self, energy: pj.Energy) -> Tensor:
        small = SMALL * self.limit_pj
        reducible = self.ratio * torch.relu(energy.total - energy.floor.detach())
        self.first = self.first or float(reducible.detach())
        return torch.log((reducible + small) / (max(self._aim(), small) + small))

    def _aim(self) -> float:
        rule, aim = self.rule, self.allowance
        if rule.fall:
            return max(aim, self.first * (1 - rule.fall) ** self.done)
        if rule.over and self.first > aim > 0:
            return self.first * (aim / self.first) ** min(self.done / rule.over / self.steps, 1.0)
        return aim

    def _allowance(self, floor_pj: float, spread: float) -> float:
        left = self.limit_pj - floor_pj
        safe = self.limit_pj / (1 + self.rule.errors * spread) - floor_pj
        return max(safe, left / 2) / (1 + self.rule.margin)


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
    """Runs what is missing, and prints the table."""
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
    rows: list[dict[str, Any]] = json.loads(FILE.read_text())

    def row(job: Job, chips: Sequence[str], limit_pj: float, **key: Any) -> dict[str, Any]:
        key = {"recipe": given.recipe, "settings": given.set, **key}
        for one in rows:
            if one.items() >= key.items():
                return one
        rule = Rule.of(key["rule"]) if limit_pj else None
        penalty = rule and Ruled(limit_pj, rule, job.steps)
        found = job.train([pj.load_chip(chip) for chip in chips], penalty)
        rows.append(key | ({"limit_pj": limit_pj} if limit_pj else {}) | found)
        FILE.write_text(json.dumps(rows, indent=1) + "\n")
        return rows[-1]

    for seed in given.seeds if given.rules else []:
        job = Job(given.recipe, given.set, seed, given.data_dir)
        free = row(job, given.chips, 0.0, seed=seed, rule="no budget")["chips"]
        for rule, share, chip in product(given.rules, given.shares, given.chips):
            spent, floor = free[chip]["validation_pj"], free[chip]["validation_floor_pj"]
            limit_pj = floor + share * (spent - floor)
            row(job, [chip], limit_pj, seed=seed, rule=str(rule), chip=chip, share=share)
    print(table(rows))


if __name__ == "__main__":
    main()
