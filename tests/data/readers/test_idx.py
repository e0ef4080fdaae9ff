import dataclasses
import gzip
import hashlib
import logging
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import read_or_refused
from picojoule.data import dataset, load
from picojoule.data.readers import idx

RAW = Path("FashionMNIST") / "raw"
IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


def refused(data_dir: Path, *parts: str) -> None:
    """Loading fails with a message that holds all parts and the remedy."""
    with pytest.raises(
        ValueError, match=r"fetch it (again )?with `pj data get fashion-mnist"
    ) as caught:
        load("fashion-mnist", data_dir)
    for part in (*parts, f"`pj data get fashion-mnist --data-dir {data_dir}"):
        assert part in str(caught.value)


def repack(data_dir: Path, name: str, change) -> None:
    path = data_dir / RAW / f"{name}.gz"
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


def test_reads_what_was_written(idx_dir, idx_arrays):
    splits = load("fashion-mnist", idx_dir)
    assert splits.test.x.dtype == torch.uint8
    assert splits.test.y.dtype == torch.int64
    np.testing.assert_array_equal(splits.test.x.squeeze(1).numpy(), idx_arrays[2])
    np.testing.assert_array_equal(splits.test.y.numpy(), idx_arrays[3])
    seen = torch.cat([splits.train.x, splits.validation.x])
    assert sorted(seen[:, 0, 0, 0] + 256 * seen[:, 0, 0, 1].long()) == list(range(600))


def test_unpacked_files_are_read_too(idx_dir):
    expected = load("fashion-mnist", idx_dir).train.x
    for path in (idx_dir / RAW).iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert torch.equal(load("fashion-mnist", idx_dir).train.x, expected)


def test_files_directly_in_the_folder_are_read_too(idx_dir):
    expected = load("fashion-mnist", idx_dir).train.x
    assert torch.equal(load("fashion-mnist", idx_dir / RAW).train.x, expected)


def test_missing_file(idx_dir):
    (idx_dir / RAW / f"{LABELS}.gz").unlink()
    refused(idx_dir, f"no fashion-mnist in {idx_dir}")


def test_truncated_gzip(idx_dir):
    path = idx_dir / RAW / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    refused(idx_dir, str(path), "is not a complete gzip file")


def test_not_gzip_at_all(idx_dir):
    path = idx_dir / RAW / f"{IMAGES}.gz"
    path.write_bytes(b"<html>not found</html>")
    refused(idx_dir, str(path), "is not a complete gzip file")


def test_flipped_bit_in_gzip(idx_dir):
    path = idx_dir / RAW / f"{IMAGES}.gz"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 16
    path.write_bytes(raw)
    refused(idx_dir, str(path), "is not a complete gzip file")


def test_wrong_magic_number(idx_dir):
    repack(idx_dir, IMAGES, lambda raw: b"\x00\x00\x0d" + raw[3:])
    refused(idx_dir, f"{IMAGES}.gz is no IDX file of bytes", "expected 00 00 08", "00 00 0d 03")


@pytest.mark.parametrize("size", [0, 3])
def test_hardly_any_bytes(idx_dir, size):
    repack(idx_dir, IMAGES, lambda raw: raw[:size])
    refused(idx_dir, f"{IMAGES}.gz is no IDX file")


def test_ends_in_the_header(idx_dir):
    repack(idx_dir, IMAGES, lambda raw: raw[:10])
    refused(idx_dir, f"{IMAGES}.gz ends within its header, after 10 of 16 bytes")


@pytest.mark.parametrize("change", [-1, 1])
def test_other_number_of_bytes_than_announced(idx_dir, change):
    repack(idx_dir, LABELS, lambda raw: raw[:-1] if change < 0 else raw + b"\x00")
    refused(idx_dir, f"{LABELS}.gz holds {600 + change} bytes", "announces 600 (600)")


def test_labels_of_another_number_than_images(idx_dir):
    repack(idx_dir, LABELS, lambda raw: raw[:4] + (599).to_bytes(4, "big") + raw[8:-1])
    refused(idx_dir, f"{LABELS}.gz: expected 600 labels", "found [599]")


def test_images_of_another_shape(idx_dir):
    def flat(raw: bytes) -> bytes:
        return raw[:8] + (14).to_bytes(4, "big") + (56).to_bytes(4, "big") + raw[16:]

    repack(idx_dir, IMAGES, flat)
    refused(idx_dir, f"{IMAGES}.gz: expected images of [28, 28], found [14, 56]")


def test_label_out_of_range(idx_dir):
    repack(idx_dir, LABELS, lambda raw: raw[:-1] + b"\x0a")
    refused(idx_dir, f"{LABELS}.gz: expected labels 0 to 9, found 10")


def test_other_data_of_the_same_format_are_logged(idx_dir, caplog):
    with caplog.at_level(logging.WARNING):
        load("fashion-mnist", idx_dir)
    assert "results do not compare" in caplog.text


def test_published_size_with_other_bytes_is_refused(idx_dir):
    path = idx_dir / RAW / f"{IMAGES}.gz"
    content = gzip.decompress(path.read_bytes())
    digest = hashlib.sha256(content).hexdigest()
    published = dataset("fashion-mnist").files[0]
    same = dataclasses.replace(published, content_sha256=digest, content_bytes=len(content))
    same.check(digest, len(content), path)
    other = dataclasses.replace(published, content_bytes=len(content))
    with pytest.raises(ValueError, match="damaged or belongs to another data set") as caught:
        other.check(digest, len(content), path)
    for part in (str(path), digest, published.content_sha256):
        assert part in str(caught.value)


@given(
    head=st.sampled_from([b"", b"\x00\x00\x08", b"\x00\x00\x08\x01\x00\x00\x00\x02"]),
    rest=st.binary(max_size=40),
)
def test_any_bytes_are_read_or_refused(head, rest):
    found = read_or_refused(lambda: idx.parse(head + rest, Path("images")), "images")
    assert found is None or found.numel() <= len(rest)


@given(content=st.binary(max_size=60), at=st.integers(0, 59))
def test_any_packed_bytes_are_read_or_refused(tmp_path_factory, content, at):
    path = tmp_path_factory.getbasetemp() / "fuzz.gz"
    packed = bytearray(gzip.compress(content))
    packed[at % len(packed)] ^= 255
    path.write_bytes(packed)
    read_or_refused(lambda: idx.content(path), "fuzz.gz")


@pytest.mark.parametrize("name", ["train", "t10k"])
def test_no_image(idx_dir, name):
    for kind, sizes in (("images-idx3", (0, 28, 28)), ("labels-idx1", (0,))):
        header = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)
        repack(idx_dir, f"{name}-{kind}-ubyte", lambda _, header=header: header)
    refused(idx_dir, f"{name}-images-idx3-ubyte.gz holds no image")
