"""What must see each of torch's functions sees them: no product or loop of ours hides one."""

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from picojoule.kernels import EventProducts, spike_conv2d, spike_matmul
from picojoule.networks import Sequential
from picojoule.neurons import LI, LIF, Neuron, Recurrent
from picojoule.streaming import stream


class Linear(nn.Module):
    """A linear layer by its events."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(400, 100)

    def forward(self, x):
        with EventProducts("events"):
            return self.layer(x)


class Convolution(Linear):
    """A convolution by its events."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(16, 32, 3)

    def forward(self, x):
        return super().forward(x.view(-1, 16, 5, 5)).flatten(1)


class Network(nn.Module):
    """Layers, neurons and feedback."""

    def __init__(self):
        super().__init__()
        self.layers = Sequential(nn.Linear(400, 100), LIF(), Recurrent(LIF(), 100), LI())
        nn.init.normal_(self.layers[0].weight, 0.1, 0.3)

    def forward(self, x):
        return self.layers(x.unflatten(0, (8, -1)))[0]


@pytest.fixture(params=[Linear, Convolution, Network])
def net(request):
    torch.manual_seed(0)
    return request.param().double()


def spikes(seed=0):
    source = torch.Generator().manual_seed(seed)
    return (torch.rand(64, 400, generator=source) < 0.03).double()


def by_engine(net, engine):
    for one in net.modules():
        if isinstance(one, Neuron):
            one.engine = engine


def forwards(net, x, tangent):
    """The output and its tangent."""
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(net(forward_ad.make_dual(x, tangent)))


def test_tangents_go_forward(net):
    """The product of the Jacobian with a vector, as two gradients give it."""
    x, tangent = spikes().requires_grad_(), torch.randn(64, 400, dtype=torch.float64)
    by_engine(net, "eager")
    out = net(x)
    weight = torch.zeros_like(out, requires_grad=True)
    (back,) = torch.autograd.grad(out, x, weight, create_graph=True)
    (expected,) = torch.autograd.grad(back, weight, tangent)
    by_engine(net, None)
    for found in (
        forwards(net, x.detach(), tangent),
        torch.func.jvp(net, (x.detach(),), (tangent,)),
    ):
        torch.testing.assert_close(found[0], out)
        torch.testing.assert_close(found[1], expected)
    with torch.no_grad():
        torch.testing.assert_close(forwards(net, x.detach(), tangent).tangent, expected)


def test_flops_are_counted(net):
    counts = []
    for path in ("events", "dense"):
        with FlopCounterMode(display=False) as counter, EventProducts(path):
            net(spikes())
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 64 * 2 * 100 * 100


@pytest.mark.parametrize("tracer", ["make_fx", "jit"])
@pytest.mark.filterwarnings("ignore")
def test_a_trace_is_right_for_other_inputs(net, tracer):
    with torch.no_grad():
        if tracer == "jit":
            made = torch.jit.trace(net, spikes(), check_trace=False)
        else:
            made = make_fx(net)(spikes())
        torch.testing.assert_close(made(spikes(1)), net(spikes(1)))


@pytest.mark.parametrize("product", [spike_matmul, spike_conv2d])
def test_events_that_were_asked_for_are_refused(product):
    shapes = ((20, 30), (30, 40)) if product is spike_matmul else ((4, 3, 5, 5), (6, 3, 3, 3))
    values, weights = (torch.rand(shape) for shape in shapes)
    with FlopCounterMode(display=False), pytest.raises(ValueError, match="dispatch modes of torch"):
        product(values, weights, path="events")


@pytest.mark.parametrize("layer", [LIF(), Recurrent(LIF(), 5)], ids=["LIF", "Recurrent"])
def test_tangents_of_a_fused_gradient_are_refused(layer):
    """The graph is from before, and what computes its gradients sees no tangent."""
    x = torch.rand(4, 3, 5, requires_grad=True)
    out, _ = layer(x)
    assert layer.ran.engine == "fused"
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.ones_like(out), torch.ones_like(out))
        with pytest.raises(RuntimeError, match="set engine = 'eager'"):
            torch.autograd.grad(out, x, dual)


def test_a_stream_carries_tangents():
    torch.manual_seed(0)
    net = Network().layers.double().eval()
    x, tangent = spikes()[:16].unsqueeze(1), torch.randn(16, 1, 400, dtype=torch.float64)
    run = stream(net)
    run(x[0])
    run.reset()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, tangent)
        expected = forward_ad.unpack_dual(net(dual)[0])
        outs = torch.stack([run(step) for step in dual])
        found = forward_ad.unpack_dual(outs)
    torch.testing.assert_close(found.primal, expected.primal)
    torch.testing.assert_close(found.tangent, expected.tangent)
