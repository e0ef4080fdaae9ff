"""Event-driven products with gradients, and linear layers that use them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from event_cases import assert_counted_alike, make
from picojoule.contract import SUMS
from picojoule.kernels import cc, paths
from picojoule.kernels import linear as kernels_linear
from picojoule.kernels.linear import EventProducts, linear, spike_matmul
from picojoule.kernels.paths import LIMITS
from picojoule.networks import Sequential
from picojoule.neurons import LI, LIF


class TestGradients:
    @pytest.mark.parametrize("binary", [True, False], ids=["binary", "graded"])
    def test_are_right(self, tier, binary):
        spikes, weight_t, bias = make((4, 6, 5), 0.4, binary=binary)
        weight_t.requires_grad_()
        for base in (None, bias.requires_grad_(), torch.randn(4, 5).double().requires_grad_()):
            given = (weight_t,) if base is None else (weight_t, base)
            assert torch.autograd.gradcheck(
                lambda w, b=None: spike_matmul(spikes, w, b, path="events"), given
            )

    def test_of_spikes_reach_the_silent_ones_too(self, tier):
        spikes, weight_t, _ = make((4, 6, 5), 0.4)
        spikes.requires_grad_()
        grad = torch.randn(4, 5, dtype=torch.float64)
        (out,) = torch.autograd.grad(spike_matmul(spikes, weight_t, path="events"), spikes, grad)
        torch.testing.assert_close(out, grad @ weight_t.t(), rtol=1e-12, atol=1e-12)

    def test_are_made_only_where_needed(self):
        spikes, weight_t, _ = make((4, 6, 5), 0.4)
        out = spike_matmul(spikes, weight_t.requires_grad_(), path="events")
        assert out.grad_fn.next_functions[0][0] is None
        assert not spike_matmul(spikes, weight_t.detach(), path="events").requires_grad

    def test_have_gradients(self, tier):
        spikes, weight_t, bias = make((3, 4, 2), 0.5, binary=False)
        mask = spikes != 0

        def f(values, w, b):
            return spike_matmul(values * mask, w, b, path="events").tanh()

        given = [x.requires_grad_() for x in (spikes, weight_t, bias)]
        assert torch.autograd.gradgradcheck(f, given)

    def test_notice_a_change_in_place(self):
        spikes, weight_t, _ = make((4, 6, 5), 0.4)
        out = spike_matmul(spikes, weight_t.requires_grad_(), path="events")
        spikes.add_(1)
        with pytest.raises(RuntimeError, match="inplace"):
            out.sum().backward()


class TestLinear:
    def test_equals_that_of_torch(self, tier):
        spikes, weight_t, bias = make((200, 64, 48), 0.03)
        for x in (spikes, spikes.view(10, 20, 64), spikes[0]):
            expected = F.linear(x, weight_t.t(), bias)
            torch.testing.assert_close(linear(x, weight_t.t(), bias), expected)
            torch.testing.assert_close(linear(x, weight_t.t()), expected - bias)

    def test_layers_learn_the_same(self):
        torch.manual_seed(0)
        layer, x = nn.Linear(64, 48), (torch.rand(500, 64) < 0.05).float()
        gradients = []
        for context in (EventProducts(), torch.enable_grad()):
            layer.zero_grad()
            with context:
                layer(x).square().sum().backward()
            gradients.append([p.grad.clone() for p in layer.parameters()])
        for ours, theirs in zip(*gradients, strict=True):
            # Sums of 500 rows in another order.
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)

    def test_goes_by_events(self, monkeypatch):
        monkeypatch.setitem(LIMITS[cc.tier()], "cached", 0.25)
        monkeypatch.setitem(LIMITS[cc.tier()], "gradient", 0.25)
        layer = nn.Linear(64, 48)
        with EventProducts():
            few = layer((torch.rand(500, 64) < 0.05).float())
            many = layer(torch.rand(500, 64))
        ways = [out.grad_fn.next_functions[0][0].path for out in (few, many)]
        assert ways == ["events", "dense"]

    @pytest.mark.parametrize("learns", [True, False])
    @pytest.mark.parametrize(("between", "asked_here"), [((nn.Identity(),), 1), ((), 0)])
    def test_looks_at_its_spikes_once(self, monkeypatch, learns, between, asked_here):
        """For the product and for the gradient of the weights, and asks once whether it can.

        A network that runs as one function asks before it runs.
        """
        seen = {"suits": 0, "density": 0}
        for module, name in ((kernels_linear, "suits"), (paths, "density")):
            asked = getattr(module, name)

            def counted(*given, asked=asked, name=name, **options):
                seen[name] += 1
                return asked(*given, **options)

            monkeypatch.setattr(module, name, counted)
        net = Sequential(nn.Linear(100, 64), *between, LIF()).requires_grad_(learns)
        net((torch.rand(20, 30, 100) < 0.05).float())
        assert seen == {"suits": asked_here, "density": 1}

    def test_leaves_others_alone(self):
        layer = nn.Linear(64, 48)
        x = torch.zeros(500, 64)
        with EventProducts(), torch.autocast("cpu", torch.bfloat16):
            assert layer(x).dtype == torch.bfloat16
        with EventProducts():
            assert layer.half()(x.half()).dtype == torch.half
            assert torch.func.vmap(layer.float())(x.view(5, 100, 64)).shape == (5, 100, 48)
            with pytest.raises(RuntimeError, match="shape"):
                layer(torch.zeros(500, 63))

    def test_is_counted_alike(self):
        torch.manual_seed(0)
        net = Sequential(nn.Linear(64, 48), LIF(), nn.Linear(48, 40), LI())
        x = (torch.rand(100, 5, 64) < 0.04).float()
        assert_counted_alike(net, x, EventProducts(), torch.enable_grad())


def names_of(out):
    """The names of the functions that made a tensor, two steps back."""
    functions = [out.grad_fn, *(function for function, _ in out.grad_fn.next_functions)]
    return {type(function).__name__ for function in functions}


@pytest.mark.skipif(cc.tier() != "c", reason="products in C come by every event, and no others")
class TestSums:
    """What a product tells of its input."""

    def heard(self, x, *, path="events"):
        told = []
        token = SUMS.set(lambda *of: told.append(of))
        with EventProducts(path):
            nn.Linear(40, 50)(x)
        SUMS.reset(token)
        return told

    @pytest.mark.parametrize("shape", [(300, 40), (7, 50, 40), (2, 3, 9, 40)])
    def test_the_ones(self, shape):
        x = (torch.rand(shape) < 0.1).float()
        ((values, ones),) = self.heard(x)
        assert values is x
        assert ones.dtype == torch.float64
        assert ones == x.sum()

    @pytest.mark.parametrize("other", [2.0, -1.0, 0.5, torch.nan])
    def test_nothing_where_there_are_other_values(self, other):
        x = (torch.rand(300, 40) < 0.1).float()
        x[250, 39] = other
        assert not self.heard(x)

    def test_nothing_where_it_was_dense_or_the_sum_needs_a_gradient(self):
        x = (torch.rand(300, 40) < 0.1).float()
        assert not self.heard(x, path="dense")
        assert not self.heard(x.requires_grad_())
