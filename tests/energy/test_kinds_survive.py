"""Spikes stay spikes in every spelling that changes none, and nothing else becomes one.

Each row's number of events is what a linear layer with one output is charged for it: the sum of
its values, each over what an event is worth.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import rnn

from energy.metering import Two, arrived, events, run

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")

torch.manual_seed(7)
X, Y = events(4, 3, 8), events(4, 3, 8)
AT = torch.arange(4)[:, None, None].expand(4, 3, 8)
PLACES = torch.tensor([0, 2])
MASK = torch.rand(4, 3, 8) < 0.5


def _changed(change):
    """A function that changes a copy of the first in place."""

    def function(x, y):
        x = x.clone()
        change(x, y)
        return x

    return function


def _into(new, write):
    """A function that writes what arrives into a new tensor."""

    def function(x, y):
        made = new(4, 3, 8)
        write(made, x, y)
        return made

    return function


LENGTHS = torch.tensor([4, 3, 2])
EVENTS = {
    # limits
    "clamp_min": lambda x, y: x.clamp_min(0),
    "clamp_max": lambda x, y: torch.clamp_max(x, 1),
    "clamp_min in place": _changed(lambda x, y: x.clamp_min_(0)),
    "threshold": lambda x, y: F.threshold(x, 0.5, 0.0),
    "heaviside": lambda x, y: torch.heaviside(x, torch.tensor(0.0)),
    "leaky_relu": lambda x, y: F.leaky_relu(x),
    "elu": lambda x, y: F.elu(x),
    "prelu": lambda x, y: F.prelu(x, torch.tensor([0.25])),
    "square": lambda x, y: x.square(),
    "float_power": lambda x, y: torch.float_power(x, 1).float(),
    "special.round": lambda x, y: torch.special.round(x),
    "nan_to_num": lambda x, y: x.nan_to_num(),
    "floor_divide": lambda x, y: torch.floor_divide(x, 1),
    "//": lambda x, y: x // 1,
    # logic
    "larger than a constant tensor": lambda x, y: (x > torch.tensor(0.5)).float(),
    "constant tensor below": lambda x, y: (torch.tensor(0.5) < x).float(),
    "larger than events": lambda x, y: (x > y).float(),
    "unlike": lambda x, y: (x != y).float(),
    "alike": lambda x, y: torch.eq(x, y).float(),
    "logical_xor": lambda x, y: torch.logical_xor(x, y).float(),
    "bool ^": lambda x, y: (x.bool() ^ y.bool()).float(),
    "int &": lambda x, y: (x.int() & y.int()).float(),
    "int |": lambda x, y: torch.bitwise_or(x.int(), y.int()).float(),
    "int ^": lambda x, y: (x.int() ^ y.int()).float(),
    "logical_not": lambda x, y: torch.logical_not(x + y).float(),
    "and a mask": lambda x, y: (x.bool() & MASK.clone()).float(),
    "any": lambda x, y: x.bool().any(0).float(),
    "torch.any": lambda x, y: torch.any(x, 0).float(),
    "all": lambda x, y: x.bool().all(0).float(),
    "prod": lambda x, y: x.prod(0),
    "cumprod": lambda x, y: x.cumprod(0),
    "even or odd": lambda x, y: (x + y) % 2,
    "fmod": lambda x, y: torch.fmod(x + y, 2),
    # order
    "cummax": lambda x, y: x.cummax(0)[0],
    "cummin": lambda x, y: x.cummin(0).values,
    "sort": lambda x, y: x.sort(-1)[0],
    "topk": lambda x, y: x.topk(4, -1).values,
    "kthvalue": lambda x, y: x.kthvalue(2, 0)[0],
    "median": lambda x, y: x.median(0).values,
    "aminmax": lambda x, y: x.aminmax(dim=0).max,
    "fmax": lambda x, y: torch.fmax(x, y),
    "fmin": lambda x, y: torch.fmin(x, y),
    # moves
    "take": lambda x, y: x.take(torch.tensor([[1, 2], [3, 4]])),
    "fliplr": lambda x, y: torch.fliplr(x),
    "flipud": lambda x, y: torch.flipud(x),
    "rot90": lambda x, y: torch.rot90(x),
    "broadcast_to": lambda x, y: x[0].broadcast_to(2, 3, 8),
    "atleast_3d": lambda x, y: torch.atleast_3d(x),
    "column_stack": lambda x, y: torch.column_stack([x, y]),
    "pad_sequence": lambda x, y: rnn.pad_sequence([x, y[:2]]),
    "positive": lambda x, y: +x,
    "hsplit": lambda x, y: x.hsplit(3)[1],
    "vsplit": lambda x, y: torch.vsplit(x, 2)[1],
    "dsplit": lambda x, y: torch.dsplit(x, 2)[1],
    "unsafe_chunk": lambda x, y: x.unsafe_chunk(2)[0],
    "narrow_copy": lambda x, y: x.narrow_copy(0, 1, 2),
    "adjoint": lambda x, y: x.adjoint(),
    "diag_embed": lambda x, y: torch.diag_embed(x),
    "sparse and back": lambda x, y: x.to_sparse().to_dense(),
    "packed": lambda x, y: rnn.pack_padded_sequence(x, LENGTHS).data,
    "packed and back": lambda x, y: rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, LENGTHS))[
        0
    ],
    # places
    "scatter": lambda x, y: torch.zeros(4, 3, 8).scatter(0, AT, x),
    "scatter_": _into(torch.zeros, lambda made, x, y: made.scatter_(0, AT, src=x)),
    "index_copy": lambda x, y: torch.zeros(4, 3, 8).index_copy(0, torch.arange(4), x),
    "index_put": lambda x, y: torch.zeros(4, 3, 8).index_put((torch.arange(4),), x),
    "index_fill": lambda x, y: x.index_fill(0, PLACES, 0),
    "masked_scatter": lambda x, y: x.masked_scatter(MASK, y),
    "select_scatter": lambda x, y: torch.select_scatter(torch.zeros(4, 3, 8), x[0], 0, 1),
    "slice_scatter": lambda x, y: torch.slice_scatter(torch.zeros(4, 3, 8), x[:2], 0, 0, 2),
    "empty memory, step by step": _into(
        torch.empty, lambda made, x, y: [made.__setitem__(t, x[t]) for t in range(4)]
    ),
    "written over a state": _into(torch.rand, lambda made, x, y: made.__setitem__(slice(None), x)),
    "where, a method": lambda x, y: x.where(y > 0, 0),
    "empty memory, copied": lambda x, y: torch.empty_like(x).copy_(x),
    # numbers that are one event each
    "masked_fill by one": lambda x, y: x.masked_fill(y > 0, 1),
    "where one": lambda x, y: torch.where(y > 0, x, 1.0),
    "where zero is a tensor": lambda x, y: torch.where(MASK, x, torch.tensor(0.0)),
    "events choose a number": lambda x, y: torch.where(x > 0, 1.0, 0.0),
    "silence chooses a number": lambda x, y: torch.where(x > 0, 0.0, 1.0),
    "turned in place": _changed(lambda x, y: x.logical_not_()),
    "divided by a whole number in a tensor": lambda x, y: x / torch.tensor(4) * 4,
    "pad by one": lambda x, y: F.pad(x, (1, 1), value=1.0),
    "set to one": _changed(lambda x, y: x.__setitem__(y > 0, 1)),
    "ones at events": _into(torch.zeros, lambda made, x, y: made.__setitem__(x > 0, 1)),
    "less a mask of ones": lambda x, y: torch.ones_like(x) - x,
    # not in training
    "alpha dropout": lambda x, y: F.alpha_dropout(x, 0.5, training=False),
    "native dropout": lambda x, y: torch.native_dropout(x, 0.5, False)[0],
}
LEVELS = {
    "cumsum": lambda x, y: x.cumsum(0),
    "cumsum in place": _changed(lambda x, y: x.cumsum_(0)),
    "nansum": lambda x, y: x.nansum(0),
    "count_nonzero": lambda x, y: x.count_nonzero(0).float(),
    "fold": lambda x, y: F.fold(F.unfold(x[:, None], 3, padding=1), (3, 8), 3, padding=1),
    "lerp half way": lambda x, y: torch.lerp(x, y, 0.5) * 2,
    "addcmul": lambda x, y: torch.addcmul(x, x, y),
    "scatter_add": lambda x, y: torch.zeros(4, 3, 8).scatter_add(0, AT * 0, x),
    "index_add": lambda x, y: torch.zeros(4, 3, 8).index_add(0, torch.zeros(4, dtype=int), x),
    "accumulated": lambda x, y: x.index_put((torch.arange(4),), y, accumulate=True),
    "halves": lambda x, y: torch.div(x + y, 2, rounding_mode="floor"),
    "each added": lambda x, y: torch.add(x, y, alpha=1),
    "zeros added": lambda x, y: (x + y) - 0,
}


@pytest.mark.parametrize("row", EVENTS)
def test_events(row):
    kind, found = arrived(EVENTS[row], X, Y)
    assert kind.name == "events"
    assert found == EVENTS[row](X, Y).sum()


@pytest.mark.parametrize("row", LEVELS)
def test_levels(row):
    kind, found = arrived(LEVELS[row], X, Y)
    assert kind.name == "levels"
    assert found == LEVELS[row](X, Y).sum()


def _of_numbers(fill):
    def made():
        mask = torch.zeros(8)
        fill(mask)
        return mask

    return made


MASKS = {
    "full": lambda: torch.full((8,), 1.0),
    "filled": lambda: torch.empty(8).fill_(1),
    "set to ones": _of_numbers(lambda mask: mask.__setitem__(slice(3), 1.0)),
    "partly filled": _of_numbers(lambda mask: mask[:3].fill_(1)),
    "indexed": _of_numbers(lambda mask: mask.index_fill_(0, PLACES, 1)),
    "scattered": _of_numbers(lambda mask: mask.scatter_(0, PLACES, 1.0)),
    "where a constant says so": _of_numbers(lambda mask: mask.__setitem__(torch.rand(8) > 0.5, 1)),
    "ones set to zero": lambda: torch.ones(8).index_fill(0, PLACES, 0.0),
    "whole numbers below two": lambda: torch.randint(0, 2, (8,)).float(),
    "one of many": lambda: F.one_hot(torch.tensor(3), 8).float(),
    "diagonal": lambda: torch.eye(8)[2],
    "the first five": lambda: (torch.arange(8) < 5).float(),
    "truth times a number": lambda: 1.0 * (torch.arange(8) < 5),
    "chosen numbers": lambda: torch.where(torch.arange(8) < 5, 1.0, 0.0),
    "all but the first three": lambda: 1 - MASKS["set to ones"](),
    "ones but the diagonal": lambda: (torch.ones(8, 8) - torch.eye(8))[3],
    "drawn into empty memory": lambda: torch.empty(8).bernoulli_(0.5),
    "paths that are kept": lambda: (0.9 + torch.rand(8)).floor_(),
    "dropped ones": lambda: F.dropout(torch.ones(8), 0.5) / 2,
}


@pytest.mark.parametrize("row", MASKS)
def test_masks(row):
    torch.manual_seed(3)
    found = []

    def masked(x):
        found.append(x * MASKS[row]())
        return found[0]

    kind, number = arrived(masked, X)
    assert kind.name == "events"
    assert number == found[0].sum()


@pytest.mark.parametrize(
    "made", [lambda mask: mask, lambda mask: mask.float(), lambda mask: ~mask, torch.logical_not]
)
def test_a_mask_that_is_an_input_lets_events_pass(made):
    net = Two(lambda net, x, mask: net.layer(x * made(mask)), layer=nn.Linear(8, 2))
    meter = run(net, X[0], MASK[0], inputs={"x": "events"})
    assert meter.counts["layer"].ac == 2 * (X[0] * made(MASK[0])).sum()
    assert meter.counts["layer"].mac == 0


@pytest.mark.parametrize("made", [lambda v: (v > 0).float(), lambda v: 1.0 * (v > 0)])
def test_what_analog_values_let_pass_is_events(made):
    """A comparison is zero or one; by itself it is analog, and listed."""
    net = Two(lambda net, x, y: net.layer(y * (1 - made(net.first(x)))), first=nn.Linear(8, 8))
    net.layer = nn.Linear(8, 2)
    meter = run(net, torch.randn(3, 8), X[0], inputs={"x": "analog", "other": "events"})
    with torch.no_grad():
        passed = X[0] * (1 - made(net.first(torch.zeros(3, 8))))
    assert meter.traffic[-1].kind.name == "events"
    assert meter.counts["layer"].mac == 0 if "mac" in dict(meter.counts["layer"].items()) else True
    assert passed.shape == X[0].shape
    assert list(meter.uncounted) == ["network: values of a comparison"]


@pytest.mark.parametrize("grad", [True, False])
def test_complex_numbers_of_events(grad):
    """As in the state of a resonator, before anything but zeros and spikes is in it."""
    with torch.set_grad_enabled(grad):
        kind, number = arrived(lambda x: (x + torch.zeros(8, dtype=torch.cfloat)).real * 2, X[0])
        assert (kind.name, number) == ("events", X[0].sum())
        kind, _ = arrived(
            lambda x: (torch.zeros(8, dtype=torch.cfloat) * x + x.cumsum(0) * 0.1j).real, X[0]
        )
        assert kind.name == "graded"


# Ways to write a straight-through estimator, of a hard and a soft value.
STRAIGHT = {
    "detached difference": lambda hard, soft: (hard - soft).detach() + soft,
    "the other way round": lambda hard, soft: soft + (hard - soft).detach(),
    "minus what is detached": lambda hard, soft: hard - soft.detach() + soft,
    "a zero": lambda hard, soft: soft - soft.detach() + hard,
    "a sum": lambda hard, soft: hard + soft - soft.detach(),
    "an injected gradient": lambda hard, soft: hard.detach() + (soft - soft.detach()) * soft.exp(),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("way", STRAIGHT)
def test_straight_through_estimators(way, dtype):
    def estimated(net, x):
        return STRAIGHT[way](x, net.first(x).sigmoid())

    first = nn.Linear(8, 8).to(dtype)
    for x in (X[0], 3 * X[0] + X[1]):
        kind, number = arrived(estimated, x.to(dtype), inputs="levels", first=first)
        assert (kind.name, number) == ("levels", x.sum())


def test_a_straight_through_estimator_of_whole_numbers():
    def estimated(net, x):
        soft = net.first(x).long()
        return ((x.long() - soft) + soft).float()

    kind, number = arrived(estimated, X[0], first=nn.Linear(8, 8))
    assert (kind.name, number) == ("events", X[0].sum())


def changed(hard, soft, change, kept):
    rest = hard - kept
    change.add_(1)
    return rest + soft


@pytest.mark.parametrize(
    "way",
    [
        lambda hard, soft: changed(hard, soft, data := soft.data, data),
        lambda hard, soft: changed(hard, soft, soft, soft.data),
        lambda hard, soft: (hard - soft).detach() + 2 * soft,
        lambda hard, soft: (hard - soft).detach() - soft,
        lambda hard, soft: (hard + soft).detach() + soft,
        lambda hard, soft: (hard - soft) + soft.add_(1),
        lambda hard, soft: (hard - soft).mul_(2) + soft,
        lambda hard, soft: soft - (hard - soft).detach(),
        lambda hard, soft: soft - soft.flip(0).detach() + hard,
    ],
)
def test_what_is_no_straight_through_estimator(way):
    with torch.no_grad():
        kind, _ = arrived(lambda net, x: way(x, net.first(x)), X[0], first=nn.Linear(8, 8))
    assert kind.name == "analog"


def test_events_written_by_out():
    def written(x):
        rows = torch.zeros_like(x)
        for row, value in zip(rows, x, strict=True):
            torch.mul(value, 2, out=row)
        return rows

    kind, number = arrived(written, X[0])
    assert (kind.name, number) == ("events", X[0].sum())
    kind, _ = arrived(lambda x: (y := x.clone(), torch.exp(x[0], out=y[0]))[0], X[0])
    assert kind.name == "analog"


DRAWN = {
    "bernoulli": torch.bernoulli,
    "rand below": lambda x: (torch.rand_like(x) < x).float(),
    "above rand": lambda x: x.gt(torch.rand(x.shape)).to(x),
    "rand in its place": lambda x: (x >= torch.rand(3, 8)).float(),
}


@pytest.mark.parametrize("row", DRAWN)
def test_spikes_that_are_drawn_from_rates(row):
    rates = torch.rand(3, 8)
    torch.manual_seed(2)
    spikes = DRAWN[row](rates)
    torch.manual_seed(2)
    kind, number = arrived(DRAWN[row], rates, inputs="analog")
    assert kind.name == "events"
    assert number == spikes.sum()


def test_numbers_of_spikes_that_are_drawn_from_rates():
    torch.manual_seed(2)
    kind, number = arrived(torch.poisson, 3 * torch.rand(3, 8), inputs="analog")
    assert (kind.name, number > 8) == ("levels", True)


def test_values_compared_with_other_random_numbers_are_no_spikes():
    for way in (
        lambda x: (x > torch.randn_like(x)).float(),
        lambda x: (x > torch.rand_like(x) * 2).float(),
        lambda x: (x > 1 + torch.rand(8)).float(),
    ):
        assert arrived(way, torch.rand(3, 8), inputs="analog")[0].name == "analog"


def test_values_that_events_choose_are_graded():
    x, y = torch.randn(3, 8), X[0]
    net = Two(lambda net, x, y: net.layer(torch.where(y > 0, x, 0)), layer=nn.Linear(8, 2))
    meter = run(net, x, y, inputs={"x": "analog", "other": "events"})
    assert meter.traffic[-1].kind.name == "graded"
    assert meter.counts["layer"].mac == 2 * y.sum()


ANALOG = {
    "a constant that was dropped": lambda x, net: x + F.dropout(net.buffer, 0.5),
    "what was not seen, dropped": lambda x, net: F.dropout(torch.from_numpy(net.buffer.numpy())),
    "a mask that was partly filled": lambda x, net: x * _filled(0.3),
    "a mask that was partly drawn": lambda x, net: x * _drawn(),
    "zeros partly drawn": lambda x, net: torch.maximum(x, _drawn(torch.zeros)),
    "ones that values choose": lambda x, net: x.masked_fill(net.first(x) > 0, 1),
    "ones at values": lambda x, net: x + _at(net.first(x) > 0),
    "ones where NumPy says so": lambda x, net: x + _at((net.first(x) > 0).numpy()),
    "one of two by values": lambda x, net: torch.where(net.first(x) > 0, x, 1.0),
    "where, a method": lambda x, net: net.first(x).where(x > 0, torch.rand(8)),
    "values or zero, by a method": lambda x, net: net.first(x).where(net.buffer > 0.5, 0),
    "half a number": lambda x, net: x.masked_fill(MASK[0], 0.5),
    "no number": lambda x, net: F.pad(x, (0, 0), value=float("nan")),
    "events and values": lambda x, net: torch.fmax(x, net.buffer),
    "normal numbers around values": lambda x, net: torch.normal(net.layer.weight[:1] * x, 1.0),
}


def _at(places):
    made = torch.zeros(3, 8)
    made[places] = 1
    return made


def _filled(number):
    mask = torch.ones(8)
    mask[:3].fill_(number)
    return mask


def _drawn(new=torch.ones):
    mask = new(8)
    mask[:3].uniform_()
    return mask


@pytest.mark.parametrize("row", ANALOG)
def test_nothing_else_becomes_an_event(row):
    net = Two(lambda net, x: net.layer(ANALOG[row](x, net)), layer=nn.Linear(8, 2))
    net.first = nn.Linear(8, 8)
    net.register_buffer("buffer", torch.rand(3, 8))
    done = run(net, X[0]).counts["layer"]
    assert done.mac > 0
    assert done.ac == 0


WEIGHTS = {
    "beside zeros": (lambda w: torch.cat([w, torch.zeros(8, 1)], 1), 4),
    "written into zeros": (lambda w: _set(torch.zeros(8, 5), w), 5),
    "written into empty memory": (lambda w: _set(torch.empty(8, 3), w), 3),
    "overwritten": (lambda w: nn.init.ones_(w), 3),
    "drawn": (lambda w: nn.init.uniform_(w), 3),
    "set to zero": (lambda w: nn.init.zeros_(w), 3),
}


def _set(made, weight):
    made[:, :3] = weight
    return made


@pytest.mark.parametrize("row", WEIGHTS)
def test_weights_that_are_made_in_the_network_are_weights(row):
    make, outputs = WEIGHTS[row]
    net = Two(lambda net, x: x @ make(net.weight), weight=nn.Parameter(torch.rand(8, 3)))
    meter = run(net, X[0])
    assert meter.counts["network"].ac == outputs * X[0].sum()
    assert meter.uncounted == {}


@pytest.mark.parametrize("make", [nn.LazyLinear, nn.LazyConv1d])
def test_layers_whose_weights_are_made_by_their_first_call(make):
    layer = make(2) if make is nn.LazyLinear else make(2, 1)
    with torch.no_grad():
        meter = run(layer, X)
    assert meter.counts["network"].ac == 2 * X.sum()
