"""A user's own folders and arrays."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fuzzing import read_or_refused
from picojoule.data import DATASETS, EventLists, dataset, load_own
from picojoule.data import load as load_named
from picojoule.data.readers import class_folders as layout

IMAGE, AUDIO, EVENTS = dataset("digits"), dataset("fsdd"), dataset("shd")


def pictures(root, names, count=10, size=(4, 5), colour=True):
    """A folder for each class, whose pictures tell their class and number."""
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = np.zeros((size[1], size[0], 3), np.uint8)
            pixels[0, 0] = label, number, 50 * label
            image = Image.fromarray(pixels if colour else pixels[..., 1])
            image.save(root / name / f"{number:03}.png")


def sizes(splits):
    return tuple(map(len, (splits.train, splits.validation, splits.test)))


def test_classes_directly_are_divided_by_class(tmp_path):
    pictures(tmp_path / "my data", ["cat", "dog", "ant"], 40)
    (tmp_path / "my data" / ".hidden").mkdir()
    (tmp_path / "my data" / "cat" / ".DS_Store").write_text("")
    own = load_own(tmp_path / "my data", IMAGE)
    assert own.dataset.labels == ("ant", "cat", "dog")
    assert own.dataset.inputs == (3, 5, 4)
    assert own.dataset.sizes == sizes(own.splits) == (84, 12, 24)
    told = []
    for split, each in zip(
        (own.splits.train, own.splits.validation, own.splits.test), (28, 4, 8), strict=True
    ):
        assert split.y.bincount().tolist() == [each] * 3
        named = [(1, 2, 0)[label] for label in split.x[:, 0, 0, 0].tolist()]
        assert named == split.y.tolist()
        told += [tuple(one) for one in split.x[:, :2, 0, 0].tolist()]
    assert sorted(told) == [(label, number) for label in range(3) for number in range(40)]
    again = load_own(tmp_path / "my data", IMAGE)
    assert again.splits.fingerprint == own.splits.fingerprint
    for one in (own.dataset, again.dataset):  # of these data, not of those that they are like
        assert one.division == "by class: a fifth to test on, an eighth of the rest to choose on"
        assert (one.licence, one.page, one.files, one.speakers) == ("", None, (), ())


def test_splits_as_the_user_has_them(tmp_path):
    names = ["one", "two"]
    for part, count in (("train", 16), ("test", 3)):
        pictures(tmp_path / part, names, count, colour=False)
    own = load_own(tmp_path, IMAGE)
    assert sizes(own.splits) == (28, 4, 6)
    assert own.dataset.inputs == (1, 5, 4)
    assert "an eighth of the training items held out by class" in own.dataset.division
    pictures(tmp_path / "val", names[:1], 5, colour=False)
    own = load_own(tmp_path, IMAGE)
    assert sizes(own.splits) == (32, 5, 6)
    assert own.splits.validation.y.tolist() == [0] * 5


def test_statistics_are_those_of_the_training_pictures(tmp_path):
    pictures(tmp_path, ["a", "b"], 20)
    own = load_own(tmp_path, IMAGE)
    pixels = (own.splits.train.x.double() / 255).transpose(0, 1).flatten(1)
    assert own.dataset.mean == pytest.approx(pixels.mean(1).tolist(), abs=1e-4)
    assert own.dataset.std == pytest.approx(pixels.std(1, correction=0).tolist(), abs=1e-4)


def test_pictures_of_several_sizes_are_scaled_on_demand(tmp_path):
    pictures(tmp_path, ["a", "b"], 10)
    pictures(tmp_path, ["b"], 3, size=(9, 9))
    with pytest.raises(ValueError, match=r"000\.png has 9 x 9 pixels, where .*000\.png has 4 x 5"):
        load_own(tmp_path, IMAGE)
    assert load_own(tmp_path, IMAGE, size=6).dataset.inputs == (3, 6, 6)
    assert len(load_own(tmp_path, IMAGE, skip_bad=True).splits.test) == 3


def test_sounds_at_their_own_rate(tmp_path, write_wav):
    for label, name in enumerate(("down", "up")):
        (tmp_path / name).mkdir()
        for number in range(10):
            samples = np.full(300 + number, 1_000 * (label + 1), np.int16)
            write_wav(tmp_path / name / f"{number}.wav", samples, 22_050)
    own = load_own(tmp_path, AUDIO)
    assert (own.dataset.rate_hz, own.dataset.inputs, own.dataset.labels) == (
        22_050,
        (),
        ("down", "up"),
    )
    train = own.splits.train
    assert train.x.padded()[:, 0].tolist() == [1_000 * (label + 1) for label in train.y.tolist()]
    write_wav(tmp_path / "up" / "3.wav", np.ones(9, np.int16), 8_000)
    with pytest.raises(ValueError, match=r"up/3\.wav: expected mono at 22050 Hz, found .* 8000 Hz"):
        load_own(tmp_path, AUDIO)


def arrays(path, count, **more):
    x = np.random.default_rng(0).integers(0, 256, (count, 6, 6)).astype(np.uint8)
    np.savez(path, **({"x": x, "y": np.arange(count) % 2} | more))


def test_one_file_of_arrays(tmp_path):
    arrays(tmp_path / "mine.npz", 40)
    own = load_own(tmp_path / "mine.npz", IMAGE)
    assert (sizes(own.splits), own.dataset.labels) == ((28, 4, 8), ("0", "1"))


def test_files_of_arrays(tmp_path):
    for name, count in (("train", 16), ("test", 4), ("validation", 6)):
        arrays(tmp_path / f"{name}.npz", count)
    assert sizes(load_own(tmp_path, IMAGE).splits) == (16, 6, 4)
    arrays(tmp_path / "test.npz", 4, y=np.array([0, 1, 2, 0]))
    with pytest.raises(ValueError, match=r"test\.npz: expected labels 0 to 1, found 2"):
        load_own(tmp_path, IMAGE)
    (tmp_path / "test.npz").unlink()
    with pytest.raises(ValueError, match=r"there is no file .*test\.npz"):
        load_own(tmp_path, IMAGE)


def test_a_split_that_lacks_a_class_is_said(tmp_path, caplog):
    y = {"train": np.arange(16) % 8, "validation": np.arange(16) % 7, "test": np.zeros(16, int)}
    for name in y:
        arrays(tmp_path / f"{name}.npz", 16, y=y[name])
    for _ in ("read", "kept"):
        caplog.clear()
        load_own(tmp_path, IMAGE)
        assert "validation split has no item of class '7', so" in caplog.text
        assert "test split has no item of class '1', '2', '3', '4', '5' and 2 more" in caplog.text
        assert "train split" not in caplog.text
    arrays(tmp_path / "few.npz", 40, y=(np.arange(40) < 38).astype(int))
    caplog.clear()
    load_own(tmp_path / "few.npz", IMAGE)
    assert "has no item of class '0'" in caplog.text


def test_arrays_of_events(tmp_path):
    events = {"times_us": np.arange(60), "address": np.arange(60) % 9, "shape": [9]}
    np.savez(tmp_path / "a.npz", y=np.arange(20) % 2, offsets=np.arange(21) * 3, **events)
    own = load_own(tmp_path / "a.npz", EVENTS)
    assert isinstance(own.splits.test.x, EventLists)
    assert own.dataset.inputs == (9,)
    with pytest.raises(ValueError, match=r"events are read from \.npz files"):
        load_own(tmp_path, EVENTS)


def test_the_fingerprint_follows_the_content_not_the_place(tmp_path):
    for place in ("a", "b"):
        pictures(tmp_path / place, ["x", "y"])
    first = load_own(tmp_path / "a", IMAGE).splits.fingerprint
    assert load_own(tmp_path / "b", IMAGE).splits.fingerprint == first
    Image.new("RGB", (4, 5), (1, 2, 3)).save(tmp_path / "b" / "x" / "000.png")
    assert load_own(tmp_path / "b", IMAGE).splits.fingerprint != first


def test_bad_files_are_left_out_and_counted(tmp_path, caplog):
    pictures(tmp_path, ["x", "y"])
    (tmp_path / "x" / "cut.png").write_bytes(b"\x89PNG")
    (tmp_path / "y" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"x/cut\.png is not a complete picture"):
        load_own(tmp_path, IMAGE)
    for _ in range(2):  # also where it comes from the cache
        caplog.clear()
        assert sizes(load_own(tmp_path, IMAGE, skip_bad=True).splits) == (14, 2, 4)
        for text in (
            "x/cut.png is not a complete picture",
            "y/notes.txt is no picture",
            "2 left out",
        ):
            assert text in caplog.text


def test_a_class_of_which_nothing_is_left_is_named(tmp_path):
    pictures(tmp_path, ["x", "y", "z"])
    for path in (tmp_path / "y").iterdir():
        path.write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match="no item of class 'y' is left to train on"):
        load_own(tmp_path, IMAGE, skip_bad=True)


def test_splits_that_differ_in_size_name_a_file(tmp_path):
    pictures(tmp_path / "train", ["x", "y"])
    pictures(tmp_path / "test", ["x", "y"], size=(9, 9))
    with pytest.raises(ValueError, match=r"test/x/000\.png: the items of test .* \(3, 9, 9\)"):
        load_own(tmp_path, IMAGE)


def test_frames_of_counts(tmp_path):
    frames = np.random.default_rng(0).integers(0, 9, (40, 3, 2, 4, 4)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x=frames, y=np.arange(40) % 2, lengths=np.arange(40) % 3 + 1)
    own = load_own(tmp_path / "a.npz", EVENTS)
    assert own.dataset.inputs == (2, 4, 4)
    assert own.splits.train.lengths.max() == 3
    with pytest.raises(ValueError, match=r"a\.npz has many items in each file"):
        load_own(tmp_path / "a.npz", EVENTS, skip_bad=True)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], r"has 0 folder\(s\) of a class"),
        (["a"], r"has 1 folder\(s\) of a class: expected two or more"),
        (["train/a", "train/b"], r"has train/ and no test/"),
        (["train/a", "test/a"], r"train has 1 folder\(s\)"),
        (["train/a", "train/b", "test/c"], r"test/c is of a class that .*train does not have"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path, folders, message):
    for folder in folders:
        pictures((tmp_path / folder).parent, [folder.split("/")[-1]], 2)
    with pytest.raises(ValueError, match=message):
        load_own(tmp_path, IMAGE)


def test_too_little(tmp_path):
    pictures(tmp_path, ["a", "b"], 1)
    with pytest.raises(ValueError, match="too few items: none is left for"):
        load_own(tmp_path, IMAGE)
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match="c is empty: expected files of this class"):
        load_own(tmp_path, IMAGE)
    with pytest.raises(ValueError, match=r"there is no folder and no \.npz file .*nowhere"):
        load_own(tmp_path / "nowhere", IMAGE)


def test_imagenet_is_read_from_its_folders(tmp_path):
    for part, count in (("train", 20), ("val", 2)):
        pictures(tmp_path / "imagenet" / part, ["n01440764", "n01443537"], count, size=(30, 20))
    splits = load_named("imagenet", tmp_path)
    assert splits.train.x.shape[1:] == DATASETS["imagenet"].inputs
    assert sizes(splits) == (38, 2, 4)
    assert layout.layout(
        tmp_path / "imagenet", (), {"train": ["train"], "test": ["val"]}
    ).labels == (
        "n01440764",
        "n01443537",
    )


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["png", "wav"]),
    which=st.integers(0, 19),
    at=st.integers(0, 200),
    change=st.binary(max_size=6),
    cut=st.booleans(),
    skip=st.booleans(),
)
def test_any_folder_is_read_or_refused(tmp_path_factory, kind, which, at, change, cut, skip):
    root = tmp_path_factory.getbasetemp() / f"own-{kind}"
    like = IMAGE if kind == "png" else AUDIO
    if not root.exists():
        pictures(root, ["a", "b"])
        for path in sorted(root.rglob("*.png")) if kind == "wav" else ():
            samples = np.full(300, len(path.name), np.int16)
            soundfile.write(path.with_suffix(".wav"), samples, 8_000)
            path.unlink()
    path = sorted(root.rglob(f"*.{kind}"))[which]
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + change + (b"" if cut else whole[at + len(change) :]))
    try:
        own = read_or_refused(lambda: load_own(root, like, skip_bad=skip), str(root))
    finally:
        path.write_bytes(whole)
    # Where the first one has another rate, it is the others that do not fit.
    assert own is None or 1 < sum(own.dataset.sizes) <= 20
