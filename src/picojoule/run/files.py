"""Reads inputs for a trained network from picture and sound files."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from picojoule.data import Dataset
from picojoule.data.readers import images
from picojoule.data.readers.wavs import read_wav


def read_inputs(
    paths: Sequence[str | Path], dataset: Dataset, size: int | None = None
) -> tuple[Tensor, Tensor | None]:
    """Reads files as inputs of a data set.

    Args:
        paths: Pictures (``.npy``, ``.png``, ``.jpg`` and others) or sounds (``.wav``, ``.flac``,
            ``.ogg``, ``.mp3``), one each.
        dataset: The data set whose modality, shape or sampling rate they must have.
        size: Pixels of the shorter side to scale pictures to; None if they are not scaled.

    Returns:
        Pictures [N, C, H, W] in 0..1 and None, or sounds [N, S] and their lengths in samples [N].

    Raises:
        ValueError: If no file is given, or one does not fit; the message names it.
        FileNotFoundError: If a file does not exist.
    """
    if not paths:
        raise ValueError("no file to predict: give one or more")
    files = [Path(path) for path in paths]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"there is no file '{file}'")
    if dataset.modality == "image":
        return torch.stack([_picture(file, dataset, size) for file in files]), None
    sounds = [_sound(file, dataset) for file in files]
    return pad_sequence(sounds, batch_first=True), torch.tensor([len(one) for one in sounds])


def _picture(file: Path, dataset: Dataset, size: int | None) -> Tensor:
    """Reads a picture [C, H, W] in 0..1."""
    if file.suffix == ".pgm" and size is None:
        pixels = _pgm(file)
    elif file.suffix == ".npy":
        pixels = _npy(file)
    elif file.suffix.lower() in images.SUFFIXES:
        pixels = images.decode(file, dataset.inputs[0], size)
    else:
        kinds = ", ".join((".npy", *images.SUFFIXES))
        raise ValueError(f"'{file}': pictures are read from files of {kinds}")
    values = torch.from_numpy(pixels.astype(np.float32))
    values = values / 255 if pixels.dtype == np.uint8 else values
    if values.dim() == len(dataset.inputs) - 1:
        values = values.unsqueeze(0)
    if values.shape != torch.Size(dataset.inputs):
        raise ValueError(
            f"'{file}' is a picture of shape {list(pixels.shape)}, the network takes "
            f"{list(dataset.inputs)}: scale it first"
        )
    if not (values.isfinite().all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"'{file}' has values outside 0..1: divide by its largest possible value")
    return values


def _npy(file: Path) -> np.ndarray:
    try:
        return np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"'{file}' is no array of numbers: {error}") from None


def _pgm(file: Path) -> np.ndarray:
    content = file.read_bytes()
    header = re.match(rb"P5\s+(?:#.*\n\s*)*(\d+)\s+(\d+)\s+255\s", content)
    if header is None:
        raise ValueError(f"'{file}' is no binary PGM (P5) of 8 bits")
    width, height = int(header[1]), int(header[2])
    pixels = np.frombuffer(content, np.uint8, offset=header.end())
    if len(pixels) < width * height:
        raise ValueError(f"'{file}' is cut off: {len(pixels)} of {width * height} pixels")
    return pixels[: width * height].reshape(height, width)


def _sound(file: Path, dataset: Dataset) -> Tensor:
    """Reads a sound [S] in -1..1."""
    assert dataset.rate_hz is not None
    return read_wav(file, dataset.rate_hz).float() / 2**15
