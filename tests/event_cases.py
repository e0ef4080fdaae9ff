"""Spikes and weights for the tests of event-driven products."""

import importlib.util
import shutil

import torch


def there(name):
    """Whether this machine has that tier."""
    have = {"c": any(map(shutil.which, ("cc", "gcc", "clang"))), "off": True}
    have["numba"] = importlib.util.find_spec("numba") is not None
    return have[name]


def make(shape, share, *, dtype=torch.float64, binary=True, seed=0):
    """Spikes [R, K], weights [K, N] and a bias [N]."""
    source = torch.Generator().manual_seed(seed)
    rows, inputs, outputs = shape
    spikes = (torch.rand(rows, inputs, generator=source) < share).to(dtype)
    if not binary:
        spikes = spikes * torch.randn(rows, inputs, generator=source, dtype=dtype)
    weight_t = torch.randn(inputs, outputs, generator=source, dtype=dtype)
    return spikes, weight_t, torch.randn(outputs, generator=source, dtype=dtype)
