import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import picojoule as pj
from picojoule.data import Split, encoder, loader
from picojoule.data.encoders import frames as module
from picojoule.data.encoders.frames import Frames
from picojoule.data.recordings import EventLists


def split_of(recordings: list[list[tuple[int, int]]], shape: tuple[int, ...]) -> Split:
    """Recordings as lists of (time in us, address)."""
    joined = [event for recording in recordings for event in recording]
    sizes = np.cumsum([0, *map(len, recordings)])
    lists = EventLists(
        torch.tensor([time for time, _ in joined], dtype=torch.int64),
        torch.tensor([where for _, where in joined], dtype=torch.int32),
        torch.from_numpy(sizes),
        shape,
    )
    return Split(lists, torch.arange(len(recordings)))


def one_by_one(split: Split, frames: Frames) -> tuple[np.ndarray, list[int]]:
    """The frames from the text of the docstring alone, event by event."""
    lists, step_us = split.x, round(frames.step_s * 1e6)
    counts = np.zeros((len(lists), frames.steps, *frames.inputs(lists.shape)), int)
    lengths = []
    for n in range(len(lists)):
        length = 1
        for event in range(int(lists.offsets[n]), int(lists.offsets[n + 1])):
            step = int(lists.times_us[event]) // step_us
            place = list(np.unravel_index(int(lists.address[event]), lists.shape))
            place[-2:] = [value // frames.pool for value in place[-2:]]
            if step < frames.steps:
                counts[(n, step, *place)] += 1
            length = min(frames.steps, step + 1)
        lengths.append(length)
    return counts.clip(max=1 if frames.binary else 255), lengths


@given(
    shape=st.sampled_from([(2, 5, 3), (7,), (1, 4, 4)]),
    steps=st.integers(1, 4),
    pool=st.integers(1, 3),
    binary=st.booleans(),
    cells=st.sampled_from([1, 50, 1 << 18]),
    data=st.data(),
)
def test_frames_are_those_of_the_text(shape, steps, pool, binary, cells, data):
    event = st.tuples(st.integers(0, 5_000), st.integers(0, int(np.prod(shape)) - 1))
    recordings = data.draw(st.lists(st.lists(event, max_size=12).map(sorted), max_size=5))
    split = split_of(recordings, shape)
    frames = Frames(steps=steps, step_s=1e-3, pool=pool, binary=binary)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CELLS", cells)
        prepared = frames.prepare(split)
    counts, lengths = one_by_one(split, frames)
    assert prepared.x.dtype == torch.uint8
    np.testing.assert_array_equal(prepared.x.numpy(), counts)
    assert prepared.lengths.tolist() == lengths
    assert prepared.y is split.y


@pytest.mark.parametrize(
    ("shape", "pool", "pooled"),
    [
        ((2, 34, 34), 1, (2, 34, 34)),
        ((2, 34, 34), 2, (2, 17, 17)),
        ((2, 34, 34), 4, (2, 9, 9)),
        ((700,), 5, (140,)),
        ((700,), 1_000, (1,)),
    ],
)
def test_pooled_shape(shape, pool, pooled):
    frames = Frames(steps=2, pool=pool)
    assert frames.inputs(shape) == pooled
    assert frames.prepare(split_of([[(0, 0)]], shape)).x.shape == (1, 2, *pooled)


def test_pooling_loses_no_event():
    split = split_of([[(0, where) for where in range(2 * 5 * 7)]], (2, 5, 7))
    pooled = Frames(steps=1, pool=3, binary=False).prepare(split).x[0, 0]
    assert pooled[0].tolist() == [[9, 9, 3], [6, 6, 2]]
    assert torch.equal(pooled[0], pooled[1])


def test_more_than_255_are_255_and_that_is_said(caplog):
    split = split_of([[(0, 1)] * 300 + [(0, 2)] * 255], (3,))
    frames = Frames(steps=1, binary=False)
    assert frames.prepare(split).x.tolist() == [[[0, 255, 255]]]
    assert "45 of 555 events are lost, as a cell of a frame counts to 255: more and" in caplog.text
    caplog.clear()
    counts = torch.full((1, 2, 4), 200, dtype=torch.uint8)
    pooled = Frames(steps=2, pool=2, binary=False).prepare(Split(counts, torch.tensor([0])))
    assert pooled.x.unique().tolist() == [255]
    assert "580 of 1600 events are lost" in caplog.text
    caplog.clear()
    assert Frames(steps=1).prepare(split).x.tolist() == [[[0, 1, 1]]]
    assert caplog.messages == [
        "553 of 555 events share a cell of a frame with others, and count as one with them: "
        "binary=false keeps their number, shorter steps keep them apart"
    ]
    caplog.clear()
    Frames(steps=2, pool=2).prepare(Split(counts, torch.tensor([0])))
    assert "1596 of 1600 events share a cell" in caplog.text


def test_what_is_cut_is_said(caplog):
    split = split_of([[(0, 0), (20_000, 0), (99_000, 0)], [(19_999, 0)], [(40_000, 0)]], (1,))
    prepared = Frames(steps=2, step_s=10e-3).prepare(split)
    assert prepared.lengths.tolist() == [2, 2, 2]
    assert caplog.messages == [
        "2 of 3 recordings last longer than 2 steps of 0.01 s: 3 of 5 events are cut; "
        "more steps or a longer step_s keep them"
    ]


def test_nothing_is_said_where_nothing_is_cut(caplog):
    caplog.set_level(logging.DEBUG)
    Frames(steps=2, step_s=10e-3).prepare(split_of([[(19_999, 0)], []], (1,)))
    assert not caplog.messages


def test_a_batch_is_as_long_as_its_longest():
    frames = encoder("frames", steps=8, step_s=1e-3)
    prepared = frames.prepare(split_of([[(0, 1)], [(4_500, 2)], [(7_000, 0)]], (3,)))
    x, y, lengths = next(iter(loader(prepared.at(torch.tensor([1, 0])), frames, batch_size=2)))
    assert x.shape == (5, 2, 3)
    assert x.dtype == torch.float32
    assert lengths.tolist() == [5, 1]
    assert y.tolist() == [1, 0]
    assert x[4, 0].tolist() == [0, 0, 1]
    assert float(x.sum()) == 2


@pytest.mark.parametrize(
    ("binary", "kind", "arriving"), [(True, "events", 4), (False, "levels", 7)]
)
def test_the_meter_counts_the_events(binary, kind, arriving):
    split = split_of(
        [[(0, 0), (1, 0), (2, 0), (1_000, 0), (2_000, 5)], [(0, 3), (1, 3)]], (2, 1, 3)
    )
    frames = Frames(steps=3, step_s=1e-3, binary=binary)
    assert frames.kind == kind
    x, _, lengths = next(iter(loader(frames.prepare(split), frames, batch_size=2)))
    net = pj.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 4, bias=False), pj.LIF())
    with pj.Meter(net, inputs=frames.kind) as meter:
        net(x, lengths=lengths)
    counts = meter.counts["1"]
    assert float(counts.ac) * 2 == arriving * 4
    assert float(counts.mac) == 0


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"steps": 0}, ValueError, "expected steps of at least 1, got 0"),
        ({"steps": 2.0}, TypeError, "expected steps as a whole number"),
        ({"steps": 2, "pool": 0}, ValueError, "expected pool of at least 1"),
        ({"steps": 2, "step_s": 0.0}, ValueError, "expected step_s of at least 1e-6 s, got 0.0"),
        ({"steps": 2, "step_s": float("nan")}, ValueError, "expected step_s"),
        ({"steps": 2, "step_s": float("inf")}, ValueError, "expected step_s"),
    ],
)
def test_values_out_of_range(params, error, message):
    with pytest.raises(error, match=message):
        Frames(**params)


def test_images_and_what_is_not_prepared_are_refused():
    frames = Frames(steps=2)
    with pytest.raises(ValueError, match="expected event lists or frames, got Tensor"):
        frames.prepare(Split(torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64)))
    split = split_of([[(0, 0)]], (1,))
    with pytest.raises(ValueError, match="prepare the split first"):
        frames(split.x)
    prepared = Frames(steps=3).prepare(split)
    with pytest.raises(ValueError, match=r"expected frames \[B, 2, ...\] uint8"):
        frames(prepared.x, prepared.lengths)


def test_frames_that_are_there_already(caplog):
    counts = np.random.default_rng(0).integers(0, 200, (3, 6, 2, 3, 5)).astype(np.uint8)
    split = Split(torch.from_numpy(counts), torch.arange(3), torch.tensor([6, 4, 1]))
    frames = Frames(steps=5, pool=2, binary=False)
    found = frames.prepare(split)
    assert found.lengths.tolist() == [5, 4, 1]
    assert "1 of 3 recordings last longer than 5 steps: 1 of 11 steps are cut" in caplog.text
    expected = np.zeros((3, 5, 2, 2, 3), int)
    for y in range(3):
        for x in range(5):
            expected[:, :, :, y // 2, x // 2] += counts[:, :5, :, y, x]
    for row, length in enumerate((5, 4, 1)):
        expected[row, length:] = 0
    np.testing.assert_array_equal(found.x.numpy(), expected.clip(max=255))
    binary = Frames(steps=8, binary=True).prepare(Split(split.x[:, :, 0, 0], split.y))
    assert binary.lengths.tolist() == [6] * 3
    np.testing.assert_array_equal(binary.x[:, :6].numpy(), counts[:, :, 0, 0] > 0)
