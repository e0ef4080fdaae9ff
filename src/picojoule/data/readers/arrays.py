"""Arrays of a user's own: ``.npz`` files with ``x``, ``y`` and perhaps ``lengths``."""

import math
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from picojoule.data.readers import npz
from picojoule.data.readers.bad import Bad
from picojoule.data.recordings import EventLists
from picojoule.data.split import Split
from picojoule.targets import is_one_hot, is_whole, target_of

Modality = Literal["image", "audio", "events"]

_LISTS = ("times_us", "address", "offsets", "shape")
_ARRAYS = ("x", "y", "lengths", "rate_hz", *_LISTS)
_HIGHEST = np.iinfo(np.int64).max
# Addresses have 32 bits.
_PLACES = 1 << 31


def read(path: Path, modality: Modality, bad: Bad) -> tuple[Split, int | None]:
    """Reads the items of one file.

    Args:
        path: An ``.npz`` file. Images: ``x`` ``[N, H, W]`` or ``[N, C, H, W]``, uint8, or float in
            0..1. Sounds: ``x`` ``[N, S]``, int16, or float in -1..1; ``lengths`` ``[N]`` if they
            differ; ``rate_hz`` if it is known. Events: what ``EventLists`` takes, by its names, or
            frames of counts ``x`` ``[N, T, P, H, W]`` or ``[N, T, units]``, uint8; ``lengths``
            ``[N]`` if they differ. With each ``y``, see ``Split``.
        modality: What it holds.
        bad: The rule for an item with values that are not finite or out of their range.

    Returns:
        The items, and ``rate_hz`` if the file says it.

    Raises:
        ValueError: For a file that is damaged, lacks an array, or has arrays that do not fit; the
            message names it.
    """
    return _split(*npz.load(path, _ARRAYS), path, modality, bad)


def read_unlabelled(path: Path, modality: Modality) -> tuple[Split, int | None]:
    """Reads the items of one file, whatever labels it has or has not.

    Args:
        path: An ``.npz`` file as ``read`` takes it, or an ``.npy`` file of one item: ``[H, W]``,
            ``[C, H, W]``, ``[S]``, ``[T, units]`` or ``[T, P, H, W]``.
        modality: What it holds.

    Returns:
        The items, with labels that mean nothing, and ``rate_hz`` if the file says it.

    Raises:
        ValueError: As ``read``.
    """
    arrays, names = npz.load(path, _ARRAYS)
    first = arrays.get("x", arrays.get("offsets", np.zeros(1))[1:])
    if not first.size:
        raise ValueError(f"{path} holds no item, but {', '.join(names) or 'nothing'}")
    arrays["y"] = np.zeros(len(np.atleast_1d(first)), np.int64)
    return _split(arrays, names, path, modality, Bad(skip=False))


def _split(
    arrays: dict[str, np.ndarray], names: list[str], path: Path, modality: Modality, bad: Bad
) -> tuple[Split, int | None]:
    in_lists = modality == "events" and "x" not in arrays
    for name in ("y", *(_LISTS if in_lists else ("x",))):
        if name not in arrays:
            raise ValueError(f"{path} has no array '{name}', but {', '.join(names) or 'none'}")
    try:
        frames = modality == "events" and not in_lists
        y = _labels(arrays["y"], arrays["x"].shape[1] if frames and arrays["x"].ndim > 1 else None)
        if in_lists:
            return Split(_events(arrays), y), None
        whole = Split(_items(arrays["x"], modality), y, _lengths(arrays, modality))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    if modality == "events" and target_of(y).each_step and y.shape[1] != whole.x.shape[1]:
        raise ValueError(
            f"{path}: y is of {y.shape[1]} steps, and x of {whole.x.shape[1]}: give a label for "
            "each step"
        )
    good = [number for number in range(len(whole)) if _is_good(whole, number, path, bad)]
    if not good:
        raise ValueError(f"{path} has no item without a fault")
    split = whole if len(good) == len(whole) else whole.at(torch.tensor(good))
    return split, _rate(arrays, path)


def _items(x: np.ndarray, modality: Modality) -> torch.Tensor:
    if modality == "events":
        if x.ndim not in (3, 5) or x.dtype != np.uint8 or not x.size:
            raise ValueError(
                "expected frames of counts x [N, T, P, H, W] or [N, T, units] as uint8, got "
                f"{list(x.shape)} {x.dtype}"
            )
        return torch.from_numpy(x)
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
        raise ValueError(
            f"expected x as {plain} or float, got {x.dtype}: save x.astype('{plain}') if its "
            "values fit"
        )
    x = np.ascontiguousarray(x, plain if x.dtype == plain else np.float32)
    return torch.from_numpy(x)


def _labels(y: np.ndarray, steps: int | None) -> torch.Tensor:
    """Returns labels as int64 or float32.

    Args:
        y: The labels.
        steps: Steps of each item, None if they are not known yet.

    Raises:
        ValueError: For something else, and for what may be classes or not.
    """
    if y.dtype.kind not in "iuf" or not y.size:
        advice = {
            "b": "; save truth values as classes, y.astype('int64')",
            "U": "; save names as numbers, np.unique(y, return_inverse=True)[1]",
        }
        raise ValueError(
            "expected y as whole numbers [N] or [N, T], or real ones [N], [N, K] or [N, T, K], got "
            f"{list(y.shape)} {y.dtype}{advice.get(y.dtype.kind, '')}"
        )
    if y.dtype.kind != "f" and int(y.max()) > _HIGHEST:
        raise ValueError(f"expected y up to {_HIGHEST}, found {int(y.max())}")
    with np.errstate(over="ignore"):  # what becomes infinite is refused with the rest
        found = torch.from_numpy(y.astype(np.float32 if y.dtype.kind == "f" else np.int64))
    of_steps = found.dim() == 2 and found.shape[1] == steps
    if is_one_hot(found) and not of_steps:
        raise ValueError(
            f"y {list(y.shape)} is one-hot: save the number of each class instead, y.argmax(1)"
        )
    if is_whole(found) and (of_steps or found.dim() == 1):
        each = " for each step" if of_steps else ""
        raise ValueError(
            f"y holds whole numbers as {y.dtype}: a class or a number to learn{each}? Save classes "
            "as y.astype('int64'), numbers as y[..., None]"
        )
    target_of(found)
    return found


def _whole(
    arrays: dict[str, np.ndarray], name: str, low: int = 0, high: int = _HIGHEST
) -> torch.Tensor:
    """Returns a row of whole numbers as int64.

    Raises:
        ValueError: For something else, or a number out of the range.
    """
    array = arrays[name]
    if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
        raise ValueError(
            f"expected {name} as one row of whole numbers, got {list(array.shape)} {array.dtype}"
        )
    least, most = int(array.min()), int(array.max())
    if least < low or most > high:
        raise ValueError(f"expected {name} {low} to {high}, found {least} to {most}")
    return torch.from_numpy(array.astype(np.int64))


def _lengths(arrays: dict[str, np.ndarray], modality: Modality) -> torch.Tensor | None:
    if modality == "image":
        return None
    longest = arrays["x"].shape[1]
    if "lengths" not in arrays:
        return torch.full((len(arrays["x"]),), longest)
    return _whole(arrays, "lengths", 1, longest)


def _events(arrays: dict[str, np.ndarray]) -> EventLists:
    shape = tuple(_whole(arrays, "shape", 1).tolist())
    if len(shape) not in (1, 3) or math.prod(shape) > _PLACES:
        raise ValueError(f"expected shape as (P, H, W) or (units,), got {shape}")
    times, address = (
        _whole(arrays, "times_us"),
        _whole(arrays, "address", 0, math.prod(shape) - 1),
    )
    return EventLists(times, address.int(), _whole(arrays, "offsets"), shape=shape)


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
