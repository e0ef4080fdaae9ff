import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.event_files import named, write_hdf5
from picojoule.data import dataset, load
from picojoule.data.readers import hdf5
from picojoule.data.readers.bad import Bad

RECORDINGS = [
    (3, [0.0, 0.25, 0.5], [699, 0, 5]),
    (19, [0.125], [350]),
    (0, [1.0, 0.75, 0.75], [1, 2, 3]),
]


@pytest.fixture
def folder(tmp_path):
    write_hdf5(tmp_path / "shd_train.h5", RECORDINGS)
    write_hdf5(tmp_path / "shd_test.h5", RECORDINGS[1:])
    return tmp_path


def pairs(lists, i: int) -> list[tuple[int, int]]:
    one = lists[torch.tensor([i])]
    return list(zip(one.times_us.tolist(), one.address.tolist(), strict=True))


def test_what_was_written_is_read_in_order_of_time(folder):
    parts = hdf5.read(folder, dataset("shd"), bad=Bad(False))
    assert parts.validation is None
    assert parts.train.y.tolist() == [3, 19, 0]
    assert parts.test.y.tolist() == [19, 0]
    assert parts.train.x.shape == (700,)
    assert [pairs(parts.train.x, i) for i in range(3)] == [
        [(0, 699), (250_000, 0), (500_000, 5)],
        [(125_000, 350)],
        [(750_000, 2), (750_000, 3), (1_000_000, 1)],
    ]


def test_ssc_has_a_validation_set(tmp_path):
    for name in ("train", "valid", "test"):
        write_hdf5(tmp_path / f"ssc_{name}.h5", [(34, [0.5], [len(name)])])
    parts = hdf5.read(tmp_path, dataset("ssc"), bad=Bad(False))
    splits = (parts.train, parts.validation, parts.test)
    assert [pairs(split.x, 0) for split in splits] == [[(500_000, n)] for n in (5, 5, 4)]
    assert [split.y.tolist() for split in splits] == [[34]] * 3


@pytest.mark.parametrize(
    "storage",
    [{}, {"chunks": (7,)}, {"chunks": (7,), "maxshape": (None,)}, {"compression": "gzip"}],
)
def test_many_lists_however_they_are_stored(tmp_path, storage):
    random = np.random.default_rng(0)
    sizes = random.integers(1, 4_000, 30)
    recordings = [
        (i % 20, sorted(random.integers(0, 1_000, size) / 1_024), random.integers(0, 700, size))
        for i, size in enumerate(sizes)
    ]
    for name in ("train", "test"):
        write_hdf5(tmp_path / f"shd_{name}.h5", recordings, **storage)
    train = hdf5.read(tmp_path, dataset("shd"), bad=Bad(False)).train
    assert train.y.tolist() == [label for label, _, _ in recordings]
    assert train.x.offsets.diff().tolist() == sizes.tolist()
    units = np.concatenate([units for _, _, units in recordings])
    np.testing.assert_array_equal(train.x.address.numpy(), units)
    seconds = np.concatenate([seconds for _, seconds, _ in recordings]).astype(np.float16)
    np.testing.assert_array_equal(
        train.x.times_us.numpy(), np.round(seconds.astype(float) * 1e6).astype(int)
    )


@pytest.mark.parametrize(
    ("place", "change"), [(0, b"COLG"), (4, b"\2"), (13, b"\1"), (25, b"\1"), (16, b"\7")]
)
def test_damaged_lists(folder, place, change):
    path = folder / "shd_test.h5"
    raw = bytearray(path.read_bytes())
    place += raw.index(b"GCOL")
    raw[place : place + len(change)] = change
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"shd_test.h5 is damaged: .*(heap|list)"):
        hdf5.read(folder, dataset("shd"), bad=Bad(True))


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        ((20, [0.5], [1]), "recording 1 has label 20, where there are 20 classes"),
        ((1, [0.5, 0.6], [1]), "recording 1 has 2 times and 1 units"),
        ((1, [], []), "recording 1 has no event"),
        ((1, [-0.5], [1]), "recording 1 has times -0.5 s"),
        ((1, [0.5, float("nan")], [1, 1]), "recording 1 has times nan s"),
        ((1, [float("inf")], [1]), "recording 1 has times inf s"),
        ((1, [0.5], [700]), "recording 1 has units 700 to 700, where there are 700"),
    ],
)
def test_bad_recordings_are_named_or_left_out(folder, recording, message):
    path = folder / "shd_train.h5"
    write_hdf5(path, [RECORDINGS[0], recording, RECORDINGS[2]])
    with pytest.raises(ValueError, match=message) as caught:
        hdf5.read(folder, dataset("shd"), bad=Bad(False))
    assert str(path) in str(caught.value)
    bad = Bad(True)
    parts = hdf5.read(folder, dataset("shd"), bad=bad)
    assert parts.train.y.tolist() == [3, 0]
    assert bad.items == [str(caught.value)]


@pytest.mark.parametrize("name", ["spikes/times", "spikes/units", "labels"])
def test_missing_datasets(folder, name):
    with h5py.File(folder / "shd_test.h5", "a") as file:
        del file[name]
    with pytest.raises(ValueError, match=f"shd_test.h5 has no {name}"):
        hdf5.read(folder, dataset("shd"), bad=Bad(True))
    with h5py.File(folder / "shd_test.h5", "a") as file:
        file.create_group(name)
    with pytest.raises(ValueError, match=f"shd_test.h5 has no {name}"):
        hdf5.read(folder, dataset("shd"), bad=Bad(False))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("spikes/times", np.zeros((2, 3))),
        ("spikes/units", np.zeros(2, int)),
        ("labels", np.zeros(2)),
        ("labels", np.zeros((2, 1), int)),
        ("labels", np.int64(3)),
        ("labels", [b"zero", b"one"]),
    ],
)
def test_other_types(folder, name, data):
    with h5py.File(folder / "shd_test.h5", "a") as file:
        del file[name]
        file[name] = data
    with pytest.raises(ValueError, match=f"shd_test.h5: {name} has the wrong type or shape"):
        hdf5.read(folder, dataset("shd"), bad=Bad(False))


def test_unequal_numbers(folder):
    with h5py.File(folder / "shd_test.h5", "a") as file:
        del file["labels"]
        file["labels"] = np.zeros(3, int)
    with pytest.raises(ValueError, match="2 recordings have times, 2 units and 3 labels"):
        hdf5.read(folder, dataset("shd"), bad=Bad(False))


def test_missing_empty_and_foreign_files(folder):
    path = folder / "shd_test.h5"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"shd_test\.h5 is damaged"):
        hdf5.read(folder, dataset("shd"), bad=Bad(False))
    path.write_bytes(b"\x89PNG and so on")
    with pytest.raises(ValueError, match=r"shd_test\.h5 is damaged"):
        hdf5.read(folder, dataset("shd"), bad=Bad(False))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no file .*shd_test.h5"):
        hdf5.read(folder, dataset("shd"), bad=Bad(False))


def test_no_recording(folder):
    write_hdf5(folder / "shd_test.h5", [])
    with pytest.raises(ValueError, match=r"shd_test.h5 holds no recording"):
        hdf5.read(folder, dataset("shd"), bad=Bad(False))


@settings(max_examples=150)
@given(place=st.integers(0, 1 << 20), change=st.binary(min_size=1, max_size=8), cut=st.booleans())
def test_no_bytes_crash_it(tmp_path_factory, place, change, cut):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    if not folder.exists():
        write_hdf5(folder / "shd_train.h5", RECORDINGS)
        write_hdf5(folder / "whole.h5", RECORDINGS)
    raw = (folder / "whole.h5").read_bytes()
    place %= len(raw)
    after = b"" if cut else raw[place + len(change) :]
    (folder / "shd_test.h5").write_bytes(raw[:place] + change + after)
    with named(folder / "shd_test.h5"):
        parts = hdf5.read(folder, dataset("shd"), bad=Bad(False))
        assert len(parts.test) <= 3


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["gzip", "userblock"]),
    place=st.integers(0, 1 << 20),
    change=st.binary(min_size=1, max_size=8),
    cut=st.booleans(),
)
def test_no_bytes_of_packed_files_crash_it(tmp_path_factory, kind, place, change, cut):
    folder = tmp_path_factory.getbasetemp() / f"damaged-{kind}"
    if not folder.exists():
        storage = {"compression": "gzip"} if kind == "gzip" else {}
        write_hdf5(folder / "shd_train.h5", RECORDINGS, **storage)
        (folder / "whole.h5").write_bytes((folder / "shd_train.h5").read_bytes())
        if kind == "userblock":
            add_userblock(folder / "whole.h5")
    raw = (folder / "whole.h5").read_bytes()
    place %= len(raw)
    after = b"" if cut else raw[place + len(change) :]
    (folder / "shd_test.h5").write_bytes(raw[:place] + change + after)
    with named(folder / "shd_test.h5"):
        assert len(hdf5.read(folder, dataset("shd"), bad=Bad(False)).test) <= 3


def add_userblock(path) -> None:
    """512 bytes of the user's before the file."""
    whole = path.with_name("block.h5")
    with h5py.File(path, "r") as old, h5py.File(whole, "w", userblock_size=512) as new:
        for name in old:
            old.copy(name, new)
    whole.replace(path)


def test_labels_go_by_their_words(folder):
    words = list(dataset("shd").labels)
    ascii = [word.replace("ü", "ue") for word in words]
    write_hdf5(folder / "shd_train.h5", RECORDINGS, keys=ascii)
    write_hdf5(folder / "shd_test.h5", RECORDINGS, keys=ascii[::-1])
    parts = hdf5.read(folder, dataset("shd"), bad=Bad(False))
    assert parts.train.y.tolist() == [3, 19, 0]
    assert parts.test.y.tolist() == [16, 0, 19]
    for keys in (["zero", "one"], ["eleven", *ascii[1:]]):
        write_hdf5(folder / "shd_test.h5", RECORDINGS, keys=keys)
        with pytest.raises(ValueError, match=r"shd_test.h5: expected extra/keys with the 20 words"):
            hdf5.read(folder, dataset("shd"), bad=Bad(False))


def test_one_recording_leaves_none_to_choose_on(tmp_path):
    for name in ("train", "test"):
        write_hdf5(tmp_path / "SHD" / f"shd_{name}.h5", RECORDINGS[:1])
    with pytest.raises(ValueError, match=r"shd in .*SHD has too few items: none is left for valid"):
        load("shd", tmp_path)
