"""Neurons with levels, by hand and by enumeration."""

import math

import pytest
import torch

from picojoule.neurons import IF, Barrier, MultiLevelIF, NeuronCost
from picojoule.surrogate import SURROGATES, ATan, Sigmoid


def steps(*values):
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)


@pytest.mark.parametrize(
    ("time", "levels", "outputs"),
    [(2, 4, 9), (4, 1, 5), (1, 4, 5), (2, 2, 5), (1, 8, 9), (3, 3, 10), (5, 6, 31)],
)
def test_outputs_over_all_steps_are_levels_times_steps_and_one(time, levels, outputs):
    inputs = torch.linspace(-0.2, 1.5, 3401, dtype=torch.float64)
    out, _ = MultiLevelIF(levels=levels).double()(inputs.expand(time, 1, -1))
    total = out.sum(0).flatten()
    assert total.unique().tolist() == list(range(outputs))
    assert outputs == levels * time + 1
    assert (total[1:] >= total[:-1]).all()


def test_two_steps_of_four_levels_are_eighths_and_saturate_at_the_threshold():
    inputs = torch.arange(-2, 12, dtype=torch.float64) / 8
    out, _ = MultiLevelIF(levels=4)(inputs.expand(2, 1, -1))
    decoded = out.sum(0).flatten() / (2 * 4)
    assert decoded.tolist() == inputs.clamp(0, 1).tolist()


def test_a_sequence_by_hand():
    # u before the spikes: 0.75, 0.75, -0.45, 2.55 (of five levels four go), -1.45, -0.5
    neuron = MultiLevelIF(levels=4, threshold=2.0).double()
    out, state = neuron(steps(0.75, 0.5, -0.7, 3.0, -2.0, 0.95))
    assert out.flatten().tolist() == [1, 1, 0, 4, 0, 0]
    assert state.membrane.item() == pytest.approx(-0.5)


@pytest.mark.parametrize("backward", ["ste", "surrogate"])
@pytest.mark.parametrize("threshold", [1.0, 0.3, 1.7])
def test_one_level_is_the_binary_neuron(backward, threshold):
    x = (torch.rand(200, 4, 7) * 1.2 - 0.3) * threshold
    spikes, state = MultiLevelIF(levels=1, threshold=threshold, backward=backward)(x)
    expected, end = IF(reset="subtract", threshold=threshold)(x)
    assert 0.1 < spikes.mean() < 0.9
    assert torch.equal(spikes, expected)
    assert torch.equal(state.membrane, end.membrane)


@pytest.mark.parametrize("detach_reset", [True, False])
@pytest.mark.parametrize("name", SURROGATES)
def test_one_level_has_the_gradients_of_the_binary_neuron(name, detach_reset):
    options = {"threshold": 0.8, "surrogate": name, "detach_reset": detach_reset}
    gradients = []
    for made in (
        MultiLevelIF(levels=1, backward="surrogate", **options),
        IF(reset="subtract", **options),
    ):
        neuron = made.double()
        neuron.engine = "eager"  # of both: compiling 18 pairs takes most of the time
        neuron.threshold.requires_grad_()
        torch.manual_seed(1)
        x = (torch.rand(20, 2, 3, dtype=torch.float64) - 0.2).requires_grad_()
        out, _ = neuron(x)
        (out * torch.rand_like(out)).sum().backward()
        gradients.append((x.grad, neuron.threshold.grad))
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("u", "inside"), [(-0.1, 0), (0.0, 1), (0.8, 1), (2.0, 1), (2.1, 0)])
def test_straight_through_slope(u, inside):
    neuron = MultiLevelIF(levels=4, threshold=2.0).double()
    neuron.threshold.requires_grad_()
    x = steps(u).requires_grad_()
    neuron(x)[0].sum().backward()
    assert x.grad.item() == inside * 4 / 2.0
    assert neuron.threshold.grad.item() == pytest.approx(-inside * 4 * u / 2.0**2)


def test_straight_through_is_the_slope_of_the_line_that_the_steps_follow():
    """Finite differences of the output, over whole levels."""
    neuron = MultiLevelIF(levels=8, threshold=2.0).double()
    x = steps(0.9).requires_grad_()
    neuron(x)[0].sum().backward()
    wide = 0.5  # two levels
    difference = neuron(steps(0.9 + wide))[0] - neuron(steps(0.9 - wide))[0]
    assert x.grad.item() == pytest.approx(difference.item() / (2 * wide))


@pytest.mark.parametrize("name", SURROGATES)
def test_surrogate_slope_is_the_sum_over_all_thresholds(name):
    neuron = MultiLevelIF(levels=4, threshold=2.0, backward="surrogate", surrogate=name).double()
    neuron.engine = "eager"  # loops of each surrogate are those of LIF, and of levels those of all
    neuron.threshold.requires_grad_()
    x = steps(0.8).requires_grad_()
    neuron(x)[0].sum().backward()
    at = torch.tensor([0.8 - 0.5 * k for k in (1, 2, 3, 4)], dtype=torch.float64)
    slopes = SURROGATES[name]().derivative(at)
    assert x.grad.item() == pytest.approx(slopes.sum().item())
    shares = torch.tensor([0.25, 0.5, 0.75, 1.0], dtype=torch.float64)
    assert neuron.threshold.grad.item() == pytest.approx(-(slopes * shares).sum().item())


def test_both_ways_put_out_the_same():
    x = torch.rand(50, 3, 9) - 0.2
    options = {"levels": 3, "threshold": 0.7}
    one, _ = MultiLevelIF(**options)(x)
    other, _ = MultiLevelIF(backward="surrogate", surrogate=Sigmoid(5.0), **options)(x)
    assert torch.equal(one, other)
    assert set(one.unique().tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("detach_reset", [True, False])
def test_reset_in_the_graph_counts_each_spike_once(detach_reset):
    neuron = MultiLevelIF(levels=4, detach_reset=detach_reset).double()
    x = steps(0.3, 0.3, 0.3).requires_grad_()
    neuron(x)[0].sum().backward()
    # what went out at one step is not there at the next
    assert x.grad.flatten().tolist() == ([12.0, 8.0, 4.0] if detach_reset else [4.0, 4.0, 4.0])


def test_thresholds_per_neuron():
    thresholds = torch.tensor([0.5, 1.0, 2.0])
    x = torch.rand(20, 2, 3)
    together, _ = MultiLevelIF(3, threshold=thresholds)(x)
    for index, threshold in enumerate(thresholds.tolist()):
        alone, _ = MultiLevelIF(threshold=threshold)(x[..., index : index + 1])
        assert torch.equal(together[..., index], alone[..., 0])


@pytest.mark.parametrize("levels", [1, 4, 7])
def test_barrier_at_one_step_is_the_minimum(levels):
    first = torch.randint(0, 5, (1, 8, 30)).float()
    second = torch.randint(0, 5, (1, 8, 30)).float()
    out, _ = Barrier(levels=levels)(first + second)
    assert torch.equal(out, (first + second).clamp(max=levels))


def test_barrier_carries_what_is_above_to_later_steps():
    out, state = Barrier(levels=4)(steps(9, 0, 2, 0, 1))
    assert out.flatten().tolist() == [4, 4, 3, 0, 1]
    assert state.membrane.item() == 0
    out, state = Barrier(levels=2)(steps(9, 0))
    assert (out.sum() + state.membrane).item() == 9


def test_barrier_is_levels_of_a_threshold_of_as_many():
    x = torch.randint(0, 6, (30, 2, 5)).float()
    assert torch.equal(Barrier(levels=3)(x)[0], MultiLevelIF(levels=3, threshold=3.0)(x)[0])


@pytest.mark.parametrize(("total", "slope"), [(0, 1), (3, 1), (4, 1), (5, 0)])
def test_barrier_lets_gradients_through_up_to_its_levels(total, slope):
    x = steps(total).requires_grad_()
    Barrier(levels=4)(x)[0].sum().backward()
    assert x.grad.item() == slope


def test_barrier_counts_each_spike_in_the_step_it_leaves():
    x = steps(6, 1, 0).requires_grad_()  # out: 4, 3, 0
    out, _ = Barrier(levels=4)(x)
    out.sum().backward()
    assert x.grad.flatten().tolist() == [1, 1, 1]
    x.grad = None
    Barrier(levels=4)(x)[0][0].sum().backward()
    assert x.grad.flatten().tolist() == [0, 0, 0]  # saturated


@pytest.mark.parametrize(
    "make",
    [
        MultiLevelIF,
        lambda **options: MultiLevelIF(backward="surrogate", **options),
        lambda **options: MultiLevelIF(detach_reset=False, threshold=0.1, **options),
        Barrier,
    ],
)
@pytest.mark.parametrize("levels", [1, 5])
def test_noise_for_ten_thousand_steps_stays_a_number(make, levels):
    with torch.no_grad():
        out, state = make(levels=levels)(torch.randn(10_000, 1, 8) * 3)
    assert out.isfinite().all()
    assert state.membrane.isfinite().all()
    assert set(out.unique().tolist()) == set(range(levels + 1))


@pytest.mark.parametrize("levels", [1, 4])
def test_infinite_membranes_give_finite_gradients_to_the_threshold(levels):
    for backward in ("ste", "surrogate"):
        neuron = MultiLevelIF(levels=levels, backward=backward)
        neuron.threshold.requires_grad_()
        out, _ = neuron(torch.tensor([math.inf, -3e38, 0.4]).view(1, 1, 3))
        out.sum().backward()
        assert out[0, 0, :2].tolist() == [levels, 0]
        assert neuron.threshold.grad.isfinite()


@pytest.mark.parametrize("kind", [MultiLevelIF, Barrier])
@pytest.mark.parametrize("levels", [0, -1, 2.0, True, 1025, 1_000_000_000])
def test_levels_must_be_a_whole_number_within_bounds(kind, levels):
    with pytest.raises(
        ValueError, match=rf"levels must be a whole number of 1 to 1,024, got {levels}"
    ):
        kind(levels=levels)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0.0}, "threshold must be positive"),
        ({"dt": 0.0}, "dt must be positive"),
        ({"backward": "str"}, "backward must be 'ste' or 'surrogate', not 'str'"),
        ({"surrogate": "atn"}, "did you mean 'atan'"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        MultiLevelIF(**options)


def test_barrier_refuses_a_clock_that_stands():
    with pytest.raises(ValueError, match="dt must be positive"):
        Barrier(dt=0.0)


def test_an_update_is_an_addition_and_a_comparison_with_each_threshold():
    for levels in (1, 4, 9):
        neuron = MultiLevelIF(levels=levels)
        assert neuron.cost == NeuronCost(adds=1, states=1, comparisons=levels)
    assert MultiLevelIF.cost == MultiLevelIF().cost
    assert MultiLevelIF(levels=1).cost == IF.cost
    assert Barrier().cost == NeuronCost(adds=1, states=1, comparisons=1)


def test_defaults():
    neuron = MultiLevelIF()
    assert (neuron.levels, neuron.backward, neuron.detach_reset) == (4, "ste", True)
    assert neuron.surrogate == ATan()
    assert (neuron.output, Barrier().output) == ("levels", "levels")
