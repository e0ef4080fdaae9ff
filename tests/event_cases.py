"""Spikes and weights for the tests of event-driven products."""

import importlib.util
import shutil

import torch

from picojoule.energy import Meter


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


def assert_counted_alike(net, x, *contexts):
    """The same counts, and the same gradients of a penalty on them, in each context."""
    counts, gradients = [], []
    for context in contexts:
        net.zero_grad()
        with Meter(net, inputs="events") as meter, context:
            net(x)
        counts.append(meter.counts)
        assert not meter.uncounted
        sum(count.ac for count in meter.counts.values()).backward()
        gradients.append(net[0].weight.grad.clone())
    assert counts[0].keys() == counts[1].keys()
    for layer in counts[0]:
        for name in ("mac", "ac", "update", "spike", "weight_read", "bias"):
            ours, theirs = (getattr(count[layer], name) for count in counts)
            assert ours.item() == theirs.item(), f"{layer} {name}"
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
