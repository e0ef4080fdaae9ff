"""IDX, the format of MNIST and what was made after it: a header of sizes, then bytes."""

import gzip
import hashlib
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from picojoule import _files
from picojoule.data.readers.bad import Bad
from picojoule.data.schema import Dataset, File
from picojoule.data.split import RawSplits, Split
from picojoule.data.zeros import Zeros

SUFFIXES = ("-ubyte", "-ubyte.gz")


def find(data_dir: Path, file: File) -> Path | None:
    """Finds a file at its place or directly in the folder, packed or not; None if it is missing."""
    place = data_dir / file.path
    for packed in (place, data_dir / place.name):
        for candidate in (packed, packed.with_suffix("")):
            if candidate.is_file():
                return candidate
    return None


def files(data_dir: Path, dataset: Dataset) -> list[Path]:
    """Returns the files that were found, in their order."""
    found = (find(data_dir, file) for file in dataset.files)
    return [path for path in found if path is not None]


def content(path: Path) -> bytes:
    """Returns the unpacked bytes of a file.

    Raises:
        ValueError: For a packed file that is damaged, ends too early, or holds more than 200 times
            its own size.
    """
    if path.suffix != ".gz":
        return _files.content(path)
    with _files.opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            return _files.read_unpacked(gzip.GzipFile(fileobj=file), size, str(path))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(
                f"{path} ({size} bytes) is not a complete gzip file: it is damaged, "
                "truncated or of another kind; copy it again from its source"
            ) from error


def parse(raw: bytes, path: Path) -> Tensor:
    """Reads the array in IDX bytes, as uint8 in the shape of the header.

    Raises:
        ValueError: For a wrong magic number, or another number of bytes than the header announces.
    """
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08" or not 1 <= raw[3] <= 4:
        raise ValueError(
            f"{path} is no IDX file of bytes: expected 00 00 08 first, found {raw[:4].hex(' ')}"
        )
    start = 4 + 4 * raw[3]
    if len(raw) < start:
        raise ValueError(f"{path} ends within its header, after {len(raw)} of {start} bytes")
    shape = struct.unpack(f">{raw[3]}I", raw[4:start])
    if len(raw) - start != math.prod(shape):
        raise ValueError(
            f"{path} holds {len(raw) - start} bytes of data, where its header announces "
            f"{math.prod(shape)} ({' x '.join(map(str, shape))})"
        )
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8)[start:].view(shape)


def read(folder: Path, dataset: Dataset, *, bad: Bad, zeros: Zeros = np.zeros) -> RawSplits:
    """Reads training and test items.

    Args:
        folder: Holds the files.
        dataset: Its description; its files are images and labels to train on, then to test on.
        bad: Not asked: a file has no mark where an image ends.
        zeros: Not asked: the images are kept as they are read.

    Raises:
        ValueError: For a damaged, truncated or foreign file; the message names it.
    """
    del bad, zeros
    paths = files(folder, dataset)
    if not len(paths) == len(dataset.files) == 4:
        raise ValueError(
            f"expected four files (images and labels to train on, then to test on) in {folder}, "
            f"found {len(paths)} of {len(dataset.files)}"
        )
    arrays = [_array(path, file) for path, file in zip(paths, dataset.files, strict=True)]
    train = _pair(arrays[0], arrays[1], paths[0], paths[1], dataset)
    return RawSplits(train, None, _pair(arrays[2], arrays[3], paths[2], paths[3], dataset))


def read_file(path: Path, dataset: Dataset, bad: Bad) -> Split:
    """Reads the images in a file, without their labels."""
    del dataset, bad
    images = parse(content(path), path)
    if images.ndim != 3 or not len(images):
        raise ValueError(f"{path} holds no images, but {list(images.shape)} bytes")
    return Split(images.unsqueeze(1), torch.zeros(len(images), dtype=torch.int64))


def _array(path: Path, file: File) -> Tensor:
    raw = content(path)
    array = parse(raw, path)
    file.check(hashlib.sha256(raw).hexdigest(), len(raw), path)
    return array


def _pair(
    images: Tensor, labels: Tensor, image_path: Path, label_path: Path, dataset: Dataset
) -> Split:
    height_width = dataset.inputs[1:]
    if images.shape[1:] != height_width:
        raise ValueError(
            f"{image_path}: expected images of {list(height_width)}, found {list(images.shape[1:])}"
        )
    if not len(images):
        raise ValueError(f"{image_path} holds no image")
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"{label_path}: expected {len(images)} labels, one an image, found {list(labels.shape)}"
        )
    if len(labels) and int(labels.max()) >= dataset.classes:
        raise ValueError(
            f"{label_path}: expected labels 0 to {dataset.classes - 1}, found {int(labels.max())}"
        )
    return Split(images.unsqueeze(1), labels.long())
