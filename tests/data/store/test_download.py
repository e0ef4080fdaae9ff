"""Fetching from a server on this machine that sends right, wrong and truncated bytes."""

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from picojoule.cli import app
from picojoule.data import Dataset, dataset, fetch, get, load

ARCHIVE = r"free-spoken-digit-dataset-26eb9aaf\.zip"


class Served:
    """What the server sends, by path, and what it was asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: dict[str, bytes] = {}
        self.announced: dict[str, int | None] = {}
        self.asked: list[str] = []


@pytest.fixture
def server() -> Iterator[Served]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            served.asked.append(name)
            if name not in served.bodies:
                self.send_error(404)
                return
            body = served.bodies[name]
            length = served.announced.get(name, len(body))
            self.send_response(200)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{httpd.server_port}/")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def images(server, idx_dir) -> Dataset:
    """A small data set like Fashion-MNIST, on the server."""
    files = []
    for file in dataset("fashion-mnist").files:
        packed = (idx_dir / file.path).read_bytes()
        name = Path(file.path).name
        server.bodies[name] = packed
        content = gzip.decompress(packed)
        files.append(
            dataclasses.replace(
                file,
                url=server.url + name,
                sha256=hashlib.sha256(packed).hexdigest(),
                content_sha256=hashlib.sha256(content).hexdigest(),
                content_bytes=len(content),
            )
        )
    return dataclasses.replace(dataset("fashion-mnist"), files=tuple(files))


def everything(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_right_bytes(images, idx_dir, tmp_path_factory):
    place = tmp_path_factory.mktemp("data") / "new" / "folder"
    assert fetch(images, place, progress=False) == place
    assert everything(place) == everything(idx_dir)
    assert torch.equal(load("fashion-mnist", place).test.x, load("fashion-mnist", idx_dir).test.x)


def test_what_is_there_is_not_fetched_again(images, server, tmp_path):
    fetch(images, tmp_path / "a", progress=False)
    assert len(server.asked) == 4
    fetch(images, tmp_path / "a", progress=False)
    assert len(server.asked) == 4


def test_what_is_there_unpacked_is_not_fetched_again(images, server, idx_dir):
    for path in (idx_dir / "FashionMNIST" / "raw").iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    fetch(images, idx_dir, progress=False)
    assert server.asked == []


@pytest.mark.parametrize("keep", [0, 100])
def test_a_damaged_file_is_fetched_again(images, server, idx_dir, keep):
    path = idx_dir / images.files[0].path
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    fetch(images, idx_dir, progress=False)
    assert server.asked == [path.name]
    assert path.read_bytes() == whole


def test_wrong_bytes(images, server, tmp_path):
    file = images.files[0]
    name = Path(file.path).name
    server.bodies[name] = wrong = gzip.compress(b"something else")
    place = tmp_path / "new"
    with pytest.raises(ValueError, match="not the published file") as caught:
        fetch(images, place, progress=False)
    found = hashlib.sha256(wrong).hexdigest()
    for part in (name, file.sha256, found, file.url, str(place / file.path), "Try again"):
        assert part in str(caught.value)
    assert everything(place) == {}


def test_wrong_bytes_leave_what_was_there(images, server, idx_dir):
    path = idx_dir / images.files[0].path
    path.write_bytes(b"older")
    server.bodies[path.name] = b"wrong"
    with pytest.raises(ValueError, match="not the published file"):
        fetch(images, idx_dir, progress=False)
    assert path.read_bytes() == b"older"


def test_what_came_before_a_connection_broke_off_is_kept(images, server, idx_dir, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("other")
    name = Path(images.files[0].path).name
    server.announced[name] = len(server.bodies[name])
    whole, server.bodies[name] = server.bodies[name], server.bodies[name][:100]
    with pytest.raises(
        ConnectionError, match=r"could not be fetched .*the 100 bytes .* kept"
    ) as caught:
        fetch(images, tmp_path / "new", progress=False)
    assert images.files[0].url in str(caught.value)
    assert list(everything(tmp_path / "new").values()) == [whole[:100]]
    server.bodies[name] = whole
    fetch(images, tmp_path / "new", progress=False)
    assert everything(tmp_path / "new") == everything(idx_dir)


def test_truncated_bytes_of_unknown_length(images, server, tmp_path):
    name = Path(images.files[0].path).name
    server.announced[name] = None
    server.bodies[name] = server.bodies[name][:100]
    with pytest.raises(ValueError, match=r"expected sha256 .*, found .* \(100 bytes\)"):
        fetch(images, tmp_path / "new", progress=False)
    assert everything(tmp_path / "new") == {}


def test_missing_on_the_server(images, server, tmp_path):
    del server.bodies[Path(images.files[2].path).name]
    with pytest.raises(ConnectionError, match="404"):
        fetch(images, tmp_path / "new", progress=False)
    assert len(everything(tmp_path / "new")) == 2


def test_no_server_at_all(images, tmp_path):
    nowhere = dataclasses.replace(images.files[0], url="http://127.0.0.1:1/nothing.gz")
    with pytest.raises(ConnectionError, match="try again, or fetch it by other means"):
        fetch(dataclasses.replace(images, files=(nowhere,)), tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()


def test_progress_reaches_the_end(images, tmp_path, capsys):
    fetch(images, tmp_path / "new", progress=True)
    shown = capsys.readouterr()
    assert "100%" in shown.err or "train-images-idx3-ubyte.gz" in shown.err
    assert shown.out == ""


def test_bundled_data_need_no_download(tmp_path):
    assert get("Digits", tmp_path / "never", progress=False) == tmp_path / "never"
    assert not (tmp_path / "never").exists()


# Archives that are unpacked whole.


def packed(entries: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as target:
        for name, body in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            target.addfile(entry, io.BytesIO(body))
    return content.getvalue()


def archived(server, body: bytes) -> Dataset:
    """A data set like CIFAR-10, on the server."""
    server.bodies["cifar.tar.gz"] = body
    file = dataclasses.replace(
        dataset("cifar10").files[0],
        url=server.url + "cifar.tar.gz",
        md5=hashlib.md5(body).hexdigest(),
    )
    return dataclasses.replace(dataset("cifar10"), files=(file,))


RECORDS = {f"data_batch_{k}.bin": (bytes([k]) + bytes(3_072)) * 2 for k in range(1, 6)}
RECORDS["test_batch.bin"] = bytes(3_073)
NOTE = ".cifar-10-binary.tar.gz.json"


@pytest.mark.parametrize("top", ["", "./", "cifar-10-batches-bin/"])
def test_an_archive_is_unpacked_once(server, tmp_path, top):
    published = archived(server, packed({top + name: body for name, body in RECORDS.items()}))
    for _ in range(2):
        fetch(published, tmp_path, progress=False)
    assert server.asked == ["cifar.tar.gz"]
    found = everything(tmp_path)
    sizes = json.loads(found.pop(Path("cifar-10-batches-bin") / NOTE))
    assert sizes == {name: len(body) for name, body in RECORDS.items()}
    assert found == {Path("cifar-10-batches-bin") / name: body for name, body in RECORDS.items()}
    assert len(load("cifar10", tmp_path).test) == 1


@pytest.mark.parametrize("harm", ["cut", "remove", "note"])
def test_what_is_damaged_or_missing_is_unpacked_again(server, tmp_path, harm):
    published = archived(server, packed(RECORDS))
    fetch(published, tmp_path, progress=False)
    whole = everything(tmp_path)
    member = tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin"
    if harm == "remove":
        member.unlink()
    else:
        (member if harm == "cut" else member.with_name(NOTE)).write_bytes(b"\x03 half")
    fetch(published, tmp_path, progress=False)
    assert len(server.asked) == 2
    assert everything(tmp_path) == whole


def test_what_a_user_unpacked_is_left_alone_but_on_demand(server, tmp_path):
    published = archived(server, packed(RECORDS))
    place = tmp_path / "cifar-10-batches-bin"
    place.mkdir()
    for name, body in RECORDS.items():
        (place / name).write_bytes(body)
    (place / "data_batch_3.bin").write_bytes(b"\x03")
    fetch(published, tmp_path, progress=False)
    assert server.asked == []
    with pytest.raises(ValueError, match=r"data_batch_3.*fetch it again with `.* --again`"):
        load("cifar10", tmp_path)
    fetch(published, tmp_path, progress=False, again=True)
    assert len(load("cifar10", tmp_path).test) == 1


def test_an_archive_that_the_user_put_there_is_checked_and_unpacked(tmp_path):
    body = packed({"DvsGesture/trials_to_train.txt": b"a", "DvsGesture/a.aedat": b"b"})
    (tmp_path / "DvsGesture.tar.gz").write_bytes(body)
    gesture = dataset("dvs-gesture")
    with pytest.raises(ValueError, match=r"DvsGesture.tar.gz is not the published file: expected"):
        fetch(gesture, tmp_path)
    file = dataclasses.replace(gesture.files[0], md5=hashlib.md5(body).hexdigest())
    gesture = dataclasses.replace(gesture, files=(file,))
    for _ in range(2):
        fetch(gesture, tmp_path)
    assert (tmp_path / "DvsGesture" / "a.aedat").read_bytes() == b"b"
    assert (tmp_path / "DvsGesture.tar.gz").read_bytes() == body
    with pytest.raises(ValueError, match="dvs-gesture cannot be fetched for you: get it from"):
        fetch(gesture, tmp_path / "new")


def test_folders_of_several_archives_lie_side_by_side(server, tmp_path):
    files = []
    for file in dataset("cifar10-dvs").files[:2]:
        name = file.gives
        with zipfile.ZipFile(content := io.BytesIO(), "w") as target:
            target.writestr(f"{name}/1.aedat", name)
        server.bodies[name] = body = content.getvalue()
        md5 = hashlib.md5(body).hexdigest()
        files.append(dataclasses.replace(file, url=server.url + file.gives, md5=md5))
    published = dataclasses.replace(dataset("cifar10-dvs"), files=tuple(files))
    fetch(published, tmp_path, progress=False)
    (tmp_path / "CIFAR10DVS" / "airplane" / "1.aedat").unlink()
    fetch(published, tmp_path, progress=False)
    assert server.asked == ["airplane", "automobile", "airplane"]
    assert (tmp_path / "CIFAR10DVS" / "airplane" / "1.aedat").read_text() == "airplane"


def test_an_archive_of_another_md5_leaves_nothing(server, tmp_path):
    published = archived(server, packed(RECORDS))
    server.bodies["cifar.tar.gz"] = packed(RECORDS | {"more.bin": b""})
    with pytest.raises(
        ValueError, match=rf"not the published file: expected md5 {'.' * 32}, found"
    ):
        fetch(published, tmp_path, progress=False)
    assert everything(tmp_path) == {}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (RECORDS | {"../outside.bin": b"x"}, "refused: its entry '../outside.bin' lies outside of"),
        ({"else.bin": b"x"}, "has no test_batch.bin in it"),
    ],
)
def test_an_archive_with_something_else_leaves_nothing(server, tmp_path, entries, message):
    with pytest.raises(ValueError, match=message):
        fetch(archived(server, packed(entries)), tmp_path / "new", progress=False)
    assert everything(tmp_path) == {}


def test_what_cannot_be_fetched_says_where_to_get_it(tmp_path):
    with pytest.raises(ValueError, match="imagenet cannot be fetched for you: get it from https"):
        get("imagenet", tmp_path)
    (tmp_path / "imagenet" / "train").mkdir(parents=True)
    assert get("imagenet", tmp_path) == tmp_path


def test_unknown_name():
    with pytest.raises(ValueError, match="did you mean 'fsdd'"):
        get("fsd", "anywhere")


# Recordings: an archive whose own bytes are not known, only those of the recordings in it.


@pytest.fixture(scope="session")
def archive(spoken_dir) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as target:
        target.writestr("free-spoken-digit-dataset-26eb9aaf/README.md", "recordings")
        for path in (spoken_dir / dataset("fsdd").folder).iterdir():
            target.write(path, f"free-spoken-digit-dataset-26eb9aaf/recordings/{path.name}")
    return packed.getvalue()


@pytest.fixture
def sounds(server, archive, spoken_dir) -> Dataset:
    """A data set like FSDD, on the server."""
    server.bodies["archive.zip"] = archive
    samples = b"".join(
        (spoken_dir / dataset("fsdd").folder / f"{digit}_{speaker}_{take}.wav").read_bytes()[44:]
        for take in range(50)
        for digit in range(10)
        for speaker in ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
    )
    file = dataclasses.replace(
        dataset("fsdd").files[0],
        url=server.url + "archive.zip",
        content_sha256=hashlib.sha256(samples).hexdigest(),
        content_bytes=len(samples),
    )
    return dataclasses.replace(dataset("fsdd"), files=(file,))


def recordings(folder: Path) -> dict[Path, bytes]:
    return {path: body for path, body in everything(folder).items() if path.suffix != ".json"}


def test_recordings_are_unpacked_once_and_again_if_one_is_damaged(
    sounds, server, spoken_dir, tmp_path
):
    fetch(sounds, tmp_path, progress=False)
    assert recordings(tmp_path) == everything(spoken_dir)
    fetch(sounds, tmp_path, progress=False)
    assert server.asked == ["archive.zip"]
    damaged = tmp_path / dataset("fsdd").folder / "3_theo_7.wav"
    damaged.write_bytes(damaged.read_bytes()[:50])
    own = damaged.with_name("notes.txt")
    own.write_text("mine")
    fetch(sounds, tmp_path, progress=False)
    assert own.read_text() == "mine"
    own.unlink()
    assert recordings(tmp_path) == everything(spoken_dir)


def test_other_recordings_than_published(sounds, tmp_path):
    other = dataclasses.replace(sounds.files[0], content_sha256="0" * 64)
    with pytest.raises(ValueError, match=rf"expected sha256 {'0' * 64} .*, found") as caught:
        fetch(dataclasses.replace(sounds, files=(other,)), tmp_path, progress=False)
    assert sounds.files[0].content_sha256 in str(caught.value)
    assert everything(tmp_path) == {}


@pytest.mark.parametrize("kept", [0, 1_000, -30])
def test_truncated_archive(sounds, server, tmp_path, kept):
    server.announced["archive.zip"] = None
    server.bodies["archive.zip"] = server.bodies["archive.zip"][:kept]
    with pytest.raises(ValueError, match=rf"{ARCHIVE} is not a complete zip archive"):
        fetch(sounds, tmp_path, progress=False)
    assert everything(tmp_path) == {}


def test_archive_with_a_flipped_bit(sounds, server, tmp_path):
    body = bytearray(server.bodies["archive.zip"])
    body[len(body) // 2] ^= 1
    server.bodies["archive.zip"] = bytes(body)
    with pytest.raises(ValueError, match=r"not a complete zip archive|not the published ones"):
        fetch(sounds, tmp_path, progress=False)
    assert everything(tmp_path) == {}


def test_archive_without_a_recording(sounds, server, tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("other/README.md", "nothing here")
    server.bodies["archive.zip"] = packed.getvalue()
    with pytest.raises(ValueError, match=r"has no 0_george_0\.wav in it"):
        fetch(sounds, tmp_path, progress=False)
    assert everything(tmp_path) == {}


def test_a_description_of_one_s_own_is_fetched_on_the_command_line(server, tmp_path):
    body = packed({f"top/{name}": content for name, content in RECORDS.items()})
    server.bodies["mine.tar.gz"] = body
    (file := tmp_path / "mine.toml").write_text(
        f"""
        name = "mine"
        description = "pictures of mine"
        modality = "image"
        format = "cifar"
        folder = "pictures"
        marker = "test_batch.bin"
        licence = "mine"
        citation = "me"
        labels = ["zero", "one", "two", "three", "four", "five"]
        inputs = [3, 32, 32]
        sizes = {{ train = 9, validation = 1, test = 1 }}
        splits.train = ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                        "data_batch_4.bin", "data_batch_5.bin"]
        splits.test = ["test_batch.bin"]

        [[files]]
        path = "mine.tar.gz"
        url = "{server.url}mine.tar.gz"
        sha256 = "{hashlib.sha256(body).hexdigest()}"
        gives = "test_batch.bin"
        """
    )
    for words in (["show", str(file)], ["get", str(file), "--data-dir", str(tmp_path)]):
        with pytest.raises(SystemExit) as done:
            app(["data", *words])
        assert not done.value.code
    assert server.asked == ["mine.tar.gz"]
    assert [len(s) for s in vars(load(file, tmp_path)).values()] == [9, 1, 1]
