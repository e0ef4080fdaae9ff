"""Readouts against loops by hand."""

import math

import pytest
import torch

from picojoule import readout
from picojoule.readout import READOUTS

STEPS, BATCH, CLASSES = 7, 4, 3
LENGTHS = [7, 1, 3, 6]
BY_HAND = {
    "mean": lambda values: sum(values) / len(values),
    "max": max,
    "last": lambda values: values[-1],
    "count": sum,
}
every = pytest.mark.parametrize("name", READOUTS)
over_time = pytest.mark.parametrize("name", BY_HAND)


def scores(name, out, lengths):
    """One number after the other."""
    return [
        [
            BY_HAND[name]([out[t][b][k].item() for t in range(lengths[b])])
            for k in range(out.shape[2])
        ]
        for b in range(out.shape[1])
    ]


def close(found, expected):
    assert found.shape == (BATCH, CLASSES)
    for row, wanted in zip(found.tolist(), expected, strict=True):
        assert row == pytest.approx(wanted)


def test_every_readout_is_known_by_hand():
    assert BY_HAND.keys() | {"each"} == READOUTS.keys()
    assert all(readout.readout(name) is getattr(readout, name) for name in READOUTS)


@over_time
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_over_all_steps(name, dtype):
    out = torch.randn(STEPS, BATCH, CLASSES, dtype=dtype)
    found = READOUTS[name](out, None)
    close(found, scores(name, out, [STEPS] * BATCH))
    assert found.dtype == dtype
    assert torch.equal(found, READOUTS[name](out))


@over_time
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_over_each_sequence(name, dtype):
    out = torch.randn(STEPS, BATCH, CLASSES)
    close(READOUTS[name](out, torch.tensor(LENGTHS, dtype=dtype)), scores(name, out, LENGTHS))


@every
def test_full_lengths_are_no_lengths(name):
    out = torch.randn(STEPS, BATCH, CLASSES)
    full = torch.full((BATCH,), STEPS)
    assert torch.allclose(READOUTS[name](out, full), READOUTS[name](out, None))


@every
def test_what_comes_after_the_end_does_not_count(name):
    out = torch.randn(STEPS, BATCH, CLASSES)
    noisy = out.clone()
    for sample, length in enumerate(LENGTHS):
        noisy[length:, sample] = 1e6
    lengths = torch.tensor(LENGTHS)
    assert torch.equal(READOUTS[name](out, lengths), READOUTS[name](noisy, lengths))


@every
def test_gradient_reaches_no_step_after_the_end(name):
    out = torch.randn(STEPS, BATCH, CLASSES, requires_grad=True)
    READOUTS[name](out, torch.tensor(LENGTHS)).sum().backward()
    assert torch.isfinite(out.grad).all()
    for sample, length in enumerate(LENGTHS):
        assert not out.grad[length:, sample].any()
        assert out.grad[:length, sample].any()


def test_values_at_each_step_are_those_of_the_network():
    out = torch.randn(STEPS, BATCH, CLASSES)
    assert readout.each(out) is out
    found = readout.each(out, torch.tensor(LENGTHS))
    for sample, length in enumerate(LENGTHS):
        assert torch.equal(found[:length, sample], out[:length, sample])
        assert not found[length:, sample].any()


def test_largest_may_be_negative():
    out = torch.full((STEPS, BATCH, CLASSES), -2.0)
    assert readout.max(out, torch.tensor(LENGTHS)).eq(-2.0).all()


@pytest.mark.parametrize(("name", "nearest"), [("maen", "mean"), ("counts", "count")])
def test_unknown_names_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"unknown readout '{name}': did you mean '{nearest}'"):
        readout.readout(name)


@every
def test_lengths_of_another_batch_are_refused(name):
    out = torch.randn(STEPS, BATCH, CLASSES)
    with pytest.raises((ValueError, RuntimeError)):
        READOUTS[name](out, torch.tensor([3]))


def test_mean_of_half_precision_stays_finite():
    out = torch.full((60_000, 1, 1), 2.0, dtype=torch.bfloat16)
    assert math.isclose(readout.mean(out).item(), 2.0)
