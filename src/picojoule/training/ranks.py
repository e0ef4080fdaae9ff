"""Values over all processes of a run."""

from collections.abc import Mapping
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from picojoule.energy import Energy, OpCounts


def gathered(fabric: Fabric, value: Tensor) -> Tensor:
    """Gathers a value of every rank along a new first axis, the same bits on each.

    A gather, since Fabric's all_reduce has a barrier in it, which waits for the device.
    """
    if fabric.world_size == 1:
        return value.unsqueeze(0)
    return cast(Tensor, fabric.all_gather(value))


def mean_energy(fabric: Fabric, energy: Energy) -> Energy:
    """Returns an energy with the mean over ranks as value and the gradient of this rank's part."""
    if fabric.world_size == 1:
        return energy

    def mean(own: Tensor) -> Tensor:
        # own - own.detach() is exactly zero: every rank has the very same value.
        return gathered(fabric, own.detach()).mean(0) + (own - own.detach())

    return energy.map(mean)


def summed_counts(fabric: Fabric, counts: Mapping[str, OpCounts]) -> dict[str, OpCounts]:
    """Sums counts over ranks, in one exchange for all layers and counts."""
    if fabric.world_size == 1 or not counts:
        return dict(counts)
    flat: list[Tensor] = []

    def put(value: Tensor) -> Tensor:
        flat.append(value.to(fabric.device))
        return value

    for one in counts.values():
        one.map(put)
    sums = iter(gathered(fabric, torch.stack(flat)).sum(0))
    return {name: one.map(lambda _: next(sums)) for name, one in counts.items()}
