"""What a batch holds, and a network that runs on it under the meter."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from picojoule.energy import Conventions, Meter
from picojoule.neurons import Neuron

Inputs = str | Mapping[str, str]


def unpacked(batch: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    """Returns the three parts of a batch: x [T, B, ...], label [B], lengths [B] or None.

    Raises:
        ValueError: If it has other parts.
    """
    if not isinstance(batch, (tuple, list)) or len(batch) != 3:
        parts = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise ValueError(
            f"expected batches (x[T,B,...], label[B], lengths[B] or None), got {parts}: give the "
            "DataLoader a collate_fn that makes such batches"
        )
    x, label, lengths = batch
    return x, label, lengths


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
