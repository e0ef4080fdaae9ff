"""Files of plain arrays, ``.npz`` and ``.npy``, read without trust in what they announce."""

import math
import os
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from picojoule import _files

_DAMAGE = (EOFError, zipfile.BadZipFile, zlib.error, struct.error)
# All that numpy is known to raise for bytes that are not a complete archive.
_FAULTS = (
    *(ValueError, OSError, KeyError, SyntaxError, TypeError, IndexError, AttributeError),
    *(RuntimeError, MemoryError, OverflowError, TokenError, *_DAMAGE),
)


def load(path: Path, wanted: Collection[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Loads the arrays of a file that are wanted, and the names of all.

    Args:
        path: An ``.npz`` file, or an ``.npy`` file, whose array is one item of ``x``.
        wanted: Names of the arrays.

    Raises:
        ValueError: If there is no such file, or it is damaged, or holds something else than plain
            arrays; the message names it.
    """
    try:
        with _files.opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise ValueError("it is empty")
            if path.suffix == ".npy":
                return {"x": _array(file, size)[None]}, ["x"]
            if not zipfile.is_zipfile(file):
                raise ValueError("it is truncated, or was never an .npz file")
            with zipfile.ZipFile(file) as archive:
                return _archived(archive, size, wanted)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    except _FAULTS as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        why = "it is damaged" if isinstance(error, _DAMAGE) else str(error) or type(error).__name__
        raise ValueError(
            f"{path} is not a complete {path.suffix} file of plain arrays: {why}"
        ) from error


def _archived(
    archive: zipfile.ZipFile, size: int, wanted: Collection[str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    asked = {name: entries[name] for name in wanted if name in entries}
    unpacked = sum(entry.file_size for entry in asked.values())
    _files.check_unpacked(unpacked, size, "save it without compression (np.savez): it")
    found = {}
    for name, entry in asked.items():
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} is packed by method {entry.compress_type} of zip, not 0 or 8")
        with archive.open(entry) as source:
            found[name] = _array(source, entry.file_size)
    return found, list(entries)


def _array(source: IO[bytes], size: int) -> np.ndarray:
    """Reads an array, after a look at whether its header announces what there is."""
    shape, is_fortran, dtype = _header(source)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    announced, there = math.prod(shape) * dtype.itemsize, size - source.tell()
    if announced != there:
        problem = "it is cut off" if announced > there else "it has more than it announces"
        raise ValueError(
            f"{problem}: an array of {announced:,} bytes is announced, and has {there:,}"
        )
    raw = bytearray()
    while piece := source.read(_files.MIB):
        raw += piece
    array = np.frombuffer(raw, dtype)
    return array.reshape(shape[::-1]).T if is_fortran else array.reshape(shape)


def _header(source: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Reads the shape of an array, whether its first axis runs fastest, and its type."""
    form = np.lib.format
    magic = source.read(form.MAGIC_LEN)
    if not magic.startswith(form.MAGIC_PREFIX[: len(magic)]):
        raise ValueError("it does not begin as .npy does")
    is_first = magic[len(form.MAGIC_PREFIX) :] == b"\1\0"
    try:
        return (form.read_array_header_1_0 if is_first else form.read_array_header_2_0)(source)
    except _FAULTS as error:
        rest = source.read(1)
        why = "its header is of no plain array" if rest else "it is cut off within its header"
        raise ValueError(why) from error
