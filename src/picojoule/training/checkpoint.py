"""Checkpoints: one safetensors file, written whole or not at all, read without running code."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from picojoule import _files, _sums

# One entry, since the order of several is not the same from file to file.
_ENTRY = "picojoule"


def save(folder: Path, epoch: int, state: Mapping[str, Any]) -> Path:
    """Writes ``state`` as the newest checkpoint and removes the older ones.

    At any moment the folder holds a whole checkpoint, if it held one before.

    Args:
        folder: Made if it is missing.
        epoch: Epochs done.
        state: Nested dicts, lists and tuples of tensors, numbers, texts and None.

    Returns:
        The file.

    Raises:
        OSError: If the file could not be written; older checkpoints are unharmed.
        TypeError: If ``state`` holds something else.
    """
    path = folder / f"epoch-{epoch:04d}.safetensors"
    data = _encode(state)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sums.put(path, data)
    except OSError as error:
        raise OSError(
            error.errno,
            f"the checkpoint {path} could not be written ({error.strerror}); the one before it is "
            "unharmed: make room or repair the folder, then resume",
        ) from error
    older = [other for other in _checkpoints(folder) if _epoch(other) < epoch]
    for other in [*older, *folder.glob(".epoch-*.tmp")]:
        other.unlink()
    return path


def newest(folder: Path) -> Path | None:
    """Returns the latest checkpoint in a folder, None if there is none."""
    return max(_checkpoints(folder), key=_epoch, default=None)


def load(path: Path) -> Any:
    """Reads what ``save`` wrote; its tensors are on the CPU.

    Raises:
        ValueError: If the file is damaged; the message names it and says how to go on.
    """
    data = _files.read(path)
    try:
        return _decode(data)
    except (SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        older = [other for other in _checkpoints(path.parent) if _epoch(other) < _epoch(path)]
        remedy = f"go on from {max(older, key=_epoch).name}" if older else "start over"
        raise ValueError(
            f"the checkpoint {path} is damaged ({error}): delete it to {remedy}"
        ) from error


def _checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob("epoch-*.safetensors") if _epoch(path) >= 0]


def _epoch(path: Path) -> int:
    match = re.fullmatch(r"epoch-(\d+)\.safetensors", path.name)
    return int(match[1]) if match else -1


def _encode(state: Any) -> bytes:
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_packed(state, "", tensors))
    entry = json.dumps({"sha256": _digest(tree, tensors), "tree": tree})
    return safetensors.torch.save(tensors, {_ENTRY: entry})


def _decode(data: bytes) -> Any:
    tensors = safetensors.torch.load(data)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    entry = json.loads(header["__metadata__"][_ENTRY])
    if entry["sha256"] != _digest(entry["tree"], tensors):
        raise ValueError("its checksum does not fit its contents")
    return _unpacked(json.loads(entry["tree"]), tensors)


def _digest(tree: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(tree.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _packed(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Returns a value as JSON; its tensors go to ``tensors`` under their paths."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Tensor):
        while path in tensors:
            path += "'"
        plain = torch.contiguous_format  # one value may be expanded, and has no stride then
        tensors[path] = value.detach().to("cpu", copy=True, memory_format=plain)
        return {"tensor": path}
    if isinstance(value, Mapping):
        kind = "counter" if isinstance(value, Counter) else "dict"
        pairs = [
            (_key(key, path), _packed(v, _below(path, key), tensors)) for key, v in value.items()
        ]
        return {kind: pairs}
    if isinstance(value, (list, tuple)):
        parts = [_packed(v, _below(path, index), tensors) for index, v in enumerate(value)]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    raise TypeError(
        f"a checkpoint cannot hold {path}, a {type(value).__name__}: it takes tensors, numbers, "
        "texts, lists, tuples and dicts"
    )


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(part, tensors) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(_unpacked(part, tensors) for part in content)
    pairs = {key: _unpacked(part, tensors) for key, part in content}
    return Counter(pairs) if kind == "counter" else pairs


def _key(key: Any, path: str) -> Any:
    if key is None or isinstance(key, (bool, int, float, str)):
        return key
    raise TypeError(f"a checkpoint cannot hold {path}: a key of it is a {type(key).__name__}")


def _below(path: str, key: Any) -> str:
    return f"{path}/{key}" if path else str(key)
