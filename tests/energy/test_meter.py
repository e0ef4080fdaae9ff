"""The meter: names, and what is not counted."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from energy.metering import Two, events, run, totals
from picojoule.energy import Meter
from picojoule.networks import Sequential
from picojoule.neurons import LI, LIF, Recurrent


class Block(nn.Module):
    """Somebody's residual block."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.skip = nn.Parameter(torch.rand(2, 2, 1, 1))

    def forward(self, x):
        return self.conv(x) + F.conv2d(x, self.skip)


class TestNames:
    def test_layers_have_their_dotted_names(self):
        net = Sequential(
            nn.Linear(3, 4), LIF(), Sequential(nn.Linear(4, 4), Recurrent(LIF(), 4)), LI()
        )
        with Meter(net) as meter:
            net(torch.rand(5, 2, 3))
        assert set(meter.counts) == {"0", "1", "2.0", "2.1", "2.1.recurrent", "3"}
        assert meter.samples == 2

    def test_functions_have_the_name_of_the_module_around_them(self):
        meter = run(nn.Sequential(Block(), Block()), events(1, 2, 4, 4))
        assert set(meter.counts) == {"0", "0.conv", "1", "1.conv"}
        assert meter.counts["1"].mac.item() == 2 * 2 * 16
        assert meter.counts["0"].add.item() == 2 * 16

    def test_a_network_that_is_one_layer_is_called_network(self):
        assert set(run(nn.Linear(3, 2), events(1, 3)).counts) == {"network"}
        layer = Recurrent(LIF(), 3)
        with Meter(layer) as meter:
            layer(torch.rand(2, 1, 3))
        assert set(meter.counts) == {"network", "network.recurrent"}

    def test_a_shared_module_counts_every_call_under_its_first_name(self):
        layer = nn.Linear(3, 3)
        meter = run(nn.Sequential(layer, nn.Flatten(), layer), torch.ones(1, 3))
        assert set(meter.counts) == {"0"}
        assert totals(meter)["ac"] == totals(meter)["mac"] == 9
        assert meter.uncounted == {}
        assert meter.unreached == []

    def test_a_shared_weight_counts_under_each_of_its_layers(self):
        net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        net[1].weight = net[0].weight
        assert set(run(net, torch.ones(1, 3)).counts) == {"0", "1"}

    @pytest.mark.parametrize("depth", [1, 2])
    @pytest.mark.parametrize("attribute", ["module", "_forward_module"])
    def test_wrappers_leave_no_prefix(self, attribute, depth):
        class Wrapper(nn.Module):
            def __init__(self, inner):
                super().__init__()
                setattr(self, attribute, inner)

            def forward(self, *args, **kwargs):
                return getattr(self, attribute)(*args, **kwargs)

        net = Sequential(nn.Linear(3, 4), LIF())
        for _ in range(depth):
            net = Wrapper(net)
        with Meter(net, inputs={"x": "events"}) as meter:
            net(torch.ones(5, 2, 3), lengths=torch.tensor([5, 3]))
        assert set(meter.counts) == {"0", "1"}
        assert meter.counts["0"].ac.item() == 12 * 4
        assert meter.counts["1"].update.item() == 16

    def test_an_attribute_called_module_is_no_wrapper(self):
        class Holder(nn.Module):
            def __init__(self):
                super().__init__()
                self.module = Sequential(nn.Linear(3, 4), LIF())

            def forward(self, sounds, lengths=None):
                return self.module(sounds, None, lengths)

        net = Holder()
        with Meter(net, inputs={"sounds": "events"}) as meter:
            net(torch.ones(5, 2, 3), torch.tensor([5, 3]))
        assert meter.counts["0"].ac.item() == 12 * 4
        assert meter.counts["1"].update.item() == 16


class TestUncounted:
    def test_functions_without_a_rule_are_named_with_their_elements(self):
        net = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.LayerNorm(4), nn.Softmax(-1))
        found = run(net, events(3, 4)).uncounted
        assert found == {"1: gelu": 12, "2: inverse root": 3, "3: softmax": 12}

    def test_weights_without_a_rule_are_named(self):
        net = Two(lambda net, x: torch.cdist(x, net.w), w=nn.Parameter(torch.rand(2, 3)))
        assert run(net, events(4, 3)).uncounted == {"network: cdist": 8, "network.w": 6}

    def test_attention_leaves_out_its_softmax_alone(self):
        net = Two(lambda net, x: net.attention(x, x, x)[0], attention=nn.MultiheadAttention(4, 2))
        assert run(net, events(3, 1, 4)).uncounted == {"attention: softmax": 2 * 3 * 3}

    def test_layers_that_never_ran_are_unreached(self):
        net = Two(lambda net, x: net.used(x), used=nn.Linear(3, 2), spare=nn.Linear(3, 2))
        meter = run(net, events(2, 3))
        assert meter.unreached == ["spare"]
        assert meter.uncounted == {}

    def test_weights_used_from_outside_are_reached(self):
        net = Two(
            lambda net, x: F.linear(F.linear(x, net.spare.weight), net.words[0].t()),
            spare=nn.Linear(3, 2),
            words=nn.ParameterList([torch.rand(2, 5)]),
        )
        meter = run(net, events(2, 3))
        assert meter.unreached == []
        assert meter.uncounted == {}

    @pytest.mark.parametrize(
        "derive",
        [
            nn.utils.parametrizations.weight_norm,
            nn.utils.parametrizations.spectral_norm,
            nn.utils.parametrizations.orthogonal,
            nn.utils.weight_norm,
            nn.utils.spectral_norm,
        ],
        ids=lambda derive: derive.__module__.split(".")[-1] + "." + derive.__name__,
    )
    def test_weights_computed_from_parameters_are_reached(self, derive):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            net = nn.Sequential(derive(nn.Linear(4, 4)))
        meter = run(net, torch.ones(2, 4))
        assert totals(meter)["ac"] == 32
        assert meter.uncounted == {}
        assert meter.unreached == []

    def test_quantised_weights_are_reached(self):
        class Sign(torch.autograd.Function):
            @staticmethod
            def forward(ctx, w):
                return torch.where(w > 0, 1.0, -1.0)

            @staticmethod
            def backward(ctx, gradient):
                return gradient

        net = Two(lambda net, x: F.linear(x, net.w.sign()), w=nn.Parameter(torch.rand(2, 3)))
        assert run(net, events(2, 3)).uncounted == {}
        net = Two(lambda net, x: F.linear(x, Sign.apply(net.w)), w=nn.Parameter(torch.rand(2, 3)))
        meter = run(net, torch.ones(2, 3))
        assert totals(meter)["ac"] == 12
        assert set(meter.uncounted) <= {"network.w"}  # named at worst, never missed

    def test_a_recurrent_weight_is_reached(self):
        layer = Recurrent(LIF(), 3)
        with Meter(layer) as meter:
            layer(torch.rand(2, 1, 3))
        assert meter.uncounted == {}
        assert meter.unreached == []
