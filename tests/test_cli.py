"""The commands: what they print, and how they refuse."""

import dataclasses
import io
import json
import logging
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pooch
import pytest
import torch
from PIL import Image
from rich.console import Console

from forked import processes
from pages import PAGES, blocks
from picojoule.cli import chip_texts, console, show
from picojoule.cli.follow import follow
from picojoule.data import DATASETS
from picojoule.energy import Price, chip_names, load_chip
from picojoule.networks import NETWORKS
from picojoule.recipe import load_recipe, recipe_names
from picojoule.run import start
from picojoule.run.fit import Step
from picojoule.training import EpochRecord, Log, Validation
from picojoule.units import format_energy, picojoule
from tiny import CHIP, CHIP_HEAD, CHIP_PRICE, SETTINGS

TINY = [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run with a budget."""
    settings = [*SETTINGS, "network.neuron.threshold=0.1", "budget.limit=2 nJ"]
    run = start(load_recipe("digits", settings), out=tmp_path_factory.mktemp("cli") / "done")
    for _ in run.train():
        pass
    return run.folder.path


def test_train_shows_epochs_energies_floor_and_outcome(pj, tmp_path):
    out = tmp_path / "run"
    code, text, _ = pj("train", "digits", *TINY, "--seed", 3, "--out", out)
    assert code == 0
    lines = text.splitlines()
    assert lines[0].startswith("run 1/2 · loss ")
    assert "energy per inference by layer" in text
    assert "energy per inference by kind" in text
    floor = r"floor \(test set\) \S+ .J on 45nm, 0\.\d\d of what it spends"
    assert re.fullmatch(floor, lines[-2])
    beside = r"\(dense ANN [\d.]+x, 3-bit ANN [\d.]+x\)"
    spent = rf"\S+ .J per inference on 45nm {beside}"
    memory = beside.replace("dense", "prices int32, network float32; dense")
    spent += rf" · \S+ .J per inference on 45nm-sram {memory}"
    pattern = rf"test accuracy 0\.\d{{3}} · {spent} · no budget · {out}"
    assert re.fullmatch(pattern, lines[-1])
    assert json.loads((out / "report.json").read_text())["seed"] == 3


def trained_with(pj, monkeypatch, *words: object):
    """The recipe that ``pj train`` would start with these words."""
    recipes = []

    def start(recipe, **_):
        recipes.append(recipe)
        raise ValueError("looked at")

    monkeypatch.setattr("picojoule.run.start", start)
    assert "looked at" in pj("train", *words)[2]
    return recipes[0]


def test_options_are_short_for_settings(pj, monkeypatch):
    short = "--budget 10nj --chip 45nm-sram --epochs 5 --lr 1e-3 --batch-size 32 --seed 4"
    fields = ("budget.limit=10 nJ", "budget.chip=45nm-sram", "train.epochs=5", "train.lr=1e-3")
    long = [w for f in (*fields, "train.batch_size=32", "seed=4") for w in ("--set", f)]
    given = trained_with(pj, monkeypatch, "digits", *short.split())
    assert given == trained_with(pj, monkeypatch, *long)
    assert given.budget.limit_pj == 10_000
    assert trained_with(pj, monkeypatch, "--budget", "40%").budget.share == 0.4
    assert trained_with(pj, monkeypatch, "--budget", "none").budget.limit == "none"


def test_a_field_is_given_once(pj, monkeypatch):
    for setting in ("budget.limit=3 nJ", "budget={ limit = 'none' }"):
        code, _, err = pj("train", "--budget", "2 nJ", "--set", setting)
        assert (code, f"--budget 2 nJ and --set {setting} are of the same field" in err) == (
            2,
            True,
        )
    twice = ("--set", "train.epochs=3", "--set", "train.epochs=4")
    assert trained_with(pj, monkeypatch, *twice, "--lr", "0.1").train.epochs == 4


def test_train_says_whether_the_budget_was_met(pj, done):
    code, text, _ = pj("train", "--resume", done)
    assert code == 0
    assert text.splitlines()[0] == f"{done} is finished already: nothing to do"
    assert re.search(
        r"budget 2 nJ on 45nm: (met( \(.*\))?|missed by \d+\.\d%) · " + str(done), text
    )
    assert re.search(r"floor \(training set\) \d+ pJ on 45nm, 0\.\d\d of the budget", text)


def test_a_run_remembers_where_its_data_are(pj, tmp_path, monkeypatch):
    monkeypatch.setenv("PICOJOULE_DATA", str(tmp_path))
    assert pj("train", *TINY, "--out", tmp_path / "run")[0] == 0
    assert json.loads((tmp_path / "run" / "machine.json").read_text())["data_dir"] == str(tmp_path)
    code, _, err = pj("train", "fsdd")
    assert (code, f"--data-dir {tmp_path}" in err) == (2, True)


def test_resume_takes_up_an_interrupted_run(pj, tmp_path):
    out = tmp_path / "run"
    run = start(load_recipe("digits", SETTINGS), out=out)
    epochs = (step for step in run.train() if step.log.history)
    next(epochs)
    epochs.close()
    code, text, _ = pj("train", "--resume", out)
    assert code == 0
    assert text.splitlines()[0].startswith("run 2/2 · ")


@pytest.mark.parametrize(
    "option",
    [["--seed", "1"], ["--set", "seed=1"], ["--out", "x"], ["--devices", "2"]],
)
def test_resume_takes_no_option_that_would_change_the_run(pj, done, option):
    code, _, err = pj("train", "--resume", done, *option)
    assert code == 2
    assert "a run goes on as it was started" in err


def test_measure_prices_a_run_on_several_chips(pj, done, tmp_path):
    mine = tmp_path / "mine.toml"
    price = '[price.ac]\npj = 2.0\nsource = "measured"\n'
    mine.write_text(CHIP_HEAD + f'excluded = ["pool"]\n{price}')
    chips = ["--chip", "45nm", "--chip", "45nm-sram", "--chip", mine]
    code, text, _ = pj("measure", done, *chips, "--json")
    assert code == 0
    report = json.loads(text)
    assert set(report["chips"]) == {"45nm", "45nm-sram", "mine"}
    by_two = report["chips"]["45nm"]["by_kind"]["ac"] / 0.9 * 2
    assert report["chips"]["mine"]["total_pj"] == pytest.approx(by_two)
    own = json.loads((done / "report.json").read_text())
    assert report["chips"]["45nm"] == own["chips"]["45nm"]
    assert report["accuracy"] == own["accuracy"]
    code, text, _ = pj("measure", done, *chips)
    assert "mine has no price for: " in text
    assert (
        "per inference on mine (prices int8, network float32) · budget 2 nJ on 45nm: " in text
    )  # no MAC, so no dense ANN


def test_measure_compares_all_chips_in_one_table(pj, done, tmp_path, monkeypatch):
    monkeypatch.setattr(console.OUT, "width", 160)
    mine = tmp_path / "mine.toml"
    price = '[price.mac]\npj = 2.0\nsource = "measured"\n'
    mine.write_text(CHIP_HEAD + price)
    code, text, _ = pj("measure", done, "--chip", "all", "--chip", mine, "--chip", "45nm")
    assert code == 0
    rows = {
        line.split("│")[1].strip(): line.split("│")[2:] for line in text.splitlines() if "│" in line
    }
    assert set(rows) >= {*chip_names(), "mine"}
    assert "by chip" in text
    report = json.loads(pj("measure", done, "--chip", "all", "--json")[1])
    assert set(report["chips"]) == set(chip_names())
    for name, one in report["chips"].items():
        if one["by_kind"]:
            assert rows[name][0].strip() == format_energy(one["total_pj"]), name
    assert [rows["mine"][at].strip() for at in (0, -2)] == ["no price", "nothing here is priced"]
    assert re.fullmatch(r"test accuracy 0\.\d{3} · budget 2 nJ on 45nm: .*", text.splitlines()[-1])


def test_measure_counts_as_asked(pj, done):
    def report(*options):
        return json.loads(pj("measure", done, *options, "--json")[1])

    plain, other = report(), report("--levels", "multiply", "--skip-zero-weights")
    assert plain["convention"] == {
        "levels": "accumulate",
        "skip_zero_weights": False,
        "fold_batch_norm": True,
    }
    assert other["convention"] == {
        "levels": "multiply",
        "skip_zero_weights": True,
        "fold_batch_norm": True,
    }
    assert report("--unfold-batch-norm")["convention"]["fold_batch_norm"] is False
    code, _, err = pj("measure", done, "--levels", "multply")
    assert (code, "did you mean 'multiply'?" in err) == (2, True)


def test_predict_says_label_confidence_and_energy(pj, done, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((8, 8)))
    np.save(tmp_path / "b.npy", np.ones((8, 8)))
    code, text, _ = pj("predict", done, tmp_path / "a.npy", tmp_path / "b.npy")
    assert code == 0
    dark, bright = text.splitlines()
    spent = []
    for name, line in (("a", dark), ("b", bright)):
        pattern = r"[a-z]+ · confidence [01]\.\d{3} · (\S+ .J) on 45nm"
        found = re.fullmatch(pattern, line.removeprefix(f"{tmp_path}/{name}.npy: "))
        assert found is not None
        spent.append(picojoule(found[1]))
    assert spent[0] < spent[1]


def test_predict_has_a_line_for_each_good_file_and_an_error_for_each_bad_one(pj, done, tmp_path):
    good, bad, many = (tmp_path / name for name in ("good.npy", "bad.npy", "many.npz"))
    np.save(good, np.zeros((8, 8)))
    np.save(bad, np.zeros((9, 9)))
    np.savez(many, x=np.zeros((2, 8, 8)))
    code, text, err = pj("predict", done, bad, good, tmp_path / "nope.png", many)
    assert code == 3
    starts = [f"{good}: ", f"{many}[0]: ", f"{many}[1]: "]
    assert [line.split(": ")[0] + ": " for line in text.splitlines()] == starts
    assert [str(bad) in err, "nope.png" in err, len(err.splitlines())] == [True, True, 2]
    assert pj("predict", done, bad, tmp_path / "nope.png")[:2] == (2, "")
    assert pj("predict", done, good, many)[0] == 0
    assert pj("predict", done)[0] == 2


def test_predict_says_once_for_all_files_what_is_changed_of_them(pj, done, tmp_path):
    for number in range(3):
        colours = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(colours).save(tmp_path / f"{number}.png")
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "deep.png")
    code, text, err = pj("predict", done, tmp_path)
    assert (code, len(text.splitlines())) == (0, 4)
    err = "".join(err.split())  # a terminal breaks paths anywhere
    assert err.count("weremadegrey") == 2
    assert re.search(r"in3files:\S*0\.png:1of1picturesareincolour:theyweremadegrey", err)
    assert err.count("have16bitsforeachvalue") == 1


def test_what_is_said_of_data_twice_is_shown_once(pj, capsys):
    pj("chips")
    for room in ("picojoule.data.encoders.frames", "picojoule.training"):
        for _ in range(2):
            logging.getLogger(room).warning("3 of 4 events are cut in %s", room)
    err = capsys.readouterr().err
    assert [err.count("data.encoders.frames"), err.count("picojoule.training")] == [1, 2]


def test_predict_takes_folders_patterns_and_standard_input(pj, done, tmp_path, monkeypatch):
    for name in ("b.npy", "sub/a.npy", ".hidden.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, np.zeros((8, 8)))
    (tmp_path / "notes.txt").write_text("of mine")

    def named(*words):
        code, text, _ = pj("predict", done, *words)
        return code, [Path(line.split(": ")[0]).relative_to(tmp_path) for line in text.splitlines()]

    both = [Path("b.npy"), Path("sub/a.npy")]
    assert named(tmp_path) == (0, both)
    assert named(tmp_path / "**" / "[a-c].npy") == (0, both)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{tmp_path}/sub/a.npy\n\n{tmp_path}/b.npy\n"))
    assert named("-") == (0, both[::-1])
    for words in (["-"], ["-", "--json"]):
        monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
        code, text, err = pj("predict", done, *words)
        assert (code, text, err) == (2, "", "error: no file was named on standard input\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    code, _, err = pj("predict", done, empty, tmp_path / "*.bmp", tmp_path / "b.npy")
    assert (code, "empty' holds no file of .npy" in err, "*.bmp'" in err) == (3, True, True)
    (tmp_path / "sub" / "out.npy").symlink_to(tmp_path / "b.npy")
    (tmp_path / "sub" / "within.npy").symlink_to("a.npy")
    code, text, err = pj("predict", done, tmp_path / "sub")
    assert (code, text.count("\n"), f"out.npy is a link to {tmp_path}/b.npy" in err) == (3, 2, True)
    assert pj("predict", done, tmp_path / "sub" / "*.npy")[0] == 0  # each is named by the user


def test_json_is_all_there_is_on_stdout(pj, done, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((8, 8)))
    code, text, err = pj("predict", done, tmp_path / "a.npy", tmp_path / "b.npy", "--json")
    told = json.loads(text)
    assert (code, told["chip"], "there is no file" in err) == (3, "45nm", True)
    assert (told["precision"], told["network_precision"]) == ("fp32", "float32")
    ((one,), (bad,)) = told["predictions"], told["errors"]
    assert set(one) == {"file", "item", "label", "index", "confidence", "energy_pj", "steps_ran"}
    assert (one["file"], one["item"]) == (str(tmp_path / "a.npy"), 0)
    assert set(bad) == {"file", "error"}
    chip = json.loads(pj("chips", "show", "45nm", "--json")[1])
    assert chip["price"]["mac"]["pj"] == 4.6
    assert (chip["precision"], "update" in chip["unpriced"]) == ("fp32", False)
    assert chip in json.loads(pj("chips", "--json")[1])["chips"]
    digits = json.loads(pj("data", "show", "digits", "--json")[1])
    assert digits["sizes"] == {"train": 1237, "validation": 200, "test": 360}
    assert (digits["classes"], digits["inputs"]) == (10, [1, 8, 8])
    (tmp_path / "mine.toml").write_text(CHIP)
    checked = json.loads(pj("chips", "check", tmp_path / "mine.toml", "--json")[1])
    assert (checked["chip"]["price"]["ac"]["pj"], checked["mistakes"]) == (1.0, [])
    (tmp_path / "mine.toml").write_text(CHIP.replace("pj = 1.0", "pj = -1.0"))
    code, text, err = pj("chips", "check", tmp_path / "mine.toml", "--json")
    (mistake,) = json.loads(text)["mistakes"]
    assert (code, err, "mine.toml:" in mistake) == (1, "", True)
    networks = json.loads(pj("networks", "--json")[1])["networks"]
    assert [one["name"] for one in networks] == list(NETWORKS)
    recipes = json.loads(pj("recipes", "--json")[1])["recipes"]
    assert [one["name"] for one in recipes] == recipe_names()
    assert recipes[0]["train"]["epochs"] > 0
    told = json.loads(pj("data", "list", "--json")[1])
    assert [one["name"] for one in told["data"]] == list(DATASETS)
    assert json.loads(pj("data", "get", "digits", "--data-dir", tmp_path, "--json")[1])


def test_lists_name_what_there_is(pj):
    for words, names in [
        (["chips"], ["45nm", "45nm-int8", "45nm-sram"]),
        (["recipes"], ["digits", "fsdd", "fashion-mnist"]),
        (["networks"], ["mlp", "keyword", "cnn", "width=128"]),
        (["data", "list"], ["digits", "fsdd", "cifar10-dvs", "pj data show", "PICOJOULE_CACHE"]),
    ]:
        code, text, _ = pj(*words)
        assert code == 0
        for name in names:
            assert name in " ".join(text.split())


def test_recipes_are_a_line_each_and_are_chosen_by_data_set_name_and_machine(pj, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(console.OUT, "width", 80)
    monkeypatch.setattr(console.OUT, "_force_terminal", True)

    def listed(*words: str) -> list[str]:
        code, text, _ = pj("recipes", *words)
        assert code == 0
        head, *lines = text.splitlines()
        assert head.split() == ["recipe", "for", "reached", "network", "neuron"]
        assert max(map(len, lines)) <= 80
        assert "…" not in text
        monkeypatch.setattr(console.OUT, "_force_terminal", False)
        full = pj("recipes", *words)[1].splitlines()
        assert full[0].startswith(head)
        assert full[0].endswith("  what it is")
        monkeypatch.setattr(console.OUT, "_force_terminal", True)
        return [line.split()[0] for line in lines]

    on = {name: load_recipe(name) for name in recipe_names()}
    assert listed("fsdd", "--for", "cpu") == ["fsdd", "fsdd-brf", "fsdd-mixed"]
    assert listed("--for", "gpu") == [name for name, one in on.items() if one.machine == "gpu"]
    assert listed("cifar10") == [name for name, one in on.items() if one.data.name == "cifar10"]
    assert listed("vgg11", "--for", "cpu") == [
        name for name, one in on.items() if "vgg11" in name and one.machine == "cpu"
    ]
    assert listed("cifar10-vgg11-cpu") == ["cifar10-vgg11-cpu"]
    text = pj("recipes")[1]
    assert all(sum(line.startswith(f"{name} ") for line in text.splitlines()) == 1 for name in on)
    code, _, err = pj("recipes", "fsd")
    assert (code, "did you mean 'fsdd'?" in err) == (2, True)


def test_a_chip_is_shown_with_its_sources(pj):
    code, text, _ = pj("chips", "show", "45nm")
    assert code == 0
    assert "4.6 pJ" in text
    assert "Horowitz" in text
    assert "left out on purpose: add, multiply" in text


def test_a_chip_file_that_is_in_order_is_summed_up(pj, tmp_path):
    mine = tmp_path / "mine.toml"
    by_type = CHIP_PRICE.replace("ac", "spike.LIF")
    mine.write_text(CHIP_HEAD + 'excluded = ["pool"]\n' + CHIP_PRICE + by_type)
    code, text, err = pj("chips", "check", mine)
    assert (code, err) == (0, "")
    assert text.splitlines() == [
        "ok: mine, 28 nm, int8, measured, per-operation, words of 32 bits",
        "priced: ac, spike (LIF)",
        "left out on purpose: pool",
        "no price for: mac, add, multiply, update, event_read, weight_read, state_read, "
        "state_write, output_write, address, bias, second",
    ]


def test_mistakes_in_a_chip_file_are_all_named_with_line_and_key(pj, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(
        CHIP_HEAD + CHIP_PRICE.replace("1.0", "-1.0") + "nte = 2\n[price.acc]\npj = 1\n"
    )
    code, text, err = pj("chips", "check", mine)
    assert (code, text) == (1, "")
    starts = [
        f"{mine}:7: price.ac.pj must be at least 0, got -1.0",
        f"{mine}:9: unknown key 'price.ac.nte': did you mean 'price.ac.note'?",
        f"{mine}:10: price.acc.source is missing",
        f"{mine}:10: price.acc: unknown count 'acc': did you mean 'ac'?",
    ]
    assert len(err.splitlines()) == len(starts)
    for line, beginning in zip(err.splitlines(), starts, strict=True):
        assert line.startswith(beginning)


def test_a_type_of_neuron_that_is_not_known_is_said_and_not_refused(pj, tmp_path):
    mine = tmp_path / "mine.toml"
    types = [CHIP_PRICE.replace("ac", f"spike.{name}") for name in ("Lif", "LIF", "Octopus")]
    mine.write_text(CHIP_HEAD + "".join(types))
    code, text, err = pj("chips", "check", mine)
    assert (code, text.splitlines()[0].startswith("ok: ")) == (0, True)
    assert err.splitlines() == [
        f"{mine}:6: price.spike.Lif: picojoule has no neuron 'Lif': did you mean 'LIF'?",
        f"{mine}:12: price.spike.Octopus: picojoule has no neuron 'Octopus'; "
        "right if there is one elsewhere",
    ]


def test_the_template_of_the_documentation_is_in_order(pj, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("docs/your-own-chip.md", "toml")
    Path("my-chip.toml").write_text(text)
    code, said, err = pj("chips", "check", "my-chip.toml")
    assert (code, err) == (0, "")
    assert said.startswith("ok: my-chip, ")
    Path("my-chip.toml").write_text(text.replace("[price.spike.LIF]", "[price.spike.Lif]"))
    err = pj("chips", "check", "my-chip.toml")[2]
    assert err in PAGES["docs/your-own-chip.md"]


@pytest.mark.parametrize("name", chip_names())
def test_the_chips_that_come_with_picojoule_are_in_order(pj, name):
    code, text, _ = pj("chips", "check", name)
    assert (code, text.startswith(f"ok: {name}, ")) == (0, True)


def shown(renderable) -> str:
    """What a narrow terminal shows of it, without white space."""
    console = Console(file=io.StringIO(), width=80)
    console.print(renderable)
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    return "".join(text.split())


@pytest.mark.parametrize("name", chip_names())
def test_no_source_of_a_price_is_cut_off(name):
    chip = load_chip(name)
    text = shown(chip_texts.described(chip))
    for entry in chip.prices.values():
        for price in [entry] if isinstance(entry, Price) else entry.values():
            assert "".join(price.source.split()) in text
            assert "".join(price.note.split()) in text


def test_no_citation_is_cut_off():
    for one in DATASETS.values():
        text = shown(show.data_set(one))
        facts = [one.description, one.citation, one.licence, one.page or "", one.division]
        facts += [f"{size:,}" for size in one.sizes]
        facts += [] if one.mean is None else [str(one.mean), str(one.std)]
        facts += [file.url or file.path for file in one.files]
        facts += [(file.checksum or ("", str(file.content_sha256)))[1] for file in one.files]
        for fact in facts:
            assert "".join(fact.split()) in text


def test_a_data_set_is_shown(pj):
    code, text, _ = pj("data", "show", "CIFAR10")
    assert code == 0
    for part in ("c32a1d4ab5d03f1284b67883e8d87530", "45,000 + 5,000", "0.4914", "Krizhevsky"):
        assert part in text


def test_no_list_is_cut_off():
    for table in (show.networks(), chip_texts.listed(chip_names())):
        shown(table)


def test_a_finished_run_is_shown_where_its_data_are_gone(pj, done, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    recipe = (copy / "recipe.toml").read_text().replace('name = "digits"', 'name = "mnist"')
    (copy / "recipe.toml").write_text(recipe)
    (copy / "machine.json").write_text('{"data_dir": "/gone", "accelerator": "tpu"}')
    for name in ("recipe.toml", "machine.json"):
        (copy / f".{name}.sha256").unlink()
    code, text, _ = pj("train", "--resume", copy)
    assert code == 0
    assert text.startswith(f"{copy} is finished already: nothing to do\n")
    assert "test accuracy" in text


def test_one_process_speaks_for_all(pj, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert pj("train", "digit") == (2, "", "")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert "did you mean 'digits'?" in pj("train", "digit")[2]


def test_a_download_that_fails_says_why_in_short(pj, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(pooch.get_logger(), "handle", said.append)
    one = DATASETS["mnist"]
    nowhere = dataclasses.replace(one.files[0], url="http://127.0.0.1:1/nothing.gz")
    changed = dataclasses.replace(one, files=(nowhere,))
    monkeypatch.setattr("picojoule.data.store.download.named", lambda _: changed)
    code, _, err = pj("data", "get", "mnist", "--data-dir", tmp_path)
    assert code == 2
    assert "nothing.gz could not be fetched (Connection refused)" in err
    assert said == []


def test_what_is_there_is_fetched_again_on_demand(pj, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("picojoule.data.get", lambda *given, **how: asked.append((given, how)))
    for words, again in (((), False), (("--again",), True)):
        assert pj("data", "get", "mnist", "--data-dir", tmp_path, *words)[0] == 0
        assert asked.pop() == (("mnist", str(tmp_path)), {"again": again})


def test_the_bundled_data_set_needs_no_download(pj, tmp_path):
    code, text, _ = pj("data", "get", "digits", "--data-dir", tmp_path / "new")
    assert code == 0
    assert text == "digits comes with an installed package: nothing to fetch\n"
    assert not (tmp_path / "new").exists()


def test_version_and_help(pj):
    assert re.fullmatch(
        r"picojoule \d+\.\d+\.\d+ \(kernels: \w+; on CUDA: \w+\)\n", pj("--version")[1]
    )
    code, text, _ = pj("--help")
    assert code == 0
    for command in ("train", "measure", "predict", "chips", "data", "recipes", "networks"):
        assert command in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train digit", "did you mean 'digits'?"),
        ("train --set train.epohcs=3", "did you mean 'train.epochs'?"),
        ("train --set train.epochs", "train.epochs=5"),
        ("train --set data.name=digts", "did you mean 'digits'?"),
        ("train --set network.neuron.name=LIFF", "did you mean 'LIF'?"),
        ("train --set network.neuron.surrogate=atn", "did you mean 'atan'?"),
        ("train --set budget.chip=45mn", "did you mean '45nm'?"),
        ("train --set budget.chip={}/none.toml", "no chip file at"),
        ("train --set budget.limit=0", "above zero"),
        ("train --set budget.limit=-1", "above zero"),
        ("train --budget 10pj --out {}/new", "below this network's floor of"),
        ("train fsdd --data-dir {}", "pj data get fsdd --data-dir"),
        ("train --out {}", "exists already"),
        ("train --resume {}", "there is no run in"),
        ("train --out {}/unknown.toml/run", "cannot be made ("),
        (
            "data get mnist --data-dir {}/unknown.toml/data",
            "cannot be made (Not a directory): name",
        ),
        ("measure {}", "there is no run in"),
        ("predict {} x.npy", "there is no run in"),
        ("chips show 45mn", "did you mean '45nm'?"),
        ("chips show {}/no-source.toml", "source"),
        ("chips show {}/negative.toml", "pj"),
        ("chips show {}/unknown.toml", "unknown count 'acc': did you mean 'ac'?"),
        ("data get digts --data-dir {}", "did you mean 'digits'?"),
        ("data show digts", "did you mean 'digits'?"),
    ],
)
def test_what_a_user_can_mend_is_a_message_and_exit_code_2(pj, tmp_path, words, message):
    (tmp_path / "no-source.toml").write_text(CHIP_HEAD + CHIP_PRICE.replace("source", "note"))
    (tmp_path / "negative.toml").write_text(CHIP_HEAD + CHIP_PRICE.replace("1.0", "-1.0"))
    (tmp_path / "unknown.toml").write_text(CHIP_HEAD + CHIP_PRICE.replace("ac", "acc", 1))
    code, out, err = pj(*words.format(tmp_path).split())
    assert code == 2
    assert out == ""
    told = "".join(line for line in err.splitlines(True) if not line.startswith("INFO"))
    assert told.startswith("error: ")
    assert message in told
    assert "Traceback" not in err


def test_a_wrong_option_is_click_s_own_error(pj):
    code, _, err = pj("train", "--epoch", 3)
    assert code == 2
    assert "No such option" in err


def test_verbose_shows_the_traceback_as_well(pj):
    code, _, err = pj("-v", "train", "digit")
    assert code == 2
    assert "Traceback" in err
    assert "error: unknown recipe" in err


def test_help_and_completion_do_not_wait_for_torch():
    program = (
        "import sys; sys.argv = ['pj', 'train', '--help']\n"
        "from picojoule.cli import main\n"
        "try: main()\n"
        "except SystemExit: print('slow' if 'torch' in sys.modules else 'quick')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.endswith("quick\n"), done.stderr


def test_a_training_says_that_it_starts_before_it_waits_for_torch():
    program = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['pj', 'train', 'digits']\n"
        "from picojoule.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.startswith("INFO     starting: loading torch\n")
    assert "import of torch halted" in done.stderr


def test_two_processes_make_one_run(tmp_path):
    out = tmp_path / "run"
    lively = ["--set", "network.neuron.threshold=0.1", "--set", "budget.limit=80%"]
    words = ["train", *TINY, *lively, "--devices", "2", "--accelerator", "cpu", "--out", str(out)]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}  # as Fabric does
    said = [tmp_path / f"said-{rank}" for rank in (0, 1)]
    with processes() as process:
        ranks = [process(words, str(said[k]), LOCAL_RANK=str(k), **place) for k in (0, 1)]
        for one in ranks:
            one.join(120)
        assert [one.exitcode for one in ranks] == [0, 0], said[0].read_text()
    assert sum(one.read_text().count("test accuracy") for one in said) == 1
    for one in said:
        one.unlink()
    assert list(tmp_path.iterdir()) == [out]
    report = json.loads((out / "report.json").read_text())
    assert report["samples"] == 360
    assert report["budget"]["unconstrained_pj"] > report["budget"]["limit_pj"]


def test_a_terminal_has_a_bar_with_loss_accuracy_energy_and_multiplier(tmp_path):
    settings = [*SETTINGS, "network.neuron.threshold=0.1", "budget.limit=2 nJ"]
    run = start(load_recipe("digits", settings), out=tmp_path / "run")
    console = Console(file=io.StringIO(), force_terminal=True, width=140)
    steps: list[Step] = []

    def seen():
        for step in run.train():
            steps.append(step)
            yield step

    follow(seen(), console)
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert re.search(
        r"run 2/2 .*loss \d\.\d+ · accuracy 0\.\d+ · \S+ [np]J · validation 0\.\d+ at \S+ [np]J"
        r" · multiplier \d",
        text,
    )
    assert steps[-1].steps == steps[-1].log.step


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("name", ["unconstrained", "fashion-mnist-resnet18-sew-cpu-50c2"])
def test_a_bar_keeps_count_bar_and_time_at_every_width(width, name):
    record = EpochRecord(
        9, 900, 1.936, 0.484, 7070.0, 0.1, 0.123, Validation(0.76, 7410.0, 0.01, ("3",))
    )
    value = torch.tensor
    log = Log(
        epoch=9,
        step=900,
        loss=value(1.936),
        accuracy=value(0.484),
        energy_pj=value(7070.0),
        penalty=value(0.1),
        multiplier=value(0.123),
        history=(record,),
    )
    console = Console(file=io.StringIO(), force_terminal=True, width=width, legacy_windows=False)
    follow([Step(Path("runs") / name, 120, 12_000, log)], console)
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", text)]
    bars = [line.rstrip() for line in lines if "━" in line]
    assert max(map(len, bars)) <= width
    line = bars[-1]
    assert re.match(rf"{name[:4]}\S* 9/120 [╸━╺]{{4}}", line)
    assert re.search(r"(\d|-):(\d\d|--):(\d\d|--)$", line)
    for word, least in (("accuracy 0.484", 40), ("7.07 nJ", 60), ("validation", 120)):
        assert word in line or width < least or name != "unconstrained"
