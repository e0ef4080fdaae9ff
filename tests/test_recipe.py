"""Recipes: read, laid over one another, checked, written."""

import functools
import hashlib
import inspect
import re
import tomllib
from dataclasses import is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from picojoule.data import ENCODERS, dataset, load
from picojoule.energy import load_chip
from picojoule.networks import NETWORKS
from picojoule.neurons import LIF, Mixture, kinds, neuron
from picojoule.recipe import Recipe, load_recipe, recipe_names, toml
from picojoule.recipe.data_table import AugmentTable, DataTable
from picojoule.recipe.neuron_table import make
from picojoule.recipe.tables import BudgetTable, TrainTable
from picojoule.run.build import build_network, build_optimizer, build_schedule
from picojoule.surrogate import SURROGATES
from picojoule.training.penalties import penalty
from tiny import CHIP

MIXED = (
    'network.neuron={ name = "mixture", dt = "10 ms", kinds = [{ name = "lif", share = 0.75, '
    'tau = ["20 ms", "60 ms"] }, { name = "BRF", share = 0.25, learn = ["omega"] }] }'
)


def refused(*overrides: str, recipe: str | Path = "digits") -> str:
    """The message with which a recipe is refused."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (each caller looks at the message)
        load_recipe(recipe, overrides)
    return str(caught.value)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_of_ours_is_valid_and_comes_back_from_its_own_text(name, tmp_path):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    file = tmp_path / "recipe.toml"
    file.write_text(recipe.to_toml(), encoding="utf-8")
    again = load_recipe(file)
    assert again == recipe.model_copy(update={"measured": ""})
    assert again.sha256 == recipe.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    narrow = load_recipe(name, ["network.width=8"])
    assert any(p.requires_grad for p in build_network(narrow).parameters())


def parameters(made) -> set[str]:
    """What a class or function takes, but for what the data and the network give it."""
    return set(inspect.signature(made).parameters) - {"size", "inputs", "classes", "neuron"}


def written_out(kind: dict[str, Any]) -> list[tuple[set[str], set[str]]]:
    """The keys of a neuron in a recipe's file, and of the tables in it, beside its parameters."""
    if kind["name"] == "Mixture":
        parts = [pair for one in kind["kinds"] for pair in written_out(one)]
        return [(set(kind), {"name", *parameters(Mixture)}), *parts]
    made = neuron(kind["name"])
    found = [(set(kind) - {"share"}, {"name", "learn", *parameters(made)})]
    if "surrogate" in kind:
        shape = kind["surrogate"]
        found.append((set(shape), {"name", *parameters(SURROGATES[shape["name"]])}))
    for name, parameter in inspect.signature(made).parameters.items():
        if is_dataclass(parameter.default) and name != "surrogate":
            found.append((set(kind[name]), parameters(type(parameter.default))))
    return found


KINDS = {
    f"neuron {name}": f"network.neuron.name={name}"
    for name, kind in kinds().items()
    if name not in ("Mixture", "Recurrent")
}
SAID = {
    **{name: (name,) for name in recipe_names()},
    **{case: ("digits", setting) for case, setting in KINDS.items()},
    "mixture": ("fsdd", MIXED),
    "no clamp": ("digits", "network.neuron={ name = 'LNM', clamp = 'none', surrogate = 'slayer' }"),
    "adaptation": (
        "fsdd",
        "network.neuron={ name = 'AdLIF', adaptation = { tau = ['1 ms', '2 ms'] } }",
    ),
    "penalty": ("fsdd", "penalty={ name = 'FixedPrice', weight = 1 }"),
    **{f"network {name}": ("digits", f"network.name={name}") for name in NETWORKS},
    **{
        f"encoder {name}": ("digits", f"data.encoder={{ name = '{name}', steps = 3 }}")
        for name in ("repeat", "poisson", "latency")
    },
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_every_default_is_written_out(said, tmp_path):
    """So that a run's file gives the same run whatever the defaults become."""
    name, *settings = said
    recipe = load_recipe(name, settings)
    file = tmp_path / "recipe.toml"
    file.write_text(recipe.to_toml(), "utf-8")
    tables = tomllib.loads(file.read_text("utf-8"))
    encoder, network = tables["data"]["encoder"], tables["network"]
    pairs = [
        (set(tables), set(Recipe.model_fields) - {"measured", "sweep"}),
        (set(tables["data"]), set(DataTable.model_fields)),
        (set(tables["data"]["augment"]), set(AugmentTable.model_fields)),
        (set(tables["train"]), set(TrainTable.model_fields)),
        (set(tables["budget"]), set(BudgetTable.model_fields)),
        (set(encoder), {"name", *parameters(ENCODERS[encoder["name"]])}),
        (set(network), {"name", "neuron", *parameters(NETWORKS[network["name"]])}),
        *written_out(network["neuron"]),
    ]
    if recipe.penalty is not None:
        pairs.append((set(tables["penalty"]), {"name", *parameters(penalty(recipe.penalty.name))}))
    for there, wanted in pairs:
        assert there == wanted
    again = load_recipe(file)
    assert again == recipe.model_copy(update={"measured": ""})
    assert again.to_toml() == recipe.to_toml()


@pytest.mark.parametrize(
    "name",
    ["digits", "fsdd", "cifar10-resnet18-lnm-cpu", "cifar10-vgg16-multilevel-cpu", "shd-cpu"],
)
def test_a_written_recipe_asks_for_no_default(name, tmp_path, monkeypatch):
    """Encoder, network, neuron and surrogate are made while none of them has any."""
    recipe = load_recipe(name, ["network.width=8"])
    (tmp_path / "recipe.toml").write_text(recipe.to_toml(), "utf-8")
    again = load_recipe(tmp_path / "recipe.toml")
    torch.manual_seed(0)
    net, encoder = build_network(recipe), recipe.data.make_encoder()
    used = recipe.network.neuron.model_dump()
    used = used.get("kinds", [used])
    made = [neuron(one["name"]) for one in used]
    made += [SURROGATES[one["surrogate"]["name"]] for one in used]
    for function in (*(k.__init__ for k in (*made, type(encoder))), NETWORKS[recipe.network.name]):
        monkeypatch.setattr(function, "__defaults__", None)
        monkeypatch.setattr(function, "__kwdefaults__", None)
    torch.manual_seed(0)
    same = build_network(again)
    assert repr(same) == repr(net)
    assert again.data.make_encoder() == encoder
    for one, other in zip(same.state_dict().values(), net.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_the_optimizer_follows_the_recipe():
    net = torch.nn.Linear(2, 2)
    adam = load_recipe("digits", ["train.betas=[0.8, 0.9]"])
    assert build_optimizer(adam, net).defaults["betas"] == (0.8, 0.9)
    sgd = load_recipe("digits", ["train.optimizer=sgd", "train.momentum=0.5"])
    assert build_optimizer(sgd, net).defaults["momentum"] == 0.5


def test_none_is_nothing_where_there_may_be_nothing():
    assert load_recipe("digits", ["data.limit=none", "train.chunk=none"]) == load_recipe("digits")
    assert "data.limit" in refused("data.limit=nothing")
    assert "train.lr" in refused("train.lr=none")
    assert "network.width must be" in refused("network.width=none")
    assert "tau" in refused("network.neuron.tau=none")


def test_a_table_in_a_neuron_is_checked_by_its_keys():
    start = "network.neuron={ name = 'AdLIF', adaptation = "
    assert "did you mean 'scale'?" in refused(start + "{ scal = 3 } }")
    assert "network.neuron.adaptation" in refused(start + "3 }")
    assert "a must be" in refused(start + "{ a = [-1, 0] } }")


PAIRS = {
    "fashion-mnist": ["cnn7", "vgg11", "resnet18-sew"],
    "cifar10": ["cnn7", "vgg11", "vgg16", "vgg16-multilevel", "resnet19"],
    "cifar100": ["cnn7", "vgg11", "vgg16", "vgg16-multilevel", "resnet18-sew"],
    "cifar10-dvs": ["lnm", "resnet18-sparse"],
}
BLOCKS = [f"resnet18-{kind}" for kind in ("spiking", "sew", "ms", "sparse", "lnm")]


def test_recipes_of_every_network_and_data_set_are_there():
    """Of the papers, in two sizes."""
    names = [f"{data}-{network}" for data, networks in PAIRS.items() for network in networks]
    names += [f"cifar10-{block}" for block in BLOCKS]
    names += ["mnist", "nmnist", "cifar10-dvs", "dvs-gesture", "shd", "ssc", "speech-commands"]
    names.append("speech-commands-12")
    both = {*names, *(f"{name}-cpu" for name in names)}
    assert both | {"digits", "fsdd", "fashion-mnist"} <= set(recipe_names())
    for name in names:
        small, full = load_recipe(f"{name}-cpu"), load_recipe(name)
        assert (small.machine, full.machine) == ("cpu", "gpu")
        assert small.data.name == full.data.name


@pytest.mark.parametrize("called", ["mine", "fsdd"])
def test_a_data_set_of_ones_own_is_named_by_its_file(tmp_path, monkeypatch, called):
    """Also if it has the name of another; a run may go on from another folder."""
    text = (resources.files("picojoule.data") / "sets" / "fsdd.toml").read_text("utf-8")
    text = text.replace('name = "fsdd"', f'name = "{called}"').replace('"zero"', '"nil"')
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("fsdd", ["data.name=mine.toml"])
    assert recipe.data.name == str(tmp_path / "mine.toml")
    assert (recipe.data.dataset.name, recipe.data.dataset.labels[0]) == (called, "nil")
    monkeypatch.chdir("/")
    (tmp_path / "again.toml").write_text(recipe.to_toml(), "utf-8")
    assert load_recipe(str(tmp_path / "again.toml")) == recipe
    with pytest.raises(ValueError, match="pj data get FILE"):
        load(recipe.data.name, tmp_path)


def test_settings_change_fields_and_nothing_else():
    plain = load_recipe("digits")
    changed = load_recipe("digits", ["budget.limit=20 nJ", "train.epochs=5", "seed=1"])
    assert (changed.budget.limit_pj, changed.train.epochs, changed.seed) == (20_000.0, 5, 1)
    assert (changed.data, changed.network) == (plain.data, plain.network)
    assert changed.sha256 != plain.sha256


@pytest.mark.parametrize(
    ("limit", "limit_pj", "share"),
    [
        ("12 nJ", 12_000.0, None),
        ("12nj", 12_000.0, None),
        ("12_000 pj", 12_000.0, None),
        ("1.5 µJ", 1_500_000.0, None),
        ("none", None, None),
        ("50%", None, 0.5),
        ("12.5 %", None, 0.125),
    ],
)
def test_a_limit_is_an_energy_a_share_or_none(limit, limit_pj, share):
    budget = load_recipe("digits", [f"budget.limit={limit}"]).budget
    assert (budget.limit_pj, budget.share) == (limit_pj, share)


@pytest.mark.parametrize("limit", ["0", "-5", "-3 nJ", "0 nJ", "inf", "nan"])
def test_a_budget_that_is_not_above_zero_is_refused(limit):
    message = refused(f"budget.limit={limit}")
    assert "budget.limit" in message
    assert "above zero" in message
    assert "'none' for no budget" in message


@pytest.mark.parametrize("limit", ["0%", "101%", "1e3%", "lots", "12 kg", "true", "[]"])
def test_a_limit_that_is_no_energy_and_no_share_is_refused(limit):
    assert "budget.limit" in refused(f"budget.limit={limit}")


ANALOG = "budget.chip=analog-65nm"


@pytest.mark.parametrize(
    ("settings", "allowances"),
    [
        (["budget.limit=12 nJ"], [(None, 12_000.0, None)]),
        (["budget.limit=200 spikes"], [("spikes", 200.0, None)]),
        (["budget.limit=3e4 synops"], [("synops", 30_000.0, None)]),
        (["budget.limit=1 Spike"], [("spikes", 1.0, None)]),
        (["budget.limit=1 mW", "budget.rate=20 / s", ANALOG], [(None, 5e7, 20.0)]),
        (["budget.limit=1 mW", "budget.rate=20", ANALOG], [(None, 5e7, 20.0)]),
        (["budget.limit=1 µw", "budget.rate=2 kHz", ANALOG], [(None, 500.0, 2000.0)]),
        (
            ["budget.limits={ loihi = '50 nJ', 45nm-sram = '1 uJ', spikes = '200 spikes' }"],
            [("loihi", 5e4, None), ("45nm-sram", 1e6, None), ("spikes", 200.0, None)],
        ),
        (
            ["budget.limits.analog-65nm=1 mW", "budget.limits.loihi=1 nJ", "budget.rate=10/s"],
            [("analog-65nm", 1e8, 10.0), ("loihi", 1000.0, None)],
        ),
        (["budget.limit=none"], []),
        (["budget.limit=50%"], []),
    ],
)
def test_limits_are_energies_powers_and_numbers_and_come_back_from_the_file(
    settings, allowances, tmp_path
):
    """Also beside the limit of the recipe that is extended, whose place they take."""
    recipe = load_recipe("digits", settings)
    assert [(one.on, one.limit_pj, one.rate_hz) for one in recipe.budget.allowances] == allowances
    (tmp_path / "again.toml").write_text(recipe.to_toml())
    again = load_recipe(tmp_path / "again.toml")
    assert (again.budget, again.sha256) == (recipe.budget, recipe.sha256)
    one = load_recipe(tmp_path / "again.toml", ["budget.rate=none", "budget.limit=1 nJ"])
    assert [each.limit_pj for each in one.budget.allowances] == [1000.0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["limit=1 mW"], "'0.001 W' is a power, .* by budget.rate, such as '20 / s'"),
        (["limit=1 mW", "rate=20 / s"], "'45nm' has no static power .* 50 µJ at 20 / s"),
        (["limits={ loihi = '1 mW' }", "rate=20 / s"], "'loihi' has no static power"),
        (["limit=1 nJ", "limits={ loihi = '1 nJ' }"], "are both given"),
        (["limit=1 nJ", "rate=20 / s"], "budget.rate is for a limit in watts"),
        (["rate=20 / s", "limit=200 spikes"], "budget.rate is for a limit in watts"),
        (["limit=1 MW", "rate=1"], "write '1 mW' for milli"),
        (["limit=3 s"], "a limit is an energy such as '12 nJ', a power"),
        (["limit=-1 spikes"], "above zero"),
        (["limit=many spikes"], "a limit is an energy"),
        (["limits={ loihi = '200 spikes' }"], "a limit of its own, spikes = '200 spikes'"),
        (["limits={ synops = '3 nJ' }"], "synops = '3000 pJ' is an energy"),
        (["limits={ synops = '3 spikes' }"], "a limit of its own, spikes = '3 spikes'"),
        (["limits={ spikes = '3 mW' }", "rate=1"], "spikes = '0.003 W': expected"),
        (["limits={ lohi = '3 nJ' }"], "chip of budget.limits 'lohi': did you mean 'loihi'"),
        (["limits={ loihi = '50%' }"], "a share is for budget.limit alone"),
        (["limits={ loihi = 'none' }"], "loihi = 'none': expected"),
        (["limits={ loihi = 50 }"], "budget.limits.loihi = 50 needs its unit"),
        (["limits={ './loihi.toml' = '50 nJ' }"], "name your chip file by budget.chip"),
        (["limits=50 nJ"], "expected a limit for each chip"),
        (["limits={}"], "expected a limit for each chip"),
        (["limits=[1]"], "expected a limit for each chip"),
        (["limit=1 uW", "rate=0"], "budget.rate must be above 0"),
        (["limit=1 uW", "rate=20", "chip=analog-65nm", 'levers=["steps"]'], "leave out that lever"),
        (["limit=1 uW", "rate=fast"], "budget.rate: expected a number per second"),
    ],
)
def test_limits_that_contradict_each_other_or_their_chip_are_refused(settings, words):
    assert re.search(words, refused(*(f"budget.{one}" for one in settings)))


def test_a_chip_of_ones_own_has_a_limit_by_its_name(tmp_path):
    (tmp_path / "c.toml").write_text(CHIP)
    file = tmp_path / "mine.toml"
    file.write_text(
        'extends = "digits"\nname = "r"\n[budget]\nchip = "c.toml"\n'
        'limits = { mine = "3 nJ", loihi = "50 nJ" }\n'
    )
    budget = load_recipe(file).budget
    assert [budget.price_list(one.on).name for one in budget.allowances] == ["mine", "loihi"]


@pytest.mark.parametrize("limit", ["12", "0.5", "12e3"])
def test_a_limit_by_hand_has_a_unit_and_in_a_file_it_is_in_picojoule(limit, tmp_path):
    message, number = refused(f"budget.limit={limit}"), float(limit)
    assert f"needs its unit: '{number:g} nJ'" in message
    assert f"'{number:g}%' for a share" in message
    file = tmp_path / "mine.toml"
    file.write_text(f'extends = "digits"\n[budget]\nlimit = {limit}\n')
    assert load_recipe(file).budget.limit_pj == number


@pytest.mark.parametrize(
    ("setting", "wrong", "nearest"),
    [
        ("budgt.limit=1", "key 'budgt.limit'", "'budget.limit'"),
        ("budgt=1", "key 'budgt'", "'budget'"),
        ("epochs=5", "key 'epochs'", "'train.epochs'"),
        ("epohcs=5", "key 'epohcs'", "'train.epochs'"),
        ("Train.Epochs=5", "key 'Train.Epochs'", "'train.epochs'"),
        ("batchsize=5", "key 'batchsize'", "'train.batch_size'"),
        ("shift=1", "key 'shift'", "'data.augment.shift'"),
        ("steps=4", "key 'steps'", "'data.encoder.steps'"),
        ("encoder.steps=4", "key 'encoder.steps'", "'data.encoder.steps'"),
        ("tau=1", "key 'tau'", "'network.neuron.tau'"),
        ("network.tau=1", "key 'network.tau'", "'network.neuron.tau'"),
        ("neuron.tua=1", "key 'neuron.tua'", "'network.neuron.tau'"),
        ("width=5", "key 'width'", "'network.width'"),
        ("train.width=5", "key 'train.width'", "'network.width'"),
        ("surrogate=atan", "key 'surrogate'", "'network.neuron.surrogate'"),
        ("budget.limt=1", "key 'budget.limt'", "'budget.limit'"),
        ("train.epohcs=1", "key 'train.epohcs'", "'train.epochs'"),
        ("data.augment.shft=1", "key 'data.augment.shft'", "'data.augment.shift'"),
        ("data.name=digts", "data set 'digts'", "'digits'"),
        ("data.encoder.name=latncy", "encoder 'latncy'", "'latency'"),
        ("data.encoder.stps=3", "key 'data.encoder.stps'", "'data.encoder.steps'"),
        ("network.name=mpl", "network 'mpl'", "'mlp'"),
        ("network.widht=3", "key 'network.widht'", "'network.width'"),
        ("network.neuron.name=LIFF", "neuron 'LIFF'", "'LIF'"),
        ("network.neuron.tua=3", "key 'network.neuron.tua'", "'network.neuron.tau'"),
        ("network.neuron.surrogate=atn", "surrogate 'atn'", "'atan'"),
        ("network.neuron.surrogate.name=sigmod", "surrogate 'sigmod'", "'sigmoid'"),
        ("budget.chip=45mn", "chip '45mn'", "'45nm'"),
        ("train.optimizer=adma", "train.optimizer 'adma'", "'adam'"),
        ("train.schedule=cosin", "train.schedule 'cosin'", "'cosine'"),
        ("train.readout=meen", "readout 'meen'", "'mean'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(setting, wrong, nearest):
    message = refused(setting)
    assert wrong in message
    assert f"did you mean {nearest}?" in message


def test_options_of_all_that_a_recipe_names_are_known(tmp_path):
    """The nearest key is looked for in what this recipe names, in settings and files alike."""
    named = ["penalty.name=SynapticPenalty", "penalty.weight=1e-4"]
    assert "did you mean 'penalty.weight'?" in refused("budget.limit=none", *named, "weight=2")
    sharp = "network.neuron.surrogate=atan"
    assert "did you mean 'network.neuron.surrogate.alpha'?" in refused(sharp, "alpha=2")
    assert "did you mean 'network.steps'?" in refused("steps=2", recipe="fashion-mnist")
    both = refused("data.encoder=repeat", "network.name=cnn7", "steps=2")
    assert "'network.steps'" in both
    assert "'data.encoder.steps'" in both
    file = tmp_path / "mine.toml"
    file.write_text('extends = "digits"\ntau = 1\n[train]\nlimit = 3\n[encoder]\nsteps = 4\n')
    message = refused(recipe=file)
    for key in ("network.neuron.tau", "budget.limit", "data.limit", "data.encoder.steps"):
        assert f"'{key}'" in message


def test_a_key_like_none_is_refused_with_all_there_are():
    message = refused("learning_rate=1")
    assert "did you mean" not in message
    for key in ("train.lr", "network.neuron.tau", "data.encoder.threshold", "budget.chip"):
        assert key in message


def test_the_options_of_an_unknown_name_are_no_mistake_of_their_own():
    message = refused("network.name=mpl", "network.any=3")
    assert "did you mean 'mlp'?" in message
    assert "any" not in message


def test_an_unknown_recipe_is_refused_with_the_nearest_one():
    assert "did you mean 'digits'?" in refused(recipe="digit")
    assert len(refused(recipe="digit")) < 200  # and not all 63


BY_PATH = [(load_recipe, "recipe"), (load_chip, "chip"), (dataset, "data set")]


@pytest.mark.parametrize(
    "path",
    ["no/such/file.toml", "none.toml", "./none", "~/none", "none/digits", "/none/digits.tml"],
)
def test_a_path_that_is_not_there_is_a_missing_file(path):
    for read, what in BY_PATH:
        with pytest.raises(FileNotFoundError) as caught:
            read(path)
        assert str(caught.value).startswith(f"no {what} file at {Path(path).expanduser()}")
    setting = f"data.name={path}"
    with pytest.raises(FileNotFoundError, match="no data set file at"):
        load_recipe("digits", [setting])


def test_a_missing_file_with_the_name_of_what_comes_along_says_so():
    with pytest.raises(FileNotFoundError, match="did you mean the recipe 'digits'"):
        load_recipe("digits.toml")
    with pytest.raises(FileNotFoundError, match="did you mean the chip '45nm'"):
        load_chip("chips/45nm.toml")


def test_a_folder_is_no_recipe_no_chip_and_no_data_set(tmp_path):
    for read, what in BY_PATH:
        with pytest.raises(IsADirectoryError, match=f"is a folder, and a {what} is"):
            read(tmp_path)


def test_a_misspelt_name_in_extends_is_refused_with_the_nearest_one(tmp_path):
    file = tmp_path / "mine.toml"
    for below, message in (("digts", "did you mean 'digits'?"), ("up.toml", "no recipe file at")):
        file.write_text(f'extends = "{below}"\n')
        with pytest.raises((ValueError, OSError), match=re.escape(message)):
            load_recipe(file)


@pytest.mark.parametrize(
    ("setting", "where"),
    [
        ("train.epochs=0", "train.epochs"),
        ("train.epochs=2.5", "train.epochs"),
        ("train.epochs=true", "train.epochs"),
        ("train.batch_size=0", "train.batch_size"),
        ("train.lr=-1", "train.lr"),
        ("train.lr=nan", "train.lr"),
        ("seed=-1", "seed"),
        ("name=../up", "name"),
        ("data=3", "data"),
        ("network.neuron.tau=20 kg", "network.neuron"),
        ("network.neuron.surrogate.alpha=1", "network.neuron"),
        ("network.width=abc", "network.width must be a whole number of at least 1, got 'abc'"),
        ("network.width=0", "network.width must be a whole number of at least 1, got 0"),
        ("network.width=true", "network.width must be"),
        ("network.width=2000000000", "network.width must be below 1,000,000, got 2,000,000,000"),
        ("network.layers=2000000000", "network.layers must be a whole number of at least 1 and"),
        ("network.layers=0", "network.layers must be"),
        ("network.layers=1.5", "network.layers must be"),
        ("network.dropout=1", "network.dropout must be at least 0 and below 1, got 1"),
        ("network.dropout=-0.1", "network.dropout must be"),
        ("network.dropout=abc", "network.dropout must be"),
        ("network.neuron.threshold=abc", "network.neuron.threshold must be a number, got 'abc'"),
        ("network.neuron.threshold=true", "network.neuron.threshold must be a number"),
        ("network.neuron.detach_reset=3", "network.neuron.detach_reset must be true or false"),
        ("network.neuron.reset=3", "network.neuron.reset must be a text"),
        ("network.neuron.surrogate=3", "surrogate '3'"),
        ("network.neuron.surrogate=[1]", "surrogate '[1]'"),
        ('network.neuron.surrogate={name="atan",alpha="x"}', "surrogate.alpha must be a number"),
        ("data.encoder.steps=2.5", "data.encoder.steps must be a whole number, got 2.5"),
        ("data.encoder.threshold=abc", "data.encoder.threshold must be a number"),
        ("budget.margin=-1", "budget.margin"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_key(setting, where):
    assert where in refused(setting)


def test_a_setting_without_a_value_is_refused():
    assert "train.epochs=5" in refused("train.epochs")


def test_what_is_missing_is_named(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\n[network]\nname = "mlp"\n[train]\n')
    message = refused(recipe=file)
    assert "'data' is missing" in message
    assert "'train.epochs' is missing" in message


def test_every_problem_of_a_recipe_is_told_at_once():
    assert refused("train.lr=-1", "budget.limt=3", "data.name=digts").count("\n") == 2


def test_a_file_that_is_no_toml_is_named(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("name = \n")
    assert str(file) in refused(recipe=file)
    assert "is not valid TOML" in refused(recipe=file)


def test_a_recipe_extends_one_of_ours_or_a_file_beside_it(tmp_path):
    (tmp_path / "wide.toml").write_text('extends = "digits"\nname = "wide"\n[network]\nwidth = 7\n')
    (tmp_path / "long.toml").write_text(
        'extends = "wide.toml"\nname = "long"\n[train]\nepochs = 99\n[budget]\nlimit = "50%"\n'
    )
    recipe, base = load_recipe(tmp_path / "long.toml"), load_recipe("digits")
    assert recipe.name == "long"
    assert recipe.network.params["width"] == 7
    assert (recipe.train.epochs, recipe.train.lr) == (99, base.train.lr)
    assert recipe.budget.share == 0.5
    assert recipe.data == base.data


def test_a_recipe_that_extends_itself_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text('extends = "b.toml"\n')
    (tmp_path / "b.toml").write_text('extends = "a.toml"\n')
    assert "extends itself" in refused(recipe=tmp_path / "a.toml")


def test_another_encoder_or_network_drops_the_parameters_of_the_former():
    recipe = load_recipe("digits", ["data.encoder.name=poisson", "data.encoder.steps=3"])
    assert recipe.data.encoder.params == {"steps": 3, "rate": 1.0}
    recipe = load_recipe("digits", ["data.encoder.steps=3", "data.encoder.name=poisson"])
    assert recipe.data.encoder.params == {"steps": 3, "rate": 1.0}
    recipe = load_recipe("fashion-mnist", ["network.name=mlp"])
    assert recipe.network.params == {"width": 128, "layers": 2, "dropout": 0.0}
    assert recipe.network.neuron == load_recipe("fashion-mnist").network.neuron


def test_a_name_stands_for_the_table_of_that_name():
    recipe = load_recipe("digits", ["network.neuron=lif"])
    assert recipe.network.neuron.name == "LIF"
    assert (
        recipe.network.neuron == load_recipe("digits", ["network.neuron.name=LIF"]).network.neuron
    )
    by_name, alpha = "network.neuron.surrogate=atan", "network.neuron.surrogate.alpha=3.0"
    for settings in ([by_name, alpha], [alpha, by_name]):
        recipe = load_recipe("digits", settings)
        assert recipe.network.neuron.params["surrogate"] == {"name": "atan", "alpha": 3.0}


def test_times_may_have_units():
    given_units = load_recipe("digits", ["network.neuron.tau=30 ms", "network.neuron.dt=500 us"])
    given_numbers = load_recipe("digits", ["network.neuron.tau=0.03", "network.neuron.dt=0.0005"])
    assert given_units == given_numbers
    assert given_units.sha256 == given_numbers.sha256


def test_a_surrogate_may_have_parameters():
    setting = 'network.neuron.surrogate={ name = "sigmoid", alpha = 7.0 }'
    net = build_network(load_recipe("digits", [setting]))
    assert {layer.surrogate.alpha for layer in net if hasattr(layer, "surrogate")} == {7.0}


def test_a_chip_file_is_found_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(CHIP)
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("digits", ["budget.chip=mine.toml"])
    assert recipe.budget.chip == str(tmp_path / "mine.toml")


def test_a_chip_file_of_a_recipe_file_is_found_beside_it(tmp_path, monkeypatch):
    chip = tmp_path / "chips" / "c.toml"
    chip.parent.mkdir()
    chip.write_text(CHIP)
    (chip.parent / "r.toml").write_text(
        'extends = "digits"\nname = "r"\n[budget]\nchip = "c.toml"\n'
    )
    (tmp_path / "s.toml").write_text('extends = "chips/r.toml"\nname = "s"\n')
    monkeypatch.chdir("/")
    for file in (chip.parent / "r.toml", tmp_path / "s.toml"):
        assert load_recipe(file).budget.chip == str(chip)
    assert 'chip = "chip.toml"\n' in load_recipe(tmp_path / "s.toml").to_toml()
    assert load_recipe(tmp_path / "s.toml", ["budget.chip=45nm"]).budget.chip_file is None


def test_a_mixture_names_its_kinds(tmp_path):
    recipe = load_recipe("fsdd", [MIXED])
    before = torch.get_rng_state()
    layer = make(recipe.network.neuron, 8)
    assert layer.counts == {"lif": 6, "brf": 2}
    assert layer.dt == 0.01
    lif, brf = layer.kinds["lif"], layer.kinds["brf"]
    assert lif.tau.shape == (6,)
    assert lif.tau.unique().numel() == 6
    assert bool(((lif.tau >= 0.02) & (lif.tau <= 0.06)).all())
    assert [n for n, p in layer.named_parameters() if p.requires_grad] == ["kinds.brf.omega"]
    assert brf.dt == 0.01
    (tmp_path / "again.toml").write_text(recipe.to_toml())
    assert load_recipe(tmp_path / "again.toml").sha256 == recipe.sha256
    torch.set_rng_state(before)
    load_recipe("fsdd", [MIXED])
    assert torch.equal(torch.get_rng_state(), before)  # a recipe draws nothing


@pytest.mark.parametrize(
    ("neuron", "words"),
    [
        ('{ name = "Mixture" }', "needs its kinds"),
        ('{ name = "Mixture", kinds = [{ name = "LIF" }] }', "'LIF' of a Mixture needs its share"),
        ('{ name = "Mixture", kinds = [{ name = "LIF", share = 0.5 }] }', "sum to one"),
        ('{ name = "Mixture", kinds = [{ name = "LIFF", share = 1 }] }', "did you mean 'LIF'"),
        ('{ name = "Mixture", kinds = [{ name = "LIF", share = 1.0 }], tau = 1 }', "neuron.tau'"),
        ('{ name = "Mixture", kinds = [{ name = "LIF", share = 1.0 }], learned = 1 }', "learned"),
        ('{ name = "LIF", tau = ["20 ms"] }', "a number or a range"),
        ('{ name = "LIF", tau = ["20 ms", "10 ms"] }', "a number or a range"),
        ('{ name = "LIF", tau = -1.0 }', "tau must be positive"),
        ('{ name = "BRF", omega = [200, 300] }', "dt * omega must be below 1"),
        ('{ name = "BRF", omega = [5, 100.5] }', "dt * omega must be below 1"),
        ('{ name = "LIF", threshold = [-0.001, 1] }', "threshold must be positive"),
        (
            '{ name = "Mixture", kinds = [{ name = "LIF", share = 0.9999 }, '
            '{ name = "PLIF", share = 0.0001 }] }',
            "leave a kind without one",
        ),
        ('{ name = "nowhere:Own" }', "in no module that Python finds"),
        ('{ name = "picojoule.neurons:Recurrent" }', "needs neuron: give it a default"),
        ('{ name = "LIF", learn = ["tua"] }', "did you mean 'tau'"),
        ('{ name = "LIF", learn = "tau" }', "learn must be a list"),
    ],
)
def test_neurons_that_cannot_be_made_are_refused(neuron, words):
    assert words in refused(f"network.neuron={neuron}")


def test_neurons_that_need_another_neuron_are_not_offered():
    message = refused("network.neuron.name=Recurrent")
    assert "unknown neuron 'Recurrent'" in message
    assert "Recurrent" not in message.split("Known: ")[1]


class Own(LIF):
    """A neuron of a user's own."""

    cost = LIF.cost


def test_a_neuron_of_ones_own_is_named_by_where_it_is():
    recipe = load_recipe(
        "digits", [f"network.neuron.name={__name__}:Own", "network.neuron.tau=0.01"]
    )
    assert recipe.network.neuron.name == f"{__name__}:Own"
    layers = [layer for layer in build_network(recipe) if isinstance(layer, Own)]
    assert layers
    assert all(torch.equal(layer.tau, torch.full_like(layer.tau, 0.01)) for layer in layers)
    assert "did you mean 'network.neuron.tau'" in refused(
        f"network.neuron.name={__name__}:Own", "network.neuron.tua=1"
    )


def test_a_look_at_a_recipe_makes_few_neurons(monkeypatch):
    made = []
    plain = LIF.__init__

    @functools.wraps(plain)
    def noted(self, size=None, **options):
        made.append(size)
        plain(self, size, **options)

    monkeypatch.setattr(LIF, "__init__", noted)
    load_recipe("fsdd", [MIXED])
    assert made
    assert set(made) == {1}


def test_a_recipe_does_not_change():
    recipe = load_recipe("digits")
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimizer_and_schedule_are_what_the_recipe_says(name):
    recipe = load_recipe("digits", [f"train.optimizer={name}", "train.lr=0.5"])
    net = build_network(recipe)
    optimizer = build_optimizer(recipe, net)
    assert type(optimizer).__name__.lower() == name
    learning = [p for p in net.parameters() if p.requires_grad]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(learning)
    schedule = build_schedule(recipe, optimizer, steps=4)
    assert schedule is not None
    rates = []
    for _ in range(4):
        rates += schedule.get_last_lr()
        optimizer.step()
        schedule.step()
    assert rates[0] == 0.5
    assert rates == sorted(rates, reverse=True)
    assert schedule.get_last_lr()[0] == pytest.approx(0)
    constant = load_recipe("digits", ["train.schedule=constant"])
    assert build_schedule(constant, optimizer, steps=4) is None


def test_the_seed_decides_the_weights():
    recipe = load_recipe("digits")
    nets = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        nets.append(torch.cat([p.flatten() for p in build_network(recipe).parameters()]))
    assert torch.equal(nets[0], nets[1])
    assert not torch.equal(nets[0], nets[2])


_NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
_VALUE = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAME, inner, max_size=3)
)


@given(st.dictionaries(_NAME, _VALUE, max_size=4))
def test_what_is_written_is_what_is_read(tables):
    assert tomllib.loads(toml.dumps(tables)) == tables


def test_what_toml_has_no_word_for_is_refused():
    with pytest.raises(TypeError, match="complex"):
        toml.dumps({"a": 1j})


def test_the_schema_of_a_recipe_is_closed():
    known = {"name", "description", "machine", "measured", "seed", "sweep"}
    assert set(Recipe.model_fields) == known | {"data", "network", "train", "budget", "penalty"}


def test_what_was_measured_is_of_the_recipe_as_it_stood(tmp_path):
    file, other = tmp_path / "own.toml", tmp_path / "other.toml"
    file.write_text('extends = "digits"\nmeasured = "0.97, seeds 0 to 2"\n')
    other.write_text('extends = "own.toml"\nseed = 1\n')
    assert load_recipe(file).measured == "0.97, seeds 0 to 2"
    assert load_recipe(other).measured == ""
    assert load_recipe(file, ["train.epochs=3"]).measured == ""
    plain = load_recipe(file).model_copy(update={"measured": ""})
    assert load_recipe(file).sha256 == plain.sha256
