"""Which engine ran a layer, and why: nothing that keeps a layer from the fused engine is silent."""

import threading

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from all_neurons import NEURONS, SIZE
from picojoule.energy import Meter
from picojoule.engine import Verdict, engines
from picojoule.engine.plan import _built
from picojoule.networks import Sequential
from picojoule.neurons import LIF, Recurrent

FUSED = Verdict("fused")


@pytest.fixture(autouse=True)
def _nothing_compiled():
    """Each test begins as a process does that has run no neuron."""
    _built.cache_clear()


def first_run(neuron: nn.Module, x: Tensor | None = None) -> Verdict | None:
    neuron(torch.rand(3, 2, SIZE) if x is None else x)
    return engines(neuron)[""]


@pytest.mark.parametrize("case", NEURONS, ids=lambda case: case.name)
def test_a_first_run_under_a_meter_is_fused(case):
    net = Sequential(nn.Linear(3, SIZE), case.make(size=SIZE))
    with Meter(net):
        net(torch.rand(4, 2, 3))
    assert engines(net) == {"1": FUSED}


def test_hooks_of_a_neuron_do_not_keep_it_from_the_fused_engine():
    neuron, lock = LIF(), threading.Lock()  # a lock cannot be copied
    for register in (
        neuron.register_forward_hook,
        neuron.register_forward_pre_hook,
        neuron.register_full_backward_hook,
        neuron.register_full_backward_pre_hook,
    ):
        register(_Hook(lock))
    assert first_run(neuron, torch.rand(3, 2, SIZE, requires_grad=True)) == FUSED


class _Hook:
    def __init__(self, lock: object) -> None:
        self.lock = lock

    def __call__(self, *_: object) -> None:
        return None


class _Half(nn.Module):
    def forward(self, value: Tensor) -> Tensor:
        return value / 2


def test_a_parametrized_neuron_is_fused_and_learns_alike():
    gradients = []
    for engine in (None, "eager"):
        neuron = LIF(SIZE)
        neuron.tau.requires_grad_()
        parametrize.register_parametrization(neuron, "tau", _Half(), unsafe=True)
        neuron.engine = engine
        net = Sequential(neuron)
        torch.manual_seed(0)
        x = torch.rand(6, 2, SIZE) * 2
        with Meter(net):
            out, _ = net(x)
        out.sum().backward()
        gradients.append(neuron.parametrizations.tau.original.grad)
        assert engine or engines(net) == {"0": FUSED}
    torch.testing.assert_close(*gradients)


def test_what_cannot_be_copied_is_said_and_forgotten_once_it_has_gone():
    neuron = LIF()
    neuron.lock = threading.Lock()
    verdict = first_run(neuron)
    assert verdict.engine == "eager"
    assert "'lock' cannot be copied" in verdict.why
    del neuron.lock
    assert first_run(neuron) == FUSED


class _WithLayer(LIF):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sigmoid()

    def step(self, current: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return super().step(self.gate(current), state)


def test_hooks_within_a_step_are_called_and_those_that_only_look_are_none():
    neuron = _WithLayer()
    with Meter(net := Sequential(neuron)):
        net(torch.rand(3, 2, SIZE))
    assert engines(net) == {"0": FUSED}
    handle = neuron.gate.register_forward_hook(lambda *_: torch.zeros(2, SIZE))
    assert "'gate' has hooks" in first_run(neuron).why
    handle.remove()
    assert first_run(neuron) == FUSED


def test_a_reason_is_of_the_last_run():
    layer = Recurrent(LIF(), SIZE)
    assert engines(layer) == {}
    assert first_run(layer) == FUSED
    layer.neuron.engine = "eager"
    assert first_run(layer) == Verdict("eager", "it was asked for")
    layer.neuron.engine = None
    with torch.autocast("cpu", torch.bfloat16):
        assert "autocast" in first_run(layer).why


@pytest.mark.parametrize("engine", [None, "eager"])
@pytest.mark.parametrize("kind", [LIF, Recurrent])
def test_transforms_run_by_the_eager_engine(kind, engine):
    layer = LIF() if kind is LIF else Recurrent(LIF(), SIZE)
    layer.engine = engine
    x = torch.rand(2, 4, 3, SIZE) * 2
    mapped = torch.func.vmap(lambda one: layer(one)[0])(x)
    assert layer.ran.engine == "eager"
    gradient = torch.func.grad(lambda one: layer(one)[0].sum())(x[0])
    expected = x[0].clone().requires_grad_()
    layer(expected)[0].sum().backward()
    torch.testing.assert_close(mapped, torch.stack([layer(one)[0] for one in x]))
    torch.testing.assert_close(gradient, expected.grad)
