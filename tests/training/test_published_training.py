"""Training with the penalties from the literature spends less than training without."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import picojoule as pj
from training.spiking import Loop

# Strong enough to be seen within few steps; energies of this task are some 300 pJ.
PENALTIES = {
    "synaptic": lambda: pj.SynapticPenalty(1e-2),
    "synaptic 2": lambda: pj.SynapticPenalty(2e-2, p=2),
    "spike": lambda: pj.SpikePenalty(0.1),
    "spike 2": lambda: pj.SpikePenalty(0.2, p=2),
    "balanced": lambda: pj.BalancedPenalty(2.0),
    "synops": lambda: pj.SynOpsTarget(250.0, weight=10.0),
    "rate": lambda: pj.RateTarget(0.05, weight=100.0),
}


def spent(task, loader, seed, penalty=None):
    """Energy per sample after a few epochs."""
    made = task.setup(seed)
    *_, last = task.train(made, loader, penalty=penalty, epochs=4)
    return last.history[-1].energy_pj


@pytest.fixture
def free(task):
    """Energy after training without a penalty, for each of three seeds."""
    return [spent(task, task.loader(), seed) for seed in range(3)]


def test_energy_falls(task, free):
    for name, penalty in PENALTIES.items():
        for seed, without in enumerate(free):
            found = spent(task, task.loader(), seed, penalty())
            assert found < 0.9 * without, (name, seed)


@pytest.mark.parametrize("name", PENALTIES)
def test_no_step_waits_for_the_device(task, name):
    class Refuse(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert "_local_scalar_dense" not in str(func), "a value was read inside a step"
            return func(*args, **(kwargs or {}))

    made = task.setup(optimizer=torch.optim.SGD)  # torch's Adam reads a count kept on the host
    logs = task.train(made, task.loader(), epochs=1, penalty=PENALTIES[name]())
    next(logs)
    with Refuse():
        for _ in range(4):
            next(logs)


def test_a_resumed_training_ends_with_the_same_weights(task, tmp_path):
    ends = []
    for stop in (None, 9):
        folder = tmp_path / str(stop)
        for last in (stop, None):
            made = task.setup()
            penalty = pj.SynapticPenalty(1e-2)
            logs = task.train(made, task.loader(), penalty=penalty, epochs=3, checkpoint=folder)
            for number, _ in enumerate(logs, 1):
                if number == last:
                    break
        ends.append(made.net.state_dict())
    for name, weight in ends[0].items():
        assert torch.equal(ends[1][name], weight)


def test_somebodys_own_loop(task, energy):
    """Two more lines in a training of a network that is not ours."""

    def train(penalty):
        torch.manual_seed(0)
        ours = task.setup().net
        net = Loop(ours[:-1])  # the readout is a mean of what comes out
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        fired = 0.0
        for epoch in range(4):
            for x, label, _ in task.loader():
                with pj.Meter(net, samples=len(label), neurons=Loop.NEURONS) as meter:
                    out = net(x)
                loss = nn.functional.cross_entropy(out.mean(0), label)
                if penalty is not None:
                    loss = loss + penalty(task.chip.price(meter.counts), meter.traffic)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if epoch == 3:
                    fired += sum(r.number().sum().item() for r in meter.traffic if r.fired)
        return fired

    without = train(None)
    assert without > 0
    for name, penalty in PENALTIES.items():
        assert train(penalty()) < 0.9 * without, name
