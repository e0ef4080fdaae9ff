"""Operations on elements: additions and multiplications outside synapses, counted by hand."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from energy.metering import Two, events, run, total, totals
from picojoule.energy import Convention, Foreign, Meter
from picojoule.energy import events as summing
from picojoule.kernels import cc
from picojoule.networks import Sequential
from picojoule.neurons import LIF, NeuronCost, Recurrent


@dataclass
class Result:
    """What somebody's network gives back."""

    scores: torch.Tensor


X, Y = events(4, 3, 8), events(4, 3, 8)
N, ONES, BOTH = X.numel(), int(X.sum()), int(X.sum() + Y.sum())
MASK = torch.rand(4, 3, 8) < 0.5

OF_EVENTS = {
    "events plus events": (lambda x, y: x + y, {"add": BOTH}),
    "events minus events": (lambda x, y: x - y, {"add": BOTH}),
    "events plus a constant": (lambda x, y: x + 0.5, {"add": N}),
    "events plus nothing": (lambda x, y: 0 + x, {}),
    "the opposite": (lambda x, y: 1 - x, {}),
    "events times a constant": (lambda x, y: x * 0.5 / 3, {}),
    "events times a mask": (lambda x, y: x * MASK, {}),
    "events times events": (lambda x, y: x * y, {}),
    "events times values": (lambda x, y: x * torch.rand(8), {"multiply": ONES}),
    "levels times values": (
        lambda x, y: (x + x) * torch.rand(8),
        {"add": 2 * ONES, "multiply": ONES},
    ),
    "sum of events": (lambda x, y: x.sum(0), {"add": ONES}),
    "mean of events": (lambda x, y: x.mean(0), {"add": ONES}),
    "sum of levels": (lambda x, y: (x + y).sum(), {"add": 2 * BOTH}),
    "in place": (lambda x, y: x.add_(y), {"add": BOTH}),
}
OF_ANALOG = {
    "plus a constant": (lambda x, y: x + 0.5, {"add": N}),
    "one of another shape": (lambda x, y: x + y[:1], {"add": N}),
    "minus": (lambda x, y: x - y, {"add": N}),
    "times a constant": (lambda x, y: x * 0.5, {"multiply": N}),
    "over a constant": (lambda x, y: x / 3, {"multiply": N}),
    "times values": (lambda x, y: x * torch.rand(8), {"multiply": N}),
    "times one another": (lambda x, y: x * y, {"multiply": N}),
    "times a mask": (lambda x, y: x * MASK, {}),
    "sum": (lambda x, y: x.sum(0), {"add": N - N // 4}),
    "mean of all": (lambda x, y: x.mean(), {"add": N - 1}),
    "in place": (lambda x, y: x.mul_(2.0), {"multiply": N}),
    "one minus": (lambda x, y: 1 - x, {"add": N}),
}


@pytest.mark.parametrize("case", OF_EVENTS)
def test_events(case):
    function, expected = OF_EVENTS[case]
    meter = run(Two(lambda net, x, y: function(x.clone(), y)), X, Y)
    assert totals(meter) == {name: number for name, number in expected.items() if number}
    assert meter.uncounted == {}


@pytest.mark.parametrize("case", OF_ANALOG)
def test_analog_values(case):
    function, expected = OF_ANALOG[case]
    meter = run(Two(lambda net, x, y: function(x.clone(), y)), X, Y, inputs="analog")
    assert totals(meter) == expected
    assert meter.uncounted == {}


def test_a_learned_factor_and_a_learned_addend():
    net = Two(lambda net, x: x * net.scale + net.shift, scale=nn.Parameter(torch.rand(8)))
    net.shift = nn.Parameter(torch.rand(8))
    assert totals(run(net, X)) == {"multiply": ONES, "add": N}


@pytest.mark.parametrize("fold", [True, False])
def test_batch_norm_folds_unless_asked_otherwise(fold):
    net = nn.Sequential(nn.Conv1d(3, 2, 3), nn.BatchNorm1d(2)).eval()
    with Meter(net, samples=4, inputs="events", convention=Convention(fold_batch_norm=fold)) as m:
        net(X)
    elements = 4 * 2 * 6
    assert m.counts["0"].ac.item() > 0
    found = total(m, "add") * 4, total(m, "multiply") * 4 - 2 * ONES  # two place an event
    assert found == ((0, 0) if fold else (elements, elements))


def test_levels_are_accumulated_or_multiplied():
    levels = X + Y
    layer = nn.Linear(8, 5, bias=False)
    found = []
    for way in ("accumulate", "multiply"):
        with Meter(layer, samples=1, inputs="levels", convention=Convention(levels=way)) as meter:
            layer(levels)
        found.append(totals(meter))
    some = int((levels > 0).sum())
    assert (found[0]["ac"], found[0].get("mac", 0), found[0]["event_read"]) == (BOTH * 5, 0, BOTH)
    assert (found[1]["mac"], found[1].get("ac", 0), found[1]["event_read"]) == (some * 5, 0, some)
    assert found[1]["weight_read"] == some * 5


def test_a_multiplied_level_has_a_gradient_up_to_one():
    x = torch.tensor([[0.0, 1.0, 2.0]], requires_grad=True)
    layer = nn.Linear(3, 5)
    with Meter(layer, samples=1, inputs="levels", convention=Convention(levels="multiply")) as m:
        layer(x)
    m.counts["network"].mac.backward()
    assert x.grad.tolist() == [[5, 5, 0]]


def test_another_word_for_levels_is_refused():
    with pytest.raises(ValueError, match="'multipy': did you mean 'multiply'"):
        Convention(levels="multipy")


def test_zeros_take_on_the_kind_of_what_they_are_joined_with():
    def forward(net, x):
        padded = torch.cat([torch.zeros(1, 3, 8), x])
        kept = torch.where(MASK, x, torch.zeros_like(x))
        filled = torch.zeros(4, 3, 8)
        filled[1:] = x[1:]
        state = torch.zeros(3, 8) + x[0]
        return [net.fc(value) for value in (padded, kept, filled, state)]

    meter = run(Two(forward, fc=nn.Linear(8, 1)), X)
    expected = ONES + X[MASK].sum() + X[1:].sum() + X[0].sum()
    assert meter.counts["fc"].ac.item() == expected.item()
    assert "mac" not in dict(meter.counts["fc"].items())


def test_zeros_that_were_filled_are_values():
    net = Two(lambda net, x: net.fc(torch.zeros(2, 8).uniform_()), fc=nn.Linear(8, 1))
    assert totals(run(net, X))["mac"] == 16


def test_drawn_events_are_events():
    net = Two(lambda net, x: net.fc(torch.bernoulli(x)), fc=nn.Linear(8, 5))
    assert totals(run(net, X * 1.0, inputs="analog"))["ac"] == ONES * 5


@pytest.mark.parametrize("engine", ["eager", "fused"])
def test_spikes_are_summed_once_for_all_who_consume_them(engine, monkeypatch):
    compiled = engine == "fused" and cc.tier() == "c"  # loops in C give the sums themselves
    if engine == "fused" and not compiled:
        pytest.skip("no loops in C run here")
    summed = []
    original = summing.events_of

    def counted(values, *rest, **more):
        summed.append(values.shape)
        return original(values, *rest, **more)

    monkeypatch.setattr(summing, "events_of", counted)
    net = Sequential(nn.Linear(3, 4), Recurrent(LIF(), 4), nn.Linear(4, 2))
    net[1].engine = engine
    with Meter(net) as meter:
        net(torch.rand(5, 2, 3))
    assert meter.counts["1.recurrent"].ac is not None
    assert summed == ([] if compiled else [(5, 2, 4)])

    net = Sequential(nn.Conv2d(1, 2, 3), LIF(), nn.Conv2d(2, 3, 3), LIF(), nn.Flatten())
    net.append(nn.Linear(12, 2))
    net[1].engine = net[3].engine = engine
    summed.clear()
    with Meter(net):
        net(torch.rand(5, 2, 1, 6, 6))
    assert summed == ([] if compiled else [(5, 2, 2, 4, 4), (5, 2, 3, 2, 2)])


@pytest.mark.parametrize(
    "change", [lambda x: x.detach(), lambda x: x * MASK, lambda x: F.dropout(x, 0.5), "in place"]
)
def test_a_sum_is_not_taken_for_values_that_changed(change):
    def forward(net, x):
        net.fc(x)  # sums x
        if change == "in place":
            x[0] = 0.0
            return net.fc(x)
        return net.fc(change(x))

    torch.manual_seed(3)
    meter = run(Two(forward, fc=nn.Linear(8, 1)), X.clone().requires_grad_() * 1)
    first, second = meter.traffic
    assert second.events.sum() == second.number().sum()
    assert first.events.requires_grad
    assert second.events.requires_grad == (second.values.requires_grad)


def test_what_was_changed_in_place_later_is_not_read_again():
    def forward(net, x):
        out = net.neuron(x)[0]
        kept = net.fc(out)
        out += x
        return kept

    net = Two(forward, neuron=LIF(), fc=nn.Linear(8, 2))
    with torch.no_grad(), Meter(net, inputs="events") as meter:
        net(X)
    fired, arrived = meter.traffic
    assert fired.events.sum() == arrived.events.sum() == meter.counts["neuron"].spike * 3
    for record in (fired, arrived):
        with pytest.raises(RuntimeError, match=f"'{record.layer}' was changed in place"):
            record.number()


def test_broadcast_values_count_as_often_as_they_meet():
    gate, column = torch.rand(4, 3, 5, 1), events(4, 3, 8, 1)
    row = X.unsqueeze(2)  # [4, 3, 1, 8]
    net = Two(lambda net, x, other: x * other)
    with Meter(net, samples=1, inputs={"x": "events", "other": "analog"}) as meter:
        net(row, gate)
    assert totals(meter) == {"multiply": 5 * ONES}
    added = run(Two(lambda net, x, y: x + y), row, column)
    assert totals(added) == {"add": 8 * ONES + 8 * int(column.sum())}


PARTS = {
    "a step": lambda y: y[0].zero_(),
    "a flat view": lambda y: y.view(-1)[:24].zero_(),
    "masked": lambda y: y[0].mul_(torch.zeros(1)),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_changed_in_place_changes_the_whole(part):
    def forward(net, x):
        y = x.clone()
        net.fc(y)  # sums y
        PARTS[part](y)
        return net.fc(y)

    meter = run(Two(forward, fc=nn.Linear(8, 1)), X)
    assert meter.counts["fc"].ac.item() == ONES + X[1:].sum().item()


def test_values_written_into_zeros_are_no_events():
    def forward(net, x):
        out = torch.zeros(4, 3, 8)
        for step in range(4):
            out[step].copy_(x[step].sigmoid())
        return net.fc(out)

    meter = run(Two(forward, fc=nn.Linear(8, 1)), X)
    assert meter.counts["fc"].mac.item() == X.numel()
    assert set(meter.uncounted) == {"network: sigmoid"}


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
def test_spikes_of_any_type_are_events(dtype):
    net = Two(lambda net, x: net.fc(x.flatten(1).float()), fc=nn.Linear(24, 5))
    meter = run(net, X.to(dtype))
    assert (totals(meter)["ac"], meter.uncounted) == (5 * ONES, {})


def test_results_in_a_dataclass_are_results():
    net = Two(lambda net, x: Result(net.fc(x)), fc=nn.Linear(8, 5))
    assert totals(run(net, X))["ac"] == 5 * ONES


@pytest.mark.parametrize(
    ("shape", "layer"),
    [((1, 300_001), nn.Linear(300_001, 1)), ((2**16 + 1, 3, 5), nn.Conv1d(3, 1, 1))],
)
def test_high_levels_are_counted_exactly(shape, layer):
    x = torch.full(shape, 255.0)
    with torch.no_grad():
        assert totals(run(layer, x, inputs="levels"))["ac"] == 255 * x.numel()


def test_a_type_can_be_said_to_put_out_analog_values():
    class Readout(nn.Module):
        def forward(self, x):
            return x - 1.5

    net = nn.Sequential(nn.Linear(8, 4), Readout(), nn.Linear(4, 2))
    about = Foreign(NeuronCost(adds=1, multiplies=1, states=1), output="analog")
    with Meter(net, samples=3, inputs="events", neurons={Readout: about}) as meter:
        net(X)
    assert "spike" not in dict(meter.counts["1"].items())
    assert meter.counts["2"].mac.item() == 4 * 8


def test_a_dense_ann_of_a_foreign_loop_cannot_be_told_its_steps():
    with pytest.raises(ValueError, match="steps= needs a network"):
        run(nn.Linear(8, 2), X).dense(steps=1)


@pytest.mark.parametrize("layer", [nn.Linear(8, 5, bias=False), nn.Conv1d(3, 2, 3)])
@pytest.mark.parametrize("kind", ["events", "levels"])
@pytest.mark.parametrize("learned", [True, False])
def test_inputs_of_either_sign_count_by_magnitude(layer, kind, learned):
    signs = X - Y
    with torch.set_grad_enabled(learned):
        found = totals(run(layer, signs.clone().requires_grad_(learned), inputs=kind))
    expected = totals(run(layer, signs.abs(), inputs=kind))
    assert found == expected
