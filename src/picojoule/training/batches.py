"""The parts of a batch, and a network that runs on it under the meter."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from picojoule._lengths import check_lengths
from picojoule.energy import Conventions, Meter
from picojoule.neurons import Neuron

Inputs = str | Mapping[str, str]

_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class Batch(NamedTuple):
    """The parts of a batch.

    Attributes:
        x: The input [T, B, ...].
        label: The class of each sample [B], int64.
        lengths: Steps of each sequence [B], None if all have T.
        highest: The highest label; None if it is not known without waiting for a device.
    """

    x: Tensor
    label: Tensor
    lengths: Tensor | None
    highest: int | None


def unpacked(batch: Any) -> Batch:
    """Returns the parts of a batch as its loader gives it, with labels that are class numbers.

    Raises:
        ValueError: If it has other parts, other labels, or lengths outside of 1..T.
        TypeError: If its labels are no whole numbers, or lengths no tensor.
    """
    if not isinstance(batch, (tuple, list)) or len(batch) != 3:
        parts = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise ValueError(
            f"expected batches (x[T,B,...], label[B], lengths[B] or None), got {parts}: give the "
            "DataLoader a collate_fn that makes such batches"
        )
    x, label, lengths = batch
    if not isinstance(label, Tensor) or label.dtype not in _WHOLE:
        got = label.dtype if isinstance(label, Tensor) else f"a {type(label).__name__}"
        raise TypeError(
            f"expected labels [B] as a tensor of whole numbers (int64), got {got}: give the number "
            "of each sample's class; labels of other tasks are not supported yet"
        )
    if label.shape != x.shape[1:2]:
        raise ValueError(
            f"expected labels {list(x.shape[1:2])}, one class number for each sample of x "
            f"[T, B, ...] = {list(x.shape)}, got {list(label.shape)}: of one-hot labels give "
            "label.argmax(-1); labels of each step are not supported yet"
        )
    if lengths is not None:  # on the CPU, before they go to a device that would not wait
        check_lengths(x, lengths)
    return Batch(x, label.long(), lengths, _highest(label))


def _highest(label: Tensor) -> int | None:
    """Returns the highest label, if it lies on the CPU, where reading it waits for nothing."""
    if label.device.type != "cpu" or not len(label):
        return None
    numbers = label.numpy()
    if (least := int(numbers.min())) < 0:
        raise ValueError(f"expected labels from 0 on, the numbers of classes, got {least}")
    return int(numbers.max())


def kind_of(loader: DataLoader, inputs: Inputs | None) -> Inputs:
    """Returns the kind of a loader's input.

    Args:
        loader: Its ``collate_fn`` may have a ``kind``.
        inputs: The kind as the caller says it; None for that of the loader, analog if it has none.
    """
    return getattr(loader.collate_fn, "kind", "analog") if inputs is None else inputs


def metered(
    model: Any,
    x: Tensor,
    lengths: Tensor | None,
    inputs: Inputs,
    convention: Conventions,
    *,
    traffic: bool = False,
) -> tuple[Tensor, Meter]:
    """Runs a network that Fabric has set up, and counts what it does.

    Args:
        model: The network as Fabric wraps it; it returns its output, alone or with a state.
        x: [T, B, ...].
        lengths: Steps of each sequence [B], None if all have T.
        inputs: The kind of ``x``, see ``Meter``.
        convention: How to count, see ``Meter``.
        traffic: Whether the meter keeps its traffic, see ``Meter``.

    Returns:
        The output [T, B, K] and the meter.
    """
    net = model.module
    ours = any(isinstance(module, Neuron) for module in net.modules())
    samples = None if ours else x.shape[1]
    options = {"samples": samples, "inputs": inputs, "convention": convention}
    with Meter(net, **options, traffic=traffic) as meter:
        result = model(x) if lengths is None else model(x, lengths=lengths)
    return (result[0] if isinstance(result, tuple) else result), meter
