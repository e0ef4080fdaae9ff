"""Named data sets as a whole: where they are looked for, and that no split sees another."""

import os
import re
import sys
from importlib import resources

import numpy as np
import pytest
import torch

from picojoule.data import DATASETS, Split, Splits, dataset, hold_out, load
from picojoule.data.readers.formats import FORMATS
from picojoule.data.sets.named import parse_dataset

REAL = os.environ.get("PICOJOULE_DATA")
needs_real = pytest.mark.skipif(not REAL, reason="PICOJOULE_DATA names no folder of real data")


def parts(splits: Splits) -> tuple[Split, Split, Split]:
    return splits.train, splits.validation, splits.test


def test_table_is_complete():
    assert len(DATASETS) > 10
    assert {entry.format for entry in DATASETS.values()} == {"bundled", *FORMATS}
    for name, entry in DATASETS.items():
        assert entry.name == name
        assert len(set(entry.labels)) == entry.classes
        for text in (entry.description, entry.licence, entry.citation):
            assert text
            assert "\n" not in text
        assert len(entry.inputs) == {"image": 3, "audio": 0}.get(entry.modality, len(entry.inputs))
        assert (entry.mean is None) == (entry.std is None) == (entry.modality != "image")
        assert (entry.rate_hz is None) == (entry.modality != "audio")
        # It comes with a package, is fetched, or its page says how it is.
        by_hand = bool(entry.page)
        assert (entry.format == "bundled") + bool(entry.files and not by_hand) + by_hand == 1
        for file in entry.files:
            assert bool(file.url) != by_hand
            assert by_hand or file.url.startswith("http")
            for digest in (file.sha256, file.content_sha256):
                assert digest is None or re.fullmatch("[0-9a-f]{64}", digest)
            assert file.md5 is None or re.fullmatch("[0-9a-f]{32}", file.md5)
            assert file.checksum or file.content_sha256


MINE = """
name = "mine"
description = "ten words of my own, 16 kHz"
modality = "audio"
format = "speech-commands"
folder = "mine"
marker = "testing_list.txt"
page = "a page of mine"
licence = "mine"
citation = "me"
inputs = []
rate_hz = 16_000
labels = ["yes", "no"]

[sizes]
train = 8
validation = 1
test = 1
"""


def test_own_set_is_a_file(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    found = dataset(tmp_path / "mine.toml")
    assert (found.labels, found.sizes.train, found.rate_hz) == (("yes", "no"), 8, 16_000)
    with pytest.raises(ValueError, match=r"no mine in .*get it from a page of mine"):
        load(str(tmp_path / "mine.toml"), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no data set file at .*yours\.toml"):
        dataset(tmp_path / "yours.toml")


def test_every_mistake_of_a_file_has_its_line():
    wrong = MINE.replace('"audio"', '"smell"').replace('licence = "mine"', "license = 1")
    wrong = wrong.replace("test = 1", 'test = "one"')
    with pytest.raises(ValueError, match="licence is missing") as told:
        parse_dataset(wrong, "mine.toml")
    lines = str(told.value).split("\n")
    assert len(lines) == 4
    assert any(line.startswith("mine.toml:4: unknown modality 'smell'") for line in lines)
    assert any(
        "mine.toml:9: unknown key 'license': did you mean 'licence'?" in line for line in lines
    )
    assert any(
        line.startswith("mine.toml:18: sizes.test must be a whole number, got 'one'")
        for line in lines
    )


def test_unknown_format_is_said(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace('"speech-commands"', '"speach-commands"'))
    with pytest.raises(ValueError, match=r"mine\.toml:5: unknown format 'speach-commands'"):
        load(str(path), tmp_path)


def test_unknown_name_names_the_nearest():
    with pytest.raises(ValueError, match="unknown data set 'fashion_mnits': did you mean 'fashion"):
        load("fashion_mnits")


def test_what_has_to_be_fetched_by_hand_says_from_where(tmp_path):
    with pytest.raises(
        ValueError, match=r"no dvs-gesture in .*get DvsGesture.tar.gz from https://research"
    ) as told:
        load("dvs-gesture", tmp_path)
    assert f"put it at {tmp_path / 'DvsGesture.tar.gz'}, and type `pj data get" in str(told.value)
    with pytest.raises(ValueError, match=r"get it from https://image-net.*so that there is .*net$"):
        load("imagenet", tmp_path)


@pytest.mark.parametrize("name", ["digits", "fashion-mnist", "cifar10"])
def test_nothing_can_be_left_out_of_files_of_many_items(tmp_path, name):
    with pytest.raises(
        ValueError, match=f"{name} has many items in each file, and none to leave out"
    ):
        load(name, tmp_path, skip_bad=True)


def test_only_speakers_that_are_there_can_be_held_out(tmp_path):
    with pytest.raises(ValueError, match="no speaker 'jack' to hold out: it has george, jackson"):
        load("fsdd", tmp_path, hold_out="jack")
    with pytest.raises(ValueError, match="it names none"):
        load("digits", hold_out="jackson")


def test_no_folder_named(monkeypatch):
    monkeypatch.delenv("PICOJOULE_DATA", raising=False)
    with pytest.raises(ValueError, match="and none is named") as caught:
        load("fsdd")
    for part in ("--data-dir DIR", "PICOJOULE_DATA", "`pj data get fsdd --data-dir DIR`"):
        assert part in str(caught.value)


def test_folder_of_the_environment_and_its_order(monkeypatch, tmp_path, spoken_dir):
    monkeypatch.setenv("PICOJOULE_DATA", str(spoken_dir))
    assert len(load("fsdd").test) == 300
    with pytest.raises(ValueError, match=f"no fsdd in {re.escape(str(tmp_path))}"):
        load("fsdd", tmp_path)


def test_what_is_kept_is_that_of_the_description(tmp_path, idx_dir):
    """A user's own may have the name of another, and be changed."""
    text = (resources.files("picojoule.data") / "sets" / "fashion-mnist.toml").read_text("utf-8")
    sizes = "train = 55_000", "validation = 5000"
    assert all(size in text for size in sizes)
    text = text.replace(sizes[0], "train = 50_000").replace(sizes[1], "validation = 10_000")
    (own := tmp_path / "own.toml").write_text(text, "utf-8")
    held = [len(load(name, idx_dir).validation) for name in ("fashion-mnist", own)]
    assert held == [50, 100]  # of 600


def test_command_quotes_a_folder_with_a_space(tmp_path):
    with pytest.raises(ValueError, match=r"--data-dir '.*my data'`"):
        load("fsdd", tmp_path / "my data")


def test_digits_are_divided_without_loss(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "sklearn.datasets", None)  # slow to import, and not needed
        splits = load("digits")
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    found = torch.cat([part.x for part in parts(splits)]).view(-1, 64).numpy() * 16
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, images.tolist()))
    counts = torch.stack([part.y.bincount() for part in parts(splits)])
    assert counts.sum(0).tolist() == np.bincount(labels).tolist()
    assert tuple(map(len, parts(splits))) == dataset("digits").sizes
    assert counts[1].tolist() == [20] * 10
    assert int(counts[2].max() - counts[2].min()) <= 2


def test_digits_statistics():
    train, entry = load("digits").train, dataset("digits")
    assert train.x.min() == 0
    assert train.x.max() == 1
    assert entry.mean == pytest.approx(float(train.x.mean()), abs=1e-4)
    assert entry.std == pytest.approx(float(train.x.std()), abs=1e-4)


def test_division_does_not_depend_on_the_seed_of_a_run():
    torch.manual_seed(1)
    np.random.seed(1)
    first = load("digits")
    torch.manual_seed(2)
    np.random.seed(2)
    state = torch.get_rng_state()
    second = load("digits")
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(parts(first), parts(second), strict=True):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)


def test_validation_comes_out_of_the_training_files(idx_dir):
    splits = load("fashion-mnist", idx_dir)
    numbers = [
        set((s.x[:, 0, 0, 0] + 256 * s.x[:, 0, 0, 1].long()).tolist()) for s in parts(splits)
    ]
    assert numbers[0] | numbers[1] == set(range(600))
    assert numbers[2] == set(range(600, 650))
    assert not numbers[0] & numbers[1]
    assert splits.validation.y.bincount().tolist() == [5] * 10


@pytest.mark.parametrize("count", [0, 1, 7, 33, 99, 100])
def test_hold_out_is_a_stratified_division(count):
    labels = torch.tensor([0] * 60 + [3] * 30 + [4] * 10)
    rest, held = hold_out(labels, count)
    assert sorted(rest.tolist() + held.tolist()) == list(range(100))
    assert len(held) == count
    for label, share in ((0, 0.6), (3, 0.3), (4, 0.1)):
        assert abs(int((labels[held] == label).sum()) - share * count) < 1


def test_hold_out_is_the_same_forever():
    rest, held = hold_out(torch.arange(20) % 2, 6)
    assert held.tolist() == [1, 8, 10, 17, 18, 19]
    assert not set(rest.tolist()) & set(held.tolist())
    assert hold_out(torch.arange(20) % 2, 6, seed=1)[1].tolist() != held.tolist()


@pytest.mark.parametrize("count", [-1, 11])
def test_hold_out_refuses_more_than_there_is(count):
    with pytest.raises(ValueError, match=f"expected to hold out 0 to 10 items, got {count}"):
        hold_out(torch.zeros(10), count)


def test_split_refuses_parts_of_unequal_size():
    with pytest.raises(ValueError, match=r"expected labels \[3\], those of each item, got \[2\]"):
        Split(torch.zeros(3, 1), torch.zeros(2))
    with pytest.raises(ValueError, match=r"expected lengths \[3\]"):
        Split(torch.zeros(3, 1), torch.zeros(3), torch.zeros(4))


@needs_real
@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"digits", "nmnist"}))
def test_real_data_are_the_published_ones(name, caplog):
    try:
        splits = load(name, REAL)
    except ValueError as error:
        if f"no {name} in" in str(error):
            pytest.skip(str(error))
        raise
    assert tuple(map(len, parts(splits))) == dataset(name).sizes
    assert "results do not compare" not in caplog.text
    entry = dataset(name)
    if entry.mean is not None:
        pixels = (splits.train.x.float() / 255).transpose(0, 1).flatten(1)
        for known, found in ((entry.mean, pixels.mean(1)), (entry.std, pixels.std(1))):
            known = known if isinstance(known, tuple) else (known,)
            assert known == pytest.approx(found.tolist(), abs=2e-3)
