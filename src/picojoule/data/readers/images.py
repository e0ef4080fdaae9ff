"""Pictures: files of PNG, JPEG, BMP, PPM, PGM, TIFF, GIF or WebP, one each."""

import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from picojoule import _files
from picojoule.data.readers.bad import Bad
from picojoule.data.split import Split
from picojoule.data.zeros import Zeros

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm"),
    *(".tif", ".tiff", ".gif", ".webp"),
)
_FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "GIF", "WEBP")
_GREY = ("1", "L", "LA")
_DEEP = ("I;16", "I;16B", "I;16L", "I")
# How many times as long as wide a picture may be that is scaled.
_LONGEST = 100
# Pixels a side that pictures may be scaled to.
_LARGEST = 8192
_COLOUR = ("RGB", "RGBA", "P", "CMYK", "YCbCr")
_FIRST = "pictures hold several frames: the first was taken"
_SCALED = "pictures have 16 bits for each value: they were scaled to 8"
_DARK = "pictures of 16 bits are black once they are scaled to 8: scale their values"
_LAID = "pictures are transparent in part: they were laid on a white ground"
_TURNED = "pictures are turned by their EXIF data: they were put upright"
_GREYED = "pictures are in colour: they were made grey"
_CUT = "pictures are no squares: what is beside the square in their middle was cut"
_BESIDE = "pictures hold damaged data beside their pixels (EXIF): what they say was not looked at"
_CHANGES = (_FIRST, _SCALED, _DARK, _TURNED, _LAID, _GREYED, _CUT, _BESIDE)
# All that Pillow is known to raise for bytes that are not a complete picture.
_FAULTS = (
    *(OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error),
    *(IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError, RuntimeError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)


def read(
    files: Sequence[Path],
    labels: Sequence[int],
    *,
    channels: int,
    size: int | None = None,
    bad: Bad,
    zeros: Zeros = np.zeros,
) -> Split:
    """Reads pictures of one size.

    Args:
        files: One each.
        labels: The class of each.
        channels: 1 or 3; grey pictures among colours become colours.
        size: Each is scaled so that its shorter side has this many pixels, and the square in its
            middle is taken; None if all have one size already.
        bad: The rule for one that cannot be read, or has another size than the first.
        zeros: Makes the array, as ``np.zeros`` does.

    Shape:
        ``x`` ``[N, channels, H, W]`` uint8.

    Raises:
        ValueError: For no picture at all, and what ``bad`` does not leave out; the message names
            the file.
    """
    x, count, good, first = None, 0, [], None
    items = zip(files, labels, strict=True)
    for (file, label), (picture, changes) in bad.each(
        items, lambda item: _decoded(item[0], channels, size)
    ):
        if x is None:
            x, first = zeros((len(files), *picture.shape), np.uint8), file
        if picture.shape != x.shape[1:]:
            problem = (
                f"{file} has {_size(picture.shape)} pixels, where {first} has "
                f"{_size(x.shape[1:])}: scale them all to one size, or set data.size (32, say) "
                "to have it done"
            )
            bad.met(ValueError(problem))
            continue
        for change in _CHANGES:
            bad.note(change, change in changes)
        x[count] = picture
        good.append(label)
        count += 1
    if x is None:
        raise ValueError(f"there is no picture that can be read among {len(files)}")
    return Split(torch.from_numpy(x[:count]), torch.tensor(good, dtype=torch.int64))


def channels(files: Sequence[Path]) -> int:
    """Returns 3 if one of the pictures is in colour, else 1; other files are skipped."""
    for file in files:
        try:
            with _opened(file) as (picture, _):
                if picture.mode in _COLOUR:
                    return 3
        except ValueError:
            continue
    return 1


def decode(file: Path, channels: int, size: int | None = None) -> np.ndarray:
    """Reads one picture as a viewer shows it: upright, and on a white ground if it is transparent.

    Shape:
        ``[channels, H, W]`` uint8.

    Raises:
        ValueError: For a file that is not a complete picture of a known format; it is named.
    """
    return _decoded(file, channels, size)[0]


def _decoded(file: Path, channels: int, size: int | None) -> tuple[np.ndarray, set[str]]:
    """Reads one picture, with what was changed of it, as in ``_CHANGES``."""
    changes = set()
    with _opened(file) as (picture, warned):
        if picture.mode not in (*_GREY, *_DEEP, *_COLOUR):
            raise ValueError(
                f"{file} has no pixels of 8 or 16 bits: its mode is {picture.mode}; scale its "
                "values to 0..255, or give arrays of floats in 0..1 (.npz)"
            )
        if getattr(picture, "is_animated", False):
            changes.add(_FIRST)
        is_turned = _is_turned(picture)  # Pillow turns some formats itself while it loads them
        if _is_deep(picture):
            changes.add(_SCALED)
            values = np.asarray(picture) if picture.mode in _DEEP else np.zeros(())
            changes |= {_DARK} if 0 < values.max() < 0x180 else set()  # 1 of 255 at most
        picture = _shallow(picture, file)
        picture.load()  # in some formats EXIF data stand after the pixels
        if is_turned or _is_turned(picture):
            changes.add(_TURNED)
        picture = ImageOps.exif_transpose(picture)
        if picture.has_transparency_data:
            picture, shows = _laid(picture)
            changes |= {_LAID} if shows else set()
        if channels == 1 and picture.mode in _COLOUR and _is_coloured(picture):
            changes.add(_GREYED)
        picture = picture.convert("RGB" if channels == 3 else "L")
        if size is not None:
            changes |= {_CUT} if picture.width != picture.height else set()
            picture = _square(picture, size, file)
        pixels = np.array(picture)
        changes |= {_BESIDE} if warned else set()
    return (pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]), changes


def _is_deep(picture: ImageFile.ImageFile) -> bool:
    """Tells whether values have more than 8 bits, of which Pillow drops some in colours."""
    layouts = [tile[3] for tile in getattr(picture, "tile", ())]
    largest = [one[-1] for one in layouts if picture.format == "PPM" and isinstance(one, tuple)]
    return picture.mode in _DEEP or ";16" in str(layouts) or max(largest, default=0) > 255


def _shallow(picture: Image.Image, file: Path) -> Image.Image:
    """Scales grey pixels of 16 bits to 8, with the transparency of those of one value."""
    if picture.mode not in _DEEP:
        return picture
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ValueError(
            f"{file} has values of 32 bits, {values.min()} to {values.max()}: scale them to "
            "0..255, or give arrays of floats in 0..1 (.npz)"
        )
    grey = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    clear = picture.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    grey.info["exif"] = picture.info.get("exif", b"")
    return grey


def _is_turned(picture: Image.Image) -> bool:
    """Tells whether its EXIF data say that it lies on its side, upside down or in a mirror."""
    return picture.getexif().get(ExifTags.Base.Orientation) in range(2, 9)


def _laid(picture: Image.Image) -> tuple[Image.Image, bool]:
    """Lays a picture on a white ground, and tells whether the ground shows."""
    over = picture.convert("RGBA")
    ground = Image.new("RGBA", over.size, "white")
    ground.alpha_composite(over)
    return ground, bool((np.asarray(over)[..., 3] < 255).any())


def _is_coloured(picture: Image.Image) -> bool:
    red, green, blue = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
    return bool((red != green).any() or (green != blue).any())


def _square(picture: Image.Image, size: int, file: Path) -> Image.Image:
    """Scales the shorter side to ``size`` pixels and returns the square in the middle."""
    if size > _LARGEST:
        raise ValueError(
            f"{file}: expected {_LARGEST} pixels a side at most to scale to, got {size}"
        )
    scale = size / min(picture.size)
    width, height = (max(size, math.floor(side * scale + 0.5)) for side in picture.size)
    if max(width, height) > _LONGEST * size:
        raise ValueError(
            f"{file} has {picture.width} x {picture.height} pixels: more than {_LONGEST} times as "
            "long as it is wide, it cannot be scaled to a square"
        )
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size) // 2, (height - size) // 2
    return picture.crop((left, top, left + size, top + size))


@contextmanager
def _opened(file: Path) -> Iterator[tuple[ImageFile.ImageFile, list[warnings.WarningMessage]]]:
    """Opens a picture, with what Pillow warns of; every fault of it is a ValueError that names it.

    Pillow warns of what it skips, and goes on with the pixels.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{file} is no picture: expected one of {', '.join(SUFFIXES)}: convert it")
    try:
        with warnings.catch_warnings(record=True) as warned, _files.opened(file) as raw:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("always", UserWarning)
            with Image.open(raw, formats=_FORMATS) as picture:
                _check_pixels(picture, os.fstat(raw.fileno()).st_size, file)
                yield picture, warned or []
    except _FAULTS as error:
        if str(file) in str(error) and isinstance(error, ValueError):
            raise
        raise ValueError(
            f"{file} is not a complete picture: {_why(error)}; copy it again from its source, or "
            "remove it"
        ) from error


def _why(error: Exception) -> str:
    """Returns what is wrong with a picture that Pillow does not read."""
    if isinstance(error, UnidentifiedImageError):
        return f"it begins as none of {', '.join(_FORMATS)} does"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it is to have more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    return "it is damaged or cut off"


def _check_pixels(picture: Image.Image, packed: int, file: Path) -> None:
    width, height = picture.size
    what = f"{file} is no picture that can be read: of {width} x {height} pixels, it"
    _files.check_unpacked(width * height * len(picture.getbands()), packed, what)


def _size(shape: Sequence[int]) -> str:
    return f"{shape[2]} x {shape[1]}"
