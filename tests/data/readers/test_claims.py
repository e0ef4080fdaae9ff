"""Files that announce more than they hold: refused in little memory and in no time."""

import gzip
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from PIL import Image

from bounded import outcome
from data.event_files import aedat_3_bytes, aedat_3_packet, events, gesture_rows, write_hdf5
from picojoule.data import dataset
from picojoule.data.readers import arrays, dvs_gesture, hdf5, idx, images, wavs
from picojoule.data.readers.bad import Bad

GIB, ROOM = 1 << 30, 100 << 20


def npy(shape: str, body: bytes = b"", kind: str = "|u1") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def zipped(path: Path, body: bytes, size: int | None = None) -> None:
    """An archive whose only array has ``body``, and announces another size if it is told to."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("x.npy", body)
    if size is not None:
        raw = bytearray(path.read_bytes())
        at = raw.index(b"PK\x01\x02") + 24
        raw[at : at + 4] = struct.pack("<I", size)
        path.write_bytes(raw)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, body: bytes, *before: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    image = chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + image


@cache
def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def flac(path: Path, samples: int) -> None:
    soundfile.write(path, np.zeros(4096), 16_000)
    raw = bytearray(path.read_bytes())
    # Of the first block: 36 bits of the number of samples, after rate, channels and sample size.
    raw[21] = raw[21] & 0xF0 | samples >> 32
    raw[22:26] = struct.pack(">I", samples & 0xFFFFFFFF)
    path.write_bytes(raw)


def wav(path: Path, channels: int, body: int) -> None:
    head = struct.pack("<HHIIHH", 1, channels, 16_000, 32_000, 2, 16)
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16) + head
        + b"data" + struct.pack("<I", 0xFFFFFFFF) + bytes(body)
    )  # fmt: skip


def silence(path: Path) -> None:
    with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16", format="FLAC") as target:
        for _ in range(34):
            target.write(np.zeros(1 << 20, np.int16))


def gz(path: Path) -> None:
    with gzip.open(path, "wb", 6) as target:
        for _ in range(70):
            target.write(bytes(1 << 20))


def overlapping(path: Path) -> None:
    """A trial whose every gesture is all of it."""
    trial = events(2_000, 128, seed=0, step_us=1)
    path.write_bytes(aedat_3_bytes(aedat_3_packet(trial)))
    rows = gesture_rows(*[(1, 0, 10_000 + n) for n in range(40_000)])
    path.with_name(f"{path.stem}_labels.csv").write_text(rows)
    path.with_name("trials_to_train.txt").write_text(path.name)
    path.with_name("trials_to_test.txt").write_text("another.aedat")


sound = partial(wavs.read_wav, rate_hz=16_000)

FILES: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], object], str]] = {
    "array of nothing": (
        "a.npy",
        lambda path: path.write_bytes(npy(f"({GIB}, 64)")),
        lambda path: arrays.read_unlabelled(path, "image"),
        "is announced",
    ),
    "arrays of nothing": (
        "a.npz",
        lambda path: zipped(path, npy(f"({GIB}, 64)")),
        lambda path: arrays.read(path, "image", Bad(False)),
        "is announced",
    ),
    "zeros in arrays": (
        "a.npz",
        lambda path: zipped(path, npy(f"({66 << 20},)", bytes(66 << 20))),
        lambda path: arrays.read(path, "image", Bad(False)),
        "save it without compression",
    ),
    "arrays that announce another size": (
        "a.npz",
        lambda path: zipped(path, npy(f"({66 << 20},)", bytes(66 << 20)), 1_000),
        lambda path: arrays.read(path, "image", Bad(False)),
        "not a complete .npz file",
    ),
    "nested header": (
        "a.npy",
        lambda path: path.write_bytes(npy("(" * 9_000)),
        lambda path: arrays.read_unlabelled(path, "image"),
        "not a complete .npy file",
    ),
    "picture of nothing": (
        "a.png",
        lambda path: path.write_bytes(png(9_000, 9_000, zlib.compress(b""))),
        lambda path: images.decode(path, 3),
        "9000 x 9000",
    ),
    "white picture": (
        "a.png",
        lambda path: path.write_bytes(png(60_000, 60_000, bomb(1 << 20))),
        lambda path: images.decode(path, 3),
        "a.png",
    ),
    "long text in a picture": (
        "a.png",
        lambda path: path.write_bytes(
            png(1, 1, zlib.compress(bytes(4)), chunk(b"zTXt", b"a\0\0" + bomb(120 << 20)))
        ),
        lambda path: images.decode(path, 3),
        "",
    ),
    "profile in a picture": (
        "a.png",
        lambda path: path.write_bytes(
            png(1, 1, zlib.compress(bytes(4)), chunk(b"iCCP", b"a\0\0" + bomb(120 << 20)))
        ),
        lambda path: images.decode(path, 3),
        "",
    ),
    "plain picture of nothing": (
        "a.ppm",
        lambda path: path.write_bytes(b"P6 9000 9000 255\n"),
        lambda path: images.decode(path, 3),
        "9000 x 9000",
    ),
    "a line of pixels": (
        "a.png",
        lambda path: Image.new("L", (60_000, 1)).save(path),
        lambda path: images.decode(path, 1, size=500),
        "as long as it is wide",
    ),
    "flac of nothing": (
        "a.flac",
        lambda path: flac(path, (1 << 36) - 1),
        sound,
        "a.flac",
    ),
    "silence": ("a.flac", silence, sound, "200 times"),
    "wav of nothing": ("a.wav", lambda path: wav(path, 1, 0), sound, "no sample"),
    "wav of many channels": ("a.wav", lambda path: wav(path, 60_000, 8), sound, "a.wav"),
    "chunks of nothing": (
        "a.wav",
        lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVE" + bytes(16 << 20)),
        sound,
        "a.wav",
    ),
    "rate of nothing": (
        "a.wav",
        lambda path: soundfile.write(path, np.zeros(20_000), 1),
        lambda path: wavs.read_wav(path, 16_000, Bad(False, resample=True)),
        "200 times",
    ),
    "rate of too much": (
        "a.wav",
        lambda path: soundfile.write(path, np.zeros(2_000), 2_000_000_000),
        lambda path: wavs.read_wav(path, 16_000, Bad(False, resample=True)),
        "a.wav",
    ),
    "scaled to a plain": (
        "a.png",
        lambda path: Image.new("L", (8, 8)).save(path),
        lambda path: images.decode(path, 1, size=1_000_000),
        "8192 pixels a side at most",
    ),
    "zeros in idx": ("a.gz", gz, idx.content, "200 times"),
    "gestures on one another": (
        "a.aedat",
        overlapping,
        lambda path: dvs_gesture.read(path.parent, dataset("dvs-gesture"), bad=Bad(False)),
        "2 times and more",
    ),
}


@pytest.mark.parametrize("claim", FILES)
def test_it_is_refused_in_little_memory(tmp_path, claim):
    name, make, read, said = FILES[claim]
    make(tmp_path / name)
    message = outcome(lambda: read(tmp_path / name), ROOM)
    assert message != "done" or not said
    assert said in message
    assert message == "done" or name in message


def test_arrays_that_unpack_to_little_are_read_however_well_they_are_packed(tmp_path):
    np.savez_compressed(
        tmp_path / "a.npz", x=np.zeros((900, 64, 64), np.uint8), y=np.zeros(900, int)
    )
    assert len(arrays.read(tmp_path / "a.npz", "image", Bad(False))[0]) == 900


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_of_every_order_and_version(tmp_path, order, version):
    whole = (np.arange(24) / 24).astype(">f4").reshape((4, 6), order=order)
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, whole, version)
    found, _ = arrays.read_unlabelled(tmp_path / "a.npy", "image")
    np.testing.assert_array_equal(found.x.numpy()[0, 0], whole)


# HDF5: what lies elsewhere, is a view, or unpacks without end.


def external(file: h5py.File, other: Path) -> None:
    file.create_dataset("labels", (4,), "i1", external=[(str(other), 0, 4)])


def link(file: h5py.File, other: Path) -> None:
    file["labels"] = h5py.ExternalLink(str(other), "/labels")


def linked_group(file: h5py.File, other: Path) -> None:
    del file["spikes"]
    file["labels"] = np.zeros(4, int)
    file["spikes"] = h5py.ExternalLink(str(other), "/spikes")


def soft(file: h5py.File, other: Path) -> None:
    file["other"] = h5py.ExternalLink(str(other), "/labels")
    file["labels"] = h5py.SoftLink("/other")


def view(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((4,), "i8")
    layout[:] = h5py.VirtualSource(str(other), "labels", (4,))
    file.create_virtual_dataset("labels", layout)


def endless(file: h5py.File, other: Path) -> None:
    file.create_dataset("labels", (GIB * GIB // 8,), "i8")


def packed(file: h5py.File, other: Path) -> None:
    """A piece of 32 bytes that unpacks to 120 MiB."""
    labels = file.create_dataset("labels", (4,), "i8", chunks=(4,), compression="gzip")
    labels.id.write_direct_chunk((0,), bomb(120 << 20))


def large_pieces(file: h5py.File, other: Path) -> None:
    file.create_dataset("labels", (4,), "i8", chunks=(25 << 20,), maxshape=(None,), compression=1)[
        :
    ] = 1


def strange(file: h5py.File, other: Path) -> None:
    file.create_dataset("labels", data=np.zeros(4, int), chunks=(4,), compression="lzf")


def words(file: h5py.File, other: Path) -> None:
    file["labels"] = np.zeros(4, int)
    file["extra/keys"] = h5py.ExternalLink(str(other), "/labels")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (external, "lies in another file"),
        (link, "behind a link"),
        (linked_group, "behind a link"),
        (soft, "behind a link"),
        (view, "a view of others"),
        (endless, "labels"),
        (packed, "a piece of 32 bytes has"),
        (large_pieces, "200 times"),
        (strange, "expected gzip"),
        (words, "behind a link"),
    ],
)
def test_hdf5_gives_only_what_is_in_the_file(tmp_path, change, said):
    spoken = [(1, [0.5], [3])] * 4
    write_hdf5(tmp_path / "shd_test.h5", spoken)
    write_hdf5(tmp_path / "shd_train.h5", spoken)
    other = tmp_path / "other.h5"
    write_hdf5(other, spoken)
    with h5py.File(tmp_path / "shd_train.h5", "a") as file:
        del file["labels"]
        change(file, other)
    read = lambda: hdf5.read(tmp_path, dataset("shd"), bad=Bad(False))  # noqa: E731
    message = outcome(read, ROOM)
    assert said in message
    assert "shd_train.h5" in message


def test_hdf5_lists_that_lie_on_one_another_are_refused(tmp_path):
    seconds = np.arange(1_000) / 1_024
    write_hdf5(tmp_path / "shd_test.h5", [(1, [0.5], [3])] * 4)
    write_hdf5(
        tmp_path / "shd_train.h5", [(1, list(seconds), [3] * 1_000)] + [(1, [0.5], [1])] * 999
    )
    path = tmp_path / "shd_train.h5"
    raw = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        for name in ("times", "units"):
            at = file[f"spikes/{name}"].id.get_offset()
            raw[at : at + 16_000] = raw[at : at + 16] * 1_000
    path.write_bytes(raw)
    read = lambda: hdf5.read(tmp_path, dataset("shd"), bad=Bad(False))  # noqa: E731
    assert "is not there as a whole" in outcome(read, ROOM)
