import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from picojoule.data import Split
from picojoule.data import recordings as events
from picojoule.data.readers.bad import Bad
from picojoule.data.recordings import EventLists, Recording, collect
from picojoule.data.zeros import in_files


def lists(times=(0, 5, 2, 2, 9), address=(3, 0, 1, 5, 4), offsets=(0, 2, 2, 5), shape=(2, 1, 3)):
    return EventLists(
        torch.tensor(times, dtype=torch.int64),
        torch.tensor(address, dtype=torch.int32),
        torch.tensor(offsets, dtype=torch.int64),
        shape,
    )


def rows(given: EventLists) -> list[list[tuple[int, int]]]:
    pairs = list(zip(given.times_us.tolist(), given.address.tolist(), strict=True))
    ends = given.offsets.tolist()
    return [pairs[a:b] for a, b in pairwise(ends)]


def test_recordings_are_those_between_the_offsets():
    assert len(lists()) == 3
    assert rows(lists()) == [[(0, 3), (5, 0)], [], [(2, 1), (2, 5), (9, 4)]]


@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    picks=st.lists(st.integers(0, 5), max_size=8),
)
def test_an_index_picks_recordings(sizes, picks):
    total = sum(sizes)
    offsets = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    whole = lists(sorted(range(total)), [i % 7 for i in range(total)], offsets, (7,))
    index = torch.tensor([pick % len(sizes) for pick in picks], dtype=torch.int64)
    picked = whole[index]
    assert len(picked) == len(index)
    assert rows(picked) == [rows(whole)[i] for i in index.tolist()]
    assert picked.shape == (7,)


def test_a_split_of_them_can_be_divided():
    split = Split(lists(), torch.tensor([4, 5, 6]))
    part = split.at(torch.tensor([2, 0]))
    assert len(part) == 2
    assert part.y.tolist() == [6, 4]
    assert rows(part.x) == [[(2, 1), (2, 5), (9, 4)], [(0, 3), (5, 0)]]


def test_none_at_all_and_pickling():
    assert len(lists((), (), (0,))) == 0
    again = pickle.loads(pickle.dumps(lists()))
    assert rows(again) == rows(lists())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"times": (0, 5, 2, 2)}, "expected an address for each of 4 times, got 5"),
        ({"offsets": (0, 2, 4)}, "expected offsets that rise from 0 to the number of events, 5"),
        ({"offsets": (1, 2, 5)}, "expected offsets that rise"),
        ({"offsets": (0, 3, 2, 5)}, "expected offsets that rise"),
        ({"offsets": ()}, "expected offsets that rise"),
        ({"address": (3, 0, 1, 6, 4)}, "expected addresses 0 to 5, got 0 to 6"),
        ({"address": (3, 0, -1, 5, 4)}, "expected addresses 0 to 5, got -1 to 5"),
        ({"times": (-1, 5, 2, 2, 9)}, "expected times from 0 us, got -1 us"),
        ({"times": (0, 5, 2, 1, 9)}, "got 1 us after 2 us at event 3"),
    ],
)
def test_what_does_not_fit_together_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        lists(**wrong)


def test_other_types_are_refused():
    with pytest.raises(ValueError, match=r"expected times_us as one row of torch.int64, got \[1\]"):
        EventLists(torch.zeros(1), torch.zeros(1).int(), torch.tensor([0, 1]), (1,))
    with pytest.raises(ValueError, match=r"expected address as one row .* got \[1, 1\]"):
        EventLists(torch.zeros(1).long(), torch.zeros(1, 1).int(), torch.tensor([0, 1]), (1,))


def recording(*times: int, label: int = 0) -> Recording:
    return Recording(np.array(times), np.arange(len(times)), label)


def test_events_are_put_in_order_of_time_and_keep_their_order_within_one(tmp_path):
    split = collect([recording(1, 2), recording(7, 3, 7, 3, label=2)], (9,), tmp_path)
    assert rows(split.x) == [[(1, 0), (2, 1)], [(3, 1), (3, 3), (7, 0), (7, 2)]]
    assert split.y.tolist() == [0, 2]


def test_many_events_are_kept(tmp_path):
    parts = [recording(*range(i, i + 30_000)) for i in range(9)]
    split = collect(parts, (30_000,), tmp_path)
    assert torch.equal(split.x.offsets, torch.arange(10) * 30_000)
    for i in (0, 4, 8):
        one = split.x[torch.tensor([i])]
        assert torch.equal(one.times_us, torch.arange(i, i + 30_000))
        assert torch.equal(one.address, torch.arange(30_000, dtype=torch.int32))


def test_they_lie_where_they_are_told_to(tmp_path):
    made = []

    def zeros(shape, dtype):
        made.append(in_files(tmp_path)(shape, dtype))
        return made[-1]

    split = collect([recording(*range(70_000))] * 3, (70_000,), tmp_path, zeros)
    assert any(np.shares_memory(split.x.times_us.numpy(), array) for array in made)
    assert any(np.shares_memory(split.x.address.numpy(), array) for array in made)
    assert len(split.x.times_us) == 210_000
    assert list(tmp_path.iterdir()) == []


def test_events_are_checked_piece_by_piece(monkeypatch):
    monkeypatch.setattr(events, "_PIECE", 2)
    lists()
    for wrong, message in (
        ({"times": (0, 5, 2, 1, 9)}, "got 1 us after 2 us at event 3"),
        ({"times": (0, 5, 2, 2, 1)}, "got 1 us after 2 us at event 4"),
        ({"address": (3, 0, 1, 5, 6)}, "expected addresses 0 to 5"),
    ):
        with pytest.raises(ValueError, match=message):
            lists(**wrong)


def test_none_that_can_be_read(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} holds no recording"):
        collect([], (9,), tmp_path)


def _even(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return 10 * number


def test_bad_ones_are_refused_or_listed():
    bad = Bad(skip=True)
    assert list(bad.each(range(5), _even)) == [(0, 0), (2, 20), (4, 40)]
    assert bad.items == ["1 is odd", "3 is odd"]
    with pytest.raises(ValueError, match="1 is odd"):
        list(Bad(skip=False).each(range(5), _even))
