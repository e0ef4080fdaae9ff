"""Training of a recipe in a folder, from its last checkpoint to its weights and report."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader

from picojoule.data import Splits, prepared
from picojoule.energy import COUNTERS, Chip, load_chip
from picojoule.readout import readout
from picojoule.recipe.allowance import Allowance
from picojoule.report import BudgetReport, RecipeId, Report, by_split
from picojoule.run.build import (
    ann_steps,
    build_chips,
    build_levers,
    build_network,
    build_optimizer,
    build_penalties,
    build_schedule,
    convention_of,
    duration_s,
    evaluation_loader,
    steps_per_epoch,
    training_loader,
)
from picojoule.run.folder import ACTIVITY, REPORT, WEIGHTS, Folder
from picojoule.run.kept import outcome
from picojoule.run.writer import Writer
from picojoule.targets import target_of
from picojoule.training import (
    Activity,
    EnergyBudget,
    EpochRecord,
    Log,
    Measurement,
    Penalty,
    activity,
    evaluate,
    train,
)

# Prices memory too: every run is measured on it beside its own chip, which may leave memory out.
MEMORY_CHIP = "45nm-sram"


@dataclass(frozen=True)
class Step:
    """The progress of a training after one step or one epoch.

    Attributes:
        folder: Folder of the training.
        epochs: Number of epochs of the whole training.
        steps: Number of steps of the whole training.
        log: The record of this step or epoch.
    """

    folder: Path
    epochs: int
    steps: int
    log: Log


def fit(
    folder: Folder,
    fabric: Fabric,
    splits: Splits,
    writer: Writer,
    *,
    allowances: Sequence[Allowance] = (),
    free_pj: float | None = None,
) -> Iterator[Step]:
    """Trains the recipe of a folder, and does nothing if the folder has a report.

    Args:
        folder: Folder of the run; training continues from its last checkpoint.
        fabric: A launched Fabric.
        splits: The data as loaded.
        writer: The right to write to the run, which the first process holds.
        allowances: What one sample may cost; none for no budget.
        free_pj: Energy per sample without a budget, for the report; None if it is not known.

    Yields:
        One record for each step and each epoch.
    """
    if fabric.broadcast(folder.finished):
        return
    recipe = folder.recipe
    # All randomness starts here, so that a run resumed before its first checkpoint starts over.
    fabric.seed_everything(recipe.seed, verbose=False)
    encoder = recipe.data.make_encoder()
    # The test set is not looked at before the weights are chosen.
    training, validation = (prepared(one, encoder) for one in (splits.train, splits.validation))
    raw, splits = splits.train, Splits(training, validation, splits.test)
    net = build_network(recipe)
    own_randomness(recipe.seed, fabric.global_rank)
    penalties = build_penalties(recipe, allowances)
    powers = any(one.rate_hz for one in allowances)
    sample_s = duration_s(recipe, net, raw) if powers else None
    chips = build_chips(recipe, allowances, sample_s)
    steps = recipe.train.epochs * steps_per_epoch(recipe, splits, fabric.world_size)
    clock = _Clock(folder)
    last = None
    for last in _logs(folder, fabric, net, penalties, chips, splits, steps):
        if last.history and fabric.is_global_zero:
            writer.check()
            clock.note(last.history)
        yield Step(folder.path, recipe.train.epochs, steps, last)
    assert last is not None
    test = evaluation_loader(recipe, prepared(splits.test, encoder))
    found = _tested(folder, fabric, test, net, chips)
    seen = activity(net, test, readout=readout(recipe.train.readout), fabric=fabric)
    report = _reported(folder, found, last)
    kept = _kept(found, allowances, penalties, last, free_pj, sample_s)
    if fabric.is_global_zero:
        writer.check()
        _write(folder, net, seen, report.model_copy(update={"budget": kept}))


def _logs(
    folder: Folder,
    fabric: Fabric,
    net: nn.Module,
    penalties: Sequence[Penalty],
    chips: Sequence[Chip],
    splits: Splits,
    steps: int,
) -> Iterator[Log]:
    """Trains a network as the recipe of a folder says, from its last checkpoint."""
    recipe = folder.recipe
    optimizer = build_optimizer(recipe, net)
    return train(
        net,
        training_loader(recipe, splits, fabric.world_size),
        optimizer,
        criterion=target_of(splits.train.y).criterion(),
        readout=readout(recipe.train.readout),
        chip=chips,
        penalty=penalties,
        levers=build_levers(recipe),
        validation=evaluation_loader(recipe, splits.validation),
        choose=recipe.train.choose,
        epochs=recipe.train.epochs,
        checkpoint=folder.path / "checkpoints",
        scheduler=build_schedule(recipe, optimizer, steps),
        inputs=recipe.data.make_encoder().kind,
        fabric=fabric,
    )


def own_randomness(seed: int, rank: int) -> None:
    """Seeds every process but the first with a seed of its own.

    Fabric's ``seed_everything`` would not do: the order of the items follows its seed, too, and
    must be the same in all processes.
    """
    if rank:
        seed = (seed + rank) % 2**32
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)


def _tested(
    folder: Folder, fabric: Fabric, test: DataLoader, net: nn.Module, chips: Sequence[Chip]
) -> Measurement:
    """Measures the chosen weights on the test set, on the run's chips and on one with memory."""
    recipe = folder.recipe
    priced = {chip.name: chip for chip in (load_chip(MEMORY_CHIP), *chips)}
    first = chips[0].name
    return evaluate(
        net,
        test,
        readout=readout(recipe.train.readout),
        chips=[priced.pop(first), *priced.values()],
        ann_steps=ann_steps(recipe),
        convention=convention_of(recipe),
        fabric=fabric,
    )


def _kept(
    found: Measurement,
    allowances: Sequence[Allowance],
    penalties: Sequence[Penalty],
    last: Log,
    free_pj: float | None,
    sample_s: float | None,
) -> BudgetReport | None:
    """Returns the budget's part of the report; None without a budget."""
    budgets = [one for one in penalties if isinstance(one, EnergyBudget)]
    if not allowances and budgets:  # named as a penalty
        allowances = [Allowance(None, budgets[0].limit_pj)]
    return outcome(found, allowances, budgets, last, free_pj, sample_s) if allowances else None


def _reported(folder: Folder, found: Measurement, last: Log) -> Report:
    """Makes the report of a measurement and its training, without the budget."""
    recipe = folder.recipe
    assert last.chosen is not None
    energies = {name: cost for name, cost in found.chips.items() if name not in COUNTERS}
    update = {
        "recipe": RecipeId(name=recipe.name, sha256=recipe.sha256),
        "seed": recipe.seed,
        "penalty": None if recipe.penalty is None else recipe.penalty.model_dump(),
        **by_split(found.scored, last.chosen),
        "chosen_by": last.chosen.by,
        "loss": tuple(record.loss - (record.penalty or 0.0) for record in last.history),
        "engines": last.history[-1].engines,
        "seconds": round(sum(record["seconds"] for record in folder.log()), 3),
    }
    return Report.of(replace(found, chips=energies)).model_copy(update=update)


def _write(folder: Folder, net: nn.Module, seen: Activity, report: Report) -> None:
    """Writes all that a run ends with; the report last, so that a run that has one is complete."""
    plain = torch.contiguous_format  # the only layout of the file; a network may have another
    state = net.state_dict()
    weights = {name: one.cpu().clone(memory_format=plain) for name, one in state.items()}
    folder.write(WEIGHTS, safetensors.torch.save(weights))
    folder.write(ACTIVITY, f"{seen.model_dump_json()}\n".encode())
    folder.write(REPORT, report.to_json().encode())


class _Clock:
    """Log of each epoch with the seconds it took, also across interruptions."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._seconds = {record["epoch"]: record["seconds"] for record in folder.log()}
        self._since = time.perf_counter()

    def note(self, history: tuple[EpochRecord, ...]) -> None:
        """Writes the log; an epoch that was killed before it was logged counts as 0 s."""
        now = time.perf_counter()
        self._seconds.setdefault(history[-1].epoch, round(now - self._since, 3))
        self._since = now
        times = {r.epoch: self._seconds.get(r.epoch, 0.0) for r in history}
        self._folder.note([asdict(r) | {"seconds": times[r.epoch]} for r in history])
