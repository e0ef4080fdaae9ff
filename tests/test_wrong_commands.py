"""Wrong commands: each is answered with the setting or file that is wrong, and a way out."""

import errno
import os
import re
from pathlib import Path

import pytest
from typer.main import get_command

from picojoule.cli import app
from picojoule.data import dataset
from picojoule.recipe import load_recipe
from picojoule.run import start
from tiny import SETTINGS

# What was typed, and what the answer must say. In a folder with the files made below.
TRAIN = [
    ("digit", "unknown recipe 'digit': did you mean 'digits'?"),
    ("none.toml", "no recipe file at none.toml"),
    ("runs/none", "no recipe file at runs/none"),
    ("digits.toml", "did you mean the recipe 'digits'?"),
    ("folder", "folder is a folder, and a recipe is a .toml file or a name"),
    ("bad.toml", "bad.toml is not valid TOML"),
    ("bytes.toml", "bytes.toml is not a text in UTF-8 (byte 0)"),
    ("little.toml", "'train' is missing"),
    ("misspelt.toml", "unknown key 'train.epohcs': did you mean 'train.epochs'?"),
    ("untold.toml", "did you mean 'digits'?"),
    ("digits fsdd", "unexpected extra argument"),
    ("digits --budget 10 nJ", 'A value with a space goes in quotes: --budget "10 nJ"'),
    ("digits --chip 45nm loihi", "An option is given again for each value"),
    ("digits --bugdet 5", "--budget"),
    ("digits --budget 5nJ --chip 45nm --budget 6nJ", "--budget is given 2 times: give one of them"),
    # the budget
    ("digits --budget 12", "budget.limit = 12 needs its unit: '12 nJ' or '12 pJ'"),
    ("digits --set budget.limit=0.5", "'0.5%' for a share"),
    ("digits --budget lots", "budget.limit: expected an energy such as '12 nJ'"),
    ("digits --budget 12kg", "budget.limit: expected an energy such as '12 nJ'"),
    ("digits --budget 12mj", "may be milli or mega: write '12 mJ'"),
    ("digits --budget nan", "budget.limit"),
    ("digits --budget -5nJ", "budget.limit: a budget must be finite and above zero"),
    ("digits --budget -5%", "above 0% and at most 100%, got -5%"),
    ("digits --budget 1.2.3%", "budget.limit: expected an energy such as '12 nJ', got '1.2.3%'"),
    ("digits --budget manyspikes", "expected an energy such as '12 nJ', got 'manyspikes'; a limit"),
    ("digits --budget 0%", "above 0% and at most 100%"),
    ("digits --budget 150%", "above 0% and at most 100%"),
    (
        "digits --budget 10pJ",
        "or narrow the first layer, or allow levers (budget.levers = ['gates'])",
    ),
    ("digits --budget 2%", "The least share that could work is about"),
    (
        "digits --budget 2%",
        "or narrow the first layer, or allow levers (budget.levers = ['gates'])",
    ),
    ("digits --budget 2nJ --set budget.limit=3nJ", "are of the same field: give one of them"),
    ("digits --chip 45mn", "budget.chip: unknown chip '45mn': did you mean '45nm'?"),
    ("digits --chip none.toml", "no chip file at none.toml"),
    ("digits --chip folder", "a chip is a .toml file or a name"),
    ("digits --chip little.toml", "node is missing"),
    # other settings
    ("digits --set data.encoder.steps=100000000", "expected steps of at most 100,000"),
    ("digits --epochs 0", "train.epochs must be at least 1, got 0"),
    ("digits --epochs -3", "train.epochs must be at least 1, got -3"),
    ("digits --epochs five", "train.epochs must be a whole number, got 'five'"),
    ("digits --epochs 2.5", "train.epochs must be a whole number, got 2.5"),
    ("digits --lr 0", "train.lr must be above 0, got 0"),
    ("digits --lr fast", "train.lr must be a number, got 'fast'"),
    ("digits --lr nan", "train.lr must be a finite number, got nan"),
    ("digits --batch-size 0", "train.batch_size must be at least 1, got 0"),
    ("digits --seed -1", "seed must be at least 0, got -1"),
    ("digits --seed 99999999999", "seed must be below 4294967296"),
    ("digits --set epochs", "expected a setting such as train.epochs=5, got 'epochs'"),
    ("digits --set epochs=5", "unknown key 'epochs': did you mean 'train.epochs'?"),
    ("digits --set tau=3", "did you mean 'network.neuron.tau'?"),
    ("digits --set train.optimizer=adm", "did you mean 'adam'?"),
    ("digits --set train=5", "train must be a table of keys and values, got 5"),
    ("digits --set network.width=wide", "network.width must be a whole number"),
    ("digits --set network.width=99999999999", "network.width must be below 1,000,000"),
    ("digits --set network.neuron=LIFF", "unknown neuron 'LIFF': did you mean 'LIF'?"),
    ("digits --set network.neuron.tau=-1", "tau must be positive"),
    (
        "digits --set network.neuron.tau=20",
        "tau = 20 would be in seconds: write '20 ms', or '20 s'",
    ),
    ("digits --set network.neuron.tau=[5,20]", "tau = 5 would be in seconds"),
    (
        "digits --set network.neuron={name='Mixture',kinds=[{name='LIF',share=1.0,tau=40}]}",
        "network.neuron.kinds[0].tau = 40 would be in seconds: write '40 ms', or '40 s'",
    ),
    ("digits --set network.neuron.tau=20kg", "tau: expected a time such as '20 ms', got '20kg'"),
    ("digits --set network.name=keyword", "choose another network.name or data.encoder.name"),
    ("digits --set data.encoder.steps=0", "steps of at least 1, got 0"),
    ("digits --set data.encoder=filterbank", "choose another network.name or data.encoder.name"),
    ("digits --set data.hold_out=bob", "digits names no speakers: leave it out"),
    ("fsdd --set data.hold_out=georg", "did you mean 'george'?"),
    ("digits --set penalty=SynapticPenalty", "needs penalty.weight"),
    # data and folders
    ("fsdd", "--data-dir"),
    ("fsdd --data-dir none", "pj data get fsdd --data-dir"),
    ("fsdd --data none", "there is no folder and no .npz file"),
    ("fsdd --data bad.toml", "bad.toml is a file: expected a folder of data, or an .npz file"),
    ("digits --data folder", "expected two or more, with files (.png"),
    ("digits --data text.txt", "text.txt"),
    ("digits --out folder", "'folder' exists already"),
    ("digits --out text.txt/run", "the run's folder 'text.txt/run' cannot be made"),
    ("--resume none", "there is no run in 'none'"),
    ("--resume folder", "there is no run in 'folder'"),
    ("--resume RUN --epochs 3", "a run goes on as it was started"),
    # devices
    ("digits --accelerator abacus", "unknown accelerator 'abacus'"),
    ("digits --accelerator tpu", "accelerator 'tpu' needs a TPU and torch_xla"),
    ("digits --accelerator cpu --devices 0", "devices must be a whole number of at least 1, got 0"),
    ("digits --accelerator cpu --devices -2", "devices must be a whole number of at least 1"),
    ("digits --accelerator cpu --devices many", "devices must be a whole number of at least 1"),
    ("digits --accelerator cpu --devices 0,1", "devices must be a whole number of at least 1"),
    ("digits --nodes 0", "the number of nodes must be at least 1, got 0"),
    ("digits --nodes x", "--nodes"),
    ("digits --strategy ddpp", "unknown strategy 'ddpp': did you mean 'ddp'?"),
    ("digits --accelerator cpu --strategy fsdp", "strategy 'fsdp' is for GPUs: take 'ddp'"),
    ("digits --precision 17", "unknown precision '17'"),
    ("digits --accelerator cpu --precision 16-mixed", "take 'bf16-mixed' on a CPU"),
]
OTHER = [
    ("trian", "Did you mean 'train'?"),
    ("measure", "Missing argument"),
    ("measure none", "there is no run in 'none'"),
    ("measure RUN --chip 45mn", "did you mean '45nm'?"),
    ("measure RUN --chip none/45nm", "no chip file at none/45nm: did you mean the chip '45nm'?"),
    ("measure RUN --levels add", "Known: accumulate, multiply"),
    ("measure RUN --data none", "there is no folder and no .npz file"),
    ("predict RUN", "Missing argument"),
    ("predict none x.npy", "there is no run in 'none'"),
    ("predict RUN none.npy", "none.npy"),
    ("predict RUN text.txt", "'text.txt': pictures are read from files of .npy"),
    ("predict RUN folder", "'folder' holds no file of .npy"),
    ("recipes digts", "did you mean 'digits'?"),
    ("recipes nope", "unknown data set or part of a recipe's name 'nope'. Known:"),
    ("recipes --for tpu", "unknown machine 'tpu'"),
    ("chips show 45mn", "did you mean '45nm'?"),
    ("chips --json show 45nm", "--json belongs after 'show'"),
    ("chips show none.toml", "no chip file at none.toml"),
    ("chips show folder", "a chip is a .toml file or a name"),
    ("chips check bad.toml", "bad.toml is not valid TOML"),
    ("chips check bytes.toml", "bytes.toml is not a text in UTF-8 (byte 0)"),
    ("chips check little.toml", "little.toml: node is missing"),
    ("data show digts", "did you mean 'digits'?"),
    ("data show none.toml", "no data set file at none.toml"),
    ("data get digts --data-dir folder", "did you mean 'digits'?"),
    ("data get mnist", "--data-dir"),
    ("data get mnist --data-dir text.txt", "'text.txt': the data folder cannot be made"),
]
# Words of other libraries, and of Python, which tell a user nothing.
FOREIGN = (
    "Traceback",
    "could not convert",
    "PosixPath",
    "Errno",
    "pydantic",
    "codec",
    "Input should",
    "`Fabric",
    "Fabric(",
)


def commands(group, name=""):
    """Finds every command of a group by its words."""
    if not hasattr(group, "commands"):
        return {name: group}
    found = {}
    for one, command in group.commands.items():
        found |= commands(command, f"{name} {one}".strip())
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    recipe = load_recipe("digits", [*SETTINGS, "train.epochs=1"])
    made = start(recipe, out=tmp_path_factory.mktemp("wrong") / "run")
    for _ in made.train():
        pass
    return made.folder.path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PICOJOULE_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    Path("folder").mkdir()
    Path("text.txt").write_text("hello\n")
    Path("bad.toml").write_text("name = \n")
    Path("bytes.toml").write_bytes(b"\xff\xfe")
    Path("little.toml").write_text('name = "little"\n')
    Path("misspelt.toml").write_text('extends = "digits"\n[train]\nepohcs = 3\n')
    Path("untold.toml").write_text('extends = "digts"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("words", "answer"), [(f"train {words}", answer) for words, answer in TRAIN] + OTHER
)
def test_a_wrong_command_is_answered_in_words_that_help(pj, run, folder, words, answer):
    before = sorted(os.listdir(folder))
    code, out, err = pj(*(str(run) if word == "RUN" else word for word in words.split()))
    told = err[err.find("error: ") :]
    assert code in (1, 2)
    assert out == ""
    assert answer in " ".join(err.split()), err
    assert not [word for word in FOREIGN if word in told and word not in answer], err
    assert len(told) < 1500
    assert sorted(os.listdir(folder)) == before  # no folder stays


@pytest.mark.parametrize(
    ("command", "option"),
    [
        pytest.param(name.split(), option, id=f"{name} {option.opts[0]}")
        for name, command in commands(get_command(app)).items()
        for option in command.params
        if option.param_type_name == "option" and option.opts[0] != "--help"
    ],
)
def test_an_option_that_takes_one_value_is_given_once(pj, command, option):
    code, _, err = pj(*command, *[option.opts[0], *["1"] * (not option.is_flag)] * 3, "a", "b")
    several = option.multiple or option.is_flag
    assert code
    assert (f"error: {option.opts[0]} is given 3 times: give one of them\n" == err) != several


@pytest.mark.parametrize("data", ["fsdd --data-dir .", "digits --data own"])
@pytest.mark.parametrize("error", [errno.ENOENT, errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_cache_that_cannot_be_written_is_not_taken_for_missing_data(
    pj, folder, monkeypatch, data, error
):
    def refused(*_, **__):
        raise OSError(error, os.strerror(error), "data")

    recordings = Path(dataset("fsdd").folder)
    recordings.mkdir(parents=True)
    (recordings / "0_george_0.wav").touch()
    for name in ("a", "b"):
        Path("own", name).mkdir(parents=True)
        Path("own", name, "1.png").touch()
    monkeypatch.setenv("PICOJOULE_CACHE", "cache")
    monkeypatch.setattr("tempfile.mkdtemp", refused)
    code, _, err = pj("train", *data.split(), "--accelerator", "cpu")
    assert code == 2
    assert re.fullmatch(
        rf"error: the cache \S+/data cannot be written \({os.strerror(error)}\): "
        "set PICOJOULE_CACHE to a folder where you may write",
        err.splitlines()[-1],
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermissionError(13, "Permission denied", "mine.toml"), "'mine.toml': Permission denied"),
        (OSError(28, "no room for the weights"), "no room for the weights"),
        (FileNotFoundError("no chip file at x"), "no chip file at x"),
    ],
)
def test_errors_of_the_system_name_the_file_and_no_number(pj, monkeypatch, error, told):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("picojoule.recipe.load_recipe", fails)
    code, _, err = pj("train", "digits")
    assert (code, err.splitlines()[-1]) == (2, f"error: {told}")
