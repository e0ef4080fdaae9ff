"""Levers by name: what a recipe says of them, and what a run leaves for those who use it."""

import pytest
import torch

import picojoule as pj
import tiny
from picojoule.data import loader, prepared
from picojoule.networks.exit import steps_of
from picojoule.recipe import load_recipe
from picojoule.run import Machine, resume, start
from picojoule.run.open_data import open_data

CPU = Machine(accelerator="cpu")
# Far below the floor of four steps of digits, which is some 380 pJ with 16 neurons.
BELOW = ["train.batch_size=128", "train.epochs=8", "network.neuron.threshold=0.1"]


def recipe(*overrides: str, levers: str = '["gates"]'):
    said = [*tiny.SETTINGS, *BELOW, "budget.limit=300 pJ", f"budget.levers={levers}"]
    return load_recipe("digits", [*said, *overrides])


def trained(path, overrides=(), **options):
    for _ in start(recipe(*overrides, **options), out=path, machine=CPU).train():
        pass
    return pj.load(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a run with gates."""
    path = tmp_path_factory.mktemp("levers") / "run"
    trained(path)
    return path


def test_a_run_below_the_floor_leaves_a_smaller_network(folder):
    run = pj.load(folder)
    assert run.report.budget.met
    assert run.report.parameters == sum(
        one.numel() for one in run.net.parameters() if one.requires_grad
    )
    assert run.report.parameters < 64 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10
    with pytest.raises(ValueError, match="below this network's floor"):
        trained(folder.parent / "plain", levers="none")


def test_it_predicts_and_measures_and_streams_as_any_other(folder):
    run = pj.load(folder)
    again = run.measure([pj.load_chip("45nm")])
    assert again.chips["45nm"].total_pj == run.report.chips["45nm"].total_pj
    test = open_data(run.recipe, None)[1].test
    energies = [one.energy_pj for one in run.predict(test.x[:5])]
    assert len(energies) == 5
    encoder = run.recipe.data.make_encoder()
    x, _, _ = next(iter(loader(prepared(test, encoder), encoder, batch_size=4)))
    steps = pj.stream(run.net)
    out = torch.stack([steps(step).clone() for step in x])
    assert torch.allclose(out, run.net(x)[0], atol=1e-5)


def test_a_killed_run_ends_with_the_same_bytes(folder, tmp_path):
    steps = start(recipe(), out=tmp_path / "run", machine=CPU).train()
    while not (tmp_path / "run" / "checkpoints").exists():
        next(steps)
    steps.close()
    for _ in resume(tmp_path / "run").train():
        pass
    name = "weights.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (folder / name).read_bytes()


def test_pruned_weights_are_absent_wherever_the_run_is_priced(tmp_path):
    run = trained(tmp_path / "run", levers='["weights"]')
    assert run.report.convention["skip_zero_weights"]
    again = run.measure([pj.load_chip("45nm")])
    assert again.chips["45nm"].total_pj == run.report.chips["45nm"].total_pj
    assert float((run.net.get_parameter("1.weight") == 0).float().mean()) > 0.1


def test_a_run_that_exits_does_so_wherever_it_is_used(tmp_path):
    run = trained(tmp_path / "run", overrides=["train.epochs=25"], levers='["steps"]')
    report, chip = run.report, pj.load_chip("45nm")
    assert report.budget.met
    assert 1 < report.mean_steps < report.steps == 4
    assert "of up to 4 steps" in str(report)
    again = run.measure([chip])
    assert again.chips["45nm"].total_pj == report.chips["45nm"].total_pj
    assert again.mean_steps == report.mean_steps
    test = open_data(run.recipe, None)[1].test
    encoder = run.recipe.data.make_encoder()
    x, _, _ = next(iter(loader(prepared(test, encoder), encoder, batch_size=30)))
    found = run.predict(test.x[:30])
    steps = steps_of(run.net, x)
    assert [one.steps_ran for one in found] == steps.tolist()
    assert len(set(steps.tolist())) > 1
    stream = pj.stream(run.net)
    going = []
    for step in x:
        stream(step)
        going.append(~stream.sure)
    assert torch.equal((torch.stack(going).sum(0) + 1).clamp(max=4), steps)
    assert stream.scores.argmax(-1).tolist() == [one.index for one in found]
    with pj.Meter(run.net, inputs="events") as meter:
        run.net(x, lengths=steps)
    mean_pj = sum(one.energy_pj for one in found) / 30
    assert mean_pj == pytest.approx(float(chip.price(meter.counts).total))


def test_a_share_below_the_floor_is_not_refused_with_levers(tmp_path):
    run = start(recipe("budget.limit=5%"), out=tmp_path / "run", machine=CPU)
    for step in run.train():
        if step.folder == run.folder.path:
            break  # the training within the budget has begun


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["budget.levers=gates"], r'expected names in a list, such as \["gates"\], got \'gates\''),
        (['budget.levers=["gate"]'], "unknown lever 'gate': did you mean 'Gates'"),
        (['budget.levers=["gates", "Gates"]'], "'gates' is there twice"),
        (["budget.limit=none"], "nothing asks for that: set budget.limit"),
    ],
)
def test_recipes_that_make_no_sense(overrides, said):
    with pytest.raises(ValueError, match=said):
        recipe(*overrides)


def test_none_is_no_lever():
    assert recipe(levers="none").budget.levers is None
    assert 'levers = "none"' in recipe(levers="[]").to_toml()
    assert recipe(levers='["Gates"]').budget.levers == ["gates"]
