"""The format of the Heidelberg data sets, SHD and SSC: spoken words through a model of the cochlea.

A file holds, for each recording, ``spikes/times`` (seconds, 16-bit floats), ``spikes/units`` (from
0) and ``labels``; and ``extra``: on the speakers, which is not looked at, and ``extra/keys``, the
word of each label.
"""

import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from picojoule._files import opened
from picojoule.data.readers import heaps
from picojoule.data.readers.bad import Bad
from picojoule.data.readers.columns import found, rows
from picojoule.data.recordings import Recording, collect
from picojoule.data.schema import Dataset
from picojoule.data.split import RawSplits, Split
from picojoule.data.zeros import Zeros

SUFFIXES = (".h5", ".hdf5")
_COLUMNS = ("spikes/times", "spikes/units", "labels")
# What h5py raises, depending on where a file is damaged.
_DAMAGE = (
    *(OSError, KeyError, RuntimeError, TypeError, ValueError, MemoryError, OverflowError),
    *(zlib.error, AttributeError),
)


def read(folder: Path, dataset: Dataset, *, bad: Bad, zeros: Zeros = np.zeros) -> RawSplits:
    """Reads the recordings of each split.

    Args:
        folder: Holds the files that ``dataset.splits`` names.
        dataset: Its description, with the words in the order of their numbers.
        bad: The rule for a recording that cannot be read.
        zeros: Makes the arrays, as ``np.zeros`` does.

    Raises:
        ValueError: For a malformed file or recording; the message names it.
        FileNotFoundError: For a missing file.

    Reference:
        B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, The Heidelberg spiking data sets for the
        systematic evaluation of spiking neural networks, IEEE Transactions on Neural Networks and
        Learning Systems 33, 2022; https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/
    """
    return dataset.read_splits(
        lambda names: collect(
            (recording for name in names for recording in _recordings(folder / name, dataset, bad)),
            dataset.inputs,
            folder / names[0],
            zeros,
        )
    )


def read_file(path: Path, dataset: Dataset, bad: Bad) -> Split:
    """Reads the recordings in a file."""
    return collect(_recordings(path, dataset, bad), dataset.inputs, path)


class _Stored(NamedTuple):
    """A recording as it is stored."""

    number: int
    seconds: np.ndarray
    units: np.ndarray
    label: np.integer


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Names the file if h5py cannot read it.

    Raises:
        ValueError: If it cannot.
    """
    try:
        yield
    except _DAMAGE as error:
        ours = type(error) is ValueError  # those of the readers of its parts
        why = str(error) if ours else "it is cut off, or no HDF5 file"
        raise ValueError(f"{path} is damaged: {why}") from error


def _recordings(path: Path, dataset: Dataset, bad: Bad) -> Iterator[Recording]:
    import h5py  # a tenth of a second: not at import

    opened(path).close()
    with _undamaged(path):
        file = h5py.File(path, "r")
    with file, opened(path) as source, mmap(source.fileno(), 0, access=ACCESS_READ) as raw:
        numbers = _numbers(file, raw, path, dataset.labels)
        stored = _stored(file, raw, path)
        units = dataset.inputs[0]
        for _, recording in bad.each(stored, lambda one: _recording(path, one, numbers, units)):
            yield recording


def _numbers(file: Any, raw: mmap, path: Path, labels: Sequence[str]) -> list[int]:
    """Returns our number for each of the file's classes, by their words if it has them."""
    import h5py

    with _undamaged(path):
        keys = found(file, "extra/keys")
        # Texts of varying length are not looked at: see ``heaps``.
        if not isinstance(keys, h5py.Dataset) or keys.dtype.kind != "S" or keys.ndim != 1:
            return list(range(len(labels)))
        words = [_plain(key.decode("utf-8")) for key in rows(raw, keys, keys.dtype)]
    ours = [_plain(label) for label in labels]
    if sorted(words) != sorted(ours):
        strange = sorted(set(words) ^ set(ours))
        raise ValueError(
            f"{path}: expected extra/keys with the {len(ours)} words of this data set, found "
            f"{len(words)}; only one of the two has {', '.join(strange[:3])}"
        )
    return [ours.index(word) for word in words]


def _plain(word: str) -> str:
    """Returns a word without umlauts, so that fünf, fuenf and funf are equal."""
    return unicodedata.normalize("NFC", word).strip().replace("ü", "u").replace("ue", "u")


def _datasets(file: Any, path: Path) -> list[tuple[Any, np.dtype]]:
    """Returns times, units and labels with the types of their numbers."""
    import h5py

    with _undamaged(path):
        if file.id.get_create_plist().get_sizes() != (8, 8):
            raise ValueError("its addresses do not have 8 bytes")
        stored = [found(file, name) for name in _COLUMNS]
    datasets, sizes = [], []
    for name, dataset in zip(_COLUMNS, stored, strict=True):
        if not isinstance(dataset, h5py.Dataset):
            raise ValueError(f"{path} has no {name}")
        with _undamaged(path):
            shape, dtype = dataset.shape, dataset.dtype
            number = dtype if name == "labels" else h5py.check_vlen_dtype(dtype)
        kinds = "f" if name == "spikes/times" else "iu"
        right = isinstance(number, np.dtype) and number.kind in kinds
        if shape is None or len(shape) != 1 or not right:
            raise ValueError(f"{path}: {name} has the wrong type or shape: {dtype} {shape}")
        datasets.append((dataset, number))
        sizes.append(shape[0])
    if len(set(sizes)) > 1:
        raise ValueError(
            f"{path}: {sizes[0]} recordings have times, {sizes[1]} units and {sizes[2]} labels"
        )
    return datasets


def _stored(file: Any, raw: mmap, path: Path) -> Iterator[_Stored]:
    *spikes, (labels, kind) = _datasets(file, path)
    with _undamaged(path):
        base = file.userblock_size
        columns = [heaps.lists(raw, dataset, number, base) for dataset, number in spikes]
        recordings = zip(*columns, rows(raw, labels, kind), strict=True)
        for number, recording in enumerate(recordings):
            yield _Stored(number, *recording)


def _recording(path: Path, one: _Stored, numbers: Sequence[int], count: int) -> Recording:
    _, stored, units, label = one
    seconds = stored.astype(np.float64)
    fault = ""
    if len(seconds) != len(units):
        fault = f"{len(seconds)} times and {len(units)} units"
    elif not len(seconds):
        fault = "no event"
    elif not (np.isfinite(seconds) & (seconds >= 0) & (seconds < 1e9)).all():
        fault = f"times {seconds.min()} s to {seconds.max()} s"
    elif units.min() < 0 or units.max() >= count:
        fault = f"units {units.min()} to {units.max()}, where there are {count}"
    elif not 0 <= label < len(numbers):
        fault = f"label {label}, where there are {len(numbers)} classes"
    if fault:
        raise ValueError(f"{path}: recording {one.number} has {fault}")
    return Recording(np.round(seconds * 1e6).astype(np.int64), units, numbers[int(label)])
