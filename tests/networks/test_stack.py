"""Linear layers and neurons as one function, against the same layers one after the other."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from all_neurons import NEURONS, SIZE
from picojoule.energy import Meter
from picojoule.engine import engines
from picojoule.kernels import cc
from picojoule.networks import Repeat, Sequential
from picojoule.neurons import IF, LI, LIF, MultiLevelIF

pytestmark = pytest.mark.skipif(cc.tier() != "c", reason="stacks are of loops in C")
WHOLE = [case for case in NEURONS if not case.mixed and case.name not in ("Recurrent", "LI")]


class Layered(Sequential):
    """The same layers, which never run as one function."""

    def forward(self, x, state=None, lengths=None):
        return super().forward(x, state, lengths)


def layered(net):
    return Layered(*net)


def mlp(neuron=lambda: LIF(8), dtype=torch.float32):
    torch.manual_seed(1)
    made = Sequential(
        nn.Flatten(), nn.Linear(12, 8), neuron(), nn.Linear(8, 8), neuron(), nn.Linear(8, 3), LI()
    )
    return made.to(dtype)


def spikes(dtype=torch.float32, density=0.3):
    torch.manual_seed(2)
    return (torch.rand(7, 40, 3, 4) < density).to(dtype)


def everything(net, x):
    """Output, states, what passed between layers, gradients of all these, and what was counted."""
    x = x.clone().requires_grad_(x.requires_grad)
    with Meter(net, inputs="events") as meter:
        out, states = net(x)
    counts = meter.counts
    spent = torch.stack([counts[layer].spike for layer in counts if counts[layer].hidden]).sum()
    values = [call.values for call in meter.traffic if call.kind.hidden]
    leaves = [leaf for state in states if state is not None for leaf in state]
    torch.manual_seed(3)
    goal = sum(
        (one * torch.randn(one.shape, dtype=one.dtype)).sum() for one in (out, *leaves, *values)
    )
    wanted = [one for one in (*net.parameters(), x) if one.requires_grad]
    grads = torch.autograd.grad(goal + spent, wanted, allow_unused=True)
    numbers = {
        (layer, name): number.item() for layer in counts for name, number in counts[layer].items()
    }
    kinds = [(call.layer, call.kind.name, tuple(call.values.shape)) for call in meter.traffic]
    return [out, *leaves, *values, *grads], numbers, kinds, meter.uncounted


def same(one, other):
    assert one[1:] == other[1:]
    assert len(one[0]) == len(other[0])
    for a, b in zip(one[0], other[0], strict=True):
        assert (a is None) == (b is None)
        assert a is None or torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("graph", [False, True])
def test_it_is_what_its_layers_are(dtype, density, graph):
    net, x = mlp(dtype=dtype), spikes(dtype, density).requires_grad_(graph)
    assert net.as_stack(x) is not None
    assert layered(net).as_stack(x) is None
    same(everything(net, x), everything(layered(net), x))


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
def test_with_every_neuron(case):
    torch.manual_seed(4)
    net = Sequential(
        nn.Linear(4, SIZE), case.make(size=SIZE), nn.Linear(SIZE, SIZE), case.make(size=SIZE)
    )
    net.requires_grad_()
    x = 2 * torch.rand(5, 3, 4)
    if net.as_stack(x) is None:  # it has parts of its own
        assert list(net[1].children()) or net[1].output == "analog"
        return
    with Meter(net), torch.no_grad():
        out, states = net(x)
    other, expected = layered(net)(x)
    assert torch.equal(out, other)
    for one, two in zip(states, expected, strict=True):
        assert type(one) is type(two)
        assert one is None or all(map(torch.equal, one, two))
    assert engines(net)["1"].engine == "fused"


def test_some_layers_may_learn_and_others_not():
    net, x = mlp(), spikes()
    for frozen in ("1.weight", "3.bias", "5.weight", "1.bias"):
        net.get_parameter(frozen).requires_grad_(False)
        same(everything(net, x), everything(layered(net), x))


CHANGES = {
    "a threshold in place": lambda net: net[2].threshold.data.mul_(0.5),
    "another threshold": lambda net: setattr(
        net[2], "threshold", nn.Parameter(torch.full((8,), 0.3))
    ),
    "the reset": lambda net: setattr(net[4], "reset", "subtract"),
    "weights": lambda net: net[3].weight.data.mul_(2),
    "other weights": lambda net: setattr(net[3], "weight", nn.Parameter(torch.ones(8, 8))),
    "no bias": lambda net: setattr(net[3], "bias", None),
    "another neuron": lambda net: net.__setitem__(2, MultiLevelIF()),
    "another layer": lambda net: net.__setitem__(1, nn.Linear(12, 8)),
    "the engine": lambda net: setattr(net[2], "engine", "eager"),
    "its type": lambda net: net.double(),
    "what learns": lambda net: net[1].requires_grad_(False),
    "evaluation": lambda net: net.eval(),
    "a hook": lambda net: net[1].register_forward_hook(lambda one, given, out: out * 0),
    "a hook before": lambda net: net[2].register_forward_pre_hook(
        lambda one, given: (given[0] * 3,)
    ),
    "another forward": lambda net: setattr(
        net[1], "forward", lambda x: torch.ones(*x.shape[:-1], 8)
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(name):
    net, x = mlp(), spikes()
    before = net(x)[0]
    net(x)
    CHANGES[name](net)
    x = x.to(net[5].weight.dtype)
    after, expected = net(x)[0], layered(net)(x)[0]
    assert torch.equal(after, expected)
    if name not in ("what learns", "evaluation", "the engine", "its type"):
        assert not torch.equal(after, before)
    same(everything(net, x), everything(layered(net), x))
    if name == "the engine":
        assert engines(net)["2"].engine == "eager"


def test_what_wants_to_see_its_functions_does():
    net, seen = mlp(), []

    class Seeing(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    net(spikes())
    with Seeing():
        net(spikes())
    assert "linear" in {one.__name__ for one in seen}


def test_hooks_of_all_modules_are_called():
    net, seen = mlp(), []
    net(spikes())
    handle = nn.modules.module.register_module_forward_hook(lambda one, *_: seen.append(one))
    try:
        net(spikes())
    finally:
        handle.remove()
    assert {*net} <= {*seen}


@pytest.mark.parametrize(
    "given",
    [{"lengths": torch.full((40,), 7)}, {"state": None}, {}],
    ids=["lengths", "a state", "nothing"],
)
def test_states_and_lengths_are_as_before(given):
    net, x = mlp(), spikes()
    if "state" in given:
        given = {"state": net(x)[1]}
        assert net.as_stack(x, **given) is None
    out, expected = net(x, **given)[0], layered(net)(x, **given)[0]
    assert torch.equal(out, expected)


def test_wrong_shapes_are_said_as_before():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        mlp()(torch.zeros(2, 3, 5))
    with pytest.raises(ValueError, match="give size="):
        Sequential(nn.Linear(3, 4), LIF(5))(torch.zeros(2, 3, 3))


def test_other_networks_are_no_stacks():
    x = torch.rand(3, 2, 4)
    for net in (
        Sequential(),
        Sequential(nn.Linear(4, 4)),
        Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), LIF()),
        Sequential(nn.Linear(4, 4), LIF(), nn.Linear(4, 4)),
        Sequential(nn.Linear(4, 4), LI(), nn.Linear(4, 4), LIF()),
        Sequential(Repeat(3), nn.Linear(4, 4), LIF()),
    ):
        assert net.as_stack(x) is None
        assert net.as_stack(x, lengths=torch.tensor([3, 3])) is None


def test_copies_and_pickles_are_their_own():
    net, x = mlp(), spikes()
    net(x)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(x)[0], net(x)[0])
        other[1].weight.data.zero_()
        other[1].bias.data.zero_()
        assert not other(x)[0].any() or not torch.equal(other(x)[0], net(x)[0])
    assert net.state_dict().keys() == mlp().state_dict().keys()


def test_nothing_is_kept_alive():
    net, x = mlp(IF), spikes()
    gc.collect()
    gc.disable()
    try:
        with Meter(net, inputs="events") as meter:
            out, _ = net(x)
        counts = meter.counts
        refs = [weakref.ref(one) for one in (net, net[1], out, meter.traffic[1].values)]
        refs.append(weakref.ref(out.grad_fn))
        out.sum().backward()
        del out, meter, counts, net, _
        assert [ref() is None for ref in refs[2:]] == [True] * 3
        gc.enable()
        gc.collect()
        assert [ref() for ref in refs] == [None] * 5
    finally:
        gc.enable()


def test_its_gradients_have_none():
    net = mlp()
    out = net(spikes())[0].sum()
    with pytest.raises(RuntimeError, match="engine = 'eager'"):
        torch.autograd.grad(out, list(net[1].parameters()), create_graph=True)


def test_weights_that_change_before_the_gradient_are_an_error():
    net = mlp()
    out = net(spikes())[0].sum()
    with torch.no_grad():
        net[3].weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_the_graph_can_be_kept():
    net, x = mlp(), spikes()
    out = net(x)[0].sum()
    first = torch.autograd.grad(out, net[1].weight, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(out, net[1].weight)[0])


def test_what_a_metered_network_contains_is_counted_too():
    class Around(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.head = inner, nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.inner(x)[0])

    torch.manual_seed(5)
    inner = Sequential(nn.Linear(4, 8), LIF(8))
    x, found = torch.rand(6, 3, 4) * 2, []
    net = Around(inner)
    for net.inner in (inner, layered(inner)):
        with Meter(net) as meter:
            net(x)
        found.append({(k, n): v.item() for k, c in meter.counts.items() for n, v in c.items()})
    assert found[0] == found[1]
    assert found[0]["head", "ac"] > 0
