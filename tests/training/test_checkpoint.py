import errno
import os
import random
from collections import Counter
from pathlib import Path

import pytest
import torch

from picojoule.training.checkpoint import load, newest, save


def state():
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return {
        "net": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "milestones": Counter({3: 2}),
        "numbers": (1, 2.5, float("inf"), True, None, [0.1 + 0.2, "text"]),
        "half": torch.ones(2, 3, dtype=torch.bfloat16).t(),
        "scalar": torch.tensor(3),
        "expanded": torch.tensor(3.0).expand(1),
        "none": torch.zeros(0, dtype=torch.bool),
        "tied": [net.weight, net.weight],
        1: {"a/b": torch.zeros(1), "a": {"b": torch.ones(1)}},
    }


def assert_same(one, other):
    assert type(one) is type(other) or isinstance(one, dict)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        assert [type(key) for key in one] == [type(key) for key in other]
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


def test_what_was_saved_is_loaded(tmp_path):
    saved = state()
    path = save(tmp_path / "new", 3, saved)
    assert path.name == "epoch-0003.safetensors"
    loaded = load(path)
    assert_same(
        {k: dict(v) if k == "net" else v for k, v in saved.items() if k != "tied"},
        {k: v for k, v in loaded.items() if k != "tied"},
    )
    assert isinstance(loaded["milestones"], Counter)
    torch.optim.Adam(torch.nn.Linear(3, 2).parameters()).load_state_dict(loaded["optimizer"])


def test_two_saves_are_the_same_bytes(tmp_path):
    files = [save(tmp_path / str(i), 1, state()).read_bytes() for i in range(3)]
    assert files[0] == files[1] == files[2]


def test_only_the_newest_is_kept(tmp_path):
    assert newest(tmp_path) is None
    (tmp_path / ".epoch-0001.safetensors.tmp").write_bytes(b"half")
    (tmp_path / "epoch-notes.safetensors").write_bytes(b"somebody's own")
    assert newest(tmp_path) is None
    for epoch in (1, 9999, 10000):
        path = save(tmp_path, epoch, {"epoch": epoch})
        assert newest(tmp_path) == path
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "epoch-10000.safetensors",
        "epoch-notes.safetensors",
    ]


def test_damaged_bytes_are_never_loaded(tmp_path):
    """A changed byte is refused, or it lies in the header's padding and changes nothing."""
    path = save(tmp_path, 1, state())
    whole, expected = path.read_bytes(), load(path)
    source = random.Random(0)
    header = int.from_bytes(whole[:8], "little") + 8
    offsets = [source.randrange(len(whole)) for _ in range(150)]
    offsets += [source.randrange(header) for _ in range(100)] + [source.randrange(8)]
    refused = 0
    for offset in offsets:
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << source.randrange(8)
        path.write_bytes(damaged)
        try:
            loaded = load(path)
        except ValueError as error:
            refused += f"{path} is damaged" in str(error)
        else:
            assert_same(loaded, expected)
    assert refused >= len(offsets) - 3


@pytest.mark.parametrize("kept", [0, 5, 8, 100, -1])
def test_a_truncated_file_is_refused(tmp_path, kept):
    path = save(tmp_path, 1, state())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"epoch-0001\.safetensors is damaged"):
        load(path)


def test_the_one_before_a_damaged_one_is_named(tmp_path):
    path = save(tmp_path, 1, state())
    later = tmp_path / "epoch-0002.safetensors"
    later.write_bytes(path.read_bytes()[:-8])
    assert newest(tmp_path) == later
    with pytest.raises(ValueError, match=r"delete it to go on from epoch-0001\.safetensors"):
        load(later)


@pytest.mark.parametrize("place", ["open", "fsync", "replace"])
def test_a_full_disk_leaves_the_one_before(tmp_path, monkeypatch, place):
    before = save(tmp_path, 1, state()).read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, place, full)
    with pytest.raises(OSError, match=r"epoch-0002.*No space left.*unharmed: make room") as caught:
        save(tmp_path, 2, state())
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC
    assert [p.name for p in tmp_path.iterdir()] == ["epoch-0001.safetensors"]
    assert newest(tmp_path).read_bytes() == before
    load(newest(tmp_path))


def test_a_file_and_its_folder_outlast_a_loss_of_power(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor)))
    path = save(tmp_path, 1, state())
    seen = [one.st_ino for one in synced]
    assert path.stat().st_ino in seen[:-1]
    assert seen[-1] == tmp_path.stat().st_ino


def test_what_cannot_be_held_is_named():
    with pytest.raises(TypeError, match="scheduler/warm, a function"):
        save(Path("unused"), 1, {"scheduler": {"warm": lambda: None}})
