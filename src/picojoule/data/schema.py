"""Descriptions of named data sets and of their files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from pydantic import ConfigDict

from picojoule.data.split import RawSplits, Split

Statistic = float | tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class File:
    """File to fetch, with the checksums of its content.

    ``sha256`` or ``md5``, whichever is published, is that of the bytes that travel; both are None
    if the publisher does not keep them stable. ``content_sha256`` is that of what is read from
    them (unpacked), so that a file unpacked or packed again by the user is still known for what it
    is.

    Args:
        path: Its place below the data folder.
        url: Its address; empty if a user has to fetch it by hand.
        sha256: Of the file as it is fetched, or None.
        md5: Of the file as it is fetched, or None.
        content_sha256: Of the unpacked bytes (of recordings: of their 16-bit samples); None if
            it is not known.
        content_bytes: Number of unpacked bytes.
        gives: Of an archive: a file or folder that it puts into the folder of the data set.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    path: str
    url: str = ""
    sha256: str | None = None
    md5: str | None = None
    content_sha256: str | None = None
    content_bytes: int | None = None
    gives: str = ""

    @property
    def checksum(self) -> tuple[str, str] | None:
        """The algorithm and its result, or None if none is published."""
        if self.sha256 is not None:
            return "sha256", self.sha256
        return None if self.md5 is None else ("md5", self.md5)

    def check(self, digest: str, size: int, where: Path) -> None:
        """Compares content that was read with the published one.

        Data of another size are taken for the user's own in the same format.

        Raises:
            ValueError: For the published size with other bytes.
        """
        if size == self.content_bytes and digest != self.content_sha256:
            raise ValueError(
                f"{where} is damaged or belongs to another data set: expected content with sha256 "
                f"{self.content_sha256}, found {digest}"
            )


class Sizes(NamedTuple):
    """Number of items of each split."""

    train: int
    validation: int
    test: int


class SplitFiles(NamedTuple):
    """Names of the files of each split, below the folder of the data set."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    validation: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The description of a data set.

    Args:
        name: Its name.
        description: One line.
        modality: ``image``, ``audio`` or ``events``.
        format: How it is stored: ``bundled`` with scikit-learn, or the name of its reader.
        files: The files to fetch; none if it is bundled or has to be fetched by hand.
        folder: The folder of its files, below the data folder.
        marker: A file or folder in there by which it is known.
        page: Where to fetch it by hand, if it cannot be fetched otherwise.
        licence: As its publisher states it.
        citation: What to cite.
        labels: The name of each class, in the order of the class numbers; of a user's own data with
            real numbers to learn, the name of each number.
        inputs: Shape of one item, without batch: ``(C, H, W)``; ``(P, H, W)`` or ``(units,)`` of
            events; ``()`` for a waveform, which is a number per sample.
        sizes: Number of items of each split.
        mean: Of the training images in 0..1, one for all channels or one each; None for others.
        std: Of the training images in 0..1, likewise.
        rate_hz: Samples per second; None but for audio.
        speakers: Who can be held out as a test set.
        splits: The files of each split, if its format has files for each.
        division: How it was divided, if not by its publisher alone.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    name: str
    description: str
    modality: Literal["image", "audio", "events"]
    format: str
    files: tuple[File, ...] = ()
    folder: str = ""
    marker: str = ""
    page: str | None = None
    licence: str
    citation: str
    labels: tuple[str, ...]
    inputs: tuple[int, ...]
    sizes: Sizes
    mean: Statistic = None
    std: Statistic = None
    rate_hz: int | None = None
    speakers: tuple[str, ...] = ()
    splits: SplitFiles | None = None
    division: str = ""

    @property
    def classes(self) -> int:
        """Number of classes, or of numbers to learn."""
        return len(self.labels)

    def read_splits(self, read: Callable[[tuple[str, ...]], Split]) -> RawSplits:
        """Reads each split by the names of its files.

        Raises:
            ValueError: If the description does not name them.
        """
        if self.splits is None or not (self.splits.train and self.splits.test):
            raise ValueError(f"the description of {self.name} names no files to train and test on")
        train, test, validation = self.splits
        return RawSplits(read(train), read(validation) if validation else None, read(test))
