"""The vocabulary of counts and its arithmetic."""

import copy
import pickle

import pytest
import torch
from torch import nn

from energy.metering import Two, events, run
from picojoule.energy import COUNTS, Meter, OpCounts, Sizes, load_chip
from picojoule.networks import Sequential
from picojoule.neurons import LIF


def number(value):
    return torch.tensor(float(value), dtype=torch.float64)


def named(counts):
    return {name: value.item() for name, value in counts.items()}


def test_the_vocabulary_is_closed():
    words = (
        "mac ac add multiply update spike event_read weight_read state_read state_write "
        "output_write address pool bias second"
    )
    assert " ".join(COUNTS) == words
    with pytest.raises(TypeError):
        OpCounts(flops=number(1))


def test_only_what_a_layer_does_is_there():
    assert named(OpCounts()) == {}
    assert named(OpCounts(ac=number(0), mac=number(2))) == {"mac": 2, "ac": 0}


def test_sums_and_multiples():
    first = OpCounts.of({"ac": number(3), "bias": number(1)}, {"ac": number(2)}, Sizes(weights=5))
    second = OpCounts.of(
        {"ac": number(4), "pool": number(6)}, sizes=Sizes(inputs=7, dtype="float16")
    )
    both = first + second
    assert named(both) == {"ac": 7, "pool": 6, "bias": 1}
    assert named(both.hidden) == {"ac": 2}
    assert both.sizes == Sizes(weights=5, inputs=7, dtype="float16")
    assert named(both * 0.5) == {"ac": 3.5, "pool": 3, "bias": 0.5}
    assert named((both * 0.5).hidden) == {"ac": 1}
    assert (both * 2).sizes == both.sizes
    assert named((first + first).hidden) == {"ac": 4}


def test_counts_are_tensors_of_double_precision():
    net = Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), LIF(), nn.AvgPool2d(2), nn.Flatten())
    with Meter(net.append(nn.Linear(8, 2)), inputs="events") as meter:
        net(events(3, 2, 1, 6, 6))
    for done in meter.counts.values():
        for name, value in done.items():
            assert name in COUNTS
            assert (value.dtype, value.dim()) == (torch.float64, 0)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda done: pickle.loads(pickle.dumps(done))])
def test_copies_say_the_same(twin):
    done = OpCounts.of({"ac": number(3)}, {"ac": number(2)}, Sizes(weights=5))
    other = twin(done)
    assert named(other) == named(done)
    assert named(other.hidden) == named(done.hidden)
    assert other.sizes == done.sizes
    chip = load_chip("45nm-sram")
    assert chip.price({"x": other}).unpriced == chip.price({"x": done}).unpriced == {}


def test_sizes_of_a_convolution():
    sizes = run(nn.Conv2d(2, 3, 3, stride=2), events(4, 2, 7, 5)).counts["network"].sizes
    assert sizes == Sizes(weights=54, bias=3, inputs=70, potentials=3 * 3 * 2, dtype="float32")


def test_sizes_of_a_linear_layer_and_its_neurons():
    net = Sequential(nn.Linear(6, 4, bias=False), LIF()).double()
    with Meter(net) as meter:
        net(torch.rand(5, 3, 6).double())
    first, second = meter.counts["0"].sizes, meter.counts["1"].sizes
    assert first == Sizes(
        weights=24, bias=0, inputs=6, potentials=4, events=False, given=True, dtype="float64"
    )
    assert second == Sizes(potentials=4, neuron="LIF", dtype="float64")


def test_the_type_of_numbers_is_that_in_which_products_run():
    net = Sequential(nn.Linear(6, 4), LIF())
    with torch.autocast("cpu", torch.bfloat16), Meter(net) as meter:
        net(torch.rand(5, 3, 6))
    assert [meter.counts[name].sizes.dtype for name in "01"] == ["bfloat16", "float32"]
    energy = load_chip("45nm-sram").price(meter.counts)
    assert energy.network_precision == "bfloat16 and float32"


def test_sizes_of_a_matrix_product_with_a_weight():
    net = Two(lambda net, x: x @ net.w.t(), w=nn.Parameter(torch.rand(3, 6)))
    sizes = run(net, events(5, 6)).counts["network"].sizes
    assert (sizes.weights, sizes.inputs, sizes.potentials) == (18, 6, 3)


def test_sizes_do_not_grow_with_calls_steps_or_samples():
    layer = nn.Linear(6, 4)
    with Meter(layer, samples=5) as meter:
        for shape in ((1, 6), (8, 6), (5, 8, 6)):
            layer(torch.rand(shape))
    assert (
        meter.counts["network"].sizes
        == run(layer, torch.rand(1, 6), inputs="analog").counts["network"].sizes
    )
