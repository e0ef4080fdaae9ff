import pytest
import torch

import picojoule as pj
from picojoule.training.checkpoint import newest

EPOCHS = 4


def start(task, folder, seed=0, **options):
    """A training that draws from every source of random numbers, its loader's own included."""
    made = task.setup(seed, dropout=0.3)
    own = torch.Generator().manual_seed(seed)
    loader = task.loader(shuffle=True, jitter=True, generator=own)
    penalty = pj.EnergyBudget(450.0)
    validation = task.loader(64)
    options = {"penalty": penalty, "validation": validation, "epochs": EPOCHS} | options
    return made, task.train(made, loader, checkpoint=folder, **options)


def state(made):
    return {"net": made.net.state_dict(), "optimizer": made.optimizer.state_dict()["state"]}


@pytest.fixture
def whole(task, tmp_path):
    """What a training that was never interrupted ends with."""
    made, logs = start(task, tmp_path / "whole")
    logs = list(logs)
    return made, logs, newest(tmp_path / "whole").read_bytes()


def assert_same(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    else:
        assert one == other


def test_a_training_with_several_limits_goes_on_bit_identical(task, tmp_path):
    chips = [task.chip, pj.load_chip("loihi")]

    def begin(folder):
        budgets = [pj.EnergyBudget(450.0), pj.EnergyBudget(30_000.0, chip="loihi")]
        return start(task, folder, penalty=budgets, chip=chips)

    made, logs = begin(tmp_path / "whole")
    logs = list(logs)
    _, interrupted = begin(tmp_path / "stopped")
    for _ in range(15):
        next(interrupted)
    interrupted.close()
    resumed, rest = begin(tmp_path / "stopped")
    assert list(rest)[-1].history == logs[-1].history
    assert_same(state(resumed), state(made))
    assert logs[-1].history[-1].beside["loihi"].energy_pj > 0


@pytest.mark.parametrize("stops", [[3], [7], [10, 9], [7 * EPOCHS - 1], [1, 8, 2, 12, 7]])
def test_an_interrupted_training_ends_bit_identical(task, tmp_path, whole, stops):
    """Each start is another process: other seeds, and a stop after some records."""
    made, logs, last = whole
    folder = tmp_path / "interrupted"
    for seed, stop in enumerate(stops, start=100):
        seed = seed if folder.exists() else 0
        _, interrupted = start(task, folder, seed)
        for _ in range(stop):
            next(interrupted)
        interrupted.close()
        if folder.exists():
            (folder / ".epoch-0009.safetensors.tmp").write_bytes(b"killed while it was written")
    resumed, rest = start(task, folder, 999 if folder.exists() else 0)
    rest = list(rest)
    assert_same(state(resumed), state(made))
    assert rest[-1].history == logs[-1].history
    assert rest[-1].chosen == logs[-1].chosen
    assert newest(folder).read_bytes() == last
    told = [(log.epoch, log.step, log.loss.item()) for log in logs]
    assert [(log.epoch, log.step, log.loss.item()) for log in rest] == told[-len(rest) :]


def test_a_finished_training_gives_its_last_record_at_once(task, tmp_path, whole):
    made, logs, _ = whole
    resumed, again = start(task, tmp_path / "whole", seed=5)
    (log,) = again
    assert_same(resumed.net.state_dict(), made.net.state_dict())
    assert log.history == logs[-1].history
    assert log.chosen == logs[-1].chosen
    assert (log.epoch, log.step) == (logs[-1].epoch, logs[-1].step)


def test_the_checkpoint_of_a_network_that_is_not_the_same_changes_nothing(task, tmp_path, whole):
    del whole
    made, logs = start(task, tmp_path / "whole")
    made.net[0] = torch.nn.Linear(12, 17)
    before = {name: value.clone() for name, value in made.net.state_dict().items()}
    with pytest.raises(ValueError, match=r"epoch-0004\.safetensors is of another training"):
        next(logs)
    assert_same(made.net.state_dict(), before)


@pytest.mark.parametrize(
    ("penalty", "said"),
    [
        (None, "its penalty is EnergyBudget, expected none"),
        (pj.FixedPrice(0.1), "its penalty is EnergyBudget, expected FixedPrice"),
        (pj.EnergyBudget(9_876.0), r"its limit is [0-9.]+ pJ, expected 9876 pJ"),
    ],
    ids=["no penalty", "another penalty", "another limit"],
)
def test_the_checkpoint_of_another_penalty_is_refused(task, tmp_path, whole, penalty, said):
    del whole
    _, logs = start(task, tmp_path / "whole", penalty=penalty)
    with pytest.raises(ValueError, match=said):
        next(logs)


@pytest.mark.parametrize("first", [True, False], ids=["first chip", "another chip"])
def test_limits_that_differ_are_told_apart_in_their_unit(task, tmp_path, first):
    spikes = pj.counter("spikes")
    chip = [spikes, task.chip] if first else [task.chip, spikes]

    def again(limit):
        penalty = pj.EnergyBudget(limit, chip="spikes")
        return start(task, tmp_path, epochs=1, penalty=penalty, chip=chip)[1]

    list(again(200.0))
    with pytest.raises(ValueError, match=r"its limit is 200 spikes, expected 200\.0001 spikes"):
        next(again(200.0001))


def test_a_damaged_checkpoint_changes_nothing(task, tmp_path, whole):
    del whole
    path = newest(tmp_path / "whole")
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    made, logs = start(task, tmp_path / "whole", seed=5)
    before = {name: value.clone() for name, value in made.net.state_dict().items()}
    with pytest.raises(ValueError, match=r"epoch-0004\.safetensors is damaged .*: delete it"):
        next(logs)
    assert_same(made.net.state_dict(), before)


def test_more_epochs_go_on_from_the_last_weights(task, tmp_path, whole):
    del whole
    _, logs = start(task, tmp_path / "whole", epochs=EPOCHS + 1)
    assert [log.epoch for log in logs] == [EPOCHS + 1] * 7
