"""The random states of one process: read, restored, and held fixed."""

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader


def check_loader(loader: object) -> None:
    """Refuses what is no ``DataLoader``.

    Raises:
        TypeError: With how to make one of a list of batches.
    """
    if not isinstance(loader, DataLoader):
        raise TypeError(
            f"expected a torch DataLoader, got {type(loader).__name__}: DataLoader(batches, "
            "batch_size=None) makes one of a list of batches"
        )


def generators(loader: DataLoader) -> list[torch.Generator]:
    """Returns the generators of its own that a loader draws from.

    Raises:
        TypeError: If it is no ``DataLoader``.
    """
    check_loader(loader)
    owners = (loader, loader.sampler, loader.batch_sampler)
    found = [getattr(owner, "generator", None) for owner in owners]
    return list({id(one): one for one in found if one is not None}.values())


def random_states(device: torch.device, own: list[torch.Generator]) -> dict[str, Tensor]:
    """Returns the states of torch, Python, NumPy, the device and the ``own`` generators as tensors.

    All integers in them are below 2**53, so float64 holds them exactly.
    """
    version, words, normal = random.getstate()
    del version
    python = [*words, math.nan if normal is None else normal]
    numpy = np.random.get_state(legacy=False)
    twister = [*numpy["state"]["key"], numpy["state"]["pos"], numpy["has_gauss"], numpy["gauss"]]
    states = {
        "torch": torch.get_rng_state(),
        "python": torch.tensor(python, dtype=torch.float64),
        "numpy": torch.tensor(twister, dtype=torch.float64),
    }
    if device.type == "cuda":
        states["device"] = torch.cuda.get_rng_state(device)
    return states | {f"generator.{i}": one.get_state() for i, one in enumerate(own)}


def restore_random_states(
    states: dict[str, Tensor], device: torch.device, own: list[torch.Generator]
) -> None:
    """Restores what ``random_states`` returned."""
    torch.set_rng_state(states["torch"])
    *words, normal = states["python"].tolist()
    random.setstate((3, tuple(map(int, words)), None if math.isnan(normal) else normal))
    *keys, position, has_normal, cached = states["numpy"].tolist()
    key = np.array(keys, dtype=np.uint32)
    np.random.set_state(("MT19937", key, int(position), int(has_normal), cached))
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["device"], device)
    for i, one in enumerate(own):
        one.set_state(states[f"generator.{i}"])


@contextmanager
def fixed_randomness(device: torch.device, own: list[torch.Generator]) -> Iterator[None]:
    """Makes the block draw the same numbers each time, and leaves no trace outside."""
    before = random_states(device, own)
    try:
        random.seed(0)
        np.random.seed(0)
        torch.default_generator.manual_seed(0)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(0)
        for one in own:
            one.manual_seed(0)
        yield
    finally:
        restore_random_states(before, device, own)
