"""Functions that hold several products in one call, against plain loops."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from energy.metering import Two, arrived, events, run, spikes, total, totals
from picojoule.energy import Convention, Meter
from picojoule.neurons import LIF

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known", "ignore:.*chain_matmul")
SIZES = {"a": 2, "b": 3, "i": 2, "j": 3, "k": 4}


def levels(*shape):
    return torch.randint(0, 3, shape).float()


def coinciding(equation, first, second):
    """The sum over all indices of the products, one after the other."""
    (left, right), number = equation.split("->")[0].split(","), 0
    letters = sorted(set(left + right))
    for place in product(*(range(SIZES[letter]) for letter in letters)):
        at = dict(zip(letters, place, strict=True))
        x, y = first[tuple(at[i] for i in left)], second[tuple(at[i] for i in right)]
        number += abs(int(x) * int(y))
    return number


EQUATIONS = [
    *("ij,jk->ik", "ij,jk", "aij,ajk->aik", "ij,kj->ik", "i,j->ij", "ij,ij->", "ij,ij->ij"),
    *("ij,j->i", "aij,jk->aik", "jk,aij->aik", "ij,k->jk", "abi,abj->ij", "j,ab->a"),
]


def factors(equation):
    return [
        levels(*(SIZES[letter] for letter in term)) for term in equation.split("->")[0].split(",")
    ]


class TestProducts:
    @pytest.mark.parametrize("equation", EQUATIONS)
    def test_events_and_events_count_where_they_coincide(self, equation):
        x, y = factors(equation)
        net = Two(lambda net, x, y: torch.einsum(equation, x, y))
        meter = run(net, x, y, inputs="levels")
        assert totals(meter).get("ac", 0) == coinciding(equation, x, y)
        ones = torch.ones_like(x), torch.ones_like(y)
        assert totals(meter.dense())["mac"] == coinciding(equation, *ones)
        assert totals(run(net, x, y, inputs="analog"))["mac"] == coinciding(equation, *ones)

    @pytest.mark.parametrize("equation", EQUATIONS)
    def test_events_and_analog_values_count_every_one_that_they_meet(self, equation):
        x, y = factors(equation)
        net = Two(lambda net, x, y: torch.einsum(equation, [x, y]))
        for kinds, pair in (
            ({"x": "levels", "other": "analog"}, (x, torch.ones_like(y))),
            ({"x": "analog", "other": "levels"}, (torch.ones_like(x), y)),
        ):
            assert totals(run(net, x, y, inputs=kinds))["ac"] == coinciding(equation, *pair)

    @pytest.mark.parametrize("equation", EQUATIONS)
    def test_a_learned_operand_is_reached(self, equation):
        x, y = factors(equation)
        net = Two(lambda net, x: torch.einsum(equation, x, net.w), w=nn.Parameter(y))
        meter = run(net, x, inputs="levels")
        assert totals(meter)["ac"] == coinciding(equation, x, torch.ones_like(y))
        assert meter.uncounted == {}
        assert meter.traffic[0].synapses.weight is net.w

    @pytest.mark.parametrize("equation", EQUATIONS)
    def test_graded_values_are_a_multiplication_each(self, equation):
        x, y = factors(equation)
        met = coinciding(equation, x != 0, y != 0)
        net = Two(lambda net, x, y: torch.einsum(equation, x, y))
        for kinds in ({"x": "graded", "other": "levels"}, {"x": "levels", "other": "graded"}):
            meter = run(net, x, y, inputs=kinds)
            assert totals(meter).get("mac", 0) == met
        with Meter(
            net, samples=1, inputs="levels", convention=Convention(levels="multiply")
        ) as meter:
            net(x, y)
        assert totals(meter).get("mac", 0) == met

    def test_signs_do_not_cancel(self):
        def function(net, x, y):
            difference = x - y
            return difference @ difference.t()

        x, y = spikes((1, 2), (0, 0)), spikes((1, 2), (0, 1))
        assert totals(run(Two(function), x, y))["ac"] == 2

    def test_ellipses_and_broadcasting(self):
        x, y = levels(2, 1, 3, 4), levels(5, 4, 2)
        net = Two(lambda net, x, y: torch.einsum("...ij, ...jk", x, y))
        assert totals(run(net, x, y, inputs="levels"))["ac"] == (x @ y).sum()
        met = (x @ torch.ones_like(y)).sum()
        kinds = {"x": "levels", "other": "analog"}
        assert totals(run(net, x, y, inputs=kinds))["ac"] == met
        assert totals(run(Two(lambda net, x, y: x @ y), x, y, inputs=kinds))["ac"] == met

    def test_three_operands_and_diagonals_are_named(self):
        x, y = events(3, 3), events(3, 3)
        meter = run(Two(lambda net, x, y: torch.einsum("ij,jk,kl->il", x, y, y)), x, y)
        assert meter.uncounted == {"network: einsum": 9}
        meter = run(Two(lambda net, x, y: torch.einsum("ii,ij->j", x, y)), x, y)
        assert meter.uncounted == {"network: einsum": 3}
        meter = run(Two(lambda net, x, y: torch.linalg.multi_dot([x, y, y])), x, y)
        assert len(meter.uncounted) == 1

    def test_one_operand_is_moved_or_summed(self):
        x = spikes((2, 3), (0, 0), (1, 0))
        kind, number = arrived(lambda x: torch.einsum("ij->ji", x), x)
        assert (kind.name, number) == ("events", 2)
        kind, number = arrived(lambda x: torch.einsum("ij->j", x), x)
        assert (kind.name, number) == ("levels", 2)

    @pytest.mark.parametrize(
        ("function", "shapes", "equation"),
        [
            (torch.matmul, ("ij", "jk"), "ij,jk"),
            (torch.mm, ("ij", "jk"), "ij,jk"),
            (torch.bmm, ("aij", "ajk"), "aij,ajk"),
            (torch.mv, ("ij", "j"), "ij,j"),
            (lambda x, y: torch.mm(x, mat2=y), ("ij", "jk"), "ij,jk"),
            (lambda x, y: x.__rmatmul__(y), ("jk", "ij"), "jk,ij"),
            (torch.linalg.matmul, ("ij", "jk"), "ij,jk"),
            (torch.linalg.vecdot, ("ij", "ij"), "ij,ij"),
            (lambda x, y: torch.tensordot(x, y, 1), ("aij", "jk"), "aij,jk"),
            (lambda x, y: torch.tensordot(x, y, ([0, -1], [1, 0])), ("aij", "ja"), "aij,ja"),
            (torch.inner, ("aij", "kj"), "aij,kj"),
            (F.linear, ("aij", "kj"), "aij,kj"),
            (F.linear, ("ij", "j"), "ij,j"),
            (torch.outer, ("i", "j"), "i,j"),
            (torch.ger, ("i", "j"), "i,j"),
            (lambda x, y: torch.outer(x, vec2=y), ("i", "j"), "i,j"),
            (torch.kron, ("ij", "ab"), "ij,ab"),
            (torch.dot, ("k", "k"), "k,k"),
            (torch.vdot, ("k", "k"), "k,k"),
            (lambda x, y: torch.addmv(torch.zeros(2), x, y), ("ij", "j"), "ij,j"),
            (lambda x, y: torch.addr(torch.zeros(2, 3), x, y), ("i", "j"), "i,j"),
            (lambda x, y: torch.addmm(torch.ones(1, 4), x, y), ("ij", "jk"), "ij,jk"),
            (lambda x, y: torch.zeros(2, 4).addmm(mat1=x, mat2=y), ("ij", "jk"), "ij,jk"),
            (lambda x, y: torch.ones(2).addmv(mat=x, vec=y), ("ij", "j"), "ij,j"),
            (lambda x, y: torch.ones(1).baddbmm(batch1=x, batch2=y), ("aij", "ajk"), "aij,ajk"),
            (lambda x, y: torch.baddbmm(torch.ones(1), x, y), ("aij", "ajk"), "aij,ajk"),
            (lambda x, y: torch.addbmm(torch.ones(1), x, y), ("aij", "ajk"), "aij,ajk"),
        ],
    )
    def test_every_spelling(self, function, shapes, equation):
        x, y = (levels(*(SIZES[letter] for letter in shape)) for shape in shapes)
        net = Two(lambda net, x, y: function(x, y))
        meter = run(net, x, y, inputs="levels")
        assert totals(meter).get("ac", 0) == coinciding(equation, x, y)
        assert totals(meter).get("mac", 0) == 0
        ones = torch.ones_like(x), torch.ones_like(y)
        assert totals(meter.dense())["mac"] == coinciding(equation, *ones)
        kinds = {"x": "analog", "other": "levels"}
        assert totals(run(net, x, y, inputs=kinds))["ac"] == coinciding(equation, ones[0], y)

    def test_what_is_added_to_a_product(self):
        x, w, b = events(2, 3), nn.Parameter(torch.rand(3, 4)), nn.Parameter(torch.rand(4))
        learned = run(Two(lambda net, x: torch.addmm(net.b, x, net.w), w=w, b=b), x)
        assert totals(learned)["bias"] == 8
        again = run(Two(lambda net, x, y: torch.addmm(y, x, net.w), w=w), x, torch.rand(2, 4))
        assert (totals(again)["add"], total(again, "bias")) == (8, 0)

    def test_nothing_by_something_is_nothing(self):
        meter = run(Two(lambda net, x, y: x @ y), torch.ones(0, 3), torch.ones(3, 2))
        assert totals(meter) == {}

    def test_gradients_reach_both_sides(self):
        x, y = (levels(2, 3).requires_grad_(), levels(3, 4).requires_grad_())
        meter = run(Two(lambda net, x, y: x @ y), x, y, inputs="levels")
        found = torch.autograd.grad(meter.counts["network"].ac, (x, y))
        expected = torch.autograd.grad((x @ y).sum(), (x, y))
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one, other)


@given(*[st.integers(1, 3)] * 4, st.integers(0, 1000))
def test_bilinear(rows, first, second, outputs, seed):
    torch.manual_seed(seed)
    layer = nn.Bilinear(first, second, outputs)
    x, y = levels(rows, first), levels(rows, second)
    pairs = sum(
        int(x[row, i] * y[row, j])
        for row, i, j, _ in product(range(rows), range(first), range(second), range(outputs))
    )
    meter = run(layer, x, y, inputs="levels")
    assert total(meter, "ac") == pairs
    assert (total(meter, "mac"), total(meter, "multiply")) == (0, 0)
    assert (total(meter, "bias"), meter.uncounted) == (rows * outputs, {})
    dense = rows * first * second
    assert total(meter.dense(), "mac") == dense * outputs
    analog = run(layer, x, y, inputs="analog")
    assert (total(analog, "mac"), total(analog, "multiply")) == (dense * outputs, dense)
    there = int((x != 0).sum(1) @ (y != 0).sum(1))
    mixed = run(layer, x, y, inputs={"input1": "levels", "input2": "graded"})
    assert (total(mixed, "mac"), total(mixed, "multiply")) == (there * outputs, there)
    # an analog value that happens to be zero is multiplied as any other
    gated = run(layer, x, y, inputs={"input1": "levels", "input2": "analog"})
    assert total(gated, "multiply") == int((x != 0).sum()) * second


class TestAttention:
    def test_spikes_by_hand(self):
        """2 heads, 3 queries, 4 keys, depth 2, values of depth 4."""
        q, k = levels(1, 2, 3, 2), levels(1, 2, 4, 2)
        v = torch.cat([k, k], -1)
        net = Two(lambda net, q, k: F.scaled_dot_product_attention(q, k, torch.cat([k, k], -1)))
        meter = run(net, q, k, inputs="levels")
        pairs = sum(
            int(q[0, h, i, d] * k[0, h, j, d])
            for h, i, j, d in product(range(2), range(3), range(4), range(2))
        )
        assert meter.counts["network.scores"].ac.item() == pairs
        # every value event meets the weights of 3 queries
        assert meter.counts["network.values"].ac.item() == 3 * v.sum()
        assert meter.uncounted == {"network: softmax": 2 * 3 * 4}
        dense = meter.dense()
        assert dense["network.scores"].mac.item() == 2 * 3 * 4 * 2
        assert dense["network.values"].mac.item() == 2 * 3 * 4 * 4

    def test_analog(self):
        x, y = torch.rand(2, 2, 3, 4), torch.rand(2, 2, 6, 4)
        net = Two(lambda net, x, y: F.scaled_dot_product_attention(x, y, y, is_causal=True))
        meter = run(net, x, y, inputs="analog")
        for part in ("scores", "values"):
            assert meter.counts[f"network.{part}"].mac.item() == 2 * 2 * 3 * 6 * 4
        assert totals(meter).get("add", 0) == 0

    def test_a_mask_that_is_added_is_additions(self):
        net = Two(lambda net, x, y: F.scaled_dot_product_attention(x, y, y, torch.zeros(3, 6)))
        meter = run(net, torch.rand(2, 3, 4), torch.rand(2, 6, 4), inputs="analog")
        assert totals(meter)["add"] == 2 * 3 * 6

    def test_heads_of_queries_that_share_keys(self):
        q, k = levels(1, 4, 3, 2), levels(1, 2, 5, 2)
        net = Two(lambda net, q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True))
        meter = run(net, q, k, inputs="levels")
        both = k.repeat_interleave(2, 1)
        assert meter.counts["network.scores"].ac.item() == (q @ both.mT).sum()
        assert meter.counts["network.values"].ac.item() == 3 * both.sum()
        dense = meter.dense()
        assert dense["network.scores"].mac.item() == 4 * 3 * 5 * 2
        assert dense["network.values"].mac.item() == 4 * 3 * 5 * 2

    def test_learned_keys_and_values(self):
        keys = nn.Parameter(torch.rand(5, 2))
        net = Two(lambda net, q: F.scaled_dot_product_attention(q, net.k, net.k), k=keys)
        q = levels(3, 2)
        meter = run(net, q, inputs="levels")
        assert meter.counts["network.scores"].ac.item() == 5 * q.sum()
        assert meter.counts["network.values"].mac.item() == 3 * 5 * 2
        assert set(meter.uncounted) == {"network: softmax"}


class TestMultiHead:
    """8 features in 2 heads; 5 queries, 4 keys, batch 2."""

    @pytest.mark.parametrize("training", [True, False])
    @pytest.mark.parametrize("need_weights", [True, False])
    def test_self_attention(self, training, need_weights):
        layer = nn.MultiheadAttention(8, 2, batch_first=True).train(training)
        x = events(2, 5, 8)
        with torch.set_grad_enabled(training):
            meter = run(layer, x, x, x, need_weights=need_weights)
        counts = meter.counts
        assert counts["network.in_proj"].ac.item() == 3 * 8 * x.sum()
        assert counts["network.in_proj"].bias.item() == 3 * 2 * 5 * 8
        for part in ("scores", "values"):
            assert counts[f"network.{part}"].mac.item() == 2 * 2 * 5 * 5 * 4
        assert counts["network.out_proj"].mac.item() == 2 * 5 * 8 * 8
        assert counts["network.out_proj"].bias.item() == 2 * 5 * 8
        assert meter.uncounted == {"network: softmax": 2 * 2 * 5 * 5}
        assert meter.unreached == []
        mean = {"add": 2 * 5 * 5, "multiply": 2 * 5 * 5} if need_weights else {}
        assert {n: v for n, v in totals(meter).items() if n in ("add", "multiply")} == mean
        dense = totals(meter.dense())["mac"]
        assert dense == 4 * 2 * 5 * 8 * 8 + 2 * 2 * 2 * 5 * 5 * 4

    def test_other_keys_and_values_with_all_extras(self):
        layer = nn.MultiheadAttention(8, 2, kdim=3, vdim=6, add_bias_kv=True, add_zero_attn=True)
        q, k, v = events(5, 2, 8), events(4, 2, 3), torch.rand(4, 2, 6)
        meter = run(layer, q, k, v, inputs={"query": "events", "key": "events", "value": "analog"})
        done = meter.counts["network.in_proj"]
        assert done.ac.item() == 8 * (q.sum() + k.sum())
        assert done.mac.item() == 4 * 2 * 6 * 8
        for part in ("scores", "values"):
            assert meter.counts[f"network.{part}"].mac.item() == 2 * 2 * 5 * (4 + 2) * 4
        assert not any("weight" in name or "bias" in name for name in meter.uncounted)
        assert meter.unreached == []

    def test_without_a_batch(self):
        layer = nn.MultiheadAttention(8, 2, bias=False)
        x = torch.rand(5, 8)
        meter = run(layer, x, x, x, inputs="analog", need_weights=False)
        assert totals(meter)["mac"] == 4 * 5 * 8 * 8 + 2 * 2 * 5 * 5 * 4
        assert total(meter, "bias") == 0

    @pytest.mark.parametrize("training", [True, False])
    def test_an_encoder_of_torch(self, training):
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).train(training)
        with torch.no_grad():
            meter = run(layer, torch.rand(2, 5, 8), inputs="analog")
        per_row = 4 * 8 * 8 + 2 * 8 * 16
        assert totals(meter)["mac"] == 2 * 5 * per_row + 2 * 2 * 2 * 5 * 5 * 4
        assert not any("weight" in name for name in meter.uncounted)


class TestTables:
    def test_embedding_reads_one_row_for_each_index(self):
        net = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 2))
        meter = run(net, torch.tensor([[1, 2, 2, 6]]))
        found = meter.counts["0"]
        assert (found.weight_read.item(), found.event_read.item()) == (12, 4)
        assert found.sizes.weights == 21
        assert meter.counts["1"].mac.item() == 4 * 3 * 2
        assert meter.uncounted == {}

    @pytest.mark.parametrize(
        ("mode", "adds", "multiplies"), [("sum", 12, 0), ("mean", 12, 6), ("max", 0, 0)]
    )
    def test_bags_are_accumulated(self, mode, adds, multiplies):
        meter = run(nn.EmbeddingBag(7, 3, mode=mode), torch.tensor([[1, 2], [2, 6]]))
        found = totals(meter)
        assert found["weight_read"] == 12
        assert (found.get("add", 0), found.get("multiply", 0)) == (adds, multiplies)
        assert set(meter.uncounted) == ({"network: max"} if mode == "max" else set())

    def test_padding_of_a_bag_is_not_read(self):
        layer = nn.EmbeddingBag(7, 3, mode="sum", padding_idx=0)
        meter = run(layer, torch.tensor([1, 0, 0, 4]), torch.tensor([0, 2]))
        assert totals(meter)["weight_read"] == 2 * 3


class TestNorms:
    """Per element: mean, deviation and square; see the rules."""

    @pytest.mark.parametrize(
        ("layer", "shape", "adds", "multiplies", "missed"),
        [
            (nn.LayerNorm(4), (2, 3, 4), 4, 3, {"inverse root": 6}),
            (nn.LayerNorm((3, 4), elementwise_affine=False), (2, 3, 4), 3, 2, {"inverse root": 2}),
            (nn.GroupNorm(2, 4), (3, 4, 5), 4, 3, {"inverse root": 6}),
            (nn.InstanceNorm1d(4), (3, 4, 5), 3, 2, {"inverse root": 12}),
            (nn.InstanceNorm1d(4, track_running_stats=True).eval(), (3, 4, 5), 1, 1, {}),
            (nn.RMSNorm(4), (2, 4), 1, 3, {"inverse root": 2}),
            (nn.LocalResponseNorm(3), (2, 4, 5), 3, 3, {"power": 40}),
        ],
    )
    @pytest.mark.parametrize("kind", ["events", "analog"])
    def test_additions_and_multiplications(self, layer, shape, adds, multiplies, missed, kind):
        x = events(*shape)
        meter = run(layer, x, inputs=kind)
        assert totals(meter) == {"add": adds * x.numel(), "multiply": multiplies * x.numel()}
        assert meter.uncounted == {f"network: {name}": n for name, n in missed.items()}

    def test_a_norm_of_events_is_analog(self):
        kind, _ = arrived(lambda x: F.layer_norm(x, [4]), events(2, 4))
        assert kind.name == "analog"

    def test_weights_of_two_axes_are_reached(self):
        assert not any("weight" in n for n in run(nn.LayerNorm((3, 4)), events(2, 3, 4)).uncounted)


class TestOtherPools:
    def test_powers_over_windows(self):
        meter = run(nn.LPPool2d(2, 2), events(1, 2, 4, 4))
        assert totals(meter) == {"pool": 2 * 4 * 4}
        assert meter.uncounted == {"network: power": 32 + 8}

    def test_windows_at_random_places(self):
        layer = nn.FractionalMaxPool2d(2, output_size=3)
        assert totals(run(layer, torch.ones(1, 1, 5, 5))) == {"pool": 9 * 4}
        kind, number = arrived(layer, torch.ones(1, 1, 5, 5))
        assert (kind.name, number) == ("events", 9)

    def test_values_put_back(self):
        def function(x):
            largest, where = F.max_pool2d(x, 2, return_indices=True)
            return F.max_unpool2d(largest, where, 2)

        kind, number = arrived(function, torch.ones(1, 1, 4, 4))
        assert (kind.name, number) == ("events", 4)

    @pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AdaptiveMaxPool2d])
    def test_indices_change_nothing(self, pool):
        x = events(1, 1, 4, 4)
        asked, plain = (run(pool(2, return_indices=wanted), x) for wanted in (True, False))
        assert totals(asked) == totals(plain) == {"pool": x.sum()}
        assert asked.uncounted == {}


@pytest.mark.parametrize(
    "layer",
    [
        nn.LayerNorm(4),
        nn.GRU(4, 4),
        Two(lambda net, x: F.scaled_dot_product_attention(x, x, x)),
        Two(lambda net, x: x @ torch.ones(4, 4)),
        Two(lambda net, x: F.interpolate(x, size=4, mode="linear")),
        nn.TransformerEncoderLayer(4, 2, 4),
    ],
)
def test_a_dense_network_runs_as_often_as_it_is_said_to(layer):
    """Ten steps of a spiking network; the ANN of the same layers runs once."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.last, self.neuron = layer, nn.Linear(4, 3), LIF()

        def forward(self, x):
            y = self.layer(x)
            return self.neuron(self.last(y[0] if isinstance(y, tuple) else y))

    net = Net()
    with Meter(net) as meter:
        net(torch.rand(10, 2, 4))
    once, often = meter.dense(steps=1), meter.dense()
    for name, counts in often.items():
        assert once[name].mac.item() == pytest.approx(counts.mac.item() / 10, rel=1e-12), name
