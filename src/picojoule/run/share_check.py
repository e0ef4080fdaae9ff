"""Budgets that are a share of the unconstrained energy: refused as soon as they cannot be kept.

The **floor** is what no hidden spike can change: what a network spends on its input, or on analog
values, if every hidden neuron is silent. No training goes below it. A share of an energy that is
known only after a training without a budget may lie below the floor, and that training be in vain.
So it is refused at the first of these moments at which it is clear:

1. before anything is trained, if it is below the floor even if the network came to spend three
   times what it spends untrained, on the first samples;
2. after an epoch without a budget, if it is below the floor even if the network came to spend more
   than in any epoch so far, by a factor that falls from three before the first epoch to one after
   the last, and faster at first, as energies settle;
3. when the training within the budget begins, by the floor of the whole training split.
"""

import logging
import math
from collections.abc import Sequence

import torch
from lightning_fabric import Fabric

from picojoule.data import Split
from picojoule.energy import Energy, Meter, load_chip
from picojoule.recipe import Recipe
from picojoule.run.build import build_levers, build_network, few
from picojoule.training import BelowFloor, EpochRecord, choose
from picojoule.training.penalties.energy_budget import OR_LEVERS
from picojoule.units import format_energy

logger = logging.getLogger(__name__)

# How many times as much a network may come to spend as it does untrained. Our recipes that were
# measured came to spend 1.4 to 2 times as much.
_GROWTH, _USUAL_GROWTH = 3.0, 2.0
_SAMPLES = 64


def check_untrained(recipe: Recipe, split: Split, fabric: Fabric) -> None:
    """Refuses a share that no training can be hoped to keep, in the time of one batch.

    Args:
        recipe: Its limit may be a share; nothing is done if it is none.
        split: The training split.
        fabric: A launched Fabric.

    Raises:
        BelowFloor: If the share is below the floor at three times the untrained energy; the message
            gives the least share that could work.
    """
    share = recipe.budget.share
    if share is None:
        return
    logger.info("measuring what the untrained network spends, and its floor")
    energy = untrained(recipe, split, fabric)
    spent_pj, floor_pj = float(energy.total), float(energy.floor)
    limit_pj = share * _GROWTH * spent_pj
    if limit_pj > floor_pj:
        if floor_pj >= share * _USUAL_GROWTH * spent_pj:
            logger.warning(
                "budget.limit = %s is in doubt: it is below the floor unless the network comes to "
                "spend %.1f times what it does untrained; the epochs without a budget will tell",
                recipe.budget.limit,
                floor_pj / share / spent_pj,
            )
        return
    least, usual = (_percent(floor_pj, factor * spent_pj) for factor in (_GROWTH, _USUAL_GROWTH))
    raise BelowFloor(
        f"budget.limit = {recipe.budget.limit} is too little: untrained, the network spends "
        f"{format_energy(spent_pj)}, and {format_energy(floor_pj)} of that is its floor (what no "
        f"hidden spike can change). Even if it came to spend three times as much, "
        f"{recipe.budget.limit} of that would be {format_energy(limit_pj)}. The least share that "
        f"could work is about {usual}% (if it comes to spend twice as much; {least}% if three "
        "times): raise the share or narrow the first layer"
        + ("" if recipe.budget.levers else OR_LEVERS)
    )


def check_validated(recipe: Recipe, history: Sequence[EpochRecord]) -> None:
    """Refuses a share that what was trained so far without a budget shows to be below the floor.

    Args:
        recipe: Its limit is a share.
        history: The epochs so far of the training without a budget.

    Raises:
        BelowFloor: If the share is below the floor of the validation split; the message gives the
            least share that could work.
    """
    validated = [one for one in history if one.validation and one.validation.floor_pj is not None]
    share, chosen = recipe.budget.share, choose(validated, None, recipe.train.choose)
    if share is None or chosen is None or recipe.budget.levers:  # these lower the floor measured
        return
    last, epochs = validated[-1].epoch, recipe.train.epochs
    energies = [one.validation.energy_pj for one in validated if one.validation]
    most_pj = chosen.energy_pj if last >= epochs else max(energies)
    floor_pj = max(one.validation.floor_pj or 0.0 for one in validated if one.validation)
    growth = _GROWTH ** (max(0.0, 1 - last / epochs) ** 2)
    if share * growth * most_pj > floor_pj:
        return
    raise BelowFloor(
        f"budget.limit = {recipe.budget.limit} is too little: after {last} of {epochs} epochs "
        f"without a budget the network spends {format_energy(most_pj)}, and "
        f"{format_energy(floor_pj)} of that is its floor (what no hidden spike can change). The "
        f"least share that could work is about {_percent(floor_pj, most_pj)}%: raise the "
        f"share or narrow the first layer{OR_LEVERS}"
    )


@torch.no_grad()
def untrained(recipe: Recipe, split: Split, fabric: Fabric) -> Energy:
    """Prices the network of a recipe as its first training step will find it, on a few samples.

    Its floor is that under the levers of the recipe. It is in training mode, since batch norms that
    have seen nothing would keep it silent.
    """
    fabric.seed_everything(recipe.seed, verbose=False)
    net = build_network(recipe).train()
    for lever in build_levers(recipe):
        lever.attach(net)
    fabric.to_device(net)
    order = torch.randperm(len(split.y), generator=torch.Generator().manual_seed(recipe.seed))
    x, _, lengths = fabric.to_device(few(recipe, split, order[:_SAMPLES]))
    with Meter(net, x.shape[1], inputs=recipe.data.make_encoder().kind) as meter:
        net(x, lengths=lengths)
    return load_chip(recipe.budget.chip).price(meter.counts)


def _percent(floor_pj: float, energy_pj: float) -> int:
    """Returns the least share of an energy that is above the floor, in whole percent."""
    return math.floor(100 * floor_pj / energy_pj) + 1
