"""All steps of a recurrent layer: products, and who takes which rows."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from torch.utils import _pytree as pytree

from event_cases import there
from picojoule.kernels import events_c
from picojoule.kernels.loop import rows_together
from picojoule.kernels.recurrence import Band, Recurrence, Shares, shares
from picojoule.neurons import BRF, LIF, PLIF, AdLIF, Mixture, MultiLevelIF, Recurrent

SHAPES = [(2, 1, 1), (3, 2, 5), (2, 7, 33), (2, 13, 64), (2, 70, 65), (2, 3, 600), (1, 2, 1100)]


@pytest.fixture
def in_c(monkeypatch):
    """The tier whose threads take rows apart."""
    if not there("c"):
        pytest.skip("this machine has no C compiler")
    monkeypatch.setenv("PICOJOULE_KERNELS", "c")


@pytest.fixture
def threads():
    """Sets how many threads torch has, and sets it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def bands(rows, count):
    """All rows in so many bands, without neurons."""
    ends = [rows * k // count for k in range(count + 1)]
    return [Band(slice(*pair)) for pair in itertools.pairwise(ends)]


def products(shape, dtype, path, count=1, levels=1):
    """What rows receive, the gradient that arrives, and what both should be."""
    torch.manual_seed(0)
    _, rows, size = shape
    weight, given = torch.randn(size, size, dtype=dtype), torch.randn(shape, dtype=dtype)
    first, fired = (
        (torch.rand(one) < 0.2).to(dtype) * torch.randint(1, levels + 1, one)
        for one in ((rows, size), shape)
    )
    received, arriving = torch.full_like(fired, torch.nan), torch.full_like(first, torch.nan)
    layer = Recurrence(weight, given, [], 4, bands(rows, count), apart=True)
    layer.forward(first, fired, received, path)
    layer.backward(given, arriving)
    before = torch.cat([first.unsqueeze(0), fired[:-1]])
    return received, arriving, given + before @ weight, given[0] @ weight


@pytest.mark.usefixtures("in_c")
class TestProducts:
    @pytest.mark.parametrize("path", ["events", "dense"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_are_right(self, shape, dtype, path):
        received, arriving, as_received, as_arriving = products(shape, dtype, path)
        close = 1e-4 if dtype == torch.float32 else 1e-12
        torch.testing.assert_close(received, as_received, rtol=close, atol=close)
        torch.testing.assert_close(arriving, as_arriving, rtol=close, atol=close)

    @pytest.mark.parametrize("rows", [3, 70])
    def test_gradients_of_sequences_that_end_early(self, rows):
        """Of which what comes after the end is zeros, and is left out."""
        torch.manual_seed(0)
        layer, x = Recurrent(LIF(), 33), torch.randn(12, rows, 33).requires_grad_()
        within = torch.arange(12).view(-1, 1, 1) < torch.randint(1, 13, (rows, 1))
        up, found = torch.randn(12, rows, 33) * within, []
        for layer.engine in ("eager", "fused"):
            out, _ = layer(x)
            found.append(torch.autograd.grad(out, [x, layer.weight], up))
        for eager, fused in zip(*found, strict=True):
            torch.testing.assert_close(fused, eager, rtol=1e-4, atol=1e-5)
        assert not (found[1][0] * ~within).any()

    @pytest.mark.parametrize("levels", [1, 5])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_have_the_same_bits_by_events(self, shape, dtype, levels):
        dense = products(shape, dtype, "dense", levels=levels)[0]
        assert torch.equal(products(shape, dtype, "events", levels=levels)[0], dense)

    @pytest.mark.parametrize("path", ["events", "dense", None])
    def test_do_not_depend_on_bands(self, path):
        one, two = (products((3, 75, 70), torch.float32, path, count) for count in (1, 4))
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])

    @pytest.mark.parametrize("layout", ["step", "row", "column"])
    def test_take_what_is_given_as_it_lies(self, layout):
        whole = torch.randn(3, 4, 5, dtype=torch.float64)
        given = {
            "step": whole[:1].expand(3, 4, 5),
            "row": whole[:, :1].expand(3, 4, 5),
            "column": whole.transpose(1, 2).contiguous().transpose(1, 2),
        }[layout]
        fired, received = torch.zeros_like(whole), torch.full_like(whole, torch.nan)
        layer = Recurrence(torch.eye(5).double(), given, [], 4, bands(4, 2), apart=True)
        layer.forward(torch.ones(4, 5, dtype=torch.float64), fired, received, None)
        torch.testing.assert_close(received[1:], given[1:])
        torch.testing.assert_close(received[0], given[0] + 1)

    def test_add_nothing_where_nothing_is_given(self):
        wanted, arriving = torch.ones(3, 2, 2), torch.full((2, 2), torch.nan)
        Recurrence(torch.eye(2), None, [], 2, bands(2, 1), apart=True).backward(wanted, arriving)
        assert torch.equal(arriving, wanted[0])


def trained(layer, x, state=None):
    """Output, last state, and gradients of all there is."""
    out, last = layer(x, state)
    up = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    given = [x, *layer.parameters()]
    return out, *pytree.tree_leaves(last), *torch.autograd.grad((out * up).sum(), given)


@pytest.mark.usefixtures("in_c")
class TestLayers:
    @pytest.mark.parametrize(("rows", "size"), [(203, 6), (11, 100), (67, 520)])
    @pytest.mark.parametrize("kind", ["lif", "plif", "brf", "adlif", "levels", "mixture"])
    def test_do_not_depend_on_threads(self, kind, rows, size, threads, monkeypatch):
        monkeypatch.setattr("picojoule.kernels.recurrence._LIGHT", 0)
        torch.manual_seed(0)
        neuron, strength = {
            "lif": lambda: (LIF(), 2),
            "plif": lambda: (PLIF(), 20),
            "brf": lambda: (BRF(size), 200),
            "adlif": lambda: (AdLIF(size), 20),
            "levels": lambda: (MultiLevelIF(), 0.3),
            "mixture": lambda: (Mixture({"lif": 0.5, "brf": 0.5}, size), 20),
        }[kind]()
        layer = Recurrent(neuron, size).requires_grad_()
        x = (torch.randn(20, rows, size) * strength).requires_grad_()
        found = []
        for count in (1, 2, 3):
            threads(count)
            assert len(shares(x, "c").rows) == count
            found.append(trained(layer, x))
        assert 0.01 < (found[0][0] > 0).float().mean() < 0.9
        for other in found[1:]:
            assert all(map(torch.equal, found[0], other))

    def test_carry_a_state_and_its_gradient(self, threads, monkeypatch):
        monkeypatch.setattr("picojoule.kernels.recurrence._LIGHT", 0)
        threads(3)
        torch.manual_seed(0)
        layer = Recurrent(AdLIF(300), 300).double().requires_grad_()
        x = (torch.randn(21, 7, 300, dtype=torch.float64) * 20).requires_grad_()
        start = pytree.tree_map(torch.randn_like, layer.init_state(x[0]))
        leaves = [one.requires_grad_() for one in pytree.tree_leaves(start)]
        found = []
        for engine in ("eager", "fused"):
            layer.engine = engine
            _, last = layer(x, start)
            ends = pytree.tree_leaves(last)
            loss = sum((k + 1) * one.sum() for k, one in enumerate(ends))
            wanted = [x, *leaves, *layer.parameters()]
            found.append([*ends, *torch.autograd.grad(loss, wanted, materialize_grads=True)])
        assert sum(bool(one.any()) for one in found[0]) > len(found[0]) // 2
        for eager, fused in zip(*found, strict=True):
            torch.testing.assert_close(fused, eager, rtol=1e-9, atol=1e-9)

    def test_step_by_step_is_the_same(self, monkeypatch):
        torch.manual_seed(0)
        layer = Recurrent(AdLIF(20), 20).double().requires_grad_()
        x = (torch.randn(19, 5, 20, dtype=torch.float64) * 2).requires_grad_()
        apart = trained(layer, x)
        one_by_one = Shares([slice(0, 5)], apart=False)
        monkeypatch.setattr("picojoule.engine.feedback.shares", lambda *_: one_by_one)
        for one, other in zip(apart, trained(layer, x), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
        assert torch.equal(apart[0], trained(layer, x)[0])

    def test_say_that_memory_is_too_little(self, monkeypatch):
        library = SimpleNamespace(recurrence_forward=lambda *given: -2)
        monkeypatch.setattr(events_c, "library", lambda dtype: library)
        with pytest.raises(MemoryError, match="smaller"):
            Recurrent(LIF(), 70)(torch.rand(3, 4, 70))


@pytest.mark.usefixtures("in_c")
class TestShares:
    def test_cover_all_rows_once(self, threads):
        for count, rows in itertools.product((1, 2, 5), (5, 6, 17, 128)):
            threads(count)
            found = shares(torch.empty(1000, rows, 700), "c")
            assert found.apart
            assert len(found.rows) == min(count, rows)
            assert [k for one in found.rows for k in range(rows)[one]] == list(range(rows))

    def test_of_few_elements_is_one(self, threads):
        threads(2)
        assert len(shares(torch.empty(10, 8, 600), "c").rows) == 1

    def test_of_few_rows_are_few(self, threads):
        threads(4)
        assert shares(torch.empty(1000, 3, 700), "c").rows == [slice(k, k + 1) for k in range(3)]
        assert not shares(torch.empty(1000, 0, 700), "c").apart

    def test_starts_where_rows_go_together(self, threads):
        threads(3)
        for one in shares(torch.empty(1000, 203, 10), "c").rows:
            assert one.start % rows_together(10) == 0

    @pytest.mark.parametrize("tier", ["numba", "triton"])
    def test_is_none_without_a_compiler(self, tier):
        assert not shares(torch.empty(1000, 128, 700), tier).apart


@pytest.mark.usefixtures("in_c")
def test_another_tier_may_be_asked_for_before_the_backward_pass(monkeypatch):
    torch.manual_seed(0)
    layer, x = Recurrent(LIF(), 100), 3 * torch.rand(12, 9, 100)
    found = []
    for name in ("c", "off"):
        given = x.clone().requires_grad_()
        monkeypatch.setenv("PICOJOULE_KERNELS", "c")
        loss = layer(given)[0].square().sum()
        monkeypatch.setenv("PICOJOULE_KERNELS", name)
        found.append(torch.autograd.grad(loss, [given, layer.weight]))
    for one, other in zip(*found, strict=True):
        assert one.any()
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)
