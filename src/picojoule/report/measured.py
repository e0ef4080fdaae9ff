"""Measures a network that no recipe describes."""

from collections.abc import Sequence

from torch import nn
from torch.utils.data import DataLoader

from picojoule.energy import Chip, Convention, Conventions
from picojoule.readout import Readout
from picojoule.report.record import Report
from picojoule.training import evaluate
from picojoule.training.batches import Inputs


def measure(
    net: nn.Module,
    loader: DataLoader,
    *,
    readout: Readout,
    chips: Sequence[Chip],
    inputs: Inputs | None = None,
    ann_steps: int | None = None,
    convention: Conventions = Convention(),
) -> Report:
    """Measures how good a network is on a test set, and its energy, in evaluation mode.

    Args:
        net: x [T, B, ...] to out [T, B, K], alone or with a state.
        loader: Batches ``(x[T, B, ...], label, lengths[B] or None)``, with labels as for ``train``.
        readout: out [T, B, K] and lengths to scores [B, K]; of labels per step ``readout.each``.
        chips: The chips to price it on.
        inputs: The kind of the network's input: ``"analog"``, ``"events"`` or ``"levels"``; None
            for that of the loader's ``collate_fn.kind``, or ``"analog"`` if it has none.
        ann_steps: Steps of the dense ANN to compare with: 1 for static inputs; None for as many as
            the input has.
        convention: Convention of counting.

    Raises:
        ValueError: If the data set is empty, batches have other parts, there is no chip, two chips
            have one name, a count is not finite, or events are not whole numbers.
    """
    found = evaluate(
        net,
        loader,
        readout=readout,
        chips=chips,
        inputs=inputs,
        ann_steps=ann_steps,
        convention=convention,
    )
    return Report.of(found)
