"""Runs on a user's own data, and that no run looks at its test set too early."""

import collections
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import picojoule as pj
from picojoule.data import Split
from picojoule.recipe import load_recipe
from picojoule.run import resume, start
from picojoule.run.folder import Folder, Machine
from tiny import SETTINGS
from tiny import pj as command

CPU = Machine(accelerator="cpu")
SHORT = ["train.epochs=1", "network.width=8", "budget.limit=none"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes that differ in brightness, 12 x 12 pixels in colour."""
    root = tmp_path / "pictures"
    for label, name in enumerate(("dark", "bright")):
        (root / name).mkdir(parents=True)
        for number in range(40):
            noise = np.random.default_rng(number).integers(0, 90, (12, 12, 3)) + 150 * label
            Image.fromarray(noise.astype(np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two classes of tones at 16 kHz."""
    root = tmp_path / "sounds"
    for label, name in enumerate(("low", "high")):
        (root / name).mkdir(parents=True)
        for number in range(20):
            tone = np.sin(np.arange(2_000 + 50 * number) * (0.1 + label))
            soundfile.write(root / name / f"{number}.wav", tone * 0.5, 16_000)
    return root


def finish(run) -> Folder:
    for _ in run.train():
        pass
    return run.folder


def test_pictures_of_one_s_own(pictures, tmp_path):
    recipe = load_recipe("fashion-mnist", [f"data.folder={pictures}", *SHORT])
    folder = finish(start(recipe, out=tmp_path / "run", machine=CPU))
    noted = folder.recipe
    assert noted.data.found is not None
    assert noted.data.found.labels == ["bright", "dark"]
    assert noted.data.found.inputs == [3, 12, 12]
    assert len(noted.data.encoder.params["mean"]) == 3
    assert folder.report.samples == 16
    trained = pj.load(folder.path)
    chip = pj.load_chip("45nm")
    memory = pj.load_chip("45nm-sram")  # which every run is measured on, too
    assert trained.measure([chip, memory]) == folder.report
    moved = tmp_path / "moved"
    shutil.move(pictures, moved)
    again = trained.measure([chip], data=moved)
    assert again.accuracy == folder.report.accuracy
    picture = torch.from_numpy(np.array(Image.open(moved / "dark" / "7.png"))).permute(2, 0, 1)
    assert trained.predict([moved / "dark" / "7.png"]) == trained.predict(picture[None] / 255)


def test_sounds_of_one_s_own_have_their_rate_in_the_filterbank(sounds, tmp_path):
    recipe = load_recipe("fsdd", [f"data.folder={sounds}", *SHORT])
    folder = finish(start(recipe, out=tmp_path / "run", machine=CPU))
    assert folder.recipe.data.found is not None
    assert folder.recipe.data.found.rate_hz == 16_000
    assert folder.recipe.data.make_encoder().rate_hz == 16_000
    trained = pj.load(folder.path)
    file = sounds / "low" / "0.wav"
    assert trained.predict([file])[0].label in ("low", "high")
    with pytest.raises(ValueError, match=r"rate_hz is 8000.*has 16000 samples per second"):
        load_recipe(folder.path / "recipe.toml", ["data.encoder.rate_hz=8000"]).data.make_encoder()


def test_sounds_of_other_rates_are_resampled_in_training_and_prediction(sounds, tmp_path, caplog):
    stereo = np.stack([np.sin(np.arange(9_000) * 0.1) * 0.5] * 2, 1)
    soundfile.write(sounds / "low" / "0.wav", stereo, 44_100)
    words = [f"data.folder={sounds}", *SHORT]
    with pytest.raises(ValueError, match=r"found 2 channel.*--set data\.resample=true"):
        start(load_recipe("fsdd", words), out=tmp_path / "no", machine=CPU)
    recipe = load_recipe("fsdd", [*words, "data.resample=true"])
    folder = finish(start(recipe, out=tmp_path / "run", machine=CPU))
    assert "40 of 40 sounds have another rate: they were resampled to 8000 Hz" in caplog.text
    assert "1 of 40 sounds have several channels: they were mixed to one" in caplog.text
    assert "resample = true" in (folder.path / "recipe.toml").read_text()
    assert folder.recipe.data.make_encoder().rate_hz == 8_000
    trained = pj.load(folder.path)
    found = trained.predict([sounds / "low" / "0.wav", sounds / "low" / "3.wav"])
    assert [one.label in ("low", "high") for one in found] == [True, True]
    with pytest.raises(ValueError, match=r"data\.resample is for sounds, and digits has none"):
        load_recipe("digits", ["data.resample=true"])


def test_a_class_balanced_part_is_trained_on(pictures, tmp_path, caplog):
    recipe = load_recipe("digits", ["data.limit=200", *SETTINGS])
    run = start(recipe, out=tmp_path / "run", machine=CPU)
    whole = pj.data.load("digits")
    train = run.splits.train
    assert len(train) == 200
    shares = whole.train.y.bincount() * 200 / len(whole.train)
    assert (train.y.bincount() - shares).abs().max() < 1
    assert torch.equal(run.splits.test.x, whole.test.x)
    assert resume(run.folder.path).splits.train.x.equal(train.x)
    own = load_recipe("digits", [f"data.folder={pictures}", "data.limit=10", *SETTINGS])
    found = start(own, out=tmp_path / "own", machine=CPU).splits
    assert found.train.y.bincount().tolist() == [5, 5]
    assert found.train.fingerprint
    caplog.clear()
    every = load_recipe("digits", ["data.limit=1238", *SETTINGS])
    start(every, out=tmp_path / "more", machine=CPU)
    assert "data.limit=1238 leaves out none of 1237 items" in caplog.text
    caplog.clear()
    every = load_recipe("digits", ["data.limit=1237", *SETTINGS])
    start(every, out=tmp_path / "all", machine=CPU)
    assert "data.limit" not in caplog.text
    with pytest.raises(ValueError, match=r"data\.limit=9 leaves classes out: set it to 10"):
        start(load_recipe("digits", ["data.limit=9", *SETTINGS]), machine=CPU)


def test_changed_data_are_noticed(pictures, tmp_path):
    recipe = load_recipe("digits", [f"data.folder={pictures}", *SETTINGS])
    run = start(recipe, out=tmp_path / "run", machine=CPU)
    assert resume(run.folder.path).splits is not None
    shutil.copytree(pictures, tmp_path / "copy")
    assert resume(run.folder.path, data=tmp_path / "copy").splits is not None
    Image.new("RGB", (12, 12)).save(pictures / "dark" / "0.png")
    with pytest.raises(
        ValueError, match=r"are not those that the run was started with \(other finger"
    ):
        resume(run.folder.path)
    shutil.move(pictures / "dark", pictures / "darker")
    with pytest.raises(ValueError, match="other fingerprint, labels"):
        resume(run.folder.path)
    shutil.rmtree(pictures)
    with pytest.raises(ValueError, match="there is no folder"):
        resume(run.folder.path)


def test_interrupted_and_resumed_as_one(pictures, tmp_path):
    recipe = load_recipe("digits", [f"data.folder={pictures}", *SETTINGS])
    whole = finish(start(recipe, out=tmp_path / "whole", machine=CPU))
    steps = start(recipe, out=tmp_path / "cut", machine=CPU).train()
    next(step for step in steps if step.log.history)
    steps.close()
    cut = finish(resume(tmp_path / "cut"))
    files = [folder.path / "weights.safetensors" for folder in (whole, cut)]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", ["pics 😀", 'a "b\\ = 1'])
def test_a_folder_of_any_name(pictures, tmp_path, name):
    pictures.rename(tmp_path / name)
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    with pytest.raises(SystemExit) as done:
        command(
            [
                "train",
                "digits",
                *settings,
                "--data",
                str(tmp_path / name),
                "--out",
                str(tmp_path / "run"),
            ]
        )
    assert not done.value.code
    assert Folder(tmp_path / "run").recipe.data.folder == str(tmp_path / name)


def test_data_that_are_refused_leave_no_folder(pictures, tmp_path):
    shutil.rmtree(pictures / "dark")
    with pytest.raises(ValueError, match="has 1 folder"):
        start(load_recipe("digits", [f"data.folder={pictures}"]), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_test_set_goes_by_the_names_of_its_classes(pictures, tmp_path):
    recipe = load_recipe("digits", [f"data.folder={pictures}", *SETTINGS])
    folder = finish(start(recipe, out=tmp_path / "run", machine=CPU))
    trained, chip = pj.load(folder.path), pj.load_chip("45nm")
    shutil.move(pictures / "dark", pictures / "grey")
    with pytest.raises(ValueError, match="the network has no class grey, only bright, dark"):
        trained.measure([chip], data=pictures)
    data = folder.recipe.data.model_copy(update={"size": 6})
    small = dataclasses.replace(trained, recipe=recipe.model_copy(update={"data": data}))
    with pytest.raises(
        ValueError, match=r"expected data of shape \(3, 12, 12\), found \(3, 6, 6\)"
    ):
        small.measure([chip], data=pictures)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["data.hold_out=jack"],
            "data.hold_out: digits names no speakers: leave it out",
        ),
        (["data.size=8"], "data.size is for pictures of your own"),
        (["data.augment.drop=0.1"], "time_shift, mix and drop are for sounds and events"),
        (["data.augment.cutot=2"], "did you mean 'data.augment.cutout'"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        load_recipe("digits", settings)
    with pytest.raises(ValueError, match="speaker of fsdd 'jack': did you mean 'jackson'"):
        load_recipe("fsdd", ["data.hold_out=jack"])
    with pytest.raises(ValueError, match=r"not for data\.folder: drop one"):
        load_recipe("fsdd", ["data.hold_out=jackson", "data.folder=/somewhere"])
    with pytest.raises(ValueError, match="shift, flip and cutout are for images"):
        load_recipe("fsdd", ["data.augment.flip=true"])


def test_a_folder_in_a_recipe_is_beside_the_recipe(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text('extends = "digits"\n[data]\nfolder = "pictures"\n')
    monkeypatch.chdir("/")
    assert load_recipe(tmp_path / "mine.toml").data.folder == str(tmp_path / "pictures")


def test_on_the_command_line(pictures, tmp_path, monkeypatch, capsys):
    (pictures / "dark" / "cut.png").write_bytes(b"\x89PNG")
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    words = ["train", "digits", *settings, "--data", str(pictures), "--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as refused:
        command(words)
    assert refused.value.code == 2
    assert not (tmp_path / "run").exists()
    with pytest.raises(SystemExit) as done:
        command([*words, "--skip-bad"])
    assert not done.value.code
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["samples"] == 16
    with pytest.raises(SystemExit) as measured:
        command(["measure", str(tmp_path / "run"), "--data", str(pictures)])
    assert not measured.value.code


class Sealed:
    """A test set that nobody may look at."""

    def __init__(self, items: int) -> None:
        self._items = items

    def __len__(self) -> int:
        return self._items

    def __getitem__(self, index: object) -> torch.Tensor:
        raise LookupError("the test set was looked at")


@pytest.mark.parametrize("budget", ["none", "3 nJ"])
def test_the_test_set_chooses_nothing(tmp_path, budget):
    settings = [*SETTINGS, "network.neuron.threshold=0.1", f"budget.limit={budget}"]
    recipe = load_recipe("digits", settings)
    whole = finish(start(recipe, out=tmp_path / "whole", machine=CPU))
    run = start(recipe, out=tmp_path / "sealed", machine=CPU)
    assert run.splits is not None
    test = run.splits.test
    sealed = dataclasses.replace(run.splits, test=Split(Sealed(len(test)), test.y * 0))
    steps = []
    with pytest.raises(LookupError, match="the test set was looked at"):
        collections.deque(map(steps.append, dataclasses.replace(run, splits=sealed).train()))
    # All epochs were over and the weights chosen, before anybody looked.
    assert steps[-1].log.chosen is not None
    assert len(steps[-1].log.history) == recipe.train.epochs
    after = finish(resume(run.folder.path))
    files = [folder.path / "weights.safetensors" for folder in (whole, after)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert after.report.accuracy == whole.report.accuracy
