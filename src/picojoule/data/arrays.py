"""Arrays of a user's own: ``.npz`` files with ``x``, ``y`` and perhaps ``lengths``."""

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from picojoule.data.bad import Bad
from picojoule.data.events import EventLists
from picojoule.data.split import Split

Modality = Literal["image", "audio", "events"]

_NEEDED: dict[Modality, tuple[str, ...]] = {
    "image": ("x", "y"),
    "audio": ("x", "y"),
    "events": ("times_us", "address", "offsets", "shape", "y"),
}
# All that numpy is known to raise for bytes that are no whole archive of arrays.
_FAULTS = (
    *(ValueError, OSError, EOFError, KeyError, SyntaxError, TypeError, IndexError, AttributeError),
    *(zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, MemoryError, OverflowError),
)


def read(path: Path, modality: Modality, bad: Bad) -> tuple[Split, int | None]:
    """The items of one file.

    Args:
        path: An ``.npz`` file. Images: ``x`` ``[N, H, W]`` or ``[N, C, H, W]``, uint8, or float in
            0..1. Sounds: ``x`` ``[N, S]``, int16, or float in -1..1; ``lengths`` ``[N]`` where they
            differ; ``rate_hz`` if it is known. Events: what ``EventLists`` takes, by its names.
            With each ``y`` ``[N]``, whole numbers from 0.
        modality: What it holds.
        bad: What becomes of an item with values that are not finite or out of their range.

    Returns:
        The items, and ``rate_hz`` where the file says it.

    Raises:
        ValueError: For a file that is damaged, lacks an array, or has arrays that do not fit; the
            message names it.
    """
    arrays = _loaded(path)
    for name in _NEEDED[modality]:
        if name not in arrays:
            raise ValueError(f"{path} has no array '{name}', but {', '.join(arrays) or 'none'}")
    labels = arrays["y"]
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
        raise ValueError(
            f"{path}: expected labels y [N] of whole numbers, got {list(labels.shape)} "
            f"{labels.dtype}"
        )
    if int(labels.min()) < 0:
        raise ValueError(f"{path}: expected labels from 0, found {int(labels.min())}")
    y = torch.from_numpy(labels.astype(np.int64))
    try:
        if modality == "events":
            return Split(_events(arrays), y), None
        whole = Split(_items(arrays["x"], modality), y, _lengths(arrays, modality))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    good = [number for number in range(len(whole)) if _is_good(whole, number, path, bad)]
    if not good:
        raise ValueError(f"{path} has no item without a fault")
    split = whole if len(good) == len(whole) else whole.at(torch.tensor(good))
    return split, _rate(arrays, path)


def _loaded(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {path}") from error
    except _FAULTS as error:
        raise ValueError(
            f"{path} is no whole .npz file of plain arrays: {error or type(error).__name__}"
        ) from error


def _items(x: np.ndarray, modality: Modality) -> torch.Tensor:
    if modality == "image":
        x = x[:, None] if x.ndim == 3 else x
        if x.ndim != 4 or x.shape[1] not in (1, 3) or not x.size:
            raise ValueError(
                f"expected images x [N, H, W] or [N, C, H, W] of 1 or 3 channels, got "
                f"{list(x.shape)}"
            )
    elif x.ndim != 2 or not x.size:
        raise ValueError(f"expected waveforms x [N, S], got {list(x.shape)}")
    plain = np.dtype(np.uint8 if modality == "image" else np.int16)
    if x.dtype != plain and x.dtype.kind != "f":
        raise ValueError(f"expected x as {plain} or float, got {x.dtype}")
    x = np.ascontiguousarray(x, plain if x.dtype == plain else np.float32)
    return torch.from_numpy(x)


def _lengths(arrays: dict[str, np.ndarray], modality: Modality) -> torch.Tensor | None:
    if modality == "image":
        return None
    longest = arrays["x"].shape[1]
    lengths = arrays.get("lengths", np.full(len(arrays["x"]), longest))
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not len(lengths):
        raise ValueError(f"expected lengths [N] of whole numbers, got {list(lengths.shape)}")
    if int(lengths.min()) < 1 or int(lengths.max()) > longest:
        raise ValueError(
            f"expected lengths 1 to {longest}, found {int(lengths.min())} to {int(lengths.max())}"
        )
    return torch.from_numpy(lengths.astype(np.int64))


def _events(arrays: dict[str, np.ndarray]) -> EventLists:
    for name in _NEEDED["events"][:-1]:
        if arrays[name].ndim != 1 or arrays[name].dtype.kind not in "iu":
            raise ValueError(f"expected {name} as one row of whole numbers")
    shape = tuple(int(size) for size in arrays["shape"])
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise ValueError(f"expected shape as (P, H, W) or (units,), got {shape}")
    return EventLists(
        torch.from_numpy(arrays["times_us"].astype(np.int64)),
        torch.from_numpy(arrays["address"].astype(np.int32)),
        torch.from_numpy(arrays["offsets"].astype(np.int64)),
        shape=shape,
    )


def _is_good(split: Split, number: int, path: Path, bad: Bad) -> bool:
    item = split.x[number]
    if not item.is_floating_point():
        return True
    low, high = (0, 1) if item.ndim == 3 else (-1, 1)
    if bool(item.isfinite().all()) and low <= float(item.min()) and float(item.max()) <= high:
        return True
    bad.met(
        ValueError(f"{path}: item {number} has values that are not finite or outside {low}..{high}")
    )
    return False


def _rate(arrays: dict[str, np.ndarray], path: Path) -> int | None:
    if "rate_hz" not in arrays:
        return None
    rate = arrays["rate_hz"]
    if rate.size != 1 or rate.dtype.kind not in "iu" or int(rate.reshape(-1)[0]) < 1:
        raise ValueError(f"{path}: expected rate_hz as one whole number above 0")
    return int(rate.reshape(-1)[0])
