"""Steps of users that no compiled loop may get wrong: fused is eager, or it is refused."""

import copy
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from picojoule.kernels import cc
from picojoule.neurons import LIF, Mixture, Neuron, NeuronCost, Recurrent, scan

pytestmark = pytest.mark.skipif(cc.tier() == "off", reason="no kernels run here")
N = 5


class State(NamedTuple):
    v: torch.Tensor


class Odd(Neuron):
    """A neuron of which a test says what its step does."""

    output = "analog"
    cost = NeuronCost(adds=1)
    dt = 1e-3
    scale = 1.0

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, value in parts.items():
            setattr(self, name, value)

    def init_state(self, current):
        return State(torch.zeros_like(current))

    def step(self, current, state):
        v = self.function(self, current, state.v)
        return v, State(v)


class Scaled(Odd):
    """With an attribute of the class."""


def ran(neuron, x, engine):
    """What comes out, and all gradients."""
    x = x.detach().requires_grad_()
    neuron.zero_grad()
    torch.manual_seed(1)
    out, _ = scan(neuron, x, engine=engine)
    (out * torch.linspace(0.5, 1.5, out.numel()).view(out.shape)).sum().backward()
    gradients = [one.grad for one in (x, *neuron.parameters())]
    return out.detach(), [None if one is None else one.clone() for one in gradients]


def assert_as_eager(neuron, x=None):
    """The engine that is taken gives what the eager one gives."""
    x = torch.rand(6, 3, N) if x is None else x
    before = copy.deepcopy(neuron)
    out, gradients = ran(neuron, x, None)
    expected, expected_gradients = ran(before, x, "eager")
    torch.testing.assert_close(out, expected)
    for a, b in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(0 * x.sum() if a is None else a, 0 * x.sum() if b is None else b)


def learns(*shape):
    return nn.Parameter(torch.rand(shape) + 0.5)


class Clamped(torch.autograd.Function):
    """A gradient that is no linear function of the one that comes."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient.clamp(-0.1, 0.1)


def counted(self, c, v):
    self.count += 1
    return 0.5 * v + c * self.count


def replaced(self, c, v):
    self.counter = self.counter + 1
    return 0.5 * v + c * self.counter


def halves(self, c, v):
    a, b = self.pair.chunk(2)
    return a * v + b * c


def unbound(self, c, v):
    a, b = self.rows
    return a * v + b.abs() * c


REFUSED = {
    "branch on a value": lambda self, c, v: c if c.max() > 0.5 else v,
    "equal": lambda self, c, v: c if torch.equal(c, v) else c + 1,
    "places": lambda self, c, v: c * len((c > 0.5).nonzero()),
    "a list": lambda self, c, v: c * (1 + c.detach().tolist()[0][0]),
    "numbers through numpy": lambda self, c, v: c + torch.from_numpy(c.detach().numpy() * 2),
    "the batch": lambda self, c, v: c / len(c),
    "a branch on the batch": lambda self, c, v: c * 2 if c.shape[0] > 4 else c,
    "a maximum": lambda self, c, v: c - c.detach().max(0).values,
    "a parameter's values": lambda self, c, v: c * self.one.tolist()[0],
    "a random number": lambda self, c, v: c * torch.rand(()),
    "random numbers for neurons": lambda self, c, v: c * torch.rand(c.shape[1:]),
    "dropout of a parameter": lambda self, c, v: c * nn.functional.dropout(self.one),
    "a gradient that is clamped": lambda self, c, v: 0.5 * v + c * Clamped.apply(self.one),
    "a count of steps": counted,
    "a buffer that is replaced": replaced,
    "a hidden parameter": lambda self, c, v: c * self.hidden[0],
    "layer norm": lambda self, c, v: nn.functional.layer_norm(c, c.shape[1:]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_runs_step_by_step(name):
    neuron = Odd(REFUSED[name], one=learns(N), count=0, hidden=[learns()])
    neuron.register_buffer("counter", torch.tensor(0.0))
    x = torch.rand(6, 3, N)
    assert neuron.engine_for(x) == "eager"
    with pytest.raises(ValueError, match="engine='eager' runs it step by step"):
        scan(neuron, x, engine="fused")
    if "random" not in name and "dropout" not in name:
        assert_as_eager(neuron)


FOLLOWED = {
    "a division that rounds": lambda self, c, v: c * torch.div(c * 9, 2.0, rounding_mode="floor"),
    "a rounding to digits": lambda self, c, v: c + torch.round(c, decimals=1).detach(),
    "parts of a parameter": halves,
    "rows of a parameter": unbound,
    "truth added up": lambda self, c, v: ((c > 0.2) + (v > 0.2)).float() + c,
    "truth by copying": lambda self, c, v: torch.empty_like(c, dtype=torch.bool).copy_(c) * c,
    "truth in full": lambda self, c, v: torch.full_like(c, 2.5, dtype=torch.bool) * c,
    "a constant": lambda self, c, v: c * torch.tensor(0.5) + v * 0.1,
    "a parameter's own axes": lambda self, c, v: 0.5 * v + c * self.one,
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_what_is_followed_is_as_eager_after_training_too(name):
    neuron = Odd(FOLLOWED[name], one=learns(N), pair=learns(2 * N), rows=learns(2, N))
    assert_as_eager(neuron)
    with torch.no_grad():
        for parameter in neuron.parameters():
            parameter.mul_(1.3)
    assert_as_eager(neuron)


CHANGES = {
    "a number": (lambda self, c, v: c * self.k, {"k": 2.0}, lambda n: setattr(n, "k", 3.0)),
    "an object": (
        lambda self, c, v: c * self.config.k,
        {"config": SimpleNamespace(k=2.0)},
        lambda n: setattr(n.config, "k", 3.0),
    ),
    "an array": (
        lambda self, c, v: c * float(self.array[1]),
        {"array": np.arange(3.0)},
        lambda n: n.array.__setitem__(1, 5.0),
    ),
    "a list": (lambda self, c, v: c * self.k[0], {"k": [2.0]}, lambda n: n.k.append(n.k.pop() + 1)),
    "a tensor": (
        lambda self, c, v: c * self.k,
        {"k": torch.ones(N)},
        lambda n: n.k.add_(1),
    ),
    "dropout in training": (
        lambda self, c, v: self.drop(c),
        {"drop": nn.Dropout(0.5)},
        lambda n: n.drop.eval(),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_is_seen(name):
    function, parts, change = CHANGES[name]
    neuron = Odd(function, **copy.deepcopy(parts))
    assert_as_eager(neuron)
    change(neuron)
    assert_as_eager(neuron)


def test_an_attribute_of_the_class_is_seen(monkeypatch):
    neuron = Scaled(lambda self, c, v: c * self.scale)
    assert_as_eager(neuron)
    monkeypatch.setattr(Scaled, "scale", 3.0, raising=False)
    assert_as_eager(neuron)


def test_a_learned_mixture_that_feeds_back_takes_its_gates_as_they_are():
    torch.manual_seed(0)
    layer = Recurrent(Mixture({"lif": 0.6, "alif": 0.4}, 100, learned=True), 100)
    x = torch.randn(21, 5, 100) * 2 + 0.5
    first, _ = layer(x)
    with torch.no_grad():
        layer.neuron.gates["off"][:50].fill_(100.0)
    found, _ = layer(x)
    expected, _ = scan(layer, x, engine="eager")
    assert not torch.equal(found, first)
    torch.testing.assert_close(found, expected)
    assert not found[..., :50].any()


def test_gradients_go_where_they_were_asked_for():
    x = torch.randn(8, 3, N) + 0.5
    for layer in (LIF(N), Recurrent(LIF(N), N)):
        neuron = getattr(layer, "neuron", layer).requires_grad_()
        found = []
        for engine in ("eager", None):
            neuron.requires_grad_()
            layer.zero_grad()
            out, _ = scan(layer, x, engine=engine)
            neuron.tau.requires_grad_(False)
            out.sum().backward()
            found.append(neuron.threshold.grad.clone())
        torch.testing.assert_close(*found)


def test_the_first_calls_may_come_from_several_threads():
    def call(neuron):
        x = torch.rand(6, 3, N)
        out, _ = neuron(x)
        out.sum().backward()
        assert neuron.tau.grad is not None

    for size in range(10):
        neuron = LIF(N, tau=20e-3 + size * 1e-4).requires_grad_()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(call, [neuron] * 4))  # raises what a call raised


def test_what_comes_next_may_work_in_place():
    x = torch.rand(6, 3, N)
    for channels_last in (False, True):
        y = x.unsqueeze(-1).unsqueeze(-1).expand(6, 3, N, 4, 4).contiguous()
        if channels_last:
            y = y.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (6, 3))
        y.requires_grad_()
        out, _ = LIF()(y)
        nn.functional.dropout(out, 0.5, inplace=True).sum().backward()
        assert y.grad is not None


@pytest.mark.parametrize("wrap", [lambda n: Recurrent(n, 80), lambda n: Mixture({"lif": 1.0}, 80)])
def test_neurons_within_a_layer_are_asked_too(wrap):
    layer = wrap(LIF())
    inner = layer.neuron if isinstance(layer, Recurrent) else layer.kinds["lif"]
    x = torch.rand(4, 2, 80)
    assert layer.engine_for(x) == "fused"
    inner.engine = "eager"
    assert layer.engine_for(x) == "eager"
    inner.engine = "fussed"
    with pytest.raises(ValueError, match="did you mean 'fused'"):
        layer.engine_for(x)


def test_a_parameter_may_have_fewer_axes_than_the_current():
    neuron = Odd(lambda self, c, v: 0.5 * v + c * self.one, one=learns(4, 6))
    assert_as_eager(neuron, torch.rand(5, 3, 2, 4, 6))


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_a_parameter_with_rows_is_no_batch(rows):
    def step(self, c, v):
        return 0.5 * v + c * (2 * self.rows)[0]

    assert_as_eager(Odd(step, rows=learns(rows, N)))


def test_a_parameter_may_be_spread_over_the_batch():
    assert_as_eager(Odd(lambda self, c, v: c + 0.5 * v * self.one.expand_as(c), one=learns(N)))
