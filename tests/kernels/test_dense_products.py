"""Dense products by oneDNN against those of torch."""

import pytest
import torch

from picojoule.kernels import dense_products as module
from picojoule.kernels.dense_products import dense, repeated_dense
from picojoule.neurons import LIF, Recurrent

pytestmark = pytest.mark.skipif(not module._there(), reason="this torch has no oneDNN of its own")


@pytest.fixture
def calls(monkeypatch):
    """The shapes that went by oneDNN."""
    seen, real = [], module.packed_linear
    monkeypatch.setattr(
        module, "packed_linear", lambda x, weight: seen.append(tuple(x.shape)) or real(x, weight)
    )
    return seen


class TestRepeatedDense:
    @pytest.mark.parametrize(("rows", "inputs", "outputs"), [(3, 512, 300), (130, 383, 401)])
    def test_is_the_product(self, calls, rows, inputs, outputs):
        weight = torch.randn(inputs, outputs)
        multiply = repeated_dense(weight, rows, 100)
        for x in torch.randn(3, rows, inputs):
            exact = (x.double() @ weight.double()).float()
            torch.testing.assert_close(multiply(x), exact, rtol=1e-5, atol=1e-4)
        assert calls == [(rows, inputs)] * 3

    @pytest.mark.parametrize(
        ("weight", "rows", "products"),
        [
            (torch.randn(400, 400, dtype=torch.float64), 4, 100),
            (torch.randn(20, 30), 4, 100),
            (torch.randn(400, 400), 1, 100),
            (torch.randn(400, 400), 4, 2),
        ],
        ids=["double", "small", "one row", "few products"],
    )
    def test_is_that_of_torch_where_nothing_is_gained(self, calls, weight, rows, products):
        x = torch.randn(rows, len(weight), dtype=weight.dtype)
        assert torch.equal(repeated_dense(weight, rows, products)(x), x @ weight)
        assert not calls

    @pytest.mark.filterwarnings("ignore:TF32")
    def test_is_left_out_where_torch_is_told_to(self, calls):
        with torch.backends.mkldnn.flags(enabled=False):
            repeated_dense(torch.randn(400, 400), 4, 100)(torch.randn(4, 400))
        assert not calls

    def test_gives_recurrent_layers_the_same_gradient(self, calls, monkeypatch):
        pytest.importorskip("numba")
        monkeypatch.setenv("PICOJOULE_KERNELS", "numba")  # the C tier has its own
        torch.manual_seed(0)
        layer, x = Recurrent(LIF(), 400), torch.randn(12, 3, 400).requires_grad_()
        up = torch.randn(12, 3, 400)
        found = []
        for engine in ("eager", "fused"):
            layer.engine = engine
            out, _ = layer(x)
            found.append((out, *torch.autograd.grad(out, [x, layer.weight], up)))
        assert len(calls) == 12
        for eager, fused in zip(*found, strict=True):
            torch.testing.assert_close(fused, eager, rtol=1e-4, atol=1e-5)


class TestDense:
    @pytest.mark.parametrize("expanded", [False, True])
    @pytest.mark.parametrize(("tier", "by_onednn"), [("c", []), ("off", [(5000, 7)])])
    def test_is_the_product(self, calls, monkeypatch, tier, by_onednn, expanded):
        monkeypatch.setenv("PICOJOULE_KERNELS", tier)
        x, weight = torch.randn(5000, 7), torch.randn(33, 7).t()
        x = x[:1].expand(5000, 7) if expanded else x
        exact = (x.double() @ weight.double()).float()
        torch.testing.assert_close(dense(x, weight), exact, rtol=1e-5, atol=1e-5)
        assert calls == by_onednn

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
    @pytest.mark.parametrize(
        ("rows", "inputs", "outputs"), [(64, 1, 1), (131, 70, 65), (70, 600, 3)]
    )
    def test_rows_of_zeros_are_rows_of_zeros(self, rows, inputs, outputs, share, dtype):
        torch.manual_seed(0)
        there = torch.rand(rows, 1) < share
        x = torch.randn(rows, inputs, dtype=dtype) * there
        weight = torch.randn(inputs, outputs, dtype=dtype)
        found = dense(x, weight)
        torch.testing.assert_close(found, x @ weight, rtol=1e-4, atol=1e-4)
        assert not found[~there.squeeze(1)].any()

    @pytest.mark.parametrize("shape", [(6, 4), (5000, 0)])
    def test_is_that_of_torch_where_nothing_is_gained(self, calls, shape):
        x, weight = torch.randn(shape), torch.randn(shape[1], 3)
        assert torch.equal(dense(x, weight), x @ weight)
        assert not calls
