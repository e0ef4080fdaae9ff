"""Shares of the unconstrained energy that cannot be kept, refused as soon as that is clear."""

import logging
import re
import sys

import pytest

import picojoule as pj
from picojoule.recipe import load_recipe
from picojoule.run import resume, start
from picojoule.run.folder import Folder, Machine
from picojoule.run.share_check import check_validated, untrained
from picojoule.training import BelowFloor, EpochRecord, Validation
from tiny import SETTINGS

CPU = Machine(accelerator="cpu")


def tiny(share: str, *more: str):
    settings = [*SETTINGS, "network.neuron.threshold=0.1", f"budget.limit={share}", *more]
    return load_recipe("digits", settings)


def refusal(run) -> str:
    with pytest.raises(BelowFloor) as caught:
        for _ in run.train():
            pass
    return str(caught.value)


@pytest.fixture
def no_training(monkeypatch):
    def fails(*_, **__):
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr(sys.modules["picojoule.run.run"], "fit", fails)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("there", "out", "left"),
    [
        (None, "run", []),
        (None, "made/too/run", []),
        ("there", "there/run", ["there"]),
        ("there", "there/made/run", ["there"]),
    ],
)
def test_of_a_refused_run_no_folder_stays_that_was_made_for_it(tmp_path, there, out, left):
    if there:
        (tmp_path / there).mkdir()
    refusal(start(tiny("1%"), out=tmp_path / out, machine=CPU))
    assert [str(item.relative_to(tmp_path)) for item in tmp_path.rglob("*")] == left


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("resumed", [False, True])
def test_a_share_without_hope_is_refused_before_any_training(tmp_path, resumed):
    run = start(tiny("1%"), out=tmp_path / "run", machine=CPU)
    message = refusal(resume(tmp_path / "run") if resumed else run)
    assert not list(tmp_path.iterdir())
    usual, least = map(int, re.findall(r"(\d+)% (?:\(if|if three)", message))
    assert 1 < least < usual < 100
    with pytest.raises(AssertionError, match="nothing is to be trained"):  # this one is let through
        for _ in start(tiny(f"{least}%"), out=tmp_path / "other", machine=CPU).train():
            pass
    assert "budget.limit = 1% is too little" in refusal(
        start(tiny("1%"), out=tmp_path / "again", machine=CPU)
    )


def test_a_share_in_doubt_is_said_to_be(tmp_path, caplog, no_training):
    run = start(tiny("1%"), out=tmp_path / "run", machine=CPU)
    usual, least = map(int, re.findall(r"(\d+)% (?:\(if|if three)", refusal(run)))
    for share, doubtful in ((least, True), (usual, False)):
        run = start(tiny(f"{share}%"), out=tmp_path / f"run-{share}", machine=CPU)
        caplog.clear()
        with caplog.at_level(logging.WARNING), pytest.raises(AssertionError):
            list(run.train())
        assert ("is in doubt" in caplog.text) is doubtful


def test_a_share_in_doubt_is_refused_by_the_validations(tmp_path):
    energies = start(tiny("none"), out=tmp_path / "free", machine=CPU)
    last = [step.log for step in energies.train()][-1].validation
    assert last is not None
    assert last.floor_pj is not None
    short = f"{100 * 0.99 * last.floor_pj / last.energy_pj:g}%"
    run = start(tiny(short), out=tmp_path / "run", machine=CPU)
    message = refusal(run)
    assert f"budget.limit = {short} is too little: after 2 of 2 epochs" in message
    folder = tmp_path / "run"
    assert (folder / "refused.txt").read_text() == message + "\n"
    assert len(Folder(folder / "unconstrained").log()) == 2
    assert not (folder / "checkpoints").exists()
    assert refusal(resume(folder)) == message
    told = int(re.findall(r"about (\d+)%", message)[0])
    assert 0 < told - float(short[:-1]) < 5


def history(*energies_pj: float, floor_pj: float | None = 10.0) -> list[EpochRecord]:
    """Epochs of those energies, each more accurate than the one before."""
    made = (Validation(0.1 * i, pj, 0.0, floor_pj=floor_pj) for i, pj in enumerate(energies_pj))
    return [
        EpochRecord(i, i, 1.0, 0.5, 10.0, None, None, one) for i, one in enumerate(made, start=1)
    ]


def test_the_more_epochs_there_were_the_less_is_hoped_for():
    recipe = tiny("20%", "train.epochs=10", "budget.margin=0")

    def hopeless(*energies_pj: float, **floor) -> bool:
        try:
            check_validated(recipe, history(*energies_pj, **floor))
        except BelowFloor:
            return True
        return False

    # 20 % of 49 pJ is below the floor of 10 pJ, 20 % of 51 pJ is not.
    assert not hopeless()
    assert not hopeless(*[40.0] * 1)
    assert hopeless(*[20.0] * 1)  # and would have to grow to 2.5 times
    assert hopeless(*[40.0] * 6)
    assert not hopeless(*[48.0] * 6)
    assert hopeless(*[48.0] * 10)
    assert not hopeless(*[51.0] * 10)
    assert not hopeless(60.0, *[40.0] * 8)  # an epoch that spent more may yet be chosen
    assert hopeless(60.0, *[40.0] * 9)  # it was not
    assert not hopeless(*[40.0] * 10, floor_pj=None)  # from before floors were kept


def test_the_untrained_network_is_that_of_the_first_step(tmp_path):
    network = ("network.name=cnn7", "network.steps=0", "network.width=4")
    run = start(tiny("none", *network), out=tmp_path / "run", machine=CPU)
    assert run.fabric is not None
    assert run.splits is not None
    given = run.folder.recipe, run.splits.train, run.fabric
    first, again = (untrained(*given) for _ in range(2))
    assert float(first.total) == float(again.total)
    step = next(run.train())
    # Batch norm is in training mode, or the untrained network would be nearly silent.
    assert float(first.total) == pytest.approx(float(step.log.energy_pj), rel=0.2)


def test_a_limit_below_the_floor_is_told_apart_from_other_errors():
    with pytest.raises(BelowFloor, match="below this network's floor of 20 pJ"):
        pj.EnergyBudget(10).start(20.0)
    assert issubclass(BelowFloor, ValueError)
