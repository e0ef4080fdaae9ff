"""What a sweep is asked, what it plans, and what is refused before anything is made."""

import os
import shlex
from pathlib import Path

import pytest

from picojoule.sweep.planning import planned
from picojoule.sweep.question import Question, ask, split_values
from picojoule.sweep.ranges import ranges, typed
from tiny import CHIP

SEARCH = """
extends = "digits"
name = "mine"
[sweep]
"network.width" = { low = 32, high = 256, step = 32 }
network.neuron.name = ["LIF", "IF"]
train.lr = { low = 1e-4, high = 1e-2, log = true }
"""


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b", ["a", "b"]),
        ("75%, 50% ,none", ["75%", "50%", "none"]),
        ("[1, 2],[3]", ["[1, 2]", "[3]"]),
        ("{ a = 1, b = [2, 3] },x", ["{ a = 1, b = [2, 3] }", "x"]),
        ('\'a,b\',"c,\\"d"', ["'a,b'", '"c,\\"d"']),
        ("it's, a", ["it's", "a"]),
        ("a]b,c", ["a]b", "c"]),
        ("", [""]),
    ],
)
def test_values_are_split_at_commas_that_part_them(text, values):
    assert split_values(text) == values


@pytest.mark.parametrize(
    "words",
    [
        {"over": ["network.neuron={ name = 'LIF' },{ name = 'IF' }", "train.lr=1e-2,1e-3"]},
        {"search": 7, "settings": ["name=it's mine", "train.epochs=3"], "seeds": 2},
    ],
)
def test_the_command_of_a_question_asks_it_again(words, tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(SEARCH)
    asked = ask(tmp_path / "mine.toml", **words)
    monkeypatch.chdir(tmp_path)
    Path("base.toml").write_text(asked.whole_recipe)
    given = {"--over": [], "--set": [], "--search": [], "--seeds": []}
    pj, sweep, recipe, *rest = shlex.split(asked.command)
    assert (pj, sweep) == ("pj", "sweep")
    for option, value in zip(rest[::2], rest[1::2], strict=True):
        given[option].append(value)
    again = ask(
        recipe,
        over=given["--over"],
        settings=given["--set"],
        search=int(given["--search"][0]) if given["--search"] else None,
        seeds=int(given["--seeds"][0]),
    )
    assert again == asked


def plan(*over: str, settings=(), seeds=1, recipe="digits"):
    return planned(ask(recipe, over=over, settings=settings, seeds=seeds), recipe)


def test_a_grid_has_every_configuration_with_every_seed():
    runs = plan(
        "train.lr=1e-3,1e-2", "network.neuron=LIF,IF", seeds=3, settings=["budget.limit=none"]
    )
    assert len({one.name for one in runs}) == len(runs) == 12
    assert {one.seed for one in runs} == {0, 1, 2}
    assert all(one.needs is None for one in runs)
    made = {
        (one.overrides["train.lr"], one.overrides["network.neuron"])
        for one in runs
        if one.overrides
    }
    assert made == {(lr, name) for lr in ("1e-3", "1e-2") for name in ("LIF", "IF")}


def test_a_share_needs_one_run_without_a_budget_for_each_seed_and_configuration():
    runs = plan("budget.limit=75%,50%", "network.width=32,64", seeds=2)
    free = [one for one in runs if one.needs is None]
    assert runs[: len(free)] == free
    assert [one.overrides for one in free[::2]] == [
        {"budget.limit": "none", "network.width": width} for width in ("32", "64")
    ]
    assert len(free) == 4
    by_name = {one.name: one for one in free}
    for one in runs[len(free) :]:
        assert one.overrides is not None
        needed = by_name[one.needs or ""]
        assert needed.seed == one.seed
        assert needed.overrides == {**one.overrides, "budget.limit": "none"}


def test_a_grid_that_has_the_run_without_a_budget_makes_no_other():
    runs = plan("budget.limit=50%,none")
    assert [one.needs for one in runs] == [None, runs[0].name]
    leveled = plan("budget.limit=50%,40%", settings=["budget.levers=['gates']"])
    assert leveled[0].overrides == {"budget.limit": "none", "budget.levers": "none"}


def test_names_of_runs_are_names_of_folders(tmp_path):
    for one in plan("network.neuron={ name = 'LIF', tau = '../x' },IF".replace("../x", "5 ms")):
        assert one.name == Path(one.name).name
        (tmp_path / one.name).mkdir()


def test_a_search_plans_its_first_seeds_and_then_the_others(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(SEARCH)
    runs = planned(ask(file, search=12, seeds=2), file)
    assert [one.name for one in runs[::11]] == ["00-seed0", "11-seed0", "10-seed1"]
    assert {one.needs for one in runs[:12]} == {None}
    assert runs[12].needs == "00-seed0"
    assert all(one.overrides is None for one in runs)


def test_a_question_is_kept_in_files_and_read_again(tmp_path):
    chip = tmp_path / "mine.toml"
    chip.write_text(CHIP)
    search = tmp_path / "search.toml"
    search.write_text(SEARCH)
    questions = [
        ask("digits", over=["budget.limit=75%,{ a = 1, b = 2 }"], settings=["train.epochs=2"]),
        ask("digits", over=["train.lr=1,2"], seeds=3),
        ask(search, search=3, settings=[f"budget.chip={chip}"]),
    ]
    for number, question in enumerate(questions):
        folder = tmp_path / str(number)
        question.write(folder)
        question.write(folder)  # the same again
        assert Question.read(folder) == question
        with pytest.raises(ValueError, match="sweep of another question"):
            questions[number - 1].write(folder)
    with pytest.raises(ValueError, match="--seeds is 3 there and 1 here"):
        ask("digits", over=["train.lr=1,2"]).write(tmp_path / "1")
    with pytest.raises(ValueError, match=r"is there and is no sweep \(it has no sweep.toml\)"):
        questions[0].write(tmp_path)


def test_a_question_keeps_the_chip_file_that_its_recipe_names(tmp_path):
    chip = tmp_path / "mine.toml"
    chip.write_text(CHIP)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'extends = "digits"\n[budget]\nchip = "{chip}"\n')
    question = ask(recipe, over=["train.epochs=1,2"])
    question.write(tmp_path / "sweep")
    chip.unlink()
    assert len(planned(Question.read(tmp_path / "sweep"), tmp_path / "sweep" / "base.toml")) == 4


def test_a_killed_process_leaves_a_folder_that_the_same_command_takes(tmp_path):
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "base.toml").write_text("half")
    (folder / ".sweep.toml.0a.tmp").touch()
    question = ask("digits", over=["train.lr=1,2"])
    question.write(folder)
    assert Question.read(folder) == question


@pytest.mark.parametrize(
    ("value", "text"),
    [("LIF", "LIF"), ("5", '"5"'), (5, "5"), (0.5, "0.5"), ([1], "[1]"), (True, "true")],
)
def test_values_of_a_list_are_typed_as_set_takes_them(value, text):
    assert typed(value) == text


def test_ranges_are_read_and_written(tmp_path):
    table = {
        "network.width": {"low": 32, "high": 256, "step": 32},
        "network": {"neuron": {"name": ["LIF", "BRF"]}, "layers": [1, 2]},
        "train.lr": {"low": 1e-4, "high": 1e-2, "log": True},
    }
    found = ranges(table)
    assert {key: one.ends for key, one in found.items()} == {
        "network.width": ("32", "256"),
        "network.neuron.name": ("LIF", "BRF"),
        "network.layers": ("1", "2"),
        "train.lr": ("0.0001", "0.01"),
    }
    assert found["network.width"].whole
    assert not found["train.lr"].whole
    assert ranges({key: one.table() for key, one in found.items()}) == found


WRONG = [
    ("w = 5", "sweep.'w' must be { low = 32"),
    ("w = {}", "sweep.'w' must be { low = 32"),
    ("w = { low = 1 }", "it has no high"),
    ("w = { low = 3, high = 2 }", "low = 3 is above high = 2"),
    ("w = { low = 2, high = 2 }", "low = 2 is high = 2"),
    ("w = { low = nan, high = 2 }", "sweep.'w'.low must be a finite number, got nan"),
    ("w = { low = 1, high = inf }", "sweep.'w'.high must be a finite number, got inf"),
    ("w = { low = true, high = 2 }", "sweep.'w'.low must be a finite number, got True"),
    ("w = { low = 'a', high = 2 }", "sweep.'w'.low must be a finite number, got 'a'"),
    ("w = { low = 1, high = 2, stepp = 1 }", "did you mean 'step'?"),
    ("w = { low = 1, high = 2, step = 5 }", "step must be above 0 and at most 1, got 5"),
    ("w = { low = 1, high = 2, step = 0 }", "step must be above 0"),
    ("w = { low = 0, high = 2, log = true }", "log = true takes low above 0, got 0"),
    ("w = { low = 1, high = 2, step = 1, log = true }", "log = true takes no step"),
    ("w = { low = 1, high = 2, log = 3 }", "log must be true or false, got 3"),
    ("w = []", "takes two values or more, got none"),
    ("w = ['a']", "takes two values or more, got a"),
    ("w = ['a', 'a']", "has the value a twice"),
    ('"network.widht" = [1, 2]', "did you mean 'network.width'?"),
    ('"network.width" = { low = 0, high = 10 }', "network.width"),
    ('"train.lr" = ["fast", 1.0]', "train.lr must be a number, got 'fast'"),
    ('"seed" = [1, 2]', "give seeds by their number"),
]


@pytest.mark.parametrize(("lines", "answer"), WRONG)
def test_ranges_without_meaning_are_refused(pj, tmp_path, monkeypatch, lines, answer):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(f'extends = "digits"\nname = "mine"\n[sweep]\n{lines}\n')
    code, out, err = pj("sweep", "mine.toml", "--search", 3, "--out", "x")
    assert (code, out) == (2, "")
    assert answer in err.splitlines()[-1]
    assert os.listdir() == ["mine.toml"]


COMMANDS = [
    ("", "which recipe?"),
    ("digits", "a sweep is a grid or a search"),
    ("digits --seeds 1", "or --seeds N for one recipe with several seeds"),
    ("digit --over train.lr=1,2", "did you mean 'digits'?"),
    ("digits --over train.lr=1,2 --search 3", "not both"),
    ("digits --search 3", "has no table [sweep] to search in"),
    ("digits --search 0", "must be at least 1"),
    ("digits --over budget.limt=1,2", "did you mean 'budget.limit'?"),
    ("digits --over budget.limit=75%", "takes two values or more, got 75%: one alone is for --set"),
    ("digits --over budget.limit=75%,", "takes two values or more"),
    ("digits --over budget.limit", "expected values such as budget.limit=75%,50%"),
    ("digits --over budget.limit=12,13", "budget.limit = 12 needs its unit"),
    ("digits --over budget.limit=75%,75%", "has the value 75% twice"),
    ("digits --over budget.limit=75%,75.0%", "are the same recipe"),
    ("digits --over train.lr=1e-3,nan", "train.lr must be a finite number"),
    ("digits --over train.lr=1,2 --over train.lr=3,4", "--over train.lr is there twice"),
    ("digits --over train.lr=1,2 --set train.lr=3", "'train.lr' is varied and set, too"),
    ("digits --over seed=1,2", "give seeds by their number: --seeds 3"),
    ("digits --over train.lr=1,2 --set seed=3", "give seeds by their number"),
    ("digits --over train.lr=1,2 --seeds 0", "the number of seeds must be at least 1"),
    ("digits --over train.lr=1,2 --workers 0", "the number of workers must be at least 1"),
    ("digits --over train.lr=1,2 --out there", "'there' is there and is no sweep"),
    ("digits --over train.lr=1,2 --out there/file", "'there/file' is there and is no sweep"),
    ("digits --over train.lr=1,2 --out there/file/x", "cannot be made"),
    ("--join", "pj sweep --join --out DIR"),
    ("digits --join --out there", "--join takes no recipe"),
    ("--join --out there", "there is no sweep in 'there'"),
    ("--join --out none", "there is no sweep in 'none'"),
    ("STORE mysql://u:geheim@h/d", "unknown kind of storage 'mysql'"),
    ("STORE geheim", "expected postgresql://USER@HOST/DATABASE"),
    ("STORE postgresql://u:geh/eim@h:x/d", "cannot be read: expected"),
    ("STORE postgresql://u:geheim@h", "cannot be read: expected"),
    ("STORE postgresql://u:geh@eim@h/d", "cannot be read: expected"),
    ("STORE postgresql://u:geh@eim/b@h/d", "cannot be read: expected"),
    ("STORE postgresql://u:geheim@no.host.invalid/d", "there is no host"),
    ("STORE postgresql://u:geheim@127.0.0.1:1/d?password=geheim", "no PostgreSQL answers there"),
]
STORE = "digits --over train.lr=1,2 --storage"


@pytest.mark.parametrize(("words", "answer"), COMMANDS)
def test_a_wrong_sweep_is_answered_and_makes_nothing(pj, tmp_path, monkeypatch, words, answer):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PICOJOULE_STORAGE", raising=False)
    Path("there").mkdir()
    Path("there/file").touch()
    code, out, err = pj("--verbose", "sweep", *words.replace("STORE", STORE).split())
    assert (code, out) == (2, "")
    assert answer in err.splitlines()[-1]
    for word in ("geh", "eim", "psycopg", "sqlalche.me"):
        assert word not in err
    assert sorted(map(str, Path().rglob("*"))) == ["there", "there/file"]


def test_without_the_extra_one_sentence_says_what_installs_it(pj, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("picojoule.sweep.storage.find_spec", lambda _: None)
    code, _, err = pj("sweep", "digits", "--over", "train.lr=1,2")
    assert (code, err) == (
        2,
        "error: pj sweep needs more packages: pip install 'picojoule[sweep]'\n",
    )
