"""The parts of a batch, and a network that runs on it under the meter."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from picojoule._lengths import check_lengths, valid_steps
from picojoule._torch import call_of
from picojoule._types import told_of_types
from picojoule.energy import Conventions, Meter
from picojoule.targets import ONE_HOT, Target, is_one_hot, target_of

logger = logging.getLogger(__name__)

Inputs = str | Mapping[str, str]


class Batch(NamedTuple):
    """The parts of a batch.

    Attributes:
        x: The input [T, B, ...].
        label: What is to be learned of the M samples, or valid steps, that have a label: classes
            [M] int64, or numbers [M, K].
        lengths: Steps of each sequence [B], None if all have T.
        target: What they are.
        steps: Of labels per step, T and which of all T * B steps have one [M]; else None.
        outputs: How many outputs the labels need; None if that is not known without waiting for a
            device.
    """

    x: Tensor
    label: Tensor
    lengths: Tensor | None
    target: Target
    steps: tuple[int, Tensor] | None
    outputs: int | None


def unpacked(batch: Any) -> Batch:
    """Returns the parts of a batch as its loader gives it, with the labels that count.

    Raises:
        ValueError: If it has other parts, labels of another shape or of no class, or lengths
            outside of 1..T.
        TypeError: If its labels are no numbers, or lengths no tensor.
    """
    if not isinstance(batch, (tuple, list)) or len(batch) != 3:
        parts = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise ValueError(
            f"expected batches (x[T,B,...], label, lengths[B] or None), got {parts}: give the "
            "DataLoader a collate_fn that makes such batches"
        )
    x, label, lengths = batch
    target = target_of(label)
    _check_shape(x, label, target)
    if lengths is not None:  # on the CPU, before they go to a device that would not wait
        check_lengths(x, lengths)
    steps = None
    if target.each_step:
        valid = torch.ones_like(label if label.dim() == 2 else label[..., 0], dtype=torch.bool)
        if lengths is not None:
            valid = valid_steps(x, lengths)
        _check_values(label[valid], target)
        there = (valid & target.is_label(label)).flatten().nonzero().squeeze(1)
        steps, label = (len(label), there), label.flatten(0, 1)[there]
    else:
        _check_values(label, target)
    on_cpu = label.device.type == "cpu"
    outputs = target.outputs(label) if on_cpu or label.is_floating_point() else None
    if not label.is_floating_point():
        label = label.long()
    elif label.dim() == 1:
        label = label.unsqueeze(1)
    return Batch(x, label, lengths, target, steps, outputs)


def same_target(batch: Batch, before: Target | None) -> Target:
    """Returns the target of a batch, which must be that of the batches before it.

    Raises:
        ValueError: If it is another one.
    """
    if before not in (None, batch.target):
        raise ValueError(
            f"expected labels of a {before}, as in the batches before, got those of a "
            f"{batch.target}: give all labels the same type and shape"
        )
    return batch.target


def warn_of_one_hot(batch: Batch) -> None:
    """Warns of labels on the CPU that are classes in the guise of numbers."""
    label = batch.label
    if label.device.type == "cpu" and label.is_floating_point() and is_one_hot(label):
        logger.warning("the labels of the first batch are one-hot: %s", ONE_HOT)


def _check_shape(x: Tensor, label: Tensor, target: Target) -> None:
    """Checks that labels are of the samples of a batch, or of its steps."""
    expected = list(x.shape[:2] if target.each_step else x.shape[1:2])
    if list(label.shape[: len(expected)]) == expected:
        return
    per = f"a label for each step of x [T, B, ...] = {list(x.shape)}"
    advice = "time comes first: give label.transpose(0, 1) of labels [B, T]"
    if not target.each_step:
        per = f"a label for each sample of x [T, B, ...] = {list(x.shape)}"
        advice = "give as many labels as samples"
    elif len(label) == x.shape[1] and is_one_hot(label):
        advice = f"they are one-hot: {ONE_HOT}"
    more = ", K" * (label.is_floating_point() and label.dim() > len(expected))
    raise ValueError(
        f"expected labels [{', '.join(map(str, expected))}{more}], {per}, got {list(label.shape)}, "
        f"which are those of a {target}: {advice}"
    )


def _check_values(label: Tensor, target: Target) -> None:
    """Checks labels that lie on the CPU, where reading them waits for nothing."""
    if label.device.type == "cpu":
        target.check(label)


def steps_of(batches: Any, epochs: int) -> int | None:
    """Returns the steps of all epochs; None for a stream, whose batches cannot be counted."""
    try:
        return epochs * len(batches)
    except TypeError:
        return None


def plain(loader: DataLoader) -> DataLoader | None:
    """Returns the batches of a loader as they come in use, without augmentation.

    Args:
        loader: Its ``collate_fn`` may have a ``plain``, itself without augmentation.

    Returns:
        The batches of the same samples; None if the loader does not say how they come in use.
    """
    collate = getattr(loader.collate_fn, "plain", None)
    if collate is None or loader.batch_size is None:
        return None
    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        sampler=loader.sampler,
        generator=loader.generator,
        collate_fn=collate,
    )


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
    going: Tensor | None = None,
) -> tuple[Tensor, Meter]:
    """Runs a network that Fabric has set up, and counts what it does.

    Args:
        model: The network as Fabric wraps it; it returns its output, alone or with a state.
        x: [T, B, ...].
        lengths: Steps of each sequence [B], None if all have T.
        inputs: The kind of ``x``, see ``Meter``.
        convention: How to count, see ``Meter``.
        traffic: Whether the meter keeps its traffic, see ``Meter``.
        going: Ones for the steps that run [T, B], else zeros, if training decides it: with the
            graph of the decision.

    Returns:
        The output [T, B, K] and the meter.
    """
    net, call = model.module, call_of(model)
    options = {"samples": x.shape[1] or None, "inputs": inputs, "convention": convention}
    with Meter(net, **options, traffic=traffic) as meter:
        if going is not None:
            meter.decide(going)
        with told_of_types(net, x):
            result = call(x) if lengths is None else call(x, lengths=lengths)
    return (result[0] if isinstance(result, tuple) else result), meter


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Sets evaluation mode without a graph, and gives every module its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
