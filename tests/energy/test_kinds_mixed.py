"""Kinds where events meet values or weights that are none."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from energy.metering import Two, arrived, events, setting
from picojoule.energy import Meter

X = events(4, 3, 8)
ONES = X.sum().item()
MASK = torch.rand(4, 3, 8) < 0.5


class TestMixed:
    """Events beside values that are none."""

    def kind(self, function, **parts):
        return arrived(
            function, X, torch.randn(4, 3, 8), inputs={"x": "events", "other": "analog"}, **parts
        )

    def test_events_times_analog_is_graded(self):
        kind, found = self.kind(lambda x, a: x * a)
        assert (kind.name, found) == ("graded", ONES)
        kind, found = self.kind(lambda x, a: a * x)
        assert (kind.name, found) == ("graded", ONES)

    @pytest.mark.parametrize(
        "function",
        [
            lambda x, a: x + a,
            lambda x, a: a - x,
            lambda x, a: torch.cat([x, a]),
            lambda x, a: torch.cat([a, x]),
            torch.maximum,
            torch.max,
            lambda x, a: torch.where(MASK, x, a),
            setting(0, None),
        ],
        ids=["add", "sub", "cat", "tac", "maximum", "max", "where", "setitem"],
    )
    def test_events_mixed_with_analog_are_analog(self, function):
        kind, found = self.kind(function)
        assert kind.name == "analog"
        assert found == function(X.clone(), X).numel()

    def test_default_of_an_input_that_is_not_named_is_analog(self):
        assert self.kind(lambda x, a: a)[0].name == "analog"
        assert self.kind(lambda x, a: x)[0].name == "events"


class TestLearned:
    """Events beside weights."""

    def weight(self, *shape):
        return nn.Parameter(torch.rand(shape) + 0.5)

    @pytest.mark.parametrize("shape", [(), (1,)])
    @pytest.mark.parametrize("grad", [True, False])
    def test_events_times_one_learned_factor_are_events_worth_that(self, shape, grad):
        """The next weights can hold it, as they hold a constant."""
        with torch.set_grad_enabled(grad):
            kind, found = arrived(lambda net, x: x * net.w, X, w=self.weight(*shape))
        assert (kind.name, found) == ("events", ONES)

    def test_one_learned_factor_has_no_gradient_of_the_energy(self):
        scale, spikes = self.weight(), X.clone().requires_grad_()
        net = Two(lambda net, x: F.linear(x * net.w, torch.ones(5, 8)), w=scale)
        with Meter(net, samples=1, inputs="events") as meter:
            net(spikes)
        meter.counts["network"].ac.backward()
        assert scale.grad.item() == pytest.approx(0, abs=1e-3)
        assert torch.allclose(spikes.grad, torch.full_like(spikes, 5.0))

    def test_gated_events_pass_the_gradient_of_the_energy_on(self):
        """A value at each event is charged where there is one, and so is its spike."""
        spikes = X.clone().requires_grad_()
        net = Two(
            lambda net, x: F.linear((x * net.w).flatten(1), torch.ones(5, 24)), w=self.weight(8)
        )
        with Meter(net, samples=1, inputs="events") as meter:
            net(spikes)
        done = meter.counts["network"]
        assert (done.mac.item(), done.multiply.item()) == (5 * ONES, ONES)
        done.mac.backward()
        assert torch.equal(spikes.grad, torch.full_like(spikes, 5.0))
        assert net.w.grad is None or not net.w.grad.any()

    @pytest.mark.parametrize("shape", [(8,)])
    @pytest.mark.parametrize(
        "factor",
        [
            lambda net, x: net.w,
            lambda net, x: net.w.exp(),
            lambda net, x: net.w.to(x),
            lambda net, x: net.w.type_as(x),
            lambda net, x: net.w.expand_as(x),
        ],
        ids=["parameter", "computed", "to", "type_as", "expand_as"],
    )
    @pytest.mark.parametrize("grad", [True, False])
    def test_events_times_a_weight_are_graded_in_training_and_out(self, shape, factor, grad):
        with torch.set_grad_enabled(grad):
            kind, found = arrived(lambda net, x: x * factor(net, x), X, w=self.weight(*shape))
        assert (kind.name, found) == ("graded", ONES)

    @pytest.mark.parametrize(
        "function",
        [
            lambda net, x: x + net.w,
            lambda net, x: x + net.w.expand_as(x),
            lambda net, x: torch.cat([net.w.expand_as(x), x]),
            lambda net, x: torch.cat([x, net.w.expand_as(x)]),
            lambda net, x: setting(0, net.w)(x),
        ],
        ids=["add", "add-expanded", "cat", "tac", "setitem"],
    )
    def test_events_and_weights_are_analog(self, function):
        assert arrived(function, X, w=self.weight(8))[0].name == "analog"

    def test_a_fixed_pattern_is_graded(self):
        assert arrived(lambda x: x * torch.rand(8), X)[0].name == "graded"
