"""The accuracy and the energy of a network on a data set."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from lightning_fabric import Fabric, is_wrapped
from torch import Tensor, nn
from torch.utils.data import DataLoader

from picojoule.energy import Chip, Convention, Conventions, Meter
from picojoule.readout import Readout
from picojoule.training.batches import Inputs, kind_of, metered, unpacked
from picojoule.training.measurement import Beside, Measurement, Outcome, Totals
from picojoule.training.randomness import fixed_randomness, generators


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
    outside stay as they are. Several processes share the batches.

    Args:
        net: x [T, B, ...] to out [T, B, K], alone or with a state; left on Fabric's device.
        loader: Batches ``(x[T, B, ...], label[B], lengths[B] or None)``, in the same order on
            every process.
        readout: out [T, B, K] and lengths to scores [B, K].
        chips: To price it on.
        inputs: The kind of the network's input, see ``Meter``; where left out, as the loader's
            ``collate_fn.kind`` says (those of ``picojoule.data`` do), else ``"analog"``.
        ann_steps: Steps of the dense ANN to compare with: 1 for static inputs; as many as the
            input has where left out.
        convention: How to count if there are two honest answers, see ``Meter``.
        fabric: Device, precision and processes; one device where left out.

    Raises:
        ValueError: An empty data set, batches of other parts, no chip, or two of one name.
    """
    started = time.perf_counter()
    fabric = fabric or Fabric(accelerator="auto", devices=1)
    if not chips:
        raise ValueError("no chip to measure on: give at least one, such as load_chip('45nm')")
    if len({chip.name for chip in chips}) < len(chips):
        raise ValueError(f"two chips of one name: {', '.join(chip.name for chip in chips)}")
    model: Any = net if is_wrapped(net) else fabric.setup_module(net)
    totals, beside = Totals(fabric, chips), Beside(ann_steps)

    def add(meter: Meter, out: Tensor, correct: Tensor, counted: bool) -> None:
        totals.add(meter, correct, counted=counted)
        beside.add(meter, out.shape[0], counted=counted)

    _run(model, loader, add, readout, inputs, convention, fabric)
    return beside.measurement(totals, model.module, convention, started)


def outcome(
    model: Any,
    loader: DataLoader,
    *,
    readout: Readout,
    chip: Chip,
    inputs: Inputs,
    convention: Conventions,
    fabric: Fabric,
) -> Outcome:
    """Returns what ``evaluate`` measures first, and nothing that it would be compared with."""
    totals = Totals(fabric, [chip])

    def add(meter: Meter, out: Tensor, correct: Tensor, counted: bool) -> None:
        del out
        totals.add(meter, correct, counted=counted)

    _run(model, loader, add, readout, inputs, convention, fabric)
    return totals.outcome()


def _run(
    model: Any,
    loader: DataLoader,
    add: Callable[[Meter, Tensor, Tensor, bool], None],
    readout: Readout,
    inputs: Inputs | None,
    convention: Conventions,
    fabric: Fabric,
) -> None:
    """Runs all batches: ``add`` takes meter, output, which labels are right, whether it counts."""
    some = False
    with _evaluation_mode(model), fixed_randomness(fabric.device, generators(loader)):
        for batch, mine in _dealt(loader, fabric):
            x, label, lengths = unpacked(batch)
            out, meter = metered(model, x, lengths, kind_of(loader, inputs), convention)
            add(meter, out, readout(out, lengths).argmax(-1) == label, mine)
            some = True
    if not some:
        raise ValueError("the loader gave no batch: nothing to measure")


def _dealt(loader: DataLoader, fabric: Fabric) -> Iterator[tuple[Any, bool]]:
    """Deals batches to ranks; where they run out, a rank repeats one that is not counted.

    All ranks must call a network equally often, since it may exchange buffers when called.
    """
    batches = iter(loader)
    while deal := tuple(islice(batches, fabric.world_size)):
        mine = fabric.global_rank < len(deal)
        yield fabric.to_device(deal[fabric.global_rank if mine else 0]), mine


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without a graph; every module gets its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
