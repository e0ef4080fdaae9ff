"""Runs: their folder, their outcome, how they go on, and what their networks are used for."""

import copy
import errno
import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch

import picojoule as pj
from picojoule.recipe import load_recipe
from picojoule.recipe.base import Named
from picojoule.recipe.data_table import FoundTable
from picojoule.report import Report
from picojoule.run import resume, start
from picojoule.run.build import build_network, duration_s, training_loader
from picojoule.run.folder import Folder, Machine, free_path
from picojoule.run.trained import Trained
from tiny import SETTINGS

CPU = Machine(accelerator="cpu")
HALVES = [f"{{ name = '{name}', share = 0.5 }}" for name in ("LIF", "BRF")]
LIVELY = "network.neuron.threshold=0.1"  # spikes enough for a budget to have something to save


def tiny(*more: str):
    return load_recipe("digits", [*SETTINGS, *more])


def finish(run) -> Folder:
    for _ in run.train():
        pass
    return run.folder


def names(folder: Folder) -> set[str]:
    """What is in a run but its lock, and sums, each of which is beside its file."""
    found = {item.name for item in folder.path.iterdir()}
    sums = {f".{name}.sha256" for name in found if not name.startswith(".")}
    return found - sums - {".lock"}


def weights(folder: Folder) -> bytes:
    return (folder.path / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Folder:
    out = tmp_path_factory.mktemp("run") / "done"
    return finish(start(tiny(), out=out, machine=CPU))


@pytest.fixture(scope="module")
def trained(done) -> Trained:
    return pj.load(done.path)


def test_a_run_has_its_recipe_before_anything_else(tmp_path):
    run = start(tiny(), out=tmp_path / "a" / "b", machine=CPU)
    assert names(run.folder) == {"recipe.toml", "machine.json"}
    assert run.folder.recipe == tiny()
    assert run.folder.machine == CPU
    assert list((tmp_path / "a").iterdir()) == [run.folder.path]


def test_a_run_reads_its_recipe_once(tmp_path, monkeypatch):
    reads = []

    def noted(path):
        reads.append(path)
        return load_recipe(path)

    monkeypatch.setattr("picojoule.run.folder.load_recipe", noted)
    run = start(tiny(LIVELY, "budget.limit=75%"), out=tmp_path / "run", machine=CPU)
    finish(run)
    recipe = run.folder.path / "recipe.toml"
    assert sorted(reads) == [recipe, run.folder.path / "unconstrained" / "recipe.toml"]


def test_a_finished_run_holds_weights_report_and_log(done):
    assert names(done) == {
        *("recipe.toml", "machine.json", "log.jsonl", "checkpoints"),
        *("weights.safetensors", "activity.json", "report.json", "report.html"),
    }
    report = done.report
    assert report.recipe is not None
    assert (report.recipe.name, report.recipe.sha256) == ("digits", tiny().sha256)
    assert (report.seed, report.samples, report.steps, report.budget) == (0, 360, 4, None)
    assert report.accuracy.validation is not None
    assert 0 < report.seconds < 60
    assert [record["epoch"] for record in done.log()] == [1, 2]
    assert report.seconds == pytest.approx(sum(r["seconds"] for r in done.log()), abs=2e-3)


def test_a_training_says_that_it_ran_fused(done):
    expected = {"2": "fused", "4": "fused", "6": "fused"}
    assert done.report.engines == expected
    assert [record["engines"] for record in done.log()] == [expected, expected]


def test_a_layer_that_runs_step_by_step_is_named_with_the_reason(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(pj.LIF, "engine", "eager")
    folder = finish(start(tiny(), out=tmp_path / "run", machine=CPU))
    assert folder.report.engines["2"] == "eager: it was asked for"
    assert folder.log()[0]["engines"] == folder.report.engines
    said = [one.message for one in caplog.records if "step by step" in one.message]
    assert said.count("layer '2' runs step by step: it was asked for") == 1


def test_the_dense_network_looks_at_a_picture_once(done):
    macs = 64 * 16 + 16 * 16 + 16 * 10
    assert done.report.chips["45nm"].ann_pj == pytest.approx(4.6 * macs)


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(done, tmp_path):
    again = finish(start(tiny(), out=tmp_path / "again", machine=CPU))
    assert weights(again) == weights(done)
    other = finish(start(tiny("seed=1"), out=tmp_path / "other", machine=CPU))
    assert weights(other) != weights(done)


def test_a_folder_that_is_there_is_never_written_to(done, tmp_path):
    for path in (done.path, tmp_path):
        before = sorted(path.iterdir())
        with pytest.raises(FileExistsError, match="exists already: name a new folder"):
            start(tiny(), out=path, machine=CPU)
        assert sorted(path.iterdir()) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        start(tiny(), out=tmp_path / "file", machine=CPU)


def test_a_default_folder_takes_a_free_name(tmp_path, monkeypatch):
    names = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(names))
    first = free_path("digits", tmp_path)
    assert first == tmp_path / "digits-aaaa"
    first.mkdir()
    assert free_path("digits", tmp_path) == tmp_path / "digits-bbbb"


def test_a_run_without_out_goes_below_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = start(tiny(), machine=CPU)
    assert run.folder.path.parent == Path("runs")
    assert run.folder.path.name.startswith("digits-")


def test_a_share_measures_the_unconstrained_energy_first(tmp_path):
    run = start(tiny(LIVELY, "budget.limit=80%"), out=tmp_path / "share", machine=CPU)
    folder = finish(run)
    free = Folder(folder.path / "unconstrained")
    assert free.recipe == tiny(LIVELY)
    assert free.report.budget is None
    budget = folder.report.budget
    assert budget is not None
    found = [(r["validation"]["accuracy"], -r["validation"]["energy_pj"]) for r in free.log()]
    assert budget.unconstrained_pj == -max(found)[1]
    assert budget.limit_pj == pytest.approx(0.8 * budget.unconstrained_pj)
    assert len(budget.multiplier) == 2
    assert budget.met == (budget.test_pj <= budget.limit_pj)
    assert budget.ratio == pytest.approx(budget.test_pj / budget.limit_pj)
    assert budget.test_pj == folder.report.chips["45nm"].total_pj
    assert 0 < budget.floor_pj < budget.limit_pj


def test_an_interrupted_share_goes_on_in_either_half(tmp_path):
    recipe = tiny(LIVELY, "budget.limit=80%", "train.epochs=3")
    whole = finish(start(recipe, out=tmp_path / "whole", machine=CPU))
    path = tmp_path / "cut"
    start(recipe, out=path, machine=CPU)
    for _ in range(2):  # stops after its second epoch without a budget, then its first with one
        epochs = (step for step in resume(path).train() if step.log.history)
        next(epochs)
        next(epochs)
        epochs.close()
    assert (path / "unconstrained" / "report.json").exists()
    assert not (path / "report.json").exists()
    cut = finish(resume(path))
    assert weights(cut) == weights(whole)
    timeless = [report.model_copy(update={"seconds": 0}) for report in (cut.report, whole.report)]
    assert timeless[0] == timeless[1]
    epochs = [record["epoch"] for record in cut.log()]
    assert epochs == [1, 2, 3]


def test_resuming_a_finished_run_does_nothing(done):
    before = {item: item.stat().st_mtime_ns for item in done.path.rglob("*")}
    assert list(resume(done.path).train()) == []
    assert {item: item.stat().st_mtime_ns for item in done.path.rglob("*")} == before


def test_a_run_that_was_killed_while_its_page_was_written_gets_it(done, tmp_path):
    path = Path(shutil.copytree(done.path, tmp_path / done.path.name))
    page = path / "report.html"
    whole = page.read_bytes()
    page.rename(path / ".report.html.0f0f0f0f.tmp")
    assert list(resume(path).train()) == []
    assert page.read_bytes() == whole
    assert not list(path.rglob("*.tmp"))


def test_resuming_where_there_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"there is no run in .* no recipe\.toml"):
        resume(tmp_path)


def test_another_number_of_threads_is_warned_about(tmp_path, caplog):
    machine = Machine(accelerator="cpu", threads=torch.get_num_threads() + 1)
    run = start(tiny(), out=tmp_path / "run", machine=machine)
    with caplog.at_level(logging.WARNING):
        resume(run.folder.path)
    assert f"started with {machine.threads} threads" in caplog.text


def test_a_budget_under_the_floor_is_refused_and_leaves_no_folder(tmp_path):
    run = start(tiny("budget.limit=10 pJ"), out=tmp_path / "run", machine=CPU)
    with pytest.raises(ValueError, match=r"limit_pj=10.*below this network's floor of \d+ pJ"):
        finish(run)
    assert not list(tmp_path.iterdir())


def test_data_that_are_not_there_leave_no_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PICOJOULE_DATA", raising=False)
    with pytest.raises(ValueError, match="--data-dir"):
        start(load_recipe("fsdd"), out=tmp_path / "run", machine=CPU)
    machine = Machine(accelerator="cpu", data_dir=str(tmp_path))
    with pytest.raises(ValueError, match="pj data get fashion-mnist"):
        start(load_recipe("fashion-mnist"), out=tmp_path / "run", machine=machine)
    assert not list(tmp_path.iterdir())


def test_a_batch_that_cannot_be_dealt_to_the_processes_is_refused():
    splits = pj.data.load("digits")
    assert training_loader(tiny(), splits, 2).batch_size == 128
    with pytest.raises(ValueError, match="256 cannot be dealt to 3 processes"):
        training_loader(tiny(), splits, 3)


@pytest.mark.parametrize(("accelerator", "message"), [("cuda", "CUDA"), ("tpu", "torch_xla")])
def test_a_device_that_is_not_there_is_refused(tmp_path, accelerator, message):
    if accelerator == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ValueError, match=message):
        start(tiny(), out=tmp_path / "run", machine=Machine(accelerator=accelerator))
    assert not list(tmp_path.iterdir())


def test_a_value_a_neuron_refuses_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError, match="tau must be positive"):
        start(tiny("network.neuron.tau=-1.0"), out=tmp_path / "run", machine=CPU)
    assert not list(tmp_path.iterdir())


def test_an_infinite_loss_stops_the_run_and_keeps_its_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run"
    run = start(tiny("train.epochs=4"), out=path, machine=CPU)
    broken = torch.nn.CrossEntropyLoss.forward
    calls = iter(range(10**6))

    def breaks_in_epoch_three(self, scores, labels):
        loss = broken(self, scores, labels)
        return loss * float("nan") if next(calls) >= 12 else loss

    monkeypatch.setattr(torch.nn.CrossEntropyLoss, "forward", breaks_in_epoch_three)
    with pytest.raises(pj.NonFiniteLoss, match="epoch 3 at step 13"):
        finish(run)
    assert [item.name for item in (path / "checkpoints").iterdir()] == ["epoch-0002.safetensors"]
    monkeypatch.undo()
    mended = finish(resume(path))
    whole = finish(start(tiny("train.epochs=4"), out=tmp_path / "whole", machine=CPU))
    assert weights(mended) == weights(whole)


def test_a_full_disk_leaves_the_last_checkpoint_to_go_on_from(tmp_path, monkeypatch):
    path = tmp_path / "run"
    run = start(tiny("train.epochs=3"), out=path, machine=CPU)
    replace = os.replace

    def full(source, target):
        if "epoch-0002" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"No space left.*unharmed: make room"):
        finish(run)
    assert [item.name for item in (path / "checkpoints").iterdir()] == ["epoch-0001.safetensors"]
    monkeypatch.undo()
    whole = finish(start(tiny("train.epochs=3"), out=tmp_path / "whole", machine=CPU))
    assert weights(finish(resume(path))) == weights(whole)


def test_a_damaged_checkpoint_is_named_and_not_loaded(tmp_path):
    path = tmp_path / "run"
    for step in start(tiny("train.epochs=3"), out=path, machine=CPU).train():
        if step.log.history:
            break
    (checkpoint,) = (path / "checkpoints").iterdir()
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(ValueError, match=r"epoch-0001\.safetensors is damaged"):
        finish(resume(path))
    assert checkpoint.read_bytes() == content
    assert not (path / "weights.safetensors").exists()


def test_an_unfinished_run_is_not_loaded(tmp_path):
    run = start(tiny(), out=tmp_path / "run", machine=CPU)
    with pytest.raises(ValueError, match=r"not finished: pj train --resume"):
        pj.load(run.folder.path)


def test_damaged_weights_are_named(done, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("recipe.toml", "machine.json", "report.json"):
        (copy / name).write_bytes((done.path / name).read_bytes())
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged \(it was removed\)"):
        pj.load(copy)
    (copy / "weights.safetensors").write_bytes(weights(done)[:-1])
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged"):
        pj.load(copy)
    (copy / "weights.safetensors").write_bytes(safetensors.torch.save({"a": torch.zeros(1)}))
    with pytest.raises(ValueError, match=r"damaged \(or of another recipe: it has 'a'\)"):
        pj.load(copy)
    (copy / "report.json").write_text("{}")
    with pytest.raises(ValueError, match=r"report\.json is damaged \(not a report"):
        pj.load(copy)


def test_measuring_again_gives_the_run_s_own_numbers(trained):
    both = trained.measure([pj.load_chip("45nm"), pj.load_chip("45nm-sram")])
    assert both == trained.report
    assert both.chips["45nm-sram"].total_pj > both.chips["45nm"].total_pj


def test_predictions_agree_with_the_report(trained):
    test = pj.data.load("digits").test
    found = trained.predict(test.x)
    correct = [one.index == label for one, label in zip(found, test.y.tolist(), strict=True)]
    assert np.mean(correct) == pytest.approx(trained.report.accuracy.test)
    energy_pj = np.mean([one.energy_pj for one in found])
    assert energy_pj == pytest.approx(trained.report.chips["45nm"].total_pj)
    assert all(0 < one.confidence <= 1 for one in found)
    assert found[0].label == pj.data.dataset("digits").labels[found[0].index]


def test_scores_that_are_no_numbers_are_no_prediction(trained):
    broken = replace(trained, net=copy.deepcopy(trained.net))
    broken.net[-2].bias.data[0] = torch.nan  # pyright: ignore
    with pytest.raises(ValueError, match="not numbers"):
        broken.predict(pj.data.load("digits").test.x[:1])


def test_what_is_neither_a_tensor_nor_a_list_of_paths_is_no_input(trained):
    x = pj.data.load("digits").test.x[:1]
    for wrong in (x.numpy(), x.tolist(), "a.npy", None, 3, Path("a.npy"), [x]):
        with pytest.raises(
            TypeError, match=r"items \[N, ...\] or a list of paths, got a \w+: give"
        ):
            trained.predict(wrong)
    for dtype in (torch.int64, torch.bool, torch.complex64):
        with pytest.raises(TypeError, match=r"got torch.\w+: give x.byte\(\) of whole values"):
            trained.predict(x.to(dtype))
    for dtype in (torch.float64, torch.float16):
        assert trained.predict((x > 0.5).to(dtype)) == trained.predict((x > 0.5).float())


def test_pictures_are_read_from_files(trained, tmp_path):
    test = pj.data.load("digits").test
    picture = test.x[0, 0]
    np.save(tmp_path / "a.npy", picture.numpy())
    np.save(tmp_path / "b.npy", test.x[0].numpy())
    pixels = (picture * 255).round().to(torch.uint8).numpy()
    np.save(tmp_path / "c.npy", pixels)
    (tmp_path / "d.pgm").write_bytes(b"P5\n# ours\n8 8\n255\n" + pixels.tobytes())
    a, b, c, d = trained.predict([tmp_path / name for name in ("a.npy", "b.npy", "c.npy", "d.pgm")])
    assert a == b == trained.predict(test.x[:1])[0]
    assert c == d


def test_a_file_that_is_no_picture_for_this_network_is_named(trained, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((9, 8)))
    with pytest.raises(ValueError, match=r"a\.npy' is of shape \[1, 9, 8\], the network takes"):
        trained.predict([tmp_path / "a.npy"])


def test_a_file_that_is_not_there_is_named(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nope\.npy"):
        trained.predict([tmp_path / "nope.npy"])
    with pytest.raises(ValueError, match="no file"):
        trained.predict([])


def test_sounds_are_read_from_files(trained, tmp_path):
    recipe = load_recipe("fsdd", ["network.width=8"])
    listener = Trained(build_network(recipe).eval(), recipe, trained.report)
    noise = np.random.default_rng(0).normal(size=4000) / 9
    for name, end in (("a.wav", 4000), ("b.wav", 2000)):
        soundfile.write(tmp_path / name, noise[:end], 8000, subtype="PCM_16")
    long, short = listener.predict([tmp_path / "a.wav", tmp_path / "b.wav"])
    assert [long] == listener.predict([tmp_path / "a.wav"])
    assert [short] == listener.predict([tmp_path / "b.wav"])
    assert long.energy_pj > short.energy_pj > 0
    soundfile.write(tmp_path / "c.wav", noise, 16_000)
    with pytest.raises(ValueError, match=r"c\.wav.*8000"):
        listener.predict([tmp_path / "c.wav"])


def untrained(trained, name, **data):
    """A network as a recipe describes it, of which the weights do not matter."""
    recipe = load_recipe(name, ["network.width=8"])
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update=data)})
    return Trained(build_network(recipe).eval(), recipe, trained.report)


def test_events_are_read_from_files_and_from_tensors(trained, tmp_path):
    found = FoundTable(fingerprint="", labels=["a", "b"], inputs=[16])
    network = untrained(trained, "shd-cpu", found=found, folder=str(tmp_path))
    frames = (np.random.default_rng(0).random((3, 10, 16)) < 0.3).astype(np.uint8)
    np.savez(tmp_path / "mine.npz", x=frames)
    several = network.predict([tmp_path / "mine.npz"])
    assert several == network.predict(torch.from_numpy(frames))
    np.save(tmp_path / "one.npy", frames[1])
    assert network.predict_file(tmp_path / "one.npy") == several[1:2]
    assert {one.label for one in several} <= {"a", "b"}


def test_a_random_encoding_draws_the_same_numbers_for_each_file(trained, tmp_path):
    network = untrained(trained, "digits", encoder=Named(name="poisson", steps=4))
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.full((8, 8), 0.5))
    a, b = network.predict([tmp_path / "a.npy", tmp_path / "b.npy"])
    assert a == b == network.predict_file(tmp_path / "b.npy")[0]


def test_what_a_run_writes_is_plain(done):
    machine = json.loads((done.path / "machine.json").read_text())
    assert machine["threads"] == torch.get_num_threads()
    report = json.loads((done.path / "report.json").read_text())
    assert report["schema"] == 1
    assert pj.Report.from_json((done.path / "report.json").read_text()) == done.report


def test_chunks_of_steps_change_nothing_but_memory(done, tmp_path):
    chunked = finish(start(tiny("train.chunk=3"), out=tmp_path / "chunked", machine=CPU))
    ours, theirs = chunked.report, done.report
    assert ours.accuracy == theirs.accuracy
    assert ours.chips["45nm"].total_pj == pytest.approx(theirs.chips["45nm"].total_pj, rel=1e-3)
    assert pj.load(chunked.path).net.chunk == 3


def test_a_network_that_makes_its_own_steps_takes_no_chunks():
    made = load_recipe("cifar10-cnn7", ["train.chunk=2"])
    with pytest.raises(ValueError, match=r"train\.chunk is for .* 'cnn7' is none"):
        build_network(made)


def test_chunks_that_a_norm_forbids_are_refused_before_anything_runs():
    made = load_recipe("cifar10-cnn7", ["train.chunk=2", "network.steps=0", "network.width=4"])
    with pytest.raises(ValueError, match=r"train\.chunk: layer '.*', a BatchNorm2d, looks at all"):
        build_network(made)


def test_weights_lie_as_the_recipe_says():
    def laid(layout: str) -> list[bool]:
        net = build_network(load_recipe("cifar10-cnn7", ["network.width=4", layout]))
        weights = [weight for weight in net.parameters() if weight.dim() == 4 and len(weight) > 4]
        return [one.is_contiguous(memory_format=torch.channels_last) for one in weights]

    assert all(laid("train.layout=channels_last"))
    assert not any(laid("train.layout=channels_first"))
    with pytest.raises(ValueError, match=r"train\.layout"):
        load_recipe("digits", ["train.layout=channels_lost"])


def test_a_run_with_channels_last_is_saved_and_loaded(tmp_path):
    network = ["network.name=cnn7", "network.steps=0", "network.width=6", "train.epochs=1"]
    recipe = tiny(*network, "train.layout=channels_last")
    folder = finish(start(recipe, out=tmp_path / "last", machine=CPU))
    loaded = pj.load(folder.path)
    assert loaded.net.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    again = loaded.measure([pj.load_chip("45nm")])
    assert again.accuracy.test == folder.report.accuracy.test


def spent(settings: list[str], tmp_path) -> Report:
    run = start(tiny(LIVELY, *settings), out=tmp_path / "run", machine=CPU)
    for _ in run.train():
        pass
    report = run.folder.report
    assert Report.from_json(report.to_json()) == report
    return report


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        (["network.name=cnn", "network.steps=6", "data.encoder={ name = 'direct' }"], 6),
        (
            [f"network.neuron={{ name = 'Mixture', dt = '10 ms', kinds = [{', '.join(HALVES)}] }}"],
            4,
        ),
    ],
)
def test_a_sample_lasts_as_long_as_the_network_runs(settings, steps):
    recipe = tiny("network.neuron.dt=10 ms", *settings)
    net, train = build_network(recipe), pj.data.load("digits").train
    assert duration_s(recipe, net, train) == pytest.approx(steps * 10e-3)


def test_a_run_with_several_limits_is_met_if_all_are(tmp_path):
    limits = "{ loihi = '27 nJ', 45nm-sram = '110 nJ', spikes = '1e3 spikes' }"
    report = spent([f"budget.limits={limits}"], tmp_path)
    budget = report.budget
    assert budget is not None
    assert list(report.chips) == ["45nm", "45nm-sram", "loihi"]  # a number is no energy
    assert list(budget.limits) == ["loihi", "45nm-sram", "spikes"]
    for one in budget.limits.values():
        assert one.met == (one.test_pj <= one.limit_pj)
        assert len(one.multiplier) == 2
        assert (one.needed_pj is None) == one.met
    worst = budget.limits["loihi"]
    assert budget.met == all(one.met for one in budget.limits.values())
    assert (budget.chip, budget.ratio, budget.limit_pj) == ("loihi", worst.ratio, 27_000.0)
    fired = sum(counts.get("spike", 0) for counts in report.counts.values()) / report.samples
    assert budget.limits["spikes"].test_pj == pytest.approx(fired)
    assert budget.limits["spikes"].unit == "spikes"
    assert any("budget never bound" in note and "1000 spikes" in note for note in report.notes)


POWER = ["network.neuron=BRF", "budget.chip=analog-65nm", "budget.rate=20 / s"]


def test_a_power_is_energy_times_rate_with_the_static_power_between_samples(tmp_path):
    budget = (report := spent([*POWER, "budget.limit=200 nW"], tmp_path)).budget
    assert budget is not None
    assert (budget.limit_pj, budget.rate_hz) == (10_000.0, 20.0)
    # 32 resonators of 571 pW are on for the 50 ms until the next sample, not for four steps of 10.
    assert report.chips["analog-65nm"].by_kind["second"] == pytest.approx(32 * 571 * 50e-3)
    assert budget.test_pj == report.chips["analog-65nm"].total_pj
    trained = pj.load(tmp_path / "run")  # which are on in use, too
    again = trained.measure([pj.load_chip("analog-65nm"), pj.load_chip("45nm")]).chips
    assert again["analog-65nm"].total_pj == pytest.approx(budget.test_pj)
    assert trained.predict(torch.zeros(1, 1, 8, 8))[0].energy_pj >= 32 * 571 * 50e-3
    if not budget.met:
        assert budget.needed_pj == max(budget.test_pj, budget.validation_pj)
        assert any("budget missed: the best network found needs" in one for one in report.notes)
