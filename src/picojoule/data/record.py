"""What is known of a named data set and of its files."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class File:
    """One file to fetch, and what its content must be.

    The two checksums answer two questions. ``sha256`` is that of the bytes that travel, and is None
    where the publisher does not keep them stable. ``content_sha256`` is that of what is read from
    them (unpacked), so that a file unpacked or packed again by the user is still known for what it
    is.

    Args:
        path: Where it is stored, below the data folder.
        url: Where it is fetched from.
        sha256: Of the file as it is fetched, or None.
        content_sha256: Of the unpacked bytes (of recordings: of their 16-bit samples).
        content_bytes: Number of unpacked bytes.
    """

    path: str
    url: str
    sha256: str | None
    content_sha256: str
    content_bytes: int

    def check(self, digest: str, size: int, where: Path) -> None:
        """Compares what was read with what was published.

        Data of another size are taken for the user's own in the same format and only logged; data
        of the published size but with other bytes are damaged, or another data set's with the same
        file names.

        Raises:
            ValueError: For the published size with other bytes.
        """
        if digest == self.content_sha256:
            return
        if size == self.content_bytes:
            raise ValueError(
                f"{where} is damaged or belongs to another data set: expected content with sha256 "
                f"{self.content_sha256}, found {digest}"
            )
        logger.warning(
            "%s: %d bytes, where %d were published: results do not compare",
            where,
            size,
            self.content_bytes,
        )


class Sizes(NamedTuple):
    """Number of items of each split."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One named data set.

    Args:
        name: What it is called everywhere.
        description: One line.
        modality: ``image`` or ``audio``.
        format: How it is stored: ``bundled`` with scikit-learn, ``idx`` files, or ``wav`` files.
        files: What to fetch; none where it is bundled.
        licence: As its publisher states it.
        citation: What to cite.
        labels: The name of each class, in the order of the class numbers.
        inputs: Shape of one item, without batch: ``(C, H, W)``; ``()`` for a waveform, which is a
            number per sample.
        sizes: Number of items of each split.
        mean: Of the training images in 0..1; None for audio.
        std: Of the training images in 0..1; None for audio.
        rate_hz: Samples per second; None for images.
    """

    name: str
    description: str
    modality: Literal["image", "audio"]
    format: Literal["bundled", "idx", "wav"]
    files: tuple[File, ...]
    licence: str
    citation: str
    labels: tuple[str, ...]
    inputs: tuple[int, ...]
    sizes: Sizes
    mean: float | None = None
    std: float | None = None
    rate_hz: int | None = None

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels)
