"""A last batch of one item, of which batch norm can take no variance."""

import math
from collections.abc import Iterator, Sized
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader

from picojoule._torch import BatchNorm
from picojoule.training.batches import unpacked
from picojoule.training.randomness import fixed_randomness, generators


@contextmanager
def told_of_one_value() -> Iterator[None]:
    """Says what to do if a batch norm gets one value for each channel all the same.

    Batches that a loader was given, or that stream, are not known before they come.
    """
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("Expected more than 1 value per channel"):
            raise
        raise ValueError(
            "a batch norm got one value for each channel, which has no variance, from a batch of 1 "
            "item: give batches of at least 2, or drop_last=True"
        ) from error


def check_last_batch(model: Any, loader: DataLoader, fabric: Fabric) -> None:
    """Checks that no batch norm would get one value for each channel to train on.

    Args:
        model: The network as Fabric wraps it.
        loader: Batches to train on.
        fabric: Device and processes.

    Raises:
        ValueError: If the last batch has one item, and some batch norm sees one value of it.
    """
    size = loader.batch_size
    if size is None or not isinstance(loader.dataset, Sized):
        return
    items = math.ceil(len(loader.dataset) / fabric.world_size)
    alone = size == 1 or (items % size == 1 and not loader.drop_last)
    if not alone or (name := _norm_of_one_value(model, loader, fabric)) is None:
        return
    why = f"the last batch has 1 of {items} items: choose another batch_size than {size}"
    if size == 1:
        why = "every batch has 1 item: choose a batch_size of at least 2"
    raise ValueError(
        f"batch norm '{name}' would see one value for each channel, which has no variance, since "
        f"{why} (train.batch_size of a recipe){'' if size == 1 else ', or drop_last=True'}"
    )


@torch.no_grad()
def _norm_of_one_value(model: Any, loader: DataLoader, fabric: Fabric) -> str | None:
    """Runs the first item; returns the first batch norm that sees one value for each channel."""
    net: nn.Module = model.module
    found: list[str] = []

    def look(name: str, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        if given[0].numel() == given[0].shape[1]:
            found.append(name)

    norms = {name: one for name, one in net.named_modules() if isinstance(one, BatchNorm)}
    if not norms:
        return None
    with ExitStack() as undo:
        undo.enter_context(fixed_randomness(fabric.device, generators(loader)))
        undo.callback(net.train)
        net.eval()
        for name, norm in norms.items():
            hook = norm.register_forward_pre_hook(partial(look, name))
            undo.callback(hook.remove)
        one = DataLoader(loader.dataset, batch_size=1, collate_fn=loader.collate_fn)
        batch = fabric.to_device(unpacked(next(iter(one))))
        model(batch.x) if batch.lengths is None else model(batch.x, lengths=batch.lengths)
    return found[0] if found else None
