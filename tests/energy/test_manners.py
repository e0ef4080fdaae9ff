"""The meter: errors, and no trace of it."""

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from energy.metering import Two, events, run, totals
from picojoule.contract import NeuronCost
from picojoule.energy import Meter
from picojoule.networks import Sequential
from picojoule.neurons import LI, LIF

HOOKS = [name for name in vars(nn.Module()) if name.endswith(("_hooks", "_kwargs", "_called"))]


def hooks(net):
    """How many hooks of each sort every module has."""
    return [[len(getattr(module, name)) for name in HOOKS] for module in net.modules()]


class TestErrors:
    def test_entered_twice(self):
        net = nn.Linear(3, 2)
        meter = run(net, events(1, 3))
        with pytest.raises(RuntimeError, match="make a new one"), meter:
            pass

    def test_entered_inside_itself(self):
        net = nn.Linear(3, 2)
        with Meter(net, samples=1) as meter:
            net(events(1, 3))
            with pytest.raises(RuntimeError, match="make a new one"), meter:
                pass
            net(events(1, 3))
        assert meter.counts

    @pytest.mark.parametrize("call", ["nothing", "a part", "forward"])
    def test_never_called(self, call):
        net = nn.Sequential(nn.Linear(3, 2))
        calls = {"nothing": lambda x: x, "a part": net[0], "forward": net.forward}
        with pytest.raises(RuntimeError, match="was not called"), Meter(net, samples=1):
            calls[call](torch.rand(1, 3))

    def test_samples_are_not_guessed(self):
        with pytest.raises(ValueError, match="samples is needed"):
            Meter(nn.Linear(3, 2))

    @pytest.mark.parametrize("samples", [0, -3])
    def test_samples_must_be_positive(self, samples):
        with pytest.raises(ValueError, match=f"at least 1, got {samples}"):
            Meter(nn.Linear(3, 2), samples=samples)

    @pytest.mark.parametrize("inputs", ["event", {"input": "event"}])
    def test_unknown_kind_names_the_nearest(self, inputs):
        with pytest.raises(ValueError, match="'event': did you mean 'events'"):
            Meter(nn.Linear(3, 2), samples=1, inputs=inputs)

    def test_unknown_argument_names_the_nearest(self):
        with pytest.raises(ValueError, match="'inputs': did you mean 'input'"):
            run(nn.Linear(3, 2), events(1, 3), inputs={"inputs": "events"})

    def test_a_call_without_values(self):
        with pytest.raises(ValueError, match="without a tensor"):
            run(Two(lambda net, x: torch.zeros(1)), "x")


class TestTrace:
    def net(self):
        net = Sequential(nn.Linear(3, 4), LIF(), nn.Linear(4, 2))
        net[0].register_forward_hook(lambda *_: None)
        net.register_forward_pre_hook(lambda *_: None)
        return net

    def test_no_hook_and_no_attribute_stays(self):
        net = self.net()
        x = torch.rand(4, 2, 3)
        expected, _ = net(x)  # a layer of neurons says by itself which engine ran it
        before, names = hooks(net), [set(vars(module)) for module in net.modules()]
        with Meter(net) as meter:
            out, _ = net(x)
        assert torch.equal(out, expected)
        assert hooks(net) == before
        assert [set(vars(module)) for module in net.modules()] == names
        kept = meter.counts["0"].mac
        net(x)
        assert torch.equal(meter.counts["0"].mac, kept)

    @pytest.mark.parametrize("features", [5, 3])
    def test_errors_pass_and_leave_nothing(self, features):
        net = self.net()
        before = hooks(net)
        with pytest.raises((RuntimeError, KeyError)), Meter(net):
            {}[net(torch.rand(4, 2, features))[0]]  # the network fails with 5, the block with 3
        assert hooks(net) == before
        assert not torch.overrides._get_current_function_mode_stack()

    def test_an_error_caught_inside_does_not_confuse_the_names(self):
        def forward(net, x):
            try:
                net.broken(x)
            except RuntimeError:
                return F.linear(x, net.weight)

        inner = nn.Sequential(nn.Linear(7, 2))
        net = Two(forward, broken=inner, weight=nn.Parameter(torch.rand(2, 3)))
        meter = run(net, torch.ones(1, 3))
        assert set(meter.counts) == {"network"}
        assert meter.uncounted == {"broken.0.weight": 14}

    def test_the_result_of_the_network_is_untouched(self):
        net = Two(lambda net, x: {"out": net.fc(x), "none": None}, fc=nn.Linear(3, 2))
        x = torch.rand(1, 3)
        with Meter(net, samples=1):
            result = net(x)
        assert torch.equal(result["out"], net.fc(x))
        assert result["none"] is None

    def test_gradients_are_those_without_a_meter(self):
        net = Sequential(nn.Linear(3, 4), LIF(), nn.Linear(4, 2), LI())
        x = torch.rand(6, 2, 3)
        net(x)[0].sum().backward()
        plain = [parameter.grad.clone() for parameter in (net[0].weight, net[2].weight)]
        net.zero_grad()
        with Meter(net):
            out, _ = net(x)
        out.sum().backward()
        assert torch.equal(net[0].weight.grad, plain[0])
        assert torch.equal(net[2].weight.grad, plain[1])

    def test_a_meter_inside_another_counts_the_same(self):
        net = Sequential(nn.Conv2d(1, 2, 3), LIF(), nn.AvgPool2d(2), nn.Conv2d(2, 2, 1), LI())
        x = torch.ones(3, 2, 1, 6, 6)
        with Meter(net, inputs="events") as alone:
            net(x)
        with Meter(net, inputs="events") as outer, Meter(net, inputs="events") as inner:
            net(x)
        assert totals(outer) == totals(inner) == totals(alone)
        assert outer.uncounted == inner.uncounted == {}


def squashed(x):
    """A spike function that is named to the meter."""
    return (x > 0).float()


@pytest.mark.parametrize("neurons", [None, {squashed: NeuronCost(adds=1)}])
def test_what_was_measured_is_free_once_the_meter_is_gone(neurons):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = Sequential(nn.Linear(5, 4), LIF()), nn.Linear(4, 3)

        def forward(self, x):
            return self.second(squashed(self.first(x)[0] - 0.5))

    net = Net()
    gc.disable()
    try:
        with Meter(net, neurons=neurons) as meter:
            out = net(events(6, 2, 5))
        held = [weakref.ref(call.values) for call in meter.traffic]
        assert meter.counts
        del meter, out
        assert len(held) > 2
        assert not [one() for one in held if one() is not None]
    finally:
        gc.enable()
