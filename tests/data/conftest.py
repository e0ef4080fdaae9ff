"""Small files of the official formats, written without the code under test."""

import gzip
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file of bytes."""
    header = b"\x00\x00\x08" + bytes([array.ndim])
    return header + b"".join(struct.pack(">I", size) for size in array.shape) + array.tobytes()


def numbered_images(count: int, first: int) -> np.ndarray:
    """Images that tell their own number: low byte and high byte in their first two pixels."""
    images = np.zeros((count, 28, 28), np.uint8)
    numbers = first + np.arange(count)
    images[:, 0, 0], images[:, 0, 1] = numbers % 256, numbers // 256
    return images


@pytest.fixture
def write_wav() -> Callable[..., None]:
    """Writes int16 samples [S] or [S, channels]."""

    def write(path: Path, samples: np.ndarray, rate_hz: int = 8_000) -> None:
        with wave.open(str(path), "wb") as target:
            target.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
            target.setsampwidth(2)
            target.setframerate(rate_hz)
            target.writeframes(samples.astype("<i2").tobytes())

    return write


@pytest.fixture
def idx_arrays() -> list[np.ndarray]:
    """600 training and 50 test images with their labels."""
    return [
        numbered_images(600, 0),
        (np.arange(600) * 7 % 10).astype(np.uint8),
        numbered_images(50, 600),
        (np.arange(50) % 10).astype(np.uint8),
    ]


@pytest.fixture
def idx_dir(tmp_path: Path, idx_arrays: list[np.ndarray]) -> Path:
    """A data folder with a small data set where Fashion-MNIST has its own."""
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in zip(IDX_NAMES, idx_arrays, strict=True):
        (raw / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
    return tmp_path


def spoken(digit: int, speaker: int, take: int) -> np.ndarray:
    """A recording that tells what it is: its first three samples, then a tone."""
    tone = np.sin(np.arange(300 + 5 * take) * (0.1 + 0.2 * digit)) * 8_000
    return np.concatenate([[digit, speaker, take], tone]).astype(np.int16)


@pytest.fixture(scope="session")
def spoken_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 3,000 short recordings where FSDD has its own; not to be written to."""
    data_dir = tmp_path_factory.mktemp("spoken")
    folder = data_dir / "free-spoken-digit-dataset" / "recordings"
    folder.mkdir(parents=True)
    for digit in range(10):
        for number, speaker in enumerate(SPEAKERS):
            for take in range(50):
                samples = spoken(digit, number, take).astype("<i2").tobytes()
                # The canonical header of 44 bytes: mono, 8 kHz, 16 bit.
                header = struct.pack(
                    "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16,
                    1, 1, 8_000, 16_000, 2, 16, b"data", len(samples),
                )  # fmt: skip
                (folder / f"{digit}_{speaker}_{take}.wav").write_bytes(header + samples)
    return data_dir
