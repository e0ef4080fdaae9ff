"""AEDAT, the format of event cameras by iniVation, in its versions 2.0 and 3.1.

Both begin with lines of text that start with ``#``, the version in the first one:
https://docs.inivation.com/software/software-advanced-usage/file-formats/
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from picojoule.data.readers.bad import Bad

SIDE = 128
SUFFIXES = (".aedat",)

_PACKET = np.dtype(
    [("type", "<u2"), ("source", "<u2")]
    + [
        (name, "<u4")
        for name in ("size", "time_offset", "time_overflow", "capacity", "number", "valid")
    ]
)
_POLARITY = 1
_EVENT_BYTES = 8
_END = b"#!END-HEADER"
# Bits of an address of a DVS128 that no pixel has; bit 15 marks what is no event of a pixel.
_FOREIGN = 0xFFFF0000
_EXTERNAL = 0x8000


_OF_THE_PIN = "events are of the camera's input pin: they were left out"
_OF_OTHERS = "packets hold no events of pixels: they were passed over"
_INVALID = "events are marked as invalid: they were left out"


class Events(NamedTuple):
    """The events of a file in its order, ``[E]`` int64 each: microseconds, pixels, 1 for ON."""

    times_us: np.ndarray
    x: np.ndarray
    y: np.ndarray
    on: np.ndarray

    @property
    def address(self) -> np.ndarray:
        """The flat index ``(on * 128 + y) * 128 + x``."""
        return (self.on * SIDE + self.y) * SIDE + self.x


def parse_2(raw: bytes, path: Path, bad: Bad | None = None) -> Events:
    """Reads the events of an AEDAT 2.0 file of a DVS128 camera, pixels as the camera numbers them.

    An event is an address and a time in microseconds, 32 bits each, the most significant byte
    first. Of the address, bits 14 to 8 are y, 7 to 1 are x, and bit 0 is clear for ON, as jAER,
    which wrote these files, reads it. An event with bit 15 set is one of the camera's input pin,
    and left out, which ``bad`` counts. Times may go back, as the format has it.

    Raises:
        ValueError: For another version, half an event, a negative time or an address that is no
            pixel's.
    """
    start = 0
    _check_version(raw, b"#!AER-DAT2.0", path)
    while raw[start : start + 1] == b"#":
        start = _next_line(raw, start, path)
    if (len(raw) - start) % _EVENT_BYTES:
        raise ValueError(
            f"{path} is truncated: its {len(raw) - start} bytes of data are not a whole number of "
            f"events of {_EVENT_BYTES}"
        )
    words = np.frombuffer(raw, ">u4", offset=start).astype(np.int64).reshape(-1, 2)
    is_pixel = (words[:, 0] & _EXTERNAL) == 0
    if bad is not None:
        bad.note(_OF_THE_PIN, int((~is_pixel).sum()), len(words))
    address, times = words[is_pixel].T
    if (address & _FOREIGN).any():
        wrong = address[(address & _FOREIGN) != 0][0]
        raise ValueError(f"{path}: address {wrong:#x} is outside of {SIDE} x {SIDE} pixels")
    _check_times(times, path)
    return Events(times, address >> 1 & 0x7F, address >> 8 & 0x7F, 1 - (address & 1))


def parse_3(raw: bytes, path: Path, bad: Bad | None = None) -> Events:
    """Reads the polarity events of an AEDAT 3.1 file of a DVS128 camera.

    After the text come packets of a header of 28 bytes (type, source, event size, offset of the
    time, overflows of the time, capacity, number of events, number of valid ones) and as many
    events. A polarity event (type 1) is 32 bits (31 to 17 x, 16 to 2 y, 1 ON, 0 valid) and a time
    in microseconds, signed, to which 2^31 for each overflow is added; the least significant byte
    comes first. Packets of other types are passed over and invalid events left out; ``bad`` counts
    them.

    Raises:
        ValueError: For another version, a packet that ends early, events of another size, a
            negative time or a pixel that the camera does not have.
    """
    _check_version(raw, b"#!AER-DAT3.1", path)
    position, line = 0, b""
    while line.rstrip(b"\r\n") != _END:
        if raw[position : position + 1] != b"#":
            raise ValueError(f"{path}: its header has no last line {_END.decode()}")
        end = _next_line(raw, position, path)
        position, line = end, raw[position:end]
    words, overflows = [np.empty((0, 2), np.uint32)], [np.empty(0, np.int64)]
    while position < len(raw):
        header = _header(raw, position, path)
        kind, size, number = (int(header[name]) for name in ("type", "size", "number"))
        position += _PACKET.itemsize
        if bad is not None:
            bad.note(_OF_OTHERS, kind != _POLARITY)
        if kind == _POLARITY:
            words.append(np.frombuffer(raw, "<u4", 2 * number, position).reshape(-1, 2))
            overflows.append(np.full(number, int(header["time_overflow"]), np.int64))
        position += size * number
    data, times = np.concatenate(words).astype(np.int64).T
    _check_times(times, path)
    times += np.concatenate(overflows) << 31
    valid = (data & 1) == 1
    if bad is not None:
        bad.note(_INVALID, int((~valid).sum()), len(valid))
    x, y, on = data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1
    events = Events(times[valid], x[valid], y[valid], on[valid])
    outside = np.flatnonzero((events.x >= SIDE) | (events.y >= SIDE))
    if len(outside):
        raise ValueError(
            f"{path}: an event is at x {events.x[outside[0]]}, y {events.y[outside[0]]}, outside "
            f"of {SIDE} x {SIDE} pixels"
        )
    return events


def _check_version(raw: bytes, version: bytes, path: Path) -> None:
    if raw.split(b"\n", 1)[0].rstrip() != version:
        raise ValueError(
            f"{path} is no such file: expected {version.decode()} in the first line, found "
            f"{raw[: len(version)]!r}"
        )


def _next_line(raw: bytes, start: int, path: Path) -> int:
    end = raw.find(b"\n", start) + 1
    if not end:
        raise ValueError(f"{path} ends within its header")
    return end


def _header(raw: bytes, position: int, path: Path) -> np.void:
    """Reads the header of a packet, after checking that the packet is complete."""
    if len(raw) - position < _PACKET.itemsize:
        raise ValueError(f"{path} is truncated: it ends within the header of a packet")
    header = np.frombuffer(raw, _PACKET, 1, position)[0]
    size, number = int(header["size"]), int(header["number"])
    if header["type"] == _POLARITY and size != _EVENT_BYTES:
        raise ValueError(f"{path}: expected events of {_EVENT_BYTES} bytes, found {size}")
    rest = len(raw) - position - _PACKET.itemsize
    if size * number > rest:
        raise ValueError(
            f"{path} is truncated: a packet announces {size * number} bytes, and {rest} are left"
        )
    return header


def _check_times(times: np.ndarray, path: Path) -> None:
    if len(times) and times.max() >= 1 << 31:
        raise ValueError(f"{path}: a time is negative ({times.max() - (1 << 32)} us)")
