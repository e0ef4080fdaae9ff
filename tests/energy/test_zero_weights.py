"""A weight of exactly zero is no synapse, where that is asked for.

The independent number is the layer itself, run with 1 for each weight that is not zero: every pair
of an event and a weight then adds the event's level to one output.
"""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from energy.metering import Two, events, spikes, total
from picojoule.energy import Convention, Meter

SKIP = Convention(skip_zero_weights=True)
FIVE = spikes((2, 8), (0, 0), (0, 3), (0, 7), (1, 2), (1, 5))
pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known", "ignore:Using padding='same'")


def run(net, *args, inputs="levels", convention=SKIP):
    with Meter(net, samples=1, inputs=inputs, convention=convention) as meter:
        net(*args)
    return meter


def pruned(layer, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(layer.weight.shape, generator=generator) < 0.4
    layer.weight.data[mask] = 0
    return layer


def ones_of(layer):
    """The same layer with 1 for each weight that is not zero, without bias."""
    weight = (layer.weight != 0).float()
    if isinstance(layer, nn.Linear):
        return lambda x: F.linear(x, weight)
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        options = layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation
        transposed = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
        return lambda x: transposed[weight.dim() - 3](x, weight, None, *options)
    return lambda x: layer._conv_forward(x, weight, None)


def test_half_of_the_rows_zero():
    """NeuroBench 10; SpikingJelly, syops and sinabs count the zeros: 20."""
    layer = nn.Linear(8, 4, bias=False)
    layer.weight.data[:2] = 0
    assert total(run(layer, FIVE), "ac") == 10
    assert total(run(layer, FIVE).dense(), "mac") == 32
    assert total(run(layer, FIVE, convention=Convention()), "ac") == 20


LAYERS = [
    (nn.Linear(5, 4), (2, 3, 5)),
    (nn.Conv1d(3, 4, 3, padding=1), (2, 3, 6)),
    (nn.Conv1d(2, 2, 4, padding="same", dilation=2), (2, 2, 9)),
    (nn.Conv2d(4, 6, 3, stride=2, padding=(1, 2), groups=2), (2, 4, 5, 6)),
    (nn.Conv2d(2, 3, (2, 3), dilation=(2, 1), padding="valid"), (1, 2, 6, 5)),
    (nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (1, 2, 4, 4)),
    (nn.Conv2d(3, 3, 3, groups=3, stride=3, padding=2), (2, 3, 7, 4)),
    (nn.Conv2d(1, 2, 1, stride=5, padding=2), (1, 1, 1, 1)),
    (nn.Conv2d(2, 3, 3), (2, 5, 5)),
    (nn.Conv3d(1, 2, 2, padding=1), (1, 1, 3, 2, 3)),
    (nn.ConvTranspose1d(3, 2, 3, stride=2, padding=1, output_padding=1), (2, 3, 5)),
    (nn.ConvTranspose2d(4, 2, 3, stride=(1, 2), groups=2, dilation=2), (2, 4, 3, 4)),
    (nn.ConvTranspose1d(1, 1, 2, dilation=3, output_padding=2), (1, 1, 4)),
    (nn.ConvTranspose3d(1, 2, 2, padding=1), (1, 1, 3, 3, 2)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: repr(value))
def test_only_weights_that_are_not_zero_count(layer, shape):
    pruned(layer)
    x = torch.randint(0, 3, shape).float()
    found = run(layer, x)
    assert total(found, "ac") == ones_of(layer)(x).sum().item()
    dense = ones_of(layer)(torch.ones(shape)).sum().item()
    assert total(found.dense(), "mac") == dense
    assert total(run(layer, x, inputs="analog"), "mac") == dense
    assert found.uncounted == {}


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: repr(value))
def test_where_no_weight_is_zero_nothing_changes(layer, shape):
    layer.weight.data.fill_(1.0)
    x = torch.randint(0, 3, shape).float()
    for inputs in ("levels", "analog"):
        asked, plain = (run(layer, x, inputs=inputs, convention=c) for c in (SKIP, Convention()))
        for (name, number), (_, expected) in zip(
            asked.counts["network"].items(), plain.counts["network"].items(), strict=True
        ):
            assert number.item() == expected.item(), name


@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(0, 1000),
)
def test_random_convolutions(kernel, inputs, stride, padding, dilation, groups, seed):
    torch.manual_seed(seed)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = pruned(nn.Conv2d(groups * inputs, groups, kernel, **options), seed)
    x = events(2, groups * inputs, 6, 5)
    assert total(run(layer, x), "ac") == ones_of(layer)(x).sum().item()
    back = pruned(nn.ConvTranspose2d(groups * inputs, groups, kernel + 1, **options), seed)
    if all((size - 1) * stride - 2 * padding + dilation * kernel >= 0 for size in (6, 5)):
        assert total(run(back, x), "ac") == ones_of(back)(x).sum().item()


def test_a_learned_factor_of_a_matrix_product():
    weight = nn.Parameter(torch.tensor([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]]))
    x = torch.tensor([[1.0, 2.0]])
    assert total(run(Two(lambda net, x: x @ net.w, w=weight), x), "ac") == 1 * 2 + 2 * 1
    turned = Two(lambda net, x: net.w.t() @ x.t(), w=weight)
    assert total(run(turned, x), "ac") == 1 * 2 + 2 * 1
    analog = run(
        Two(lambda net, x: torch.einsum("bi,ij->bj", x, net.w), w=weight), x, inputs="analog"
    )
    assert total(analog, "mac") == 3


def test_gradients_are_those_of_the_synapses_left():
    layer = nn.Linear(4, 2)
    layer.weight.data = torch.tensor([[1.0, 0.0, 0.0, 2.0], [1.0, 0.0, 3.0, 0.0]])
    x = events(5, 4).requires_grad_()
    meter = run(layer, x)
    (gradient,) = torch.autograd.grad(meter.counts["network"].ac, x)
    assert torch.equal(gradient, torch.tensor([2.0, 0.0, 1.0, 1.0]).expand(5, 4))
    assert not meter.traffic[0].fanout.requires_grad


def test_counts_made_in_inference_mode_and_with_it_off():
    layer = pruned(nn.Conv1d(2, 3, 3))
    x = events(1, 2, 6)
    with torch.inference_mode():
        inside = run(layer, x.clone())
    assert total(inside, "ac") == total(run(layer, x), "ac")
