"""Kinds by provenance, the table of the design row by row.

Every row feeds one synapse per element (a linear layer with one output), so that the accumulates
are the events by hand, and asks the traffic for the kind.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from energy.metering import Two, arrived, events, run, setting, total

X, Y = events(4, 3, 8), events(4, 3, 8)
ONES, BOTH = X.sum().item(), (X.sum() + Y.sum()).item()
MASK = torch.rand(4, 3, 8) < 0.5


def _times_a_mask(mask):
    """A function that draws the same mask each time."""

    def function(x):
        torch.manual_seed(5)
        return x * mask()

    return function


SAME = {
    "view": (lambda x: x.view(12, 8), ONES),
    "reshape": (lambda x: x.reshape(-1), ONES),
    "torch.reshape by name": (lambda x: torch.reshape(input=x, shape=(96,)), ONES),
    "flatten": (lambda x: x.flatten(1), ONES),
    "unflatten": (lambda x: x.unflatten(-1, (2, 4)), ONES),
    "permute": (lambda x: x.permute(2, 0, 1), ONES),
    "transpose": (lambda x: x.transpose(0, 1), ONES),
    "T": (lambda x: x[0].T, X[0].sum().item()),
    "unsqueeze": (lambda x: x.unsqueeze(0), ONES),
    "squeeze": (lambda x: x[:1].squeeze(0), X[0].sum().item()),
    "index": (lambda x: x[1], X[1].sum().item()),
    "slice": (lambda x: x[:, ::2], X[:, ::2].sum().item()),
    "index by mask": (lambda x: x[MASK], X[MASK].sum().item()),
    "index_select": (lambda x: x.index_select(0, torch.tensor([2, 2])), 2 * X[2].sum().item()),
    "unbind": (lambda x: x.unbind(0)[3], X[3].sum().item()),
    "chunk": (lambda x: torch.chunk(x, 2, dim=0)[1], X[2:].sum().item()),
    "split": (lambda x: x.split([1, 3])[1], X[1:].sum().item()),
    "expand": (lambda x: x.unsqueeze(0).expand(5, 4, 3, 8), 5 * ONES),
    "repeat": (lambda x: x.repeat(1, 2, 1), 2 * ONES),
    "flip": (lambda x: x.flip(0), ONES),
    "roll": (lambda x: x.roll(1, 0), ONES),
    "stack": (lambda x: torch.stack([x, x]), 2 * ONES),
    "concatenate": (lambda x: torch.cat([x, x], dim=-1), 2 * ONES),
    "pad with zeros": (lambda x: F.pad(x, (1, 1)), ONES),
    "pad by repetition": (lambda x: F.pad(x, (0, 1), mode="replicate"), None),
    "max-pool": (lambda x: F.max_pool1d(x, 2), F.max_pool1d(X, 2).sum().item()),
    "largest over time": (lambda x: x.amax(0), X.amax(0).sum().item()),
    "largest over time, with index": (lambda x: x.max(0)[0], X.amax(0).sum().item()),
    "either": (lambda x: torch.maximum(x, x), ONES),
    "bool mask": (lambda x: x * MASK, X[MASK].sum().item()),
    "masked_fill": (lambda x: x.masked_fill(MASK, 0.0), X[~MASK].sum().item()),
    "where, else zero": (lambda x: torch.where(MASK, x, 0.0), X[MASK].sum().item()),
    "detach": (lambda x: x.detach(), ONES),
    "contiguous": (lambda x: x.transpose(0, 1).contiguous(), ONES),
    "clone": (lambda x: x.clone(), ONES),
    "to double": (lambda x: x.to(torch.float64), ONES),
    "float of half": (lambda x: x.half().float(), ONES),
    "type of another": (lambda x: x.type_as(torch.zeros(1, dtype=torch.float64)), ONES),
    "identity": (nn.Identity(), ONES),
    "dropout, evaluation": (lambda x: F.dropout(x, 0.5, training=False), ONES),
    "1 - events": (lambda x: 1 - x, X.numel() - ONES),
    "copy into a buffer": (lambda x: torch.empty(4, 3, 8).copy_(x), ONES),
    "zeros set to events": (lambda x: _filled(x), ONES),
    "events set to zero": (setting(0, 0.0), X[1:].sum().item()),
    "times one": (lambda x: x * 1, ONES),
    "in place": (lambda x: x.squeeze_(), ONES),
}
SCALED = {
    "times a constant": (lambda x: x * 0.5, 0.5, ONES),
    "a constant times": (lambda x: 3 * x, 3.0, ONES),
    "times a constant tensor": (lambda x: x * torch.tensor(0.25), 0.25, ONES),
    "divided": (lambda x: x / 4, 0.25, ONES),
    "times a negative": (lambda x: x * -2.0, -2.0, ONES),
    "in place": (lambda x: x.mul_(0.5), 0.5, ONES),
    "divided in place": (lambda x: x.div_(2.0), 0.5, ONES),
    "twice": (lambda x: x * 0.5 / 0.25, 2.0, ONES),
}
SAME |= {
    "relu": (torch.relu, ONES),
    "relu in place": (lambda x: x.relu_(), ONES),
    "square": (lambda x: x**2, ONES),
    "first power": (lambda x: x.pow(1), ONES),
    "relu6": (F.relu6, ONES),
    "hardtanh": (F.hardtanh, ONES),
    "clamp to ones": (lambda x: x.clamp(0, 1), ONES),
    "clamp from below": (lambda x: torch.clamp(x, min=0), ONES),
    "sign": (torch.sign, ONES),
    "round": (torch.round, ONES),
    "floor": (torch.floor, ONES),
    "ceil": (torch.ceil, ONES),
    "trunc": (torch.trunc, ONES),
    "above zero": (lambda x: (x > 0).float(), ONES),
    "at least one": (lambda x: (x >= 1).to(x.dtype), ONES),
    "not zero": (lambda x: x.ne(0).type_as(x), ONES),
    "true and back": (lambda x: x.bool().float(), ONES),
    "true twice": (lambda x: (x.bool() & (x > 0.5)).float(), ONES),
    "true once": (lambda x: (x.bool() | (x > 0.5)).float(), ONES),
    "below a half is the opposite line": (lambda x: (x < 0.5).float(), None),
    "false is the opposite line": (lambda x: (~x.bool()).float(), None),
    **{
        f"{name} and back": (lambda x, name=name: getattr(x, name)().float(), ONES)
        for name in ("int", "long", "short", "char", "byte")
    },
    **{
        f"to({dtype}) and back": (lambda x, dtype=dtype: x.to(dtype).to(x.dtype), ONES)
        for dtype in (torch.int32, torch.int64, torch.int16, torch.int8, torch.uint8, torch.bool)
    },
    "times a mask of ones": (lambda x: x * torch.ones(8), ONES),
    "times a drawn mask": (_times_a_mask(lambda: torch.bernoulli(torch.full((8,), 0.5))), None),
    "times a compared mask": (_times_a_mask(lambda: (torch.rand(8) < 0.5).float()), None),
    "times a moved mask": (
        _times_a_mask(lambda: (torch.rand(8) < 0.5).float().unsqueeze(0).expand(3, 8)),
        None,
    ),
}
LEVELS = {
    "mean over steps": (lambda x: x.mean(0), 1 / 4, ONES),
    "mean over all": (lambda x: x.mean((0, 1)), 1 / 12, ONES),
    "sum": (lambda x: x.sum(0), 1.0, ONES),
    "sum of a list": (lambda x: sum([x, x, x]), 1.0, 3 * ONES),
    "average pooling": (lambda x: F.avg_pool1d(x, 2), 1 / 2, ONES),
    "average pooling, overlap": (lambda x: F.avg_pool1d(x[..., :7], 3, 2), 1 / 3, None),
    "average pooling of the sum": (lambda x: F.avg_pool1d(x + x, 2), 1 / 2, 2 * ONES),
    "adaptive average pooling": (lambda x: F.adaptive_avg_pool1d(x, 2), 1 / 4, ONES),
    "twice the same": (lambda x: x + x, 1.0, 2 * ONES),
    "scaled sum": (lambda x: (x + x) * 0.5, 0.5, 2 * ONES),
}
TWO = {
    "residual addition": (lambda x, y: x + y, "levels", BOTH),
    "residual addition in place": (lambda x, y: x.add_(y), "levels", BOTH),
    "+=": (lambda x, y: x.__iadd__(y), "levels", BOTH),
    "events times events": (lambda x, y: x * y, "events", (X * Y).sum().item()),
    "minus": (lambda x, y: x - y, "levels", (X - Y).abs().sum().item()),
    "concatenate with levels": (lambda x, y: torch.cat([x, y + y]), "levels", None),
    "sum of unequal worth": (lambda x, y: x + 0.5 * y, "graded", (X + 0.5 * Y).count_nonzero()),
    "set to other events": (setting(1, None), "events", (X[[0, 2, 3]].sum() + Y[1].sum()).item()),
}
ANALOG = {
    "exp": torch.exp,
    "plus a constant": lambda x: x + 0.1,
    "minus from two": lambda x: 2 - x,
    "power": lambda x: x**-1,
    "matrix product": lambda x: x @ torch.ones(8, 8),
    "linear": lambda x: F.linear(x, torch.ones(8, 8)),
    "norm": lambda x: F.layer_norm(x, (8,)),
    "cumulative log of sums": lambda x: x.logcumsumexp(0),
    "set to a half": setting(0, 0.5),
    "divided by nothing": lambda x: x / 0,
}


def _filled(x):
    buffer = torch.zeros(4, 3, 8)
    for step in range(4):
        buffer[step] = x[step]
    return buffer


@pytest.mark.parametrize("row", SAME)
def test_rearranging_and_choosing_keeps_events(row):
    function, number = SAME[row]
    kind, found = arrived(function, X)
    assert (kind.name, kind.scale, kind.signed) == ("events", 1.0, False)
    assert found == (function(X.clone()).sum().item() if number is None else number)


@pytest.mark.parametrize("row", SCALED)
def test_constants_change_the_scale(row):
    function, scale, number = SCALED[row]
    kind, found = arrived(function, X)
    assert kind.name == "events"
    assert float(kind.scale) == pytest.approx(scale)
    assert found == number


@pytest.mark.parametrize("row", LEVELS)
def test_sums_are_levels(row):
    function, scale, number = LEVELS[row]
    kind, found = arrived(function, X)
    assert kind.name == "levels"
    assert kind.scale == pytest.approx(scale)
    expected = function(X.clone()).sum().item() / scale if number is None else number
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("row", TWO)
def test_two_tensors_of_events(row):
    function, name, number = TWO[row]
    kind, found = arrived(function, X, Y)
    assert kind.name == name
    assert kind.signed == (row == "minus")
    assert found == (function(X.clone(), Y.clone()).sum() if number is None else number)


@pytest.mark.parametrize("row", ANALOG)
def test_everything_else_is_analog_and_dense(row):
    function = ANALOG[row]
    kind, found = arrived(function, X)
    assert kind.name == "analog"
    assert found == function(X.clone()).numel()


def test_dropout_in_training_counts_what_is_left():
    torch.manual_seed(3)
    kind, found = arrived(lambda x: F.dropout(x, 0.25), X)
    torch.manual_seed(3)
    assert kind.name == "events"
    assert kind.scale == pytest.approx(1 / 0.75)
    assert found == F.dropout(X, 0.25).count_nonzero().item()


def test_dropout_of_everything():
    assert arrived(lambda x: F.dropout(x, 1.0), X)[1] == 0


@pytest.mark.parametrize("p", [0.5, 0.0])
def test_torch_dropout_counts_like_the_module(p):
    kind, found = arrived(lambda x: torch.dropout(x, p=p, train=False), X)
    assert (kind.name, found) == ("events", ONES)


def test_a_factor_of_zero_lets_nothing_through():
    assert arrived(lambda x: x * torch.tensor(0.0), X)[1] == 0


def test_every_call_is_in_the_traffic():
    layer = nn.Linear(8, 5)
    net = Two(lambda net, x, y: layer(x) + layer(x - y) + F.linear(y, layer.weight), layer=layer)
    meter = run(net, X, Y)
    assert [call.layer for call in meter.traffic] == ["layer", "layer", "network"]
    assert [call.kind.signed for call in meter.traffic] == [False, True, False]
    assert torch.equal(meter.traffic[0].values, X)
    assert [call.fanout for call in meter.traffic] == [5, 5, 5]
    assert meter.traffic[0].scale == 1.0
    assert total(meter, "ac") == 5 * (X.sum() + (X - Y).abs().sum() + Y.sum()).item()
