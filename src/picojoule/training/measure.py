"""The accuracy and the energy of a network on a data set."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from lightning_fabric import Fabric, is_wrapped
from torch import Tensor, nn
from torch.utils.data import DataLoader

from picojoule.energy import Chip, Convention, Conventions
from picojoule.readout import Readout
from picojoule.training.batches import Batch, Inputs, evaluation_mode, kind_of, unpacked
from picojoule.training.exits import Ran, run
from picojoule.training.measurement import Baselines, Evaluation, Measurement, Totals
from picojoule.training.randomness import fixed_randomness, generators
from picojoule.training.ranks import gathered
from picojoule.training.scores import scores_of


def evaluate(
    net: nn.Module,
    loader: DataLoader,
    *,
    readout: Readout,
    chips: Sequence[Chip],
    inputs: Inputs | None = None,
    ann_steps: int | None = None,
    convention: Conventions = Convention(),
    fabric: Fabric | None = None,
) -> Measurement:
    """Runs a network over a data set in evaluation mode and prices what it did.

    Random encodings draw the same numbers each time, so that two measurements agree; random states
    outside stay as they are. Several processes share the batches, which the loader gives in the
    same order on each. Arguments and errors are those of ``picojoule.measure``, which makes a
    report of this; ``fabric`` says device, precision and processes (one device if left out), and
    the network stays on its device.
    """
    started = time.perf_counter()
    fabric = fabric or Fabric(accelerator="auto", devices=1)
    if not chips:
        raise ValueError("no chip to measure on: give at least one, such as load_chip('45nm')")
    check_names(chips)
    model: Any = net if is_wrapped(net) else fabric.setup_module(net)
    totals, baselines = Totals(fabric, chips), Baselines(ann_steps)

    def add(ran: Ran, scores: Tensor, batch: Batch, counted: bool) -> None:
        totals.add(ran, scores, batch, counted=counted)
        baselines.add(ran, counted=counted)

    _run(model, loader, add, readout, inputs, convention, fabric)
    return baselines.measurement(totals, model.module, convention, started)


def check_names(chips: Sequence[Chip]) -> None:
    """Checks that chips have different names.

    Raises:
        ValueError: If two have one.
    """
    if len({chip.name for chip in chips}) < len(chips):
        raise ValueError(f"two chips of one name: {', '.join(chip.name for chip in chips)}")


def evaluation(
    model: Any,
    loader: DataLoader,
    *,
    readout: Readout,
    chips: Sequence[Chip],
    inputs: Inputs,
    convention: Conventions,
    fabric: Fabric,
) -> Evaluation:
    """Measures what training needs: ``evaluate`` without the numbers to compare with."""
    totals = Totals(fabric, chips)

    def add(ran: Ran, scores: Tensor, batch: Batch, counted: bool) -> None:
        totals.add(ran, scores, batch, counted=counted)

    _run(model, loader, add, readout, inputs, convention, fabric)
    return totals.evaluation()


def _run(
    model: Any,
    loader: DataLoader,
    add: Callable[[Ran, Tensor, Batch, bool], None],
    readout: Readout,
    inputs: Inputs | None,
    convention: Conventions,
    fabric: Fabric,
) -> None:
    """Runs all batches.

    Args:
        model: The network as Fabric wraps it.
        loader: Gives the batches.
        add: Takes a batch as it ran, its scores, it, and whether it counts.
        readout: Makes scores of the output.
        inputs: The kind of the input, None for that of the loader.
        convention: How to count.
        fabric: Device and processes.
    """
    bad: list[Tensor] = []  # whether the input of a batch holds what is no number
    with evaluation_mode(model), fixed_randomness(fabric.device, generators(loader)):
        for batch, mine in _dealt(loader, fabric):
            bad.append(~batch.x.isfinite().all())
            ran = run(model, batch, kind_of(loader, inputs), convention)
            ended = batch._replace(lengths=ran.lengths)
            add(ran, scores_of(readout, ran.out, ended), batch, mine)
    if not bad:
        raise ValueError("the loader gave no batch: nothing to measure")
    if found := int(gathered(fabric, torch.stack(bad)).sum()):
        raise ValueError(
            f"the inputs of {found} batches hold values that are infinite or not a number (NaN): a "
            "neuron that gets one is silent, so its counts would mean nothing"
        )


def _dealt(loader: DataLoader, fabric: Fabric) -> Iterator[tuple[Batch, bool]]:
    """Deals batches to ranks; if they run out, a rank repeats one that is not counted.

    All ranks must call a network equally often, since it may exchange buffers when called.
    """
    batches = iter(loader)
    while deal := tuple(islice(batches, fabric.world_size)):
        mine = fabric.global_rank < len(deal)
        yield fabric.to_device(unpacked(deal[fabric.global_rank if mine else 0])), mine
