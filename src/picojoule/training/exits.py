"""Batches that run until the network is sure of each sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.energy import Chip, Conventions, Energy, Meter, OpCounts
from picojoule.networks import Exit
from picojoule.networks.exit import exit_of, log_odds
from picojoule.readout import READOUTS, SO_FAR, Readout
from picojoule.targets import CLASSES
from picojoule.training.batches import Batch, Inputs, evaluation_mode, metered
from picojoule.training.levers.base import step_of
from picojoule.training.prices import price


@dataclass(frozen=True, eq=False)
class Ending:
    """The steps at which the samples of a batch end, for training to decide.

    Attributes:
        gains: What each step adds to the scores [T, B, K], without a graph.
        going: Ones for the steps that run [T, B], else zeros, with the graph of the exit.
    """

    gains: Tensor
    going: Tensor

    def scores(self, scores: Tensor) -> Tensor:
        """Returns scores [B, K] at the exit with the gradient of what other steps would add."""
        told = (self.going.unsqueeze(-1) * self.gains).sum(0)
        return scores + (told - told.detach())


@dataclass(frozen=True, eq=False)
class Ran:
    """A batch as it ran under a meter.

    Attributes:
        out: The output [T, B, K].
        meter: The meter.
        lengths: Steps of each sample that ran [B], None if all T did.
        ending: The decision about them, None if training makes none.
        least: Counts of the first step alone, None if training decides nothing.
    """

    out: Tensor
    meter: Meter
    lengths: Tensor | None
    ending: Ending | None = None
    least: Mapping[str, OpCounts] | None = None

    @property
    def steps(self) -> Tensor:
        """Mean steps [] that a sample ran, in float64."""
        if self.lengths is None:
            return torch.tensor(float(len(self.out)), dtype=torch.float64)
        return self.lengths.double().mean()

    @property
    def counts(self) -> dict[str, OpCounts]:
        """Counts per sample; if training decides how many steps run, it can change all but one."""
        counts, least = self.meter.counts, self.least
        if least is None:
            return counts
        return {layer: _changeable(one, least.get(layer)) for layer, one in counts.items()}

    def price(self, chip: Chip) -> Energy:
        """Prices the counts per sample on a chip."""
        return price(self.meter, chip) if self.least is None else chip.price(self.counts)


def run(
    model: Any,
    batch: Batch,
    inputs: Inputs,
    convention: Conventions,
    *,
    traffic: bool = False,
) -> Ran:
    """Runs a batch under a meter; of a network with an exit each sample until it is sure of it.

    Such a network runs twice: in use, to see how many steps each sample needs, and then under the
    meter for as many. Arguments as for ``metered``.

    Raises:
        ValueError: If it has an exit, and its labels are not one class for each sample, or training
            decides about it and no sample has more than one step.
    """
    x, lengths = batch.x, batch.lengths
    options: dict[str, Any] = {"inputs": inputs, "convention": convention}
    found = exit_of(model.module)
    if found is None:
        return Ran(*metered(model, x, lengths, **options, traffic=traffic), lengths)
    if batch.target is not CLASSES:
        raise ValueError(
            "an exit (the lever 'steps') needs labels that are one class for each sample, and "
            f"these are of a {batch.target}: leave it out"
        )
    with evaluation_mode(model):
        scores, steps = found.ends(model, x, lengths)
    if not found.odds.requires_grad:
        most = int(steps.max())
        return Ran(*metered(model, x[:most], steps, **options, traffic=traffic), steps)
    if lengths is None and len(scores) < 2:
        raise ValueError(
            "the lever Steps has no place here: the network runs a single step, before which it "
            "cannot exit; take an encoder that gives more"
        )
    with evaluation_mode(model):
        one = torch.ones_like(steps) if len(x) < len(scores) else None  # of those of a Repeat
        least = metered(model, x[:1], one, **options)[1].counts
    ending = Ending(_gains(scores), going(found, scores, lengths))
    ran = metered(model, x, steps, **options, traffic=traffic, going=ending.going)
    return Ran(*ran, steps, ending, least)


def use_readout(net: nn.Module, readout: Readout) -> None:
    """Lets a network's exit look at the scores of a readout, if it has an exit.

    Raises:
        ValueError: If the readout cannot be told after each step.
    """
    if (found := exit_of(net)) is None:
        return
    name = next((name for name in SO_FAR if READOUTS[name] is readout), None)
    if name is None:
        raise ValueError(
            f"steps need a readout that can be told after each step, one of {', '.join(SO_FAR)} in "
            f"picojoule.readout, got {getattr(readout, '__name__', readout)}: labels per step, or "
            "numbers, have no exit"
        )
    found.readout = name


def going(found: Exit, scores: Tensor, lengths: Tensor | None) -> Tensor:
    """Computes which steps run, with the gradient of the confidence at which they end.

    Args:
        found: The exit.
        scores: Scores [T, B, K] after each step.
        lengths: Steps of each sequence [B], None if all have T.

    Returns:
        Ones and zeros [T, B].
    """
    odds = log_odds(scores).cummax(0).values
    before = torch.cat([torch.full_like(odds[:1], -torch.inf), odds[:-1]])
    (runs,) = step_of([found.odds.to(before) - before], lambda lean: lean > 0)
    if lengths is None:
        return runs
    return runs * (torch.arange(len(runs), device=runs.device).unsqueeze(1) < lengths)


def _gains(scores: Tensor) -> Tensor:
    """Returns what each step adds to scores [T, B, K]."""
    return torch.cat([scores[:1], scores[1:] - scores[:-1]])


def _changeable(counts: OpCounts, least: OpCounts | None) -> OpCounts:
    """Returns counts of which all can change but what runs anyway in the fewest steps."""
    hidden = dict(counts.items())
    if least is not None:
        caused = {} if least.hidden is None else dict(least.hidden.items())
        for name, number in least.items():
            if name not in caused:
                hidden[name] = hidden[name] - number
            elif caused[name] is not number:
                hidden[name] = hidden[name] - (number - caused[name])
    return OpCounts.of(dict(counts.items()), hidden, counts.sizes)
