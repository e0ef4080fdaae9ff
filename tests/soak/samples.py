"""Small files of every kind that is read, and how each is read."""

import gzip
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import soundfile
import torch
from PIL import Image

import picojoule
from data.event_files import (
    aedat_2_bytes,
    aedat_3_bytes,
    aedat_3_packet,
    events,
    gesture_rows,
    nmnist_bytes,
    write_hdf5,
)
from picojoule._files import content
from picojoule.data import dataset
from picojoule.data.readers import (
    aedat,
    arrays,
    cifar,
    dvs_gesture,
    hdf5,
    idx,
    images,
    nmnist,
    wavs,
)
from picojoule.data.readers.bad import Bad
from picojoule.data.schema import Dataset, SplitFiles
from picojoule.data.store.archive import unpack
from picojoule.energy import load_chip
from picojoule.recipe import load_recipe
from picojoule.run.folder import Folder, Machine
from picojoule.training import checkpoint

Read = Callable[[Path], object]


def written(write: Callable[[Path], object], suffix: str) -> bytes:
    """The bytes of a file that something writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        write(path)
        return path.read_bytes()


def pictures() -> dict[str, bytes]:
    draw = np.random.default_rng(0)
    grey = Image.fromarray(draw.integers(0, 256, (13, 9), np.uint8))
    colour = Image.fromarray(draw.integers(0, 256, (9, 13, 3), np.uint8))
    clear = Image.fromarray(draw.integers(0, 256, (9, 13, 4), np.uint8))
    deep = Image.fromarray(draw.integers(0, 65_536, (9, 13)).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    many: list[tuple[str, Image.Image, str, dict]] = [
        ("grey", grey, ".png", {}),
        ("colour", colour, ".png", {"exif": exif, "icc_profile": b"x" * 200}),
        ("clear", clear, ".png", {}),
        ("deep", deep, ".png", {}),
        ("palette", colour.quantize(16), ".png", {"transparency": 3}),
        ("bits", grey.convert("1"), ".png", {}),
        ("frames", colour, ".png", {"save_all": True, "append_images": [colour, colour]}),
        ("colour", colour, ".jpg", {"exif": exif}),
        ("grey", grey, ".jpg", {"progressive": True}),
        ("inks", colour.convert("CMYK"), ".jpg", {}),
        ("colour", colour, ".bmp", {}),
        ("palette", colour.quantize(16), ".bmp", {}),
        ("colour", colour, ".ppm", {}),
        ("grey", grey, ".pgm", {}),
        ("deep", deep, ".pgm", {}),
    ]
    return {
        f"{name}{suffix}": written(lambda path: image.save(path, **more), suffix)  # noqa: B023
        for name, image, suffix, more in many
    }


def sounds() -> dict[str, bytes]:
    tone = np.sin(np.arange(3_000) * 0.3) * 0.5
    kinds = [(".wav", k) for k in ("PCM_16", "PCM_24", "PCM_U8", "FLOAT", "ULAW", "IMA_ADPCM")]
    kinds += [(".flac", "PCM_16"), (".flac", "PCM_24"), (".ogg", None), (".mp3", None)]
    return {
        f"{kind or 'plain'}{suffix}".lower(): written(
            lambda path: soundfile.write(path, tone, 16_000, subtype=kind),  # noqa: B023
            suffix,
        )
        for suffix, kind in kinds
    }


def packed_arrays() -> dict[str, bytes]:
    items = {"x": np.zeros((3, 4, 4), np.uint8), "y": np.arange(3), "rate_hz": 16_000}
    lists = {
        "times_us": np.arange(9),
        "address": np.arange(9) % 5,
        "offsets": np.array([0, 4, 6, 9]),
        "shape": np.array([5]),
        "y": np.arange(3),
    }
    return {
        "plain.npz": written(lambda path: np.savez(path, **items), ".npz"),
        "packed.npz": written(lambda path: np.savez_compressed(path, **items), ".npz"),
        "events.npz": written(lambda path: np.savez(path, **lists), ".npz"),
        "one.npy": written(lambda path: np.save(path, items["x"]), ".npy"),
    }


def heidelberg() -> dict[str, bytes]:
    spoken = [(3, [0.0, 0.25, 0.5], [699, 0, 5]), (19, [0.125], [350]), (0, [1.0, 0.75], [1, 2])]
    kinds = {
        "plain.h5": {},
        "pieces.h5": {"chunks": (2,)},
        "gzip.h5": {"compression": "gzip"},
        "shuffled.h5": {"compression": "gzip", "shuffle": True},
    }
    found = {
        name: written(lambda path: write_hdf5(path, spoken, dataset("shd").labels, **how), ".h5")  # noqa: B023
        for name, how in kinds.items()
    }

    def block(path: Path) -> None:
        whole = path.with_name("whole.h5")
        write_hdf5(whole, spoken)
        with (
            h5py.File(whole) as old,
            h5py.File(path, "w", userblock_size=512, libver="latest") as new,
        ):
            for name in old:
                old.copy(name, new)

    return found | {"block.h5": written(block, ".h5")}


def archives() -> dict[str, bytes]:
    def tar(path: Path) -> None:
        with tarfile.open(path, "w:gz") as target:
            for name in ("top/a.bin", "top/" + "b" * 150, "c"):
                entry = tarfile.TarInfo(name)
                entry.size = 600
                target.addfile(entry, io.BytesIO(bytes(range(200)) * 3))

    def zipped(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for name in ("top/a.bin", "b", "empty/"):
                target.writestr(name, b"" if name[-1] == "/" else bytes(range(200)) * 3)

    whole = written(tar, ".tar.gz")
    found = {"a.tar.gz": whole, "a.zip": written(zipped, ".zip")}
    return found | {"a.tar": gzip.decompress(whole)}


def texts() -> dict[str, bytes]:
    root = Path(picojoule.__file__).parent
    return {
        "chip.toml": (root / "energy" / "chips" / "45nm-sram.toml").read_bytes(),
        "recipe.toml": (root / "recipes" / "digits.toml").read_bytes(),
        "set.toml": (root / "data" / "sets" / "shd.toml").read_bytes(),
    }


def idx_bytes() -> bytes:
    return b"\x00\x00\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (5, 4, 3)) + bytes(60)


def trial() -> bytes:
    recording = events(60, 128, seed=1)
    return aedat_3_bytes(*(aedat_3_packet(recording[n : n + 20]) for n in (0, 20, 40)))


def in_folder(read: Read) -> Read:
    """Reads with an empty folder to unpack to."""

    def unpacked(path: Path) -> object:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            return read(path, Path(folder))

    return unpacked


def split_files(name: str, path: Path) -> Dataset:
    """A description of a set whose every split is in one file."""
    return replace(dataset(name), splits=SplitFiles((path.name,), (path.name,)))


def spoken(path: Path) -> object:
    return hdf5.read(path.parent, split_files("shd", path), bad=Bad(skip=False))


def coloured(path: Path) -> object:
    return cifar.read(path.parent, split_files("cifar10", path), bad=Bad(skip=False))


def gestures(path: Path) -> object:
    for name, list_name in ((path.name, "train"), ("whole.aedat", "test")):
        (path.parent / f"trials_to_{list_name}.txt").write_text(name)
        rows = gesture_rows((1, 0, 90_000), (11, 0, 9_000))
        (path.parent / f"{Path(name).stem}_labels.csv").write_text(rows)
    (path.parent / "whole.aedat").write_bytes(trial())
    return dvs_gesture.read(path.parent, dataset("dvs-gesture"), bad=Bad(skip=False))


def sound(path: Path) -> object:
    wavs.read_wav(path, 8_000, Bad(skip=False, resample=True))


def samples() -> list[tuple[str, bytes, Read]]:
    """A file of each kind, and how it is read."""
    image = lambda path: (images.channels([path]), images.decode(path, 3, 8))  # noqa: E731
    events_of = lambda path: arrays.read(path, "events", Bad(False))  # noqa: E731
    image_of = lambda path: arrays.read_unlabelled(path, "image")  # noqa: E731
    found = [(name, raw, image) for name, raw in pictures().items()]
    found += [(name, raw, sound) for name, raw in sounds().items()]
    found += [
        (name, raw, events_of if "events" in name else image_of)
        for name, raw in packed_arrays().items()
    ]
    found += [(name, raw, spoken) for name, raw in heidelberg().items()]
    found += [(name, raw, in_folder(unpack)) for name, raw in archives().items()]
    readers = {"chip.toml": load_chip, "recipe.toml": load_recipe, "set.toml": dataset}
    found += [(name, raw, readers[name]) for name, raw in texts().items()]
    recording = events(40, 34, seed=0)
    dvs = events(40, 128, seed=0)
    found += [
        ("a.bin", nmnist_bytes(recording), lambda path: nmnist.parse(content(path), path)),
        ("cifar.bin", bytes([3, *bytes(3_072)]) * 2, coloured),
        ("a.idx", idx_bytes(), lambda path: idx.parse(idx.content(path), path)),
        ("a.idx.gz", gzip.compress(idx_bytes()), lambda path: idx.parse(idx.content(path), path)),
        ("two.aedat", aedat_2_bytes(dvs), lambda path: aedat.parse_2(content(path), path)),
        ("three.aedat", trial(), gestures),
    ]
    return found + run_files()


def run_files() -> list[tuple[str, bytes, Read]]:
    """Files of a run, which have no sums beside them here."""
    with tempfile.TemporaryDirectory() as place:
        made = Folder.create(load_recipe("digits"), Machine(), Path(place) / "run")
        recipe = (made.path / "recipe.toml").read_bytes()
        machine = (made.path / "machine.json").read_bytes()
        state = {"epoch": 1, "net": {"a": 0.5}, "many": [1, None, ("x", True)]}
        kept = checkpoint.save(made.path / "checkpoints", 1, state | {"w": torch.rand(3, 2)})
        saved = kept.read_bytes()

    def run(name: str, read: Callable[[Folder], object]) -> Read:
        def from_folder(path: Path) -> object:
            (path.parent / "recipe.toml").write_bytes(recipe)
            (path.parent / name).write_bytes(path.read_bytes())
            return read(Folder(path.parent))

        return from_folder

    return [
        ("machine.json", machine, run("machine.json", lambda folder: folder.machine)),
        ("epoch-0001.safetensors", saved, checkpoint.load),
    ]
