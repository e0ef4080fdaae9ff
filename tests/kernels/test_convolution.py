"""Convolutions by events against those of torch."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from event_cases import assert_counted_alike, there
from picojoule.kernels import convolution_c, paths
from picojoule.kernels.convolution import conv2d, convolution_path_for, spike_conv2d
from picojoule.kernels.linear import EventProducts
from picojoule.networks import Sequential
from picojoule.neurons import LI, LIF

# Of the input, and outputs; then kernel, stride and padding.
SHAPES = [((1, 3, 7, 9), 1), ((3, 33, 6, 5), 33), ((2, 1, 17, 4), 5), ((1, 70, 3, 3), 40)]
FORMS = [
    (1, 1, 0),
    (3, 1, 1),
    (3, 2, 1),
    (1, 2, 0),
    ((5, 3), 1, (2, 0)),
    ((2, 4), (2, 1), (0, 3)),
    ((4, 2), 3, 5),
    ((3, 1), 1, 2),
]
FIRST, LAST = torch.contiguous_format, torch.channels_last


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    """The only tier that has this."""
    if not there("c"):
        pytest.skip("this machine has no C compiler")
    monkeypatch.setenv("PICOJOULE_KERNELS", "c")


def make(shape, outputs, kernel=3, share=0.2, *, dtype=torch.float64, binary=True, memory=FIRST):
    """Images, weights and a bias, all of which want a gradient."""
    source = torch.Generator().manual_seed(0)
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    x = (torch.rand(shape, generator=source) < share).to(dtype)
    if not binary:
        x = x * torch.randn(shape, generator=source, dtype=dtype)
    weight = torch.randn(outputs, shape[1], *kernel, generator=source, dtype=dtype)
    bias = torch.randn(outputs, generator=source, dtype=dtype)
    return x.contiguous(memory_format=memory).requires_grad_(), *(
        w.requires_grad_() for w in (weight, bias)
    )


def results(function, x, weight, bias, *forms, **keywords):
    """The output, and the gradients of all that went in."""
    out = function(x, weight, bias, *forms, **keywords)
    source = torch.Generator().manual_seed(1)
    grad = torch.randn(out.shape, generator=source).to(out)
    return out, *torch.autograd.grad(out, (x, weight, bias), grad)


@pytest.mark.parametrize("memory", [FIRST, LAST], ids=["first", "last"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "graded"])
@pytest.mark.parametrize(("kernel", "stride", "padding"), FORMS, ids=str)
@pytest.mark.parametrize(("shape", "outputs"), SHAPES, ids=str)
class TestAgainstTorch:
    def test_in_double_precision(self, shape, outputs, kernel, stride, padding, binary, memory):
        given = make(shape, outputs, kernel, binary=binary, memory=memory)
        if not fits(shape, given[1], padding):
            with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
                conv2d(*given, stride, padding)
            return
        expected = results(F.conv2d, *given, stride, padding)
        found = results(spike_conv2d, *given, stride, padding, path="events")
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
        assert found[0].stride() == expected[0].stride()

    def test_in_single_precision(self, shape, outputs, kernel, stride, padding, binary, memory):
        given = make(shape, outputs, kernel, binary=binary, memory=memory, dtype=torch.float32)
        if not fits(shape, given[1], padding):
            return
        expected = results(F.conv2d, *(x.double() for x in given), stride, padding)
        found = results(spike_conv2d, *given, stride, padding, path="events")
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-4)


def fits(shape, weight, padding):
    pads = (padding, padding) if isinstance(padding, int) else padding
    return all(
        size + 2 * pad >= tap
        for size, pad, tap in zip(shape[2:], pads, weight.shape[2:], strict=True)
    )


@pytest.mark.parametrize("share", [0.0, 0.02, 1.0])
def test_few_events_and_many(share):
    given = make((20, 40, 9, 31), 48, share=share, binary=False)
    expected = results(F.conv2d, *given, 1, 1)
    for one, other in zip(
        results(spike_conv2d, *given, 1, 1, path="events"), expected, strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-11)


def test_images_that_are_done_in_bands():
    x, weight, _ = make((1, 3, 90, 300), 40, share=0.05)
    out = spike_conv2d(x, weight, padding=1, path="events")
    torch.testing.assert_close(out, F.conv2d(x, weight, padding=1), rtol=1e-12, atol=1e-12)


def test_nothing_is_no_error():
    x, weight, bias = make((0, 3, 5, 5), 4)
    with EventProducts():
        assert F.conv2d(x, weight, bias).shape == (0, 4, 3, 3)


def test_what_is_not_finite_is_an_event():
    x = torch.zeros(2, 1, 3, 3)
    x[0, 0, 1, 1], x[1, 0, 0, 0] = float("nan"), -0.0
    out = spike_conv2d(x, torch.ones(20, 1, 1, 1), path="events")
    assert out[0, :, 1, 1].isnan().all()
    assert not out[1].any()


def test_tensors_of_any_stride():
    x, weight, bias = make((4, 6, 10, 8), 20)
    with torch.no_grad():
        for values in (x[:, ::2, 1:, ::2], x.transpose(2, 3)[:, 3:], x[:1, :3].expand(4, 3, 10, 8)):
            turned = weight[:, :3].flip(0).transpose(2, 3)
            expected = F.conv2d(values, turned, bias, 1, 1)
            out = spike_conv2d(values, turned, bias, 1, 1, path="events")
            torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_keeps_the_layout_that_torch_gives(channels, size, kernel, dtype):
    x, weight, _ = make((2, channels, size, size), 5, kernel, dtype=dtype)
    for one, other in itertools.product((FIRST, LAST), repeat=2):
        x, weight = x.detach().to(memory_format=one), weight.detach().to(memory_format=other)
        expected = F.conv2d(x, weight, padding=1)
        out = spike_conv2d(x, weight, padding=1, path="events")
        assert out.stride() == expected.stride()


class TestGradients:
    @pytest.mark.parametrize("stride", [1, 2])
    def test_are_right(self, stride):
        x, weight, bias = make((2, 2, 4, 3), 3, binary=False)
        x = x.detach()
        for given in ((weight,), (weight, bias)):
            assert torch.autograd.gradcheck(
                lambda w, b=None: spike_conv2d(x, w, b, stride, 1, path="events"), given
            )

    def test_have_gradients(self):
        x, weight, bias = make((2, 2, 4, 3), 3, binary=False, share=0.5)
        mask = x.detach() != 0

        def f(values, w, b):
            return spike_conv2d(values * mask, w, b, 1, 1, path="events").tanh()

        assert torch.autograd.gradgradcheck(f, (x, weight, bias))

    def test_are_made_only_where_needed(self):
        x, weight, bias = make((2, 3, 4, 4), 5)
        out = spike_conv2d(x.detach(), weight, bias.detach(), path="events")
        assert sum(function is not None for function, _ in out.grad_fn.next_functions) == 1
        plain = [t.detach() for t in (x, weight, bias)]
        assert not spike_conv2d(*plain, path="events").requires_grad

    def test_notice_a_change_in_place(self):
        x, weight, _ = make((2, 3, 4, 4), 5)
        x = x.detach()
        out = spike_conv2d(x, weight, path="events")
        x.add_(1)
        with pytest.raises(RuntimeError, match="inplace"):
            out.sum().backward()


class TestRepeats:
    @pytest.mark.parametrize("memory", [FIRST, LAST], ids=["first", "last"])
    def test_whatever_the_number_of_threads(self, memory):
        given = make((37, 20, 9, 8), 40, dtype=torch.float32, binary=False, memory=memory)
        before, found = torch.get_num_threads(), []
        try:
            for threads in (1, 2, 3, 2):
                torch.set_num_threads(threads)
                out, _, to_weight, _ = results(spike_conv2d, *given, 1, 1, path="events")
                found.append((out, to_weight))
        finally:
            torch.set_num_threads(before)
        for one, other in itertools.pairwise(found):
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])


def spikes(share, size=(16, 32, 8, 8), memory=FIRST):
    return (torch.rand(size) < share).float().contiguous(memory_format=memory)


class TestChoice:
    @pytest.mark.parametrize("memory", [FIRST, LAST], ids=["first", "last"])
    def test_is_by_density_alone(self, monkeypatch, memory):
        monkeypatch.setitem(paths.CONVOLUTION_LIMITS, "convolution", 0.2)
        monkeypatch.setitem(paths.CONVOLUTION_LIMITS, "gradient", 0.4)
        gone = []
        for name in ("forward", "gradient"):
            original = getattr(convolution_c, name)
            monkeypatch.setattr(
                convolution_c,
                name,
                lambda *a, name=name, original=original: gone.append(name) or original(*a),
            )
        layer, found = nn.Conv2d(32, 40, 3), {}
        for share in (0.1, 0.3, 0.5):
            gone.clear()
            with EventProducts():
                layer(spikes(share, memory=memory)).sum().backward()
            found[share] = list(gone)
        assert found == {0.1: ["forward", "gradient"], 0.3: ["gradient"], 0.5: []}
        gone.clear()
        with EventProducts(), torch.no_grad():
            layer(spikes(0.3))
        assert not gone

    @pytest.mark.parametrize("memory", [FIRST, LAST], ids=["first", "last"])
    def test_looks_at_all_channels_and_all_pixels(self, memory):
        for index in ((slice(None), slice(0, None, 2)), (..., 0)):
            x = torch.zeros(512, 32, 16, 8).contiguous(memory_format=memory)
            x[index] = 1
            share = paths.density_of_images(x, memory == LAST)
            assert share == pytest.approx(x.mean().item(), abs=0.03)

    def test_small_and_strange_ones_are_dense(self):
        limit = paths.convolution_limit
        sizes = (40, 32, 3, 3)
        assert limit(64, sizes, (1, 1)) == paths.CONVOLUTION_LIMITS["convolution"]
        assert limit(64, (512, 512, 3, 3), (1, 1)) == paths.CONVOLUTION_LIMITS["large convolution"]
        assert limit(1, sizes, (1, 1)) == 0
        assert limit(64, (32, 1, 3, 3), (1, 1)) == limit(64, (3, 32, 3, 3), (1, 1)) == 0
        assert limit(64, sizes, (2, 2), gradient=True) == 0
        assert limit(64, sizes, (1, 1), gradient=True) == paths.CONVOLUTION_LIMITS["gradient"]

    def test_can_be_overridden(self):
        x, weight, bias = make((2, 3, 4, 4), 5, share=1.0)
        plain = spike_conv2d(x, weight, bias, path="dense")
        assert type(plain.grad_fn).__name__ == "ConvolutionBackward0"
        out = spike_conv2d(x, weight, bias, path="events")
        assert type(out.grad_fn).__name__ == "_ConvolutionBackward"
        torch.testing.assert_close(out, plain)

    def test_other_tiers_are_dense(self, monkeypatch):
        monkeypatch.setenv("PICOJOULE_KERNELS", "off")
        layer = nn.Conv2d(32, 40, 3)
        with EventProducts():
            out = layer(spikes(0.01))
        assert type(out.grad_fn).__name__ == "ConvolutionBackward0"
        with pytest.raises(ValueError, match="C compiler"):
            spike_conv2d(spikes(0.01), layer.weight, path="events")


class TestMistakes:
    def test_unknown_path(self):
        with pytest.raises(ValueError, match="unknown path 'event': did you mean 'events'"):
            spike_conv2d(*make((1, 2, 3, 3), 4), path="event")

    @pytest.mark.parametrize(
        ("x", "weight"),
        [
            (torch.ones(1, 2, 3, 3), torch.ones(4, 2, 3, 3).double()),
            (torch.ones(1, 2, 3, 3).half(), torch.ones(4, 2, 3, 3).half()),
            (torch.ones(1, 2, 3, 3, device="meta"), torch.ones(4, 2, 3, 3, device="meta")),
            (torch.ones(2, 3, 3), torch.ones(4, 2, 3, 3)),
            (torch.ones(1, 2, 3, 3), torch.ones(4, 3, 3, 3)),
            (torch.ones(1, 2, 3, 3), torch.ones(4, 2, 4, 3)),
            (torch.ones(0, 2, 3, 3), torch.ones(4, 2, 3, 3)),
        ],
        ids=["two types", "half", "device", "axes", "channels", "kernel", "nothing"],
    )
    def test_events_where_there_is_no_such_way(self, x, weight):
        with pytest.raises(ValueError, match=r"by events take images .* leave path out"):
            spike_conv2d(x, weight, path="events")

    def test_are_those_of_torch(self):
        x, weight, bias = make((16, 32, 5, 5), 40)
        wrong = [
            (x, weight[:, :31], bias),
            (x, weight, bias[:3]),
            (x, weight, bias, 0),
            (x, weight, bias, 1, -1),
            (x, weight, bias.float()),
            (x[:, :, :2], weight, bias),
        ]
        for given in wrong:
            with pytest.raises(RuntimeError) as theirs:
                F.conv2d(*given)
            with pytest.raises(RuntimeError) as ours, EventProducts():
                F.conv2d(*given)
            assert str(ours.value) == str(theirs.value)

    def test_take_what_torch_takes(self):
        x, weight, bias = make((16, 32, 9, 9), 40)
        for forms in (
            (np.int64(2),),
            (1, np.int64(1)),
            (1, torch.tensor(1)),
            (1, "same"),
            ([2], [1]),
        ):
            with EventProducts("events"):
                out = F.conv2d(x, weight, bias, *forms)
            expected = F.conv2d(x, weight, bias, *forms)
            torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)

    def test_leave_views_of_another_sign_to_torch(self):
        x, weight, _ = make((16, 32, 5, 5), 40)
        with pytest.raises(ValueError, match="by events take images"):
            spike_conv2d(torch._neg_view(x), weight, path="events")

    def test_too_little_memory(self, monkeypatch):
        x, weight, _ = make((16, 32, 5, 5), 40)
        library = SimpleNamespace(convolution_forward=lambda *given: -2)
        monkeypatch.setattr(convolution_c, "_library", lambda dtype: library)
        with pytest.raises(MemoryError, match="use smaller batches"):
            spike_conv2d(x, weight, path="events")


class TestLayers:
    def test_learn_the_same(self):
        torch.manual_seed(0)
        layer, x = nn.Conv2d(32, 40, 3, padding=1), spikes(0.05)
        gradients = []
        for context in (EventProducts(), torch.enable_grad()):
            layer.zero_grad()
            with context:
                layer(x).square().sum().backward()
            gradients.append([p.grad.clone() for p in layer.parameters()])
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)

    def test_of_other_kinds_are_left_alone(self):
        x, given = spikes(0.05), {"groups": 4, "dilation": 2, "padding": "same"}
        for name, value in given.items():
            layer = nn.Conv2d(32, 40, 3, **{name: value})
            with EventProducts():
                out = layer(x)
            assert torch.equal(out, layer(x))
        layer = nn.Conv2d(32, 40, 3)
        with EventProducts():
            assert layer(x[0]).shape == (40, 6, 6)
            assert torch.func.vmap(layer)(x.unflatten(0, (2, 8))).shape == (2, 8, 40, 6, 6)
            with torch.autocast("cpu", torch.bfloat16):
                assert layer(x).dtype == torch.bfloat16
            assert layer.half()(x.half()).dtype == torch.half

    def test_of_a_network_go_by_events(self):
        net = Sequential(nn.Conv2d(32, 40, 3), nn.Flatten(), nn.Linear(1440, 5))
        seen = []
        net[0].register_forward_hook(lambda *a: seen.append(type(a[2].grad_fn).__name__))
        net(spikes(0.05).unflatten(0, (4, 4)))
        assert seen == ["_ConvolutionBackward"]

    def test_are_counted_alike(self):
        torch.manual_seed(0)
        net = Sequential(
            nn.Conv2d(16, 40, 3, padding=1),
            LIF(),
            nn.Conv2d(40, 33, (3, 5), stride=2),
            LIF(),
            nn.Flatten(),
            nn.Linear(33 * 12, 6),
            LI(),
        )
        x = (torch.rand(5, 4, 16, 8, 11) < 0.05).float()
        assert_counted_alike(net, x, EventProducts(), EventProducts("dense"))


class TestContext:
    @pytest.fixture
    def seen(self, monkeypatch):
        """The functions in C that were called."""
        calls = []
        for name in ("forward", "gradient"):
            real = getattr(convolution_c, name)
            monkeypatch.setattr(
                convolution_c, name, lambda *a, n=name, f=real: calls.append(n) or f(*a)
            )
        return calls

    def test_is_shown(self):
        x, weight, _ = make((16, 32, 9, 9), 40, share=0.05)
        assert convolution_path_for(x, weight, 1, 1) == "events"
        assert convolution_path_for(x, weight, 2, 1) == "events"
        assert convolution_path_for(x, weight, 2, 1, gradient=True) == "dense"
        assert convolution_path_for(x + 1, weight, 1, 1) == "dense"
        assert convolution_path_for(x, weight.float()) == "dense"

    @pytest.mark.parametrize("path", ["events", "dense"])
    def test_of_a_context_holds_in_networks_of_ours(self, seen, path):
        net = Sequential(nn.Conv2d(3, 9, 3, padding=1), LI())
        x = torch.rand(2, 4, 3, 6, 5)
        with EventProducts(path):
            net(x)[0].sum().backward()
        assert seen == (["forward", "gradient"] if path == "events" else [])
        net(x)
        assert len(seen) == (2 if path == "events" else 0)  # too dense by itself

    def test_of_contexts_within_one_another(self, seen):
        conv, x = nn.Conv2d(3, 9, 3), torch.rand(8, 3, 6, 5)
        with torch.no_grad(), EventProducts("events"):
            with EventProducts():
                conv(x)
            with EventProducts("dense"):
                conv(x)
            conv(x)
        assert seen == ["forward"] * 2

    def test_unknown(self):
        with pytest.raises(ValueError, match="did you mean 'events'"):
            EventProducts("event")
