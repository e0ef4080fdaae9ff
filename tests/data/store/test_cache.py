"""The cache: what is kept, what is made anew, and two processes at once."""

import errno
import hashlib
import json
import logging
import multiprocessing
import os
import shutil
import tempfile
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from picojoule import _sums
from picojoule.data import Direct, EventLists, Filterbank, Frames, Split, Waves, prepared
from picojoule.data.store import cache
from picojoule.data.store import entry as store
from picojoule.data.store.entry import Selection
from picojoule.data.zeros import Zeros, in_files


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("PICOJOULE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "data"


def some(seed: int = 0) -> Split:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (30, 1, 4, 4), generator=draw, dtype=torch.uint8)
    return Split(x, torch.arange(30), torch.arange(30) + 1)


class Made:
    """Counts how often it is asked."""

    def __init__(self, split: Split | None = None) -> None:
        self.times = 0
        self.split = split or some()

    def __call__(self, zeros: Zeros) -> cache.Content:
        self.times += 1
        parts = {
            "a": Selection(self.split),
            "b": Selection(self.split, torch.tensor([7, 2])),
        }
        logging.getLogger("picojoule.data.readers.bad").warning("one left out")
        return cache.Content(parts, {"rate_hz": 8_000})


def kept(make: Made, key: str = "key") -> store.Kept:
    return cache.kept("name", "place", key, make)


def same(one: Split, other: Split) -> bool:
    return all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in ("x", "y", "lengths")
    )


def test_made_once(place, caplog):
    make = Made()
    first, second = kept(make), kept(make)
    assert make.times == 1
    assert first.said == second.said == ["one left out"]
    assert caplog.messages == ["one left out"] * 2  # a process of its own each
    assert second.facts == {"rate_hz": 8_000}
    for found in (first, second):
        assert same(found.splits["a"], some())
        assert same(found.splits["b"], some().at(torch.tensor([7, 2])))
    assert first.splits["a"].fingerprint == second.splits["a"].fingerprint != ""
    assert [path.name[:5] for path in place.iterdir()] == ["name-"]


def test_the_fingerprint_tells_content_apart():
    one = kept(Made(), "1").splits["a"].fingerprint
    assert kept(Made(some(1)), "2").splits["a"].fingerprint != one
    assert kept(Made(), "3").splits["a"].fingerprint == one


def test_the_fingerprint_is_of_the_numbers_alone():
    """A run notes it: another layout of the cache must not change it."""
    split = some()
    sums = [
        hashlib.sha256(array.numpy().tobytes()).hexdigest()
        for array in (split.lengths, split.x, split.y)
    ]
    expected = hashlib.sha256(" ".join(sums).encode()).hexdigest()
    assert kept(Made()).splits["a"].fingerprint == expected


def test_what_is_mapped_can_be_written_to_without_harm():
    make = Made()
    kept(make).splits["a"].x[:] = 0
    assert same(kept(make).splits["a"], some())
    assert make.times == 1


def test_events_are_kept():
    lists = EventLists(
        torch.tensor([0, 5, 2]),
        torch.tensor([3, 0, 1], dtype=torch.int32),
        torch.tensor([0, 2, 3]),
        shape=(4,),
    )
    content = cache.Content({"a": Selection(Split(lists, torch.tensor([1, 0])))})
    for _ in range(2):
        found = cache.kept("events", "place", "key", lambda _: content).splits["a"]
        assert isinstance(found.x, EventLists)
        assert found.x.shape == (4,)
        assert found.x.times_us.tolist() == [0, 5, 2]
        assert found.lengths is None


def test_sounds_take_the_room_of_their_samples(place):
    """One long sound among short ones; part "b" has another order."""
    lengths = [20, 1_000_000, 5, *[30] * 300]
    samples = torch.arange(sum(lengths)).to(torch.int16)
    waves = Waves(samples, torch.tensor([0, *lengths]).cumsum(0))
    split = Split(waves, torch.arange(303), waves.lengths)
    content = cache.Content({"a": Selection(split), "b": Selection(split, torch.tensor([2, 0]))})
    for _ in range(2):
        found = cache.kept("sounds", "place", "key", lambda _: content).splits
        assert all(one.equal(other) for one, other in zip(found["a"].x, waves, strict=True))
        assert found["b"].x.padded().equal(waves[[2, 0]].padded())
        assert found["b"].lengths.tolist() == [5, 20]
    assert sum(file.stat().st_size for file in place.rglob("*.npy")) < 1.1 * samples.nbytes


def test_another_key_is_another_entry(place):
    make = Made()
    for key in ("one", "two", "one", "two"):
        assert same(kept(make, key).splits["a"], some())
    assert make.times == 2
    assert len(list(place.iterdir())) == 2


def test_of_one_place_the_entries_used_last_stay(place):
    make, other = Made(), Made()
    cache.kept("name", "elsewhere", "key", other)
    old = kept(make, "0")
    for number in range(1, 4):
        kept(make, str(number))
    for day, key in enumerate("1203"):  # of which "1" has been used least recently
        (entry,) = [path for path in place.iterdir() if key_of(path) == key]
        os.utime(entry, (1e9 + day, time.time() - 1e5 + day))
    kept(make, "1")
    kept(make, "4")
    assert set(map(key_of, place.iterdir())) == {"key", "0", "3", "1", "4"}
    assert same(old.splits["a"], some())
    kept(make, "5")
    assert same(old.splits["a"], some())  # who has it mapped keeps it
    assert other.times == 1


def key_of(entry) -> str:
    return json.loads((entry / "index.json").read_text())["key"]


def test_what_is_long_unused_and_what_a_killed_process_left_goes(place):
    make = Made()
    place.mkdir(parents=True)
    ours = "name-0123456789abcdef-0123456789abcdef"
    left = {f".{ours}-abcd_123": 2, f".{ours}-efgh_123": 0.5, ours: 91, ours[:-1] + "0": 80}
    others = {".config": 500, "notes-2": 500, "file": 500}
    for name, days in (left | others).items():
        (place / name).mkdir()
        (place / name / "x").write_text("")
        for path in (place / name / "x", place / name):
            os.utime(path, (1e9, time.time() - days * 86_400))
    kept(make)
    found = {path.name for path in place.iterdir()} & set(left | others)
    assert found == {f".{ours}-efgh_123", ours[:-1] + "0", *others}


@pytest.mark.parametrize(
    ("name", "value"), [("VERSION", 0), ("metadata.version", lambda _: "0.0.9")]
)
def test_another_version_is_made_anew(monkeypatch, name, value):
    make = Made()
    kept(make)
    monkeypatch.setattr(f"{store.__name__}.{name}", value)
    kept(make)
    kept(make)
    assert make.times == 2


@pytest.mark.parametrize(
    "name", ["a.x.npy", "a.y.npy", "b.lengths.npy", "index.json", ".index.json.sha256"]
)
@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "empty"])
def test_a_damaged_entry_is_made_anew(place, name, harm, caplog):
    make = Made()
    kept(make)
    (entry,) = place.iterdir()
    content = bytearray((entry / name).read_bytes())
    content[len(content) // 2] ^= 64
    if harm == "remove":
        (entry / name).unlink()
    else:
        changed = {"flip": content, "cut": content[:-1], "empty": b""}[harm]
        (entry / name).write_bytes(changed)
    with caplog.at_level(logging.WARNING):
        assert same(kept(make).splits["a"], some())
    assert make.times == 2
    said = harm != "remove" or name.endswith(".sha256")
    assert ("it is made anew" in caplog.text) == said


@settings(max_examples=15)
@given(text=st.text(max_size=30), path=st.sampled_from(["key", "splits", "said", "facts"]))
def test_any_index_is_read_or_made_anew(tmp_path_factory, text, path):
    where = tmp_path_factory.getbasetemp() / "fuzz-cache"
    where.mkdir(exist_ok=True)
    entry = {"key": "key", "said": [], "facts": {}, "splits": {}}
    for content in (
        text,
        json.dumps(entry | {path: text}),
        json.dumps(entry | {path: {"a": text}}),
    ):
        _sums.write(where / "index.json", content.encode())
        store.read(where, "key")


def test_an_error_leaves_nothing(place):
    def fails(zeros: Zeros) -> cache.Content:
        zeros((3, 4), np.uint8)[:] = 1
        raise ValueError("this file is bad")

    with pytest.raises(ValueError, match="this file is bad"):
        cache.kept("name", "place", "key", fails)
    assert list(place.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named_and_gone_around(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PICOJOULE_CACHE", str(tmp_path / "file"))
    made = Made()
    found = [kept(made), kept(made), kept(made, "another key")]
    assert all(same(one.splits["a"], some()) for one in found)
    assert made.times == 2
    assert caplog.text.count(f"the cache {tmp_path}/file/data cannot be written") == 1
    assert "): set PICOJOULE_CACHE to a folder where you may write; until then" in caplog.text
    assert (tmp_path / "file").read_text() == ""


def test_a_cache_that_is_read_only_is_read_but_not_written(place, monkeypatch, caplog):
    kept(Made())
    mkdtemp = tempfile.mkdtemp

    def refused(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(place))

    def made_elsewhere(suffix=None, prefix=None, dir=None):
        return refused() if dir == place else mkdtemp(suffix, prefix, dir)

    monkeypatch.setattr(tempfile, "mkdtemp", made_elsewhere)
    monkeypatch.setattr(os, "utime", refused)
    before, made = sorted(place.rglob("*")), Made()
    kept(made)
    assert made.times == 0
    assert same(cache.kept("name", "another place", "key", made).splits["a"], some())
    assert sorted(place.rglob("*")) == before
    assert f"the cache {place} cannot be written (Read-only file system): set" in caplog.text
    monkeypatch.setattr(cache._cache, "process_folder", refused)
    with pytest.raises(OSError, match=rf"^the cache {place} cannot be written \(Read-only"):
        cache.kept("name", "a third place", "key", made)


def test_scratch_arrays_are_mapped_and_gone_afterwards(place):
    def make(zeros: Zeros) -> cache.Content:
        x = zeros((5, 3), np.int16)
        x[:] = 7
        return cache.Content({"a": Selection(Split(torch.from_numpy(x[:4]), torch.arange(4)))})

    found = cache.kept("name", "place", "key", make).splits["a"]
    assert found.x.tolist() == [[7] * 3] * 4
    (entry,) = place.iterdir()
    assert {path.name for path in entry.iterdir()} == {
        "a.x.npy",
        "a.y.npy",
        "index.json",
        ".index.json.sha256",
        "checked",
    }


def test_too_little_space_is_said_before_it_is_needed(tmp_path):
    with pytest.raises(OSError, match=r"bytes are needed, and .* are free") as told:
        in_files(tmp_path)((1 << 30, 1 << 30), np.uint8)
    assert told.value.filename == str(tmp_path)


def test_the_sums_are_compared_once(monkeypatch, place):
    make = Made()
    kept(make)
    monkeypatch.setattr(store, "_sum_of", None)  # nothing is read
    kept(make)
    monkeypatch.undo()
    monkeypatch.setenv("PICOJOULE_CACHE", str(place.parent))
    (entry,) = place.iterdir()
    for content in (b"", b"\xff", b"other"):
        (entry / "checked").write_bytes(content)
        kept(make)
    assert make.times == 1


def start_together(barrier, results) -> None:
    def make(zeros: Zeros) -> cache.Content:
        barrier.wait(20)  # both have seen that there is none
        return cache.Content({"a": Selection(some())})

    found = cache.kept("name", "place", "key", make)
    results.put(same(found.splits["a"], some()))


def test_two_processes_that_start_together(place):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    both = [context.Process(target=start_together, args=(barrier, results)) for _ in range(2)]
    for one in both:
        one.start()
    assert [results.get(timeout=20) for _ in both] == [True, True]
    for one in both:
        one.join()
    assert len(list(place.iterdir())) == 1


def makes_without_end() -> None:
    while True:
        entries = cache.folder().glob("name-*")
        kept(Made())
        for entry in entries:
            shutil.rmtree(entry)


def test_a_kill_at_any_time_loses_nothing(place):
    random, context = np.random.default_rng(0), multiprocessing.get_context("fork")
    for _ in range(20):
        one = context.Process(target=makes_without_end)
        one.start()
        time.sleep(random.uniform(0, 0.05))
        one.kill()
        one.join()
        assert same(kept(Made()).splits["a"], some())
        assert same(kept(Made()).splits["b"], some().at(torch.tensor([7, 2])))


def turns(key: str, barrier, results) -> None:
    made = 0

    def make(zeros: Zeros) -> cache.Content:
        nonlocal made
        made += 1
        return cache.Content({"a": Selection(some())})

    barrier.wait(20)
    for _ in range(100):
        assert same(cache.kept("name", "place", key, make).splits["a"], some())
    results.put(made)


def test_two_processes_with_two_keys_do_not_disturb_each_other(place):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    both = [context.Process(target=turns, args=(key, barrier, results)) for key in ("one", "two")]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert [one.exitcode for one in both] == [0, 0]
    assert [results.get(timeout=20) for _ in both] == [1, 1]
    assert len(list(place.iterdir())) == 2


def test_the_folder_is_the_user_s_where_none_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("PICOJOULE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "picojoule" / "data"


def test_what_is_after_the_ends_takes_no_space_on_disk(place):
    """One long recording among short ones, all steps of which are kept."""
    lengths = torch.tensor([800] * 60 + [400_000] + [1_600] * 3)
    samples = torch.randint(-9_000, 9_000, (int(lengths.sum()),), dtype=torch.int16)
    waves = Waves(samples, torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]))
    raw = Split(waves, torch.arange(64), lengths)
    split = cache.kept("w", "w", "w", lambda _: cache.Content({"a": Selection(raw)})).splits["a"]
    bank = Filterbank(max_steps=6_000)
    for _ in range(2):
        found = prepared(split, bank)
        assert found.x.shape == (64, 4_998, 160)
        assert found.x[60:].equal(bank.prepare(raw[60:]).x)
        assert not found.x[:60, 8:].any()
        assert found.x[0, :8].any()
    used = sum(512 * file.stat().st_blocks for file in place.rglob("*.npy"))
    assert 4 * used < found.x.numel()


def test_prepared_once(monkeypatch):
    waves = Split(torch.randn(4, 2_000), torch.arange(4), torch.full((4,), 2_000))
    split = cache.kept("w", "w", "w", lambda _: cache.Content({"a": Selection(waves)})).splits["a"]
    bank = Filterbank()
    first = prepared(split, bank)
    assert same(first, bank.prepare(waves))
    monkeypatch.setattr(Filterbank, "_events", None)  # it is not asked again
    assert same(prepared(split, Filterbank()), first)
    with pytest.raises(TypeError):
        prepared(split, Filterbank(bands=20))
    assert prepared(split, Direct()) is split


@pytest.mark.parametrize("encoder", [Filterbank(), Frames(steps=3)])
def test_encoders_write_where_they_are_told_to(tmp_path, encoder):
    lists = EventLists(
        *(torch.tensor([0, 1]), torch.tensor([1, 0]).int(), torch.tensor([0, 2])), (2,)
    )
    frames = torch.ones(2, 4, 5, dtype=torch.uint8)
    given = [torch.randn(2, 900)] if isinstance(encoder, Filterbank) else [lists, frames]
    for x in given:
        made = []

        def zeros(shape, dtype, made=made):
            made.append(in_files(tmp_path)(shape, dtype))
            return made[-1]

        found = encoder.prepare(Split(x, torch.arange(len(x))), zeros)
        assert np.shares_memory(found.x.numpy(), made[-1])
        assert same(found, encoder.prepare(Split(x, torch.arange(len(x)))))


def test_what_is_cut_is_said_each_time(caplog):
    lists = EventLists(
        torch.tensor([0, 5_000]),
        torch.tensor([3, 0], dtype=torch.int32),
        torch.tensor([0, 2]),
        shape=(4,),
    )
    content = cache.Content({"a": Selection(Split(lists, torch.tensor([1])))})
    split = cache.kept("events", "place", "key", lambda _: content).splits["a"]
    for _ in range(2):
        caplog.clear()
        prepared(split, Frames(steps=2, step_s=1e-3))
        assert caplog.text.count("1 of 1 recordings last longer than 2 steps") == 1


def test_a_changed_file_is_another_stamp(tmp_path):
    file = tmp_path / "a"
    stamps = [store.stamp([file])]
    for content in ("1", "12"):
        file.write_text(content)
        stamps.append(store.stamp([file]))
    os.utime(file, ns=(1, 1))
    stamps.append(store.stamp([file]))
    assert len(set(stamps)) == 4
    assert store.stamp([file]) == stamps[-1]
