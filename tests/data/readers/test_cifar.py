"""CIFAR: files of the official layout, written byte by byte."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import read_or_refused
from picojoule.data import dataset, load
from picojoule.data.readers import cifar
from picojoule.data.readers.bad import Bad


def write(path, labels, first=0, coarse=False):
    """Records whose pixels tell their own number, channel, row and column."""
    content = b""
    for number, label in enumerate(labels, first):
        pixels = np.zeros((3, 32, 32), np.uint8)
        pixels[:, 0, 0] = number % 256, number // 256, 7
        pixels[1, 2, 3] = 99
        content += (b"\x05" if coarse else b"") + bytes([label]) + pixels.tobytes()
    path.write_bytes(content)


@pytest.fixture
def ten(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for batch in range(5):
        write(folder / f"data_batch_{batch + 1}.bin", [k % 10 for k in range(40)], 40 * batch)
    write(folder / "test_batch.bin", [3, 9], 1_000)
    return folder


def test_cifar10(ten, caplog):
    splits = load("cifar10", ten.parent)
    assert tuple(map(len, (splits.train, splits.validation, splits.test))) == (180, 20, 2)
    assert splits.train.x.dtype == torch.uint8
    assert splits.test.x.shape == (2, 3, 32, 32)
    assert splits.test.x[0, :, 0, 0].tolist() == [1_000 % 256, 1_000 // 256, 7]
    assert splits.test.x[0, 1, 2, 3] == 99
    assert splits.test.y.tolist() == [3, 9]
    number = [int(x[0, 0, 0]) for x in (*splits.train.x, *splits.validation.x)]
    assert sorted(number) == list(range(200))
    assert splits.validation.y.bincount().tolist() == [2] * 10
    assert splits.train.y.tolist() == [number % 10 for number in number[:180]]
    assert "results do not compare" in caplog.text


def test_cifar100_has_the_fine_labels(tmp_path):
    write(tmp_path / "train.bin", [99, 0, 50, 1] * 5, coarse=True)
    write(tmp_path / "test.bin", [99], coarse=True)
    parts = cifar.read(tmp_path, dataset("cifar100"), bad=Bad(False))
    assert parts.train.y.tolist() == [99, 0, 50, 1] * 5
    assert parts.train.x[2, 0, 0, 0] == 2
    assert load("cifar100", tmp_path).test.y.tolist() == [99]


@pytest.mark.parametrize("kept", [0, 1, 3_072, 3_074])
def test_truncated(ten, kept):
    path = ten / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        ValueError, match=rf"data_batch_3\.bin (has {kept} bytes.*truncated|is empty).*pj data"
    ):
        load("cifar10", ten.parent)


def test_missing(ten):
    (ten / "data_batch_3.bin").unlink()
    with pytest.raises(ValueError, match=r"there is no file .*data_batch_3\.bin"):
        load("cifar10", ten.parent)


def test_label_out_of_range(ten):
    write(ten / "test_batch.bin", [3, 10])
    with pytest.raises(ValueError, match=r"test_batch\.bin: expected labels 0 to 9, found 10"):
        load("cifar10", ten.parent)


@given(content=st.binary(max_size=100), repeat=st.sampled_from([1, 3_073, 3_074]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, repeat):
    folder = tmp_path_factory.getbasetemp() / "cifar-fuzz"
    folder.mkdir(exist_ok=True)
    for name in ("train.bin", "test.bin"):
        (folder / name).write_bytes(content * repeat)
    parts = read_or_refused(
        lambda: cifar.read(folder, dataset("cifar100"), bad=Bad(False)), "train.bin"
    )
    assert parts is None or 0 <= int(parts.train.y.min()) <= int(parts.train.y.max()) < 100
