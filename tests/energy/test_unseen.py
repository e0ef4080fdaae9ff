"""Nothing unseen becomes an event: it is analog wherever it is put, and listed."""

import ctypes

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import picojoule as pj
from energy.metering import Two, events, run, total, totals
from picojoule.energy import Meter

COST = pj.NeuronCost(adds=1, states=1)

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")


@torch.jit.script
def scripted(x):
    return torch.sigmoid(x)


def outside(x):
    """By way of NumPy, and back as memory that torch has not filled."""
    return torch.from_numpy(1 / (1 + np.exp(-x.detach().numpy())))


class Custom(torch.autograd.Function):
    """A function whose forward leaves torch."""

    @staticmethod
    def forward(ctx, x):
        return outside(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def written(x, y):
    out = torch.zeros_like(x)
    for step in range(len(x)):
        out[step] = y[step]
    return out


def copied(x, y):
    out = torch.zeros_like(x)
    for step in range(len(x)):
        out[step].copy_(y[step])
    return out


WAYS = {
    "written into zeros": written,
    "copied into zeros": copied,
    "scattered into zeros": lambda x, y: torch.zeros_like(x).index_copy(0, torch.arange(3), y),
    "joined": lambda x, y: torch.cat([x, y], 0),
    "stacked": lambda x, y: torch.stack([x, y]),
    "the larger": torch.maximum,
    "the smaller": torch.min,
    "chosen": lambda x, y: torch.where(x > 0, x, y),
    "added": lambda x, y: x + y,
    "subtracted": lambda x, y: x - y,
    "subtracted from": lambda x, y: torch.rsub(x, y),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", [scripted, outside, Custom.apply])
def test_values_from_where_nothing_is_seen(source, way):
    torch.manual_seed(2)
    x = events(3, 8)
    net = Two(
        lambda net, x: net.layer(WAYS[way](x, source(net.first(x)))),
        first=nn.Linear(8, 8),
        layer=nn.Linear(8, 4),
    )
    meter = run(net, x)
    done = meter.counts["layer"]
    assert done.mac >= 3 * 8 * 4
    assert done.ac == 0
    assert meter.uncounted


@pytest.mark.parametrize("number", [lambda: torch.rand(3, 8), lambda: torch.full((3, 8), 0.5)])
def test_constants_beside_events_are_analog(number):
    net = Two(lambda net, x: net.layer(torch.maximum(x, number())), layer=nn.Linear(8, 4))
    meter = run(net, events(3, 8))
    assert meter.counts["layer"].mac == 3 * 8 * 4


@pytest.mark.parametrize(
    "join",
    [
        lambda x, out: out,
        lambda x, out: torch.maximum(x, out),
        lambda x, out: out * x + x,
    ],
)
def test_zeros_that_were_written_where_nobody_sees_it(join):
    @torch.jit.script
    def write(out, y):
        out.copy_(y)

    def forward(net, x):
        out = torch.zeros(3, 8)
        write(out, net.first(x))
        return net.layer(join(x, out))

    net = Two(forward, first=nn.Linear(8, 8), layer=nn.Linear(8, 4))
    meter = run(net, events(3, 8))
    assert (meter.counts["layer"].mac, meter.counts["layer"].ac) == (3 * 8 * 4, 0)
    assert len(meter.uncounted) == 1


def test_ones_at_places_that_numpy_chose_are_analog():
    def forward(net, x):
        y = x.clone()
        y[net.first(x).detach().numpy() > 0] = 1
        return net.layer(y)

    meter = run(Two(forward, first=nn.Linear(8, 8), layer=nn.Linear(8, 4)), events(3, 8))
    assert (meter.counts["layer"].mac, meter.counts["layer"].ac) == (3 * 8 * 4, 0)


def test_zeros_and_ones_beside_events_are_events():
    """Zeros are none; ones, such as an input for a bias, are one each."""
    x = events(3, 8)
    net = Two(
        lambda net, x: net.layer(torch.cat([x, torch.ones(3, 1), torch.zeros(3, 1)], 1)),
        layer=nn.Linear(10, 4),
    )
    assert run(net, x).counts["layer"].ac == 4 * (x.sum() + 3)


def filled(x):
    out = torch.empty_like(x)
    out.numpy()[:] = 2 * x.numpy()
    return out


def copied_by_address(x):
    out = torch.zeros_like(x)
    ctypes.memmove(out.data_ptr(), x.data_ptr(), 4 * x.numel())
    return out


def filled_detached(x):
    out = torch.zeros_like(x)
    out.detach().numpy()[:] = 2 * x.numpy()
    return out


def filled_by_rows(x):
    out = torch.zeros_like(x)
    for row, value in zip(out, x, strict=True):
        row.numpy()[:] = value.numpy()
    return out


@pytest.mark.parametrize("fill", [filled, copied_by_address, filled_detached, filled_by_rows])
def test_zeros_whose_memory_is_given_away(fill):
    meter = run(Two(lambda net, x: net.layer(fill(x)), layer=nn.Linear(8, 4)), events(3, 8))
    assert (meter.counts["layer"].mac, meter.counts["layer"].ac) == (3 * 8 * 4, 0)
    assert meter.uncounted == {"layer: input of unknown origin": 24}


@pytest.mark.parametrize("learns", ["grad", "backward"])
def test_what_runs_backwards_inside_is_listed(learns):
    """The gradient is a value of the network, in a product too."""

    def forward(net, x):
        at = net.layer(x).detach().requires_grad_()
        out = net.layer(at * at).sum()
        if learns == "backward":
            out.backward()
            return out
        return torch.autograd.grad(out, at)[0] @ net.layer.weight

    meter = run(Two(forward, layer=nn.Linear(8, 8)), events(3, 8))
    missed = {"network: backward": 1} if learns == "backward" else {"network: grad": 24}
    assert meter.uncounted == missed
    assert total(meter, "mac") == (1 if learns == "backward" else 2) * 3 * 8 * 8


def test_a_buffer_beside_events_is_analog():
    net = Two(lambda net, x: net.layer(torch.maximum(x, net.low)), layer=nn.Linear(8, 4))
    net.register_buffer("low", torch.rand(8))
    meter = run(net, events(3, 8))
    assert meter.counts["layer"].mac == 3 * 8 * 4


def attended(net, x):
    seen = scripted(net.first(x))
    query, key = seen + net.bias, seen * net.gain
    return query @ key.T @ (query * net.gain)


def keys_and_values(net, x):
    seen = scripted(net.first(x))
    return F.scaled_dot_product_attention(net.table, seen * net.gain, seen)


MET = {
    "attention by hand": (attended, 2 * 3 * 3 * 8),
    "@": (lambda net, x: scripted(net.first(x)) @ net.table, 3 * 8 * 8),
    "einsum": (lambda net, x: torch.einsum("ij,jk", scripted(net.first(x)), net.table), 3 * 8 * 8),
    "bmm": (lambda net, x: torch.bmm(scripted(net.first(x))[None], net.table[None]), 3 * 8 * 8),
    "addmm": (lambda net, x: torch.addmm(net.bias, scripted(net.first(x)), net.table), 3 * 8 * 8),
    "keys and values": (keys_and_values, 2 * 8 * 3 * 8),
    "the second of a bilinear layer": (
        lambda net, x: F.bilinear(net.table[:3], scripted(net.first(x)), net.cube),
        3 * 8 * 8 * 2,
    ),
    "scaled": (lambda net, x: net.layer(scripted(net.first(x)) * net.gain), 3 * 8 * 4),
    "prelu": (lambda net, x: net.layer(F.prelu(scripted(net.first(x)), net.gain)), 3 * 8 * 4),
    "batch norm": (lambda net, x: net.layer(net.norm(scripted(net.first(x)))), 3 * 8 * 4),
    "written into a constant": (
        lambda net, x: torch.rand(3, 8).add_(scripted(net.first(x))) @ net.table,
        3 * 8 * 8,
    ),
    "complex": (lambda net, x: torch.fft.fft(net.first(x)) @ (net.table + 0j), 3 * 8 * 8),
}


@pytest.mark.parametrize("way", MET)
def test_what_is_made_of_weights_and_unseen_values_is_no_weight(way):
    torch.manual_seed(2)
    function, pairs = MET[way]
    net = Two(
        function,
        first=nn.Linear(8, 8),
        layer=nn.Linear(8, 4),
        norm=nn.BatchNorm1d(8),
        gain=nn.Parameter(torch.ones(8)),
        bias=nn.Parameter(torch.rand(8)),
        table=nn.Parameter(torch.rand(8, 8)),
        cube=nn.Parameter(torch.rand(2, 8, 8)),
    )
    x = events(3, 8)
    meter = run(net, x)
    assert total(meter, "mac") == pairs
    assert total(meter, "ac") == 8 * x.sum()
    assert any("unknown origin" in name or "fft" in name for name in meter.uncounted)


def test_values_compared_with_a_learned_number_are_no_mask():
    net = Two(
        lambda net, x: net.layer((net.first(x) > net.threshold).float()),
        first=nn.Linear(8, 8),
        layer=nn.Linear(8, 4),
        threshold=nn.Parameter(torch.zeros(8)),
    )
    meter = run(net, events(3, 8))
    assert meter.counts["layer"].mac == 3 * 8 * 4
    assert meter.uncounted == {"network: values of a comparison": 24}


@pytest.mark.parametrize(
    "change",
    [
        lambda net, x: net.table * torch.ones(8, 8),
        lambda net, x: net.table * torch.rand(8, 8),
        lambda net, x: net.low.expand_as(net.table) * net.table,
        lambda net, x: net.table.type_as(scripted(x)),
        lambda net, x: net.table.to(scripted(x)),
        lambda net, x: net.low[None].expand_as(scripted(net.first(x))).T @ net.table[:3],
    ],
)
def test_weights_stay_weights(change):
    net = Two(
        lambda net, x: x @ change(net, x),
        first=nn.Identity(),
        table=nn.Parameter(torch.rand(8, 8)),
    )
    net.register_buffer("low", torch.rand(8))
    x = events(3, 8)
    meter = run(net, x)
    assert (total(meter, "ac"), total(meter, "mac")) == (8 * x.sum(), 0)
    assert meter.uncounted == {}


def test_whole_numbers_of_a_function_without_a_rule_are_listed():
    net = Two(lambda net, x: net.first(x).argmax(-1), first=nn.Linear(8, 8))
    assert run(net, events(3, 8)).uncounted == {"network: argmax": 3}


@pytest.mark.parametrize(
    "way",
    [
        lambda x, y: x * y,
        lambda x, y: x / (1 + y),
        lambda x, y: y * x,
        lambda x, y: x * y.detach().numpy(),
        lambda x, y: torch.addcmul(torch.zeros(3, 8), x, y),
    ],
)
def test_events_times_unseen_values_are_listed(way):
    x = events(3, 8)
    net = Two(
        lambda net, x: net.layer(way(x, scripted(net.first(x)))),
        first=nn.Linear(8, 8),
        layer=nn.Linear(8, 4),
    )
    meter = run(net, x)
    assert meter.counts["layer"].mac in (4 * x.sum(), 4 * x.numel())
    assert sum(meter.uncounted.values()) == 24


class Fires(nn.Module):
    def forward(self, x):
        return (x > 0).float()


class Spike(Custom):
    @staticmethod
    def forward(ctx, x):
        return (x > 0).float()


def fires(x):
    return (x > 0).float()


@pytest.mark.parametrize(
    ("named", "call", "name"),
    [
        (Fires, lambda net, x: net.part(x=x), "part"),
        (Spike, lambda net, x: Spike.apply(x), "network.Spike"),
        (fires, lambda net, x: fires(x), "network.fires"),
        (fires, lambda net, x: fires(x=x), "network.fires"),
    ],
)
def test_what_comes_to_named_neurons_from_where_nothing_is_seen_is_listed(named, call, name):
    net = Two(lambda net, x: net.layer(call(net, scripted(x))), part=Fires())
    net.layer = nn.Linear(8, 4)
    with Meter(net, samples=3, inputs="events", neurons={named: COST}) as meter:
        net(events(3, 8))
    assert meter.uncounted == {f"{name}: input of unknown origin": 24}


@pytest.mark.parametrize("product", [torch.matmul, lambda x, w: F.linear(x, w.T)])
def test_products_of_whole_numbers(product):
    """They are values there, and may be indices elsewhere."""
    net = Two(lambda net, x: product(x, net.weight))
    net.register_buffer("weight", torch.randint(-3, 3, (8, 4)))
    meter = run(net, torch.randint(5, (3, 8)), inputs="analog")
    assert totals(meter)["mac"] == 3 * 8 * 4
    assert meter.uncounted == {"network: input of unknown origin": 24}
