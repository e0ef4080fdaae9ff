"""Archives whose entries reach out of their folder, and archives that are damaged."""

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounded import outcome
from fuzzing import read_or_refused
from picojoule.data.store.archive import unpack

ABSOLUTE = "/tmp/no-entry-of-an-archive"


def tar(path: Path, entries: list[tarfile.TarInfo], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as target:
        for entry in entries:
            entry.size = 3 if entry.isreg() else 0
            target.addfile(entry, io.BytesIO(b"abc"))
    return path


def zipped(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name in names:
            target.writestr(name, "abc")
    return path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "side"
    folder.mkdir(parents=True)
    return folder


def test_what_is_in_it(tmp_path, place):
    unpack(tar(tmp_path / "a.tar.gz", [tarfile.TarInfo("./top/x.bin")]), place)
    unpack(zipped(tmp_path / "b.zip", ["top/sub/y.bin", "top/empty/"]), place)
    assert files(place) == {"top/x.bin", "top/sub/y.bin"}
    assert (place / "top" / "x.bin").read_bytes() == b"abc"


@pytest.mark.parametrize("name", ["../x", "a/../../x", ABSOLUTE, "..\\x", "C:\\x", "C:x"])
@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_entries_are_refused_or_lie_within(tmp_path, place, name, kind):
    path = tmp_path / f"bad.{kind}"
    if kind == "zip":
        zipped(path, ["fine.bin", name])
    else:
        tar(path, [tarfile.TarInfo("fine.bin"), tarfile.TarInfo(name)])
    read_or_refused(lambda: unpack(path, place), path.name)
    assert all(file == path.name or "in/side" in file for file in files(tmp_path))
    assert not Path(ABSOLUTE).exists()


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_entries_outside_are_refused(tmp_path, place, kind):
    path = tmp_path / f"bad.{kind}"
    zipped(path, ["../x"]) if kind == "zip" else tar(path, [tarfile.TarInfo("../x")])
    with pytest.raises(ValueError, match=rf"bad\.{kind} is refused: .*'../x'.* outside"):
        unpack(path, place)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("to", ["/etc/passwd", "fine.bin"])
def test_links_and_devices_are_refused(tmp_path, place, kind, to):
    entry = tarfile.TarInfo("link")
    entry.type, entry.linkname = kind, to
    with pytest.raises(ValueError, match=r"bad.tar.gz is refused: .*'link' is a (link|special)"):
        unpack(tar(tmp_path / "bad.tar.gz", [entry]), place)
    assert files(place) == set()


def test_a_link_in_a_zip_is_refused(tmp_path, place):
    entry = zipfile.ZipInfo("link")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as target:
        target.writestr(entry, "/etc/passwd")
    with pytest.raises(ValueError, match=r"bad.zip is refused: .*'link' is a link"):
        unpack(tmp_path / "bad.zip", place)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, place, kind):
    zeros, path = bytes(20_000_000), tmp_path / f"bomb.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            target.writestr("zeros", zeros)
    else:
        entry = tarfile.TarInfo("zeros")
        entry.size = len(zeros)
        with tarfile.open(path, "w:gz") as target:
            target.addfile(entry, io.BytesIO(zeros))
    with pytest.raises(ValueError, match="refused: it holds more than 200 times its own size"):
        unpack(path, place)
    assert files(place) == set()


def test_a_name_that_is_a_file_and_a_folder_is_refused(tmp_path, place):
    path = tar(tmp_path / "bad.tar.gz", [tarfile.TarInfo("a"), tarfile.TarInfo("a/b")])
    with pytest.raises(ValueError, match=r"bad\.tar\.gz is not a complete tar archive"):
        unpack(path, place)


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
def test_a_name_without_end_is_refused_in_little_memory(tmp_path, place, kind):
    entry = tarfile.TarInfo("note")
    entry.type, entry.size = kind, 600 << 20
    with gzip.open(tmp_path / "bad.tar.gz", "wb", 1) as target:
        target.write(entry.tobuf() + bytes(1 << 20))
    message = outcome(lambda: unpack(tmp_path / "bad.tar.gz", place), 100 << 20)
    assert "bad.tar.gz is refused: an entry has a name or a note of 629,145,600 bytes" in message


def test_what_is_left_out_unpacks_to_little_too(tmp_path, place):
    """A tar file of which one entry ends far behind what there is."""
    entry = tarfile.TarInfo("hole")
    entry.size = 1 << 40
    with gzip.open(tmp_path / "bad.tar.gz", "wb") as target:
        target.write(entry.tobuf())
    with pytest.raises(ValueError, match="more than 200 times its own size"):
        unpack(tmp_path / "bad.tar.gz", place)


def test_very_many_entries_are_refused(tmp_path, place):
    path = tar(tmp_path / "many.tar.gz", [tarfile.TarInfo(str(n % 7)) for n in range(3_000)])
    with pytest.raises(ValueError, match="more than 200 times its own size"):
        unpack(path, place)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_very_deep_entries_are_refused(tmp_path, place, kind):
    path, name = tmp_path / f"deep.{kind}", "a/" * 1_500 + "b"
    tar(path, [tarfile.TarInfo(name)]) if kind == "tar.gz" else zipped(path, [name])
    with pytest.raises(ValueError, match="folders deep"):
        unpack(path, place)


def test_entries_that_lie_on_one_another_unpack_to_little(tmp_path, place):
    """A zip file whose many entries are all the same bytes."""
    with zipfile.ZipFile(tmp_path / "one.zip", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a", bytes(1 << 20))
    raw = (tmp_path / "one.zip").read_bytes()
    first = raw.index(b"PK\x01\x02")
    entry, end = raw[first:-22], bytearray(raw[-22:])
    end[8:12], end[12:16] = struct.pack("<HH", 900, 900), struct.pack("<I", 900 * len(entry))
    (tmp_path / "bad.zip").write_bytes(raw[:first] + entry * 900 + end)
    # Newer versions of Python refuse such a file by themselves.
    ours, pythons = (
        r"refused: it holds more than 200 times",
        r"not a complete zip archive \(Overlapped",
    )
    with pytest.raises(ValueError, match=rf"bad.zip is ({ours}|{pythons})"):
        unpack(tmp_path / "bad.zip", place)


def test_a_rare_packing_is_refused(tmp_path, place):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w", zipfile.ZIP_LZMA) as target:
        target.writestr("a", bytes(100))
    with pytest.raises(ValueError, match="'a' is packed in a rare way"):
        unpack(tmp_path / "bad.zip", place)


def test_a_plain_tar_is_unpacked(tmp_path, place):
    with tarfile.open(tmp_path / "a.tar", "w") as target:
        target.addfile(tarfile.TarInfo("x" * 200))
    unpack(tmp_path / "a.tar", place)
    assert files(place) == {"x" * 200}


@given(at=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.booleans())
@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_damaged_archives_are_read_or_refused(tmp_path_factory, kind, at, value, cut):
    base = tmp_path_factory.getbasetemp() / "archives"
    path, folder = base / f"fuzz.{kind}", base / "fuzz" / kind
    folder.mkdir(parents=True, exist_ok=True)
    names = ["fuzz-a/b.bin", "fuzz-c.bin"]
    whole = (
        zipped(path, names) if kind == "zip" else tar(path, [tarfile.TarInfo(n) for n in names])
    ).read_bytes()
    content = bytearray(whole)
    content[at % len(whole)] = value
    path.write_bytes(content[: at % len(whole)] if cut else content)
    before = {p for p in base.rglob("*") if folder not in p.parents}
    read_or_refused(lambda: unpack(path, folder), path.name)
    assert {p for p in base.rglob("*") if folder not in p.parents} == before
