"""One function, however it is called, counts alike; another library's of the same name does not."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import picojoule as pj
from energy.metering import Two, arrived, events, run, totals
from picojoule.energy import Convention, Meter

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known", "ignore:Sparse CSR")

torch.manual_seed(5)
X = events(4, 8)
AT = torch.zeros(4, 8, dtype=torch.long)
ROWS = torch.arange(4)
W = torch.rand(8, 8)
aten = torch.ops.aten


def written(x, at, number):
    x = x.clone()
    x[at] = number
    return x


SPELLINGS = {
    "add": (lambda x: x + x, lambda x: torch.add(input=x, other=x)),
    "add, an operator": (lambda x: x + x, lambda x: aten.add.Tensor(x, x)),
    "mul": (lambda x: x * 2, lambda x: torch.mul(input=x, other=2)),
    "sub": (lambda x: 1 - x, lambda x: torch.rsub(input=x, other=1)),
    "relu, an operator": (torch.relu, lambda x: aten.relu(x)),
    "clamp": (lambda x: x.clamp(0, 1), lambda x: torch.clamp(input=x, min=0, max=1)),
    "where": (
        lambda x: torch.where(x > 0, x, 0.0),
        lambda x: torch.where(condition=x > 0, input=x, other=0.0),
    ),
    "masked_fill": (
        lambda x: x.masked_fill(x > 2, 0),
        lambda x: torch.masked_fill(input=x, mask=x > 2, value=0),
    ),
    "pool without a stride": (
        lambda x: F.avg_pool1d(x[:, None], 2),
        lambda x: F.avg_pool1d(x[:, None], 2, ()),
    ),
    "sparse.mm with a reduction": (
        lambda x: torch.sparse.mm(x.to_sparse_csr(), W),
        lambda x: torch.sparse.mm(x.to_sparse_csr(), W, "sum"),
    ),
    "pad": (lambda x: F.pad(x, (1, 1)), lambda x: F.pad(input=x, pad=(1, 1), value=0)),
    "scatter": (
        lambda x: torch.zeros(4, 8).scatter(0, AT, x),
        lambda x: torch.zeros(4, 8).scatter(dim=0, index=AT, src=x),
    ),
    "index_put": (
        lambda x: torch.zeros(4, 8).index_put((ROWS,), x),
        lambda x: torch.zeros(4, 8).index_put(indices=(ROWS,), values=x),
    ),
    "index_add": (
        lambda x: torch.zeros(4, 8).index_add(0, ROWS, x),
        lambda x: torch.zeros(4, 8).index_add(dim=0, index=ROWS, source=x),
    ),
    "full": (lambda x: x * torch.ones(8), lambda x: x * torch.full(size=(8,), fill_value=1)),
    "full_like": (lambda x: x * torch.ones(8), lambda x: x * torch.full_like(x, fill_value=1)),
    "new_full": (lambda x: x * torch.ones(8), lambda x: x * x.new_full((8,), fill_value=1)),
    "fill": (lambda x: x * torch.ones(8), lambda x: x * torch.empty(8).fill_(value=1)),
    "matmul": (lambda x: x @ W, lambda x: torch.matmul(input=x, other=W)),
    "mm": (lambda x: x @ W, lambda x: torch.mm(input=x, mat2=W)),
    "linear": (lambda x: F.linear(x, W), lambda x: F.linear(input=x, weight=W)),
    "linear, an operator": (lambda x: F.linear(x, W), lambda x: aten.linear(x, W)),
    "cumsum": (lambda x: x.cumsum(0), lambda x: torch.cumsum(input=x, dim=0)),
    "lerp": (
        lambda x: torch.lerp(x, x, 0.5),
        lambda x: torch.lerp(input=x, end=x, weight=0.5),
    ),
    "remainder": (lambda x: x % 2, lambda x: torch.remainder(input=x, other=2)),
    "times a number of NumPy": (lambda x: x * 0.5, lambda x: np.float32(0.5) * x),
    "over a number of NumPy": (lambda x: x / 4, lambda x: torch.div(x, other=np.int64(4))),
    "one of NumPy minus": (lambda x: 1 - x, lambda x: np.float32(1) - x),
    "clamp to numbers of NumPy": (lambda x: x.clamp(0, 1), lambda x: x.clamp(max=np.int32(1))),
    "written at a place of NumPy": (
        lambda x: written(x, (1, slice(None)), 1),
        lambda x: written(x, (np.int64(1), slice(None)), 1),
    ),
    "new": (lambda x: x.new_zeros(4, 8) + x, lambda x: x.new(4, 8).zero_() + x),
    "floor": (lambda x: x // 1, lambda x: torch.floor_divide(input=x, other=1)),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name):
    found = [arrived(function, X) for function in SPELLINGS[name]]
    kinds = [(kind.name, kind.scale, kind.signed) for kind, _ in found]
    assert kinds[0] == kinds[1]
    assert found[0][1] == found[1][1]


def test_a_function_of_another_library_is_listed():
    """Its add takes other arguments than torch's."""
    layer = nn.Linear(8, 2)

    def forward(net, x):
        whole = torch.quantize_per_tensor(x, 1.0, 0, torch.quint8)
        return net.layer(torch.ops.quantized.add(whole, whole, 1.0, 0).dequantize())

    meter = run(Two(forward, layer=layer), X)
    assert meter.counts["layer"].mac == 4 * 8 * 2
    assert "network: quantized::add" in meter.uncounted


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("form", ["to_sparse", "to_sparse_csr"])
def test_sparse_weights(form, skip):
    weight = torch.tensor([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]])
    x = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    net = Two(lambda net, x: net.weight @ x.T)
    net.register_buffer("weight", getattr(weight, form)())
    with Meter(
        net, samples=2, inputs="events", convention=Convention(skip_zero_weights=skip)
    ) as meter:
        net(x)
    assert totals(meter)["ac"] * 2 == (3 if skip else 8)


class TestTransforms:
    """What ``torch.func`` hides is listed or refused, and never counted too low."""

    def test_a_layer_under_vmap_is_listed(self):
        meter = run(Two(lambda net, x: torch.func.vmap(net.layer)(x), layer=nn.Linear(8, 2)), X)
        assert "layer" not in meter.counts
        assert {"layer: linear under vmap", "layer.weight"} <= meter.uncounted.keys()

    def test_neurons_under_vmap_are_refused(self):
        net = Two(
            lambda net, x: torch.func.vmap(lambda one: net.neuron(one)[0], 1, 1)(x), neuron=pj.IF()
        )
        with pytest.raises(RuntimeError, match="'neuron' was called under"):
            run(net, torch.rand(3, 4, 8), samples=4)

    def test_a_network_under_vmap_is_refused(self):
        net = nn.Linear(8, 2)
        with pytest.raises(RuntimeError, match="hides an axis"), Meter(net, samples=4):
            torch.func.vmap(net)(X)

    def test_gradients_by_a_function(self):
        net = pj.Sequential(nn.Linear(8, 4), pj.IF(), nn.Linear(4, 2))
        x = torch.rand(3, 4, 8)

        def loss(weights):
            return torch.func.functional_call(net, weights, (x,))[0].sum()

        with Meter(net) as meter:
            gradient = torch.func.grad(loss)(dict(net.named_parameters()))
        with Meter(net) as plain:
            net(x)
        assert gradient["0.weight"].count_nonzero()
        assert totals(meter) == totals(plain)
