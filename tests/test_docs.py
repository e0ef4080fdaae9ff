"""README and documentation: what they show runs, and what they explain is all there is."""

import doctest
import re
import tomllib
from pathlib import Path

import pytest
import torch

import picojoule as pj
from pages import MADE, PAGES, ROOT, blocks
from picojoule.data import Latency, Split, Splits, load, loader
from picojoule.energy.chips.chip_file import parse_chip
from picojoule.recipe import Recipe, load_recipe
from picojoule.report import BudgetReport, Report
from picojoule.training import Cost

README, CHIP_PAGE, RUNS_PAGE = (
    PAGES[name] for name in ("README.md", "docs/your-own-chip.md", "docs/runs.md")
)
COUNTING_PAGE = PAGES["docs/how-a-picojoule-is-counted.md"]

RUN = [page for page in PAGES if Path(page).parent.name not in MADE]  # those run as docstrings
# The step of the design, and the tour of the library: words that users rely on.
STEP = """\
with pj.Meter(net) as meter:
    out, _ = net(x)                            # x [T, B, ...]
energy = chip.price(meter.counts)              # Energy, per sample, in pJ, differentiable
loss = criterion(readout(out), label) + budget(energy)
optimizer.zero_grad(); loss.backward(); optimizer.step()
budget.update(energy)
"""
TOUR = """\
import torch, picojoule as pj
net = pj.Sequential(torch.nn.Linear(64, 128), pj.LIF(tau=20e-3, dt=1e-3), torch.nn.Linear(128, 10), pj.LI(tau=20e-3, dt=1e-3))
out, state = net(x)                       # x [T, B, 64]
with pj.Meter(net) as meter:
    out, _ = net(x)
chip = pj.load_chip("45nm")
energy = chip.price(meter.counts)         # energy.total, .by_layer, .by_kind, .floor, .unpriced
budget = pj.EnergyBudget(limit_pj=12_000) # pj.FixedPrice(weight=0.1) is its simple sibling
readout = pj.readout.mean                 # out [T, B, classes], lengths -> scores [B, classes]
for log in pj.train(net, loader, optimizer, criterion=torch.nn.CrossEntropyLoss(), readout=readout, chip=chip, penalty=budget, validation=val_loader, epochs=3): ...
report = pj.measure(net, test_loader, readout=readout, chips=[chip])
"""  # noqa: E501


def given() -> dict:
    """What a page may take for granted: images x [1, B, 64] and their labels."""
    return {"x": torch.rand(1, 32, 64), "label": torch.randint(0, 10, (32,))}


@pytest.mark.parametrize("page", [page for page in RUN if blocks(page, "python")])
def test_python_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = given()
    for code in blocks(page, "python"):
        exec(compile(code, page, "exec"), names)


@pytest.mark.parametrize("page", [page for page in RUN if blocks(page, "pycon")])
def test_what_is_shown_is_what_comes(page):
    source = "\n".join(blocks(page, "pycon"))
    case = doctest.DocTestParser().get_doctest(source, {}, page, page, 0)
    said: list[str] = []
    result = doctest.DocTestRunner().run(case, out=said.append)
    assert result.attempted
    assert not result.failed, "".join(said)


def test_docstring_examples_run_with_the_tests():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]
    options = options["ini_options"]
    assert "src" in options["testpaths"]
    assert "--doctest-modules" in options["addopts"]


def test_the_step_in_the_readme_is_that_of_the_design():
    assert f"```python\n{STEP}```" in README
    names = given()
    setup, step, foreign = blocks("README.md", "python")
    exec(setup, names)
    before = [p.clone() for p in names["net"].parameters()]
    exec(step, names)
    energy, budget = names["energy"], names["budget"]
    assert energy.total > energy.floor == 64 * 128 * 4.6
    assert budget.multiplier == 0, "the aim is at first what the first batch spends"
    for _ in range(300):
        budget.update(energy)
    assert (budget.multiplier > 0) == (
        1.02 * (energy.total - energy.floor) > budget.limit_pj - energy.floor
    )
    after = names["net"].parameters()
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    exec(foreign, names)
    names["loss"].backward()
    assert names["net"][0].weight.grad.any()


def tour() -> dict:
    """What the tour of the library takes for granted: digits as events, in batches."""
    splits, encode = load("digits"), Latency(steps=4)

    def flat(split: Split) -> Split:
        return Split(split.x.flatten(1)[:128], split.y[:128])

    splits = Splits(flat(splits.train), flat(splits.validation), flat(splits.test))
    parts = (splits.train, splits.validation, splits.test)
    loaders = (loader(part, encode, batch_size=64) for part in parts)
    names = dict(zip(("loader", "val_loader", "test_loader"), loaders, strict=True))
    return names | {"x": encode(splits.train.x)[0]}


def run_tour(text: str) -> dict:
    names = tour()
    head, tail = text.split("for log in")
    exec(head, names)
    names["optimizer"] = torch.optim.Adam(names["net"].parameters(), lr=1e-2)
    exec(f"for log in{tail}", names)
    return names


def test_the_tour_of_the_library():
    names = run_tour(TOUR)
    assert names["energy"].total > names["energy"].floor > 0
    assert set(names["energy"].by_layer) == {"0", "2"}
    assert names["energy"].unpriced == {}
    assert names["log"].chosen.feasible
    report = names["report"]
    assert report.samples == 128
    assert "mac" not in report.chips["45nm"].by_kind, "the loader says that its input is events"
    assert report.chips["45nm"].total_pj <= 12_000


# Chips and recipes


@pytest.fixture
def chip_file(tmp_path, monkeypatch) -> Path:
    """A folder to work in, which holds the chip file of the documentation."""
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("docs/your-own-chip.md", "toml")
    Path("my-chip.toml").write_text(text, encoding="utf-8")
    return tmp_path / "my-chip.toml"


def test_the_chip_of_the_documentation_has_every_key_there_is(chip_file):
    chip = pj.load_chip(chip_file)
    text = chip_file.read_text("utf-8")
    for field in (*(set(type(chip).model_fields) - {"prices"}), *pj.Price.model_fields):
        assert re.search(rf"^{field} = ", text, flags=re.M), field
    assert isinstance(chip.prices["spike"], dict)
    assert chip.name == "my-chip"


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            'source = "me"\n',
            "",
            ":8: price.ac.source is missing: every number needs the place where it is published",
        ),
        (
            'evidence = "measured"\n',
            "",
            ": evidence is missing: say whether the prices were measured, simulated or estimated",
        ),
        ("pj = 1", "pj = -1", ":9: price.ac.pj must be at least 0, got -1"),
        (
            "pj = 1",
            "pj = '100 fJ'",
            ":9: price.ac.pj: expected a number in pJ, got '100 fJ': write 0.1",
        ),
        ("price.ac", "price.acc", ":8: price.acc: unknown count 'acc': did you mean 'ac'?"),
        (
            "pj = 1",
            'pj = 1\nunit = "pJ"',
            ":10: unknown key 'price.ac.unit': did you mean 'price.ac.note'?",
        ),
        ("pj = 1", "pj = 1\nlow = 2", ":10: price.ac.low: low must not be above pj"),
        (
            "pj = 1",
            "pj = 1\npj_per_bit = 1",
            ":10: price.ac.pj_per_bit: pj_per_bit needs an array (or fifo) whose bits to take",
        ),
        ("excluded = []", 'excluded = ["ac"]', ":7: excluded: ac is both priced and excluded"),
        (
            "[price.ac]",
            '[price.mac]\npj = 1\nsource = "me"\n[price.ac]',
            ":8: price.mac: an all-in figure already holds everything: one price of ac, for all "
            "neurons, must be the only price, got mac",
        ),
        ("pj = 1", "pj = 0,1", " is not valid TOML"),
    ],
)
def test_what_is_said_of_mistakes_is_what_is_said(right, wrong, message):
    scope = "all-in" if "all-in" in message else "per-operation"
    text = 'name = "m"\ndescription = "d"\nnode = "n"\nprecision = "p"\n'
    text += f'evidence = "measured"\nscope = "{scope}"\nexcluded = []\n'
    text += '[price.ac]\npj = 1\nsource = "me"\n'
    assert parse_chip(text.replace("all-in", "per-operation"), "my-chip.toml")
    assert f"`my-chip.toml{message}`" in CHIP_PAGE
    with pytest.raises(ValueError, match=re.escape(f"my-chip.toml{message}")):
        parse_chip(text.replace(right, wrong), "my-chip.toml")


def test_the_recipes_of_the_documentation(tmp_path):
    whole, extending = blocks("docs/runs.md", "toml")
    (tmp_path / "whole.toml").write_text(whole, encoding="utf-8")
    (tmp_path / "extending.toml").write_text(extending, encoding="utf-8")
    recipe = load_recipe(tmp_path / "whole.toml")
    assert load_recipe(tmp_path / "extending.toml").budget.limit_pj == 4_000
    written = tomllib.loads(whole)
    for name, table in recipe.model_dump().items():
        if isinstance(table, dict):
            assert set(table) == set(written[name]), f"[{name}] has other keys than are shown"
    assert set(written["network"]["neuron"]) == {"name", *recipe.network.neuron.params}
    least = {"name": "x", "data": written["data"], "network": written["network"]}
    defaults = Recipe.model_validate(least | {"train": {"epochs": 40}})
    assert defaults.train == recipe.train, "other defaults are shown"
    assert defaults.budget == recipe.budget, "other defaults are shown"


def test_the_recipe_of_the_tutorial_is_whole_and_its_limit_refused_as_shown(tmp_path):
    page = "docs/train-to-a-budget.md"
    (tmp_path / "my-digits.toml").write_text(*blocks(page, "toml"), encoding="utf-8")
    recipe = load_recipe(tmp_path / "my-digits.toml")
    assert (recipe.name, recipe.budget.limit_pj) == ("my-digits", None)
    named = re.findall(r"pj train (\S+)", PAGES[page])
    assert set(named) == {"my-digits.toml"}
    made = re.findall(r"--out (\S+)", PAGES[page])
    used = re.findall(r"pj (?:measure|predict) (\S+)", PAGES[page])
    assert {"two"} <= set(used) <= set(made)
    with pytest.raises(ValueError, match="floor of 1553") as error:
        pj.EnergyBudget(1_000).start(1_552.87)
    assert f"error: {error.value}, or allow levers" in PAGES[page]


def test_the_errors_of_the_documentation():
    with pytest.raises(ValueError, match="below this network's floor") as error:
        pj.EnergyBudget(3_000).start(3_105.7)
    assert f"error: {error.value}, or allow levers" in PAGES["docs/budget.md"]
    with pytest.raises(ValueError, match="unknown key") as error:
        load_recipe("digits", ["budget.limt=5"])
    assert f"error: {error.value}\n" in RUNS_PAGE


@pytest.mark.parametrize("record", [Report, Cost, BudgetReport])
def test_every_key_of_a_report_is_explained(record):
    _, section = RUNS_PAGE.split("## The report")
    for name, field in record.model_fields.items():
        assert f"`{field.alias or name}`" in section, name


def test_every_count_and_every_chip_is_explained():
    for count in pj.COUNTS:
        assert f"`{count}`" in COUNTING_PAGE, count
        assert f"`{count}`" in CHIP_PAGE, count
    for chip in pj.chip_names():
        assert f"[`{chip}`]({chip}.md)" in PAGES["docs/chips/README.md"], chip
