"""Penalties by name: what a recipe says of them, what a run makes of it, and how it goes on."""

import inspect
import sys
import tomllib

import pytest
import torch

import picojoule as pj
import tiny
from all_penalties import GIVEN
from picojoule.cli.console import OUT
from picojoule.recipe import load_recipe
from picojoule.recipe.allowance import Allowance
from picojoule.run import Run, resume, start
from picojoule.run.build import build_penalties
from picojoule.run.folder import Folder, Machine
from picojoule.training import Validation
from picojoule.training.checkpoint import load, newest, save
from picojoule.training.penalties import kinds
from picojoule.training.together import Together

CPU = Machine(accelerator="cpu")
LIVELY = "network.neuron.threshold=0.1"


def settings(name: str, **options: object) -> list[str]:
    said = [f"penalty.{option}={value}" for option, value in options.items()]
    return [*tiny.SETTINGS, LIVELY, f"penalty.name={name}", *said]


def interrupt_and_resume(run: Run) -> None:
    """Leaves a run at its first checkpoint, and trains it to the end from there."""
    steps = run.train()
    while not (run.folder.path / "checkpoints").exists():
        next(steps)
    steps.close()
    for _ in resume(run.folder.path).train():
        pass


def refused(*overrides: str, recipe: str = "digits") -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (each caller looks at the message)
        load_recipe(recipe, overrides)
    return str(caught.value)


@pytest.fixture
def command(pj):
    """Runs ``pj`` in this process and gives what it said."""

    def run(*words: str) -> str:
        code, out, err = pj(*words)
        assert not code, err
        return out

    return run


def weights(path) -> bytes:
    return (path / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("name", kinds())
def test_every_penalty_trains_by_its_name_and_goes_on_bit_for_bit(command, tmp_path, name):
    options = GIVEN.get(name, {})
    said = [word for setting in settings(name, **options) for word in ("--set", setting)]
    out = command("train", "digits", *said, "--accelerator", "cpu", "--out", str(tmp_path / "run"))
    folder = Folder(tmp_path / "run")
    assert f"penalty {name}(" in out
    assert " · penalty " in out or name == "EnergyBudget"  # of each epoch; a budget's multiplier is
    told = folder.report.penalty
    assert told.items() >= {"name": name, **options}.items()
    assert {"name", *inspect.signature(kinds()[name]).parameters} == set(told)
    written = tomllib.loads((folder.path / "recipe.toml").read_text())["penalty"]
    assert written == {key: "none" if value is None else value for key, value in told.items()}
    assert (folder.report.budget is not None) == (name == "EnergyBudget")
    assert all(record["penalty"] != 0 for record in folder.log())
    (made,) = build_penalties(folder.recipe, ())
    assert isinstance(made, kinds()[name])

    interrupted = start(
        load_recipe("digits", settings(name, **options)), out=tmp_path / "again", machine=CPU
    )
    interrupt_and_resume(interrupted)
    assert weights(interrupted.folder.path) == weights(folder.path)


def test_a_measurement_keeps_the_penalty(tmp_path):
    run = start(load_recipe("digits", settings("SpikePenalty", weight=0.1)), out=tmp_path / "run")
    for _ in run.train():
        pass
    again = pj.load(tmp_path / "run").measure([pj.load_chip("45nm-sram")])
    assert again.penalty == {"name": "SpikePenalty", "weight": 0.1, "p": 1.0}


def test_a_recipe_without_a_penalty_says_so():
    assert 'penalty = "none"\n' in load_recipe("digits").to_toml()
    assert load_recipe("digits", ["penalty=none"]).sha256 == load_recipe("digits").sha256


def test_a_recipe_that_extends_another_drops_or_changes_its_penalty(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'extends = "fsdd"\nname = "mine"\n[penalty]\nname = "SpikePenalty"\nweight = 0.1\np = 2\n'
    )
    assert load_recipe(file).penalty.params == {"weight": 0.1, "p": 2}
    assert load_recipe(file, ["penalty=none", "budget.limit=50%"]).penalty is None
    other = load_recipe(file, ["penalty.name=RateTarget", "penalty.rate=0.1"]).penalty
    assert (other.name, other.params["rate"], "p" in other.params) == ("RateTarget", 0.1, False)


def test_names_are_found_in_any_case_and_energies_have_units():
    named = load_recipe(
        "fsdd",
        ["penalty.name=fixedprice", "penalty.weight=1", "penalty.reference_pj=12 nJ"],
    ).penalty
    assert (named.name, named.params) == ("FixedPrice", {"weight": 1, "reference_pj": 12_000.0})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["penalty.name=SynapticPenalti"], ["penalty 'SynapticPenalti'", "'SynapticPenalty'?"]),
        (["penalty.weight=1"], ["'penalty.name' is missing"]),
        (["penalty=SynapticPenalty"], ["needs penalty.weight; its options: weight, p"]),
        (["penalty=SynOpsTarget"], ["needs penalty.target; its options: target, weight"]),
        (["penalty=RateTarget"], ["needs penalty.rate; its options: rate, weight, side"]),
        (
            ["penalty.name=SpikePenalty", "penalty.wieght=1"],
            [
                "'penalty.wieght'",
                "'penalty.weight'? Known: penalty.name, penalty.p, penalty.weight",
            ],
        ),
        (
            ["penalty.name=SpikePenalty", "penalty.weight=much"],
            ["penalty.weight must be a number, got 'much'"],
        ),
        (
            ["penalty.name=SpikePenalty", "penalty.weight=true"],
            ["penalty.weight must be a number, got True"],
        ),
        (["penalty.name=SpikePenalty", "penalty.weight=-1"], ["weight must be 0 or more"]),
        (
            ["penalty.name=FixedPrice", "penalty.weight=1", "penalty.reference_pj=12 kg"],
            ["an energy such as '12 nJ', got '12 kg'"],
        ),
        (
            ["penalty.name=RateTarget", "penalty.rate=0.1", "penalty.side=1"],
            ["penalty.side must be a text, got 1"],
        ),
        (
            ["penalty.name=RateTarget", "penalty.rate=0.1", "penalty.side=abov"],
            ["did you mean 'above'?"],
        ),
        (["penalty.name=nowhere:Mine"], ["no module that Python finds", "PYTHONPATH"]),
        (["penalty.name=math:pi"], ["no class derived from Penalty"]),
        (["penalty.name=picojoule:Penalty"], ["no class derived from Penalty"]),
    ],
)
def test_a_mistake_is_named_with_the_options(said, words):
    message = refused(*said, recipe="fsdd")
    for word in words:
        assert word in message


@pytest.mark.parametrize("limit", ["50%", "12 nJ"])
def test_a_budget_and_a_penalty_on_energy_are_refused(limit):
    message = refused(f"budget.limit={limit}", "penalty.name=SpikePenalty", "penalty.weight=1")
    assert "SpikePenalty cannot stand beside a budget" in message
    assert "set budget.limit = 'none' or penalty = 'none'" in message


def test_a_penalty_that_allows_it_stands_beside_a_budget_and_goes_on(tmp_path):
    said = settings("RateTarget", rate=0.2, side="below", weight=5.0)
    recipe = load_recipe("digits", [*said, "budget.limit=75%"])
    both = Together(build_penalties(recipe, [Allowance(None, 1000.0)]), ["45nm"])
    assert (both.limits, both.looks_at_traffic) == ({"": 1000.0}, True)
    whole, again = (start(recipe, out=tmp_path / name, machine=CPU) for name in "ab")
    for _ in whole.train():
        pass
    interrupt_and_resume(again)
    assert weights(again.folder.path) == weights(whole.folder.path)
    report = whole.folder.report
    assert report.penalty["name"] == "RateTarget"
    assert report.budget.limit_pj == pytest.approx(0.75 * report.budget.unconstrained_pj)
    assert report.budget.floor_pj > 0
    assert report.budget.multiplier == tuple(r["multiplier"] for r in whole.folder.log())
    free = Folder(whole.folder.path / "unconstrained")
    assert free.report.penalty == report.penalty


OWN = """
import picojoule as pj

class Hottest(pj.Penalty):
    \"\"\"The energy of the costliest layer, as a share of a given one.\"\"\"

    def __init__(self, layer_pj: float, weight=1.0):
        super().__init__()
        self.layer_pj, self.weight = layer_pj, weight

    def forward(self, energy, traffic=None):
        most = max(energy.by_layer.values())
        return (self.weight * most / self.layer_pj).float()

    def update(self, energy):
        \"\"\"Learns nothing.\"\"\"
"""


def test_a_penalty_of_ones_own_is_named_by_where_it_is(command, tmp_path, monkeypatch):
    (tmp_path / "my_penalties.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    said = settings("my_penalties:Hottest", layer_pj=10_000, weight=2)
    words = [word for setting in said for word in ("--set", setting)]
    out = command("train", "digits", *words, "--out", str(tmp_path / "run"))
    assert "penalty my_penalties:Hottest(layer_pj=10000.0, weight=2)" in out
    assert refused("penalty=my_penalties:Hottest", recipe="fsdd").endswith(
        "needs penalty.layer_pj; its options: layer_pj, weight"
    )
    message = refused("penalty.name=my_penalties:Hottest", "penalty.weight=x", recipe="fsdd")
    assert "needs penalty.layer_pj" in message
    sys.modules.pop("my_penalties")


def interrupted(tmp_path, name: str) -> Folder:
    run = start(
        load_recipe("digits", settings(name, weight=0.1)), out=tmp_path / "run", machine=CPU
    )
    steps = run.train()
    while not (run.folder.path / "checkpoints").exists():
        next(steps)
    steps.close()
    return run.folder


def test_a_checkpoint_knows_the_class_of_its_penalty(tmp_path):
    """Penalties that remember nothing look alike but for that."""
    folder = interrupted(tmp_path, "SpikePenalty")
    text = (folder.path / "recipe.toml").read_text()
    (folder.path / "recipe.toml").write_text(text.replace("SpikePenalty", "SynapticPenalty"))
    (folder.path / ".recipe.toml.sha256").unlink()  # which would tell of the change already
    with pytest.raises(ValueError, match="its penalty is SpikePenalty, expected SynapticPenalty"):
        next(resume(folder.path).train())


def test_a_checkpoint_from_before_it_knew_goes_on(tmp_path):
    folder = interrupted(tmp_path, "SpikePenalty")
    state = load(newest(folder.path / "checkpoints"))
    assert state.pop("penalty_kinds") == ["SpikePenalty"]
    save(folder.path / "checkpoints", state["epoch"], state)
    for _ in resume(folder.path).train():
        pass
    assert folder.finished


def test_pj_recipes_lists_the_penalties_with_their_options(command, monkeypatch):
    monkeypatch.setattr(OUT, "width", 400)
    out = command("recipes")
    for name in kinds():
        assert name in out
    assert "penalties that a recipe may name" in out
    assert "rate, weight=1.0, side=above" in out


def test_together_is_the_sum_of_both():
    """With the budget's multiplier, also after a step."""
    recipe = load_recipe("digits", [*settings("RateTarget", rate=0.1), "budget.limit=1 nJ"])
    budget, beside = build_penalties(recipe, [Allowance(None, 1000.0)])
    both = Together([budget, beside], ["45nm"])
    net = pj.Sequential(torch.nn.Linear(4, 8), pj.LIF(threshold=0.1), torch.nn.Linear(8, 2))
    with pj.Meter(net) as meter:
        net(torch.rand(5, 3, 4))
    energy = pj.load_chip("45nm").price(meter.counts)
    both.start(Validation(0.5, 10.0, 0.0, floor_pj=1.0), steps=100)
    parts = budget(energy), beside(energy, meter.traffic)
    assert torch.equal(both({"": energy}, meter.traffic), parts[0] + parts[1])
    for _ in range(3):
        both.update({"": energy})
    assert torch.equal(both.multiplier, budget.multiplier)
    again = Together(build_penalties(recipe, [Allowance(None, 1000.0)]), ["45nm"])
    again.load_state_dict(both.state_dict())
    assert torch.equal(again.multiplier, both.multiplier)
    assert again.parts[0].floor_pj == budget.floor_pj
