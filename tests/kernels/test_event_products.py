"""Products by events against dense ones, in every tier that this machine has."""

import itertools

import pytest
import torch

from event_cases import make
from picojoule.kernels import cc, paths
from picojoule.kernels.event_products import RowProduct, product, repeated, weight_gradient
from picojoule.kernels.linear import spike_matmul
from picojoule.kernels.paths import LIMITS, density, limit_for, path_for

DENSITIES = (0.0, 0.01, 0.05, 0.3, 1.0)
# R, K, N: one row, odd sizes, more columns than a strip of a large matrix, nothing at all.
SHAPES = [(1, 7, 5), (1, 700, 33), (5, 17, 70), (130, 31, 300), (9, 1100, 530), (300, 40, 1)]
EMPTY = [(0, 4, 3), (3, 0, 4), (4, 3, 0), (1, 0, 2)]


def bound(spikes, weight_t):
    """How far two orders of the same float32 sum may part: a sum of n terms errs by at most
    n * eps * the sum of their magnitudes (Higham), in each of the two."""
    magnitudes = spikes.double().abs() @ weight_t.double().abs()
    eps = torch.finfo(torch.float32).eps
    return 2 * (spikes.shape[1] + 1) * eps * (magnitudes.max().item() + 10 if len(spikes) else 1)


def each_kind(shape, **options):
    """Spikes, weights and biases of every density, all ones or graded."""
    for share, binary in itertools.product(DENSITIES, (True, False)):
        yield (share, binary), make(shape, share, binary=binary, **options)


def assert_close(found, expected, case):
    torch.testing.assert_close(
        found, expected, rtol=1e-12, atol=1e-12, msg=lambda said: f"share, binary {case}: {said}"
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestAgainstDense:
    def test_product(self, tier, shape):
        for case, (spikes, weight_t, bias) in each_kind(shape):
            for base in (None, bias, torch.randn(shape[0], shape[2], dtype=torch.float64)):
                expected = spikes @ weight_t + (0 if base is None else base)
                assert_close(product(spikes, weight_t, base, path="events"), expected, case)

    def test_product_in_single_precision(self, tier, shape):
        for case, (spikes, weight_t, bias) in each_kind(shape, dtype=torch.float32):
            expected = spikes.double() @ weight_t.double() + bias.double()
            out = product(spikes, weight_t, bias, path="events")
            assert out.dtype == torch.float32
            assert (out - expected).abs().max() <= bound(spikes, weight_t), case

    def test_gradient_of_the_weights(self, tier, shape):
        for case, (spikes, _, _) in each_kind(shape):
            grads = torch.randn(shape[0], shape[2], dtype=torch.float64)
            assert_close(weight_gradient(spikes, grads, path="events"), grads.t() @ spikes, case)

    def test_one_row_at_a_time(self, tier, shape):
        for case, (spikes, weight_t, bias) in each_kind(shape):
            by_events = RowProduct("events")
            for row in spikes.split(1):
                assert_close(by_events(row, weight_t.t(), bias), row @ weight_t + bias, case)
                assert by_events.last == "events"


@pytest.mark.parametrize("shape", [(1, 70_000, 3), (3, 40_000, 5), (9000, 9, 40)], ids=str)
def test_gradient_of_few_rows_and_of_many(tier, shape):
    """Fewer rows than threads, and more than are sorted at once."""
    spikes, _, _ = make(shape, 0.05, binary=False)
    grads = torch.randn(shape[0], shape[2], dtype=torch.float64)
    out = weight_gradient(spikes, grads, path="events")
    torch.testing.assert_close(out, grads.t() @ spikes, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("shape", EMPTY, ids=str)
def test_nothing_is_no_error(tier, shape):
    spikes, weight_t, bias = make(shape, 0.5)
    assert path_for(spikes, shape[2]) == "dense"
    expected = torch.addmm(bias, spikes, weight_t)
    for path in (None, *paths.PATHS):
        assert torch.equal(product(spikes, weight_t, bias, path=path), expected)
        grads = torch.ones(shape[0], shape[2], dtype=torch.float64)
        assert torch.equal(weight_gradient(spikes, grads, path=path), grads.t() @ spikes)


def test_tensors_of_any_stride(tier):
    spikes, weight_t, _ = make((24, 30, 18), 0.2)
    grads = torch.randn(18, 24, dtype=torch.float64).t()
    turned = spikes.t().contiguous().t()
    skipping = torch.stack([spikes, spikes + 1], -1)[..., 0]
    for values in (turned, skipping):
        assert not values.is_contiguous()
        out = product(values, weight_t.t().contiguous().t(), path="events")
        torch.testing.assert_close(out, spikes @ weight_t, rtol=1e-12, atol=1e-12)
        out = weight_gradient(values, grads, path="events")
        torch.testing.assert_close(out, grads.t() @ spikes, rtol=1e-12, atol=1e-12)
    out = product(spikes[::2, 3:], weight_t[3:], path="events")
    torch.testing.assert_close(out, spikes[::2, 3:] @ weight_t[3:], rtol=1e-12, atol=1e-12)


def test_what_is_not_finite_is_an_event(tier):
    spikes = torch.tensor([[0.0, float("nan"), 1.0], [0.0, -0.0, float("inf")]])
    out = product(spikes, torch.ones(3, 20), path="events")
    assert out[0].isnan().all()
    assert (out[1] == float("inf")).all()
    assert density(spikes) == pytest.approx(3 / 6)


class TestChoice:
    def test_is_by_density_alone(self, tier):
        limit = limit_for(512, 256, 128)
        few = torch.zeros(512, 256)
        many = torch.ones(512, 256)
        assert path_for(many, 128) == path_for(many, 128, gradient=True) == "dense"
        assert path_for(few, 128) == ("events" if limit else "dense")
        assert limit == LIMITS[tier]["cached"]

    def test_at_the_limit(self, monkeypatch):
        monkeypatch.setitem(LIMITS[cc.tier()], "cached", 0.25)
        spikes = torch.zeros(16, 1024)
        spikes[:, :256] = 1
        assert path_for(spikes, 256) == "events"
        spikes[0, 256] = 1
        assert path_for(spikes, 256) == "dense"

    def test_can_be_overridden(self, tier):
        spikes, weight_t, _ = make((64, 64, 64), 1.0)
        plain = torch.ones(64, 64, dtype=torch.float64)
        assert torch.equal(spike_matmul(spikes, weight_t, path="dense"), spikes @ weight_t)
        out = spike_matmul(plain, weight_t.requires_grad_(), path="events")
        assert type(out.grad_fn).__name__ == "_ProductBackward"
        assert RowProduct("dense")(spikes, weight_t.t(), None).shape == (64, 64)

    def test_of_many_rows_looks_at_some(self, tier):
        spikes = torch.zeros(10_000, 50)
        spikes[::7] = 1
        assert density(spikes) == pytest.approx(1 / 7, abs=0.03)

    def test_unknown_path(self):
        spikes, weight_t, _ = make((4, 6, 5), 0.4)
        for call in (product, spike_matmul):
            with pytest.raises(ValueError, match="unknown path 'event': did you mean 'events'"):
                call(spikes, weight_t, path="event")
        with pytest.raises(ValueError, match="unknown path"):
            RowProduct("sparse")

    @pytest.mark.parametrize(
        ("spikes", "weight_t"),
        [
            (torch.ones(2, 3), torch.ones(3, 4).double()),
            (torch.ones(2, 3).half(), torch.ones(3, 4).half()),
            (torch.ones(2, 3, device="meta"), torch.ones(3, 4, device="meta")),
            (torch.ones(1, 2, 3), torch.ones(3, 4)),
        ],
        ids=["two types", "half", "device", "axes"],
    )
    def test_events_where_there_is_no_such_way(self, spikes, weight_t):
        with pytest.raises(ValueError, match=r"by events take two matrices .* leave path out"):
            product(spikes, weight_t, path="events")

    def test_wrong_sizes(self, tier):
        for path in paths.PATHS:
            with pytest.raises((ValueError, RuntimeError), match=r"3.*4|4.*3"):
                product(torch.ones(2, 3), torch.ones(4, 5), path=path)
            with pytest.raises((ValueError, RuntimeError), match=r"3.*4|4.*3"):
                weight_gradient(torch.ones(3, 2), torch.ones(4, 5), path=path)


class TestRepeats:
    def test_bit_for_bit(self, tier):
        spikes, weight_t, bias = make((300, 200, 130), 0.1, dtype=torch.float32, binary=False)
        grads = torch.randn(300, 130)
        for call in (
            lambda: product(spikes, weight_t, bias, path="events"),
            lambda: weight_gradient(spikes, grads, path="events"),
        ):
            first = call()
            assert all(torch.equal(call(), first) for _ in range(5))

    def test_whatever_the_number_of_threads(self, tier):
        spikes, weight_t, _ = make((1300, 200, 130), 0.1, dtype=torch.float32, binary=False)
        grads = torch.randn(1300, 130)
        before, results = torch.get_num_threads(), []
        try:
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                made = product(spikes, weight_t, path="events")
                results.append((made, weight_gradient(spikes, grads, path="events")))
        finally:
            torch.set_num_threads(before)
        for one, other in itertools.pairwise(results):
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("path", [None, "events", "dense"])
def test_repeated_products_are_those_of_each(tier, path):
    torch.manual_seed(0)
    weight_t, base = torch.randn(300, 70), torch.randn(9, 70)
    spikes = [(torch.rand(9, 300) < share).float() for share in (0.02, 0.9, 0.0)]
    multiply = repeated(weight_t, spikes[0], path)
    for one in spikes:
        out = torch.full((9, 70), torch.nan)
        multiply(one, base, out)
        torch.testing.assert_close(out, base + one @ weight_t, rtol=1e-5, atol=1e-5)


def test_repeated_products_refuse_what_products_refuse():
    with pytest.raises(ValueError, match="did you mean 'events'"):
        repeated(torch.ones(3, 2), torch.ones(4, 3), "event")
    with pytest.raises(ValueError, match="leave path out"):
        repeated(torch.ones(3, 2, dtype=torch.float16), torch.ones(4, 3).half(), "events")
