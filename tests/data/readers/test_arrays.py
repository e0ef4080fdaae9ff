"""Arrays of a user's own."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import read_or_refused
from picojoule.data import EventLists
from picojoule.data.readers import arrays
from picojoule.data.readers.bad import Bad
from picojoule.targets import target_of

LABELS = np.array([0, 1, 2])
IMAGES = np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4)
WAVES = np.linspace(-1, 1, 30).reshape(3, 10)
EVENTS = {
    "times_us": np.array([0, 5, 2, 4]),
    "address": np.array([3, 0, 1, 4]),
    "offsets": np.array([0, 2, 2, 4]),
    "shape": np.array([5]),
}


def read(path, modality, skip=False, **content):
    np.savez(path / "a.npz", **content)
    return arrays.read(path / "a.npz", modality, Bad(skip))


def test_images(tmp_path):
    split, _ = read(tmp_path, "image", x=IMAGES, y=LABELS)
    assert split.x.shape == (3, 1, 4, 4)
    assert split.x.dtype == torch.uint8
    assert split.y.tolist() == [0, 1, 2]
    colours = np.random.rand(3, 3, 4, 4)
    assert read(tmp_path, "image", x=colours, y=LABELS)[0].x.dtype == torch.float32


def test_sounds(tmp_path):
    split, rate = read(tmp_path, "audio", x=WAVES, y=LABELS, lengths=[10, 3, 1], rate_hz=16_000)
    assert rate == 16_000
    assert split.lengths.tolist() == [10, 3, 1]
    split, rate = read(tmp_path, "audio", x=(WAVES * 9).astype(np.int16), y=LABELS)
    assert rate is None
    assert split.x.dtype == torch.int16
    assert split.lengths.tolist() == [10] * 3


def test_events(tmp_path):
    split, _ = read(tmp_path, "events", y=LABELS, **EVENTS)
    assert isinstance(split.x, EventLists)
    assert split.x.shape == (5,)
    assert split.x[torch.tensor([2])].times_us.tolist() == [2, 4]


def test_frames_of_counts(tmp_path):
    frames = np.arange(3 * 2 * 5, dtype=np.uint8).reshape(3, 2, 5)
    split, _ = read(tmp_path, "events", x=frames, y=LABELS, lengths=[2, 1, 2])
    assert split.x.shape == (3, 2, 5)
    assert split.lengths.tolist() == [2, 1, 2]


@pytest.mark.parametrize(
    ("modality", "content", "message"),
    [
        ("image", {"y": LABELS}, "no array 'x', but y"),
        ("image", {"x": IMAGES, "y": LABELS[:2]}, r"expected labels \[3\]"),
        ("image", {"x": IMAGES, "y": LABELS > 1}, r"expected y as whole numbers .*got \[3\] bool"),
        ("image", {"x": IMAGES, "y": LABELS > 1}, r"truth values as classes, y.astype\('int64'\)"),
        ("image", {"x": IMAGES, "y": np.array(["a", "b", "a"])}, "names as numbers, np.unique"),
        *(
            ("image", {"x": IMAGES, "y": np.eye(3, dtype=dtype)}, r"one-hot.*y.argmax\(1\)")
            for dtype in ("uint8", "int64", "float16", "float32", "float64")
        ),
        *(
            ("image", {"x": IMAGES, "y": LABELS.astype(dtype)}, rf"as {dtype}: a class or a number")
            for dtype in ("float16", "float32", "float64")
        ),
        (
            "events",
            {"x": np.zeros((3, 4, 2), np.uint8), "y": np.arange(12.0).reshape(3, 4) % 2},
            "a class or a number to learn for each step",
        ),
        ("image", {"x": IMAGES, "y": LABELS - 1}, "expected labels from 0 on, .*got -1"),
        ("image", {"x": IMAGES, "y": LABELS[:, None] - 2}, "-1 where a step has none, got -2"),
        ("image", {"x": IMAGES, "y": LABELS * np.nan}, "expected labels that are finite numbers"),
        ("image", {"x": IMAGES, "y": np.zeros((3, 2, 2), int)}, "expected labels of classes"),
        ("image", {"x": IMAGES, "y": np.zeros((3, 2, 2, 1))}, "expected labels of classes"),
        ("image", {"x": IMAGES, "y": LABELS * 1e300}, "expected labels that are finite numbers"),
        ("image", {"x": IMAGES, "y": LABELS * 1j}, "expected y as whole numbers .*complex128"),
        ("image", {"x": IMAGES, "y": np.zeros(())}, r"expected labels of classes .*got \[\]"),
        ("image", {"x": IMAGES, "y": np.zeros((3, 0))}, r"expected y as .*got \[3, 0\]"),
        ("image", {"x": IMAGES[0], "y": LABELS}, "1 or 3 channels"),
        ("image", {"x": IMAGES.astype(int), "y": LABELS}, "x as uint8 or float, got int64"),
        (
            "image",
            {"x": np.array([{}] * 3), "y": LABELS},
            "not a complete .npz file of plain arrays",
        ),
        ("image", {"x": np.full((3, 4, 4), np.nan), "y": LABELS}, "item 0 .*not finite"),
        ("image", {"x": np.full((3, 4, 4), 1.5), "y": LABELS}, r"item 0 .*outside 0\.\.1"),
        ("audio", {"x": IMAGES, "y": LABELS}, r"waveforms x \[N, S\]"),
        ("audio", {"x": WAVES, "y": LABELS, "lengths": [10, 11, 1]}, "lengths 1 to 10, found"),
        ("audio", {"x": WAVES, "y": LABELS, "lengths": [10, 1, 0]}, "lengths 1 to 10, found"),
        ("audio", {"x": WAVES, "y": LABELS, "rate_hz": 0}, "rate_hz as one whole number"),
        ("audio", {"x": WAVES * np.inf, "y": LABELS}, "item 0 .*not finite"),
        (
            "events",
            EVENTS | {"y": LABELS, "shape": np.array([4])},
            "expected address 0 to 3, found 0 to 4",
        ),
        (
            "events",
            EVENTS | {"y": LABELS, "address": np.array([3, 0, 2**32 + 1, 4])},
            "to 4294967297",
        ),
        ("events", EVENTS | {"y": LABELS, "times_us": np.array([0, 1, 2**63], "u8")}, "times_us 0"),
        ("events", EVENTS | {"y": LABELS, "shape": np.array([2**40])}, "expected shape as"),
        ("image", {"x": IMAGES, "y": np.array([0, 1, 2**63 + 5], np.uint64)}, "expected y up to"),
        ("events", {"x": np.zeros((3, 4, 4), int), "y": LABELS}, "frames of counts x"),
        (
            "events",
            {"x": np.zeros((3, 4, 2), np.uint8), "y": np.zeros((3, 5), int)},
            "y is of 5 steps, and x of 4",
        ),
        ("events", {"x": np.zeros((3, 4), np.uint8), "y": LABELS}, "frames of counts x"),
        ("events", {"y": LABELS}, "no array 'times_us', but y"),
        ("events", EVENTS | {"y": LABELS[:2]}, r"expected labels \[3\]"),
        ("events", EVENTS | {"y": LABELS, "shape": np.array([2, 2])}, "shape as"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, modality, content, message):
    with pytest.raises(ValueError, match=rf"a\.npz.*{message}"):
        read(tmp_path, modality, **content)


@pytest.mark.parametrize(
    ("modality", "content", "told"),
    [
        ("image", {"x": IMAGES, "y": LABELS.astype(float)[:, None]}, "regression"),
        ("image", {"x": IMAGES, "y": LABELS + 0.5}, "regression"),
        ("image", {"x": IMAGES, "y": np.array([[1, 1], [1, 0], [0, 1]]) * 1.0}, "regression"),
        (  # one step of three has the class 1
            "events",
            {"x": np.zeros((3, 3, 2), np.uint8), "y": np.eye(3, dtype=int)},
            "classification per step",
        ),
    ],
)
def test_what_is_no_class_in_disguise_is_taken_as_it_is(tmp_path, modality, content, told):
    assert repr(target_of(read(tmp_path, modality, **content)[0].y)) == told


def test_bad_items_are_left_out(tmp_path):
    x = WAVES.copy()
    x[1, 4] = np.nan
    split, _ = read(tmp_path, "audio", skip=True, x=x, y=LABELS)
    assert split.y.tolist() == [0, 2]
    with pytest.raises(ValueError, match="no item without a fault"):
        read(tmp_path, "audio", skip=True, x=x * np.nan, y=LABELS)


def damaged(path, **content):
    """Changes the bytes of an array in an archive, but not their sum."""
    np.savez(path, **content)
    path.write_bytes(path.read_bytes().replace(IMAGES.tobytes(), bytes(IMAGES.nbytes)))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"text", "it is truncated, or was never an .npz file"),
        (b"PK\x03\x04", "it is truncated, or was never an .npz file"),
        (None, "it is damaged"),
    ],
)
def test_no_archive(tmp_path, content, why):
    damaged(tmp_path / "a.npz", x=IMAGES, y=LABELS)
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    told = rf"a\.npz is not a complete \.npz file of plain arrays: {why}$"
    with pytest.raises(ValueError, match=told):
        arrays.read(tmp_path / "a.npz", "image", Bad(False))
    with pytest.raises(ValueError, match="there is no file"):
        arrays.read(tmp_path / "b.npz", "image", Bad(False))


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (0, "it is empty"),
        (4, "it is cut off within its header"),
        (9, "it is cut off within its header"),
        (60, "it is cut off within its header"),
        (128, "it is cut off: an array of 48 bytes is announced, and has 0"),
        (-1, "it is cut off: an array of 48 bytes is announced, and has 47"),
    ],
)
def test_an_array_that_is_cut_off(tmp_path, kept, why):
    path = tmp_path / "a.npy"
    np.save(path, IMAGES)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        ValueError, match=f"a.npy is not a complete .npy file of plain arrays: {why}$"
    ):
        arrays.read_unlabelled(path, "image")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"\x93NUMPY", b"\x89PNG\r\n", "it does not begin as .npy does"),
        (b"(3, 4, 4)", b"(3, 4, 4 ", "its header is of no plain array"),
        (b"(3, 4, 4)", b"(3, 4, 2)", "it has more than it announces"),
    ],
)
def test_an_array_of_something_else(tmp_path, old, new, why):
    path = tmp_path / "a.npy"
    np.save(path, IMAGES)
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(
        ValueError, match=f"a.npy is not a complete .npy file of plain arrays: {why}"
    ):
        arrays.read_unlabelled(path, "image")


@given(at=st.integers(0, 2_000), value=st.integers(0, 255), cut=st.booleans(), packed=st.booleans())
def test_damaged_files_are_read_or_refused(tmp_path_factory, at, value, cut, packed):
    path = tmp_path_factory.getbasetemp() / "fuzz.npz"
    (np.savez_compressed if packed else np.savez)(path, y=LABELS, **EVENTS)
    content = bytearray(path.read_bytes())
    at %= len(content)
    content[at] = value
    path.write_bytes(content[:at] if cut else content)
    found = read_or_refused(lambda: arrays.read(path, "events", Bad(False)), "fuzz.npz")
    assert found is None or len(found[0].x) == len(found[0].y)
