"""The container through time, against what its parts do one after the other."""

import pytest
import torch
from torch import nn

from picojoule.energy import Meter
from picojoule.networks import Repeat, Sequential
from picojoule.neurons import LI, LIF, Recurrent


def net():
    return Sequential(nn.Linear(4, 6), LIF(), nn.Linear(6, 2), LI())


def test_equals_its_parts_step_by_step():
    made, x = net(), torch.rand(5, 3, 4)
    states = [made[1].init_state(torch.zeros(3, 6)), made[3].init_state(torch.zeros(3, 2))]
    for step, expected in zip(x, made(x)[0], strict=True):
        spikes, states[0] = made[1].step(made[0](step), states[0])
        out, states[1] = made[3].step(made[2](spikes), states[1])
        assert torch.allclose(out, expected, atol=1e-6)


def test_gives_one_state_per_layer():
    _, state = net()(torch.rand(5, 3, 4))
    assert [part is None for part in state] == [True, False, True, False]
    assert state[1].membrane.shape == (3, 6)


def test_spatial_layers_see_all_steps():
    made = Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), LIF(2), nn.AvgPool2d(2), nn.Flatten()
    )
    out, _ = made(torch.rand(5, 3, 1, 6, 4))
    assert out.shape == (5, 3, 2 * 3 * 2)


def test_slices_are_networks():
    made, x = net(), torch.rand(5, 3, 4)
    hidden, _ = made[:2](x)
    assert isinstance(made[:2], Sequential)
    assert torch.equal(made[2:](hidden)[0], made(x)[0])


def test_nested_networks_keep_their_state():
    inner = Sequential(nn.Linear(4, 6), LIF())
    made = Sequential(inner, nn.Linear(6, 2), LI())
    flat = Sequential(*inner, made[1], made[2])
    x = torch.rand(6, 3, 4)
    assert torch.equal(made(x)[0], flat(x)[0])
    first, state = made(x[:2])
    second, _ = made(x[2:], state)
    assert torch.allclose(torch.cat([first, second]), made(x)[0], atol=1e-6)


@pytest.mark.parametrize(
    "made",
    [
        Sequential(nn.Linear(4, 6), LIF(), nn.Linear(6, 2)),
        Sequential(nn.Linear(4, 6), LIF(), nn.Linear(6, 2), LI()),
        Sequential(nn.Linear(4, 6), Recurrent(LIF(), 6)),
        Sequential(Sequential(nn.Linear(4, 6), LIF(), nn.Linear(6, 6), LIF()), nn.Linear(6, 2)),
        Sequential(LIF()),
    ],
    ids=["linear last", "readout", "recurrent", "nested", "neuron alone"],
)
def test_what_comes_after_the_end_is_zero_and_costs_nothing(made):
    lengths = torch.tensor([2, 6, 4])
    x = torch.rand(6, 3, 4) + 0.2
    for parameter in made.parameters():
        parameter.data.abs_()
    with Meter(made, inputs="analog") as padded:
        out, _ = made(x, lengths=lengths)
    expected = {}
    for sample, length in enumerate(lengths.tolist()):
        assert not out[length:, sample].any()
        with Meter(made, inputs="analog") as alone:
            only, _ = made(x[:length, sample : sample + 1])
        assert torch.allclose(only[:, 0], out[:length, sample], atol=1e-6)
        for layer, done in alone.counts.items():
            for count, number in done.items():
                key = (layer, count)
                expected[key] = expected.get(key, 0.0) + number.item() / 3
    found = {(layer, c): n.item() for layer, d in padded.counts.items() for c, n in d.items()}
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("lengths", [[2, 3], [[2, 3, 4]], [2, 3, 4, 5]])
def test_lengths_of_another_batch_are_refused(lengths):
    with pytest.raises(ValueError, match=r"lengths must be \[B\] = \[3\]"):
        net()(torch.rand(6, 3, 4), lengths=torch.tensor(lengths))


def test_a_state_of_another_network_is_refused():
    with pytest.raises(ValueError, match="the state is of 1 layers, the network has 4"):
        net()(torch.rand(6, 3, 4), (None,))


@pytest.mark.parametrize("shape", [(4,), (6, 4)])
def test_an_input_without_time_or_batch_is_refused(shape):
    with pytest.raises(ValueError, match=r"\[T, B, \.\.\.\]"):
        net()(torch.rand(shape))


def test_neurons_in_a_plain_container_are_refused():
    made = Sequential(nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 6), LIF()))
    with pytest.raises(TypeError, match="Sequential"):
        made(torch.rand(6, 3, 4))


class TestRepeat:
    def test_makes_steps_of_one(self):
        x = torch.rand(1, 3, 4)
        out = Repeat(5)(x)
        assert out.shape == (5, 3, 4)
        assert out.eq(x).all()
        assert out.data_ptr() == x.data_ptr()

    def test_what_comes_before_runs_and_counts_once(self):
        static = Sequential(nn.Linear(4, 6), Repeat(5), LIF(), nn.Linear(6, 2))
        with Meter(static) as meter:
            out, _ = static(torch.rand(1, 3, 4))
        assert out.shape == (5, 3, 2)
        assert meter.counts["0"].mac.item() == 4 * 6
        assert meter.counts["0"].bias.item() == 6
        assert meter.counts["2"].update.item() == 5 * 6

    def test_equals_a_repeated_input(self):
        layers = [nn.Linear(4, 6), LIF(), nn.Linear(6, 2), LI()]
        x = torch.rand(1, 3, 4)
        late, _ = Sequential(layers[0], Repeat(5), *layers[1:])(x)
        early, _ = Sequential(*layers)(x.expand(5, 3, 4))
        assert torch.allclose(late, early, atol=1e-6)

    @pytest.mark.parametrize("steps", [0, -1])
    def test_needs_a_step(self, steps):
        with pytest.raises(ValueError, match="at least one step"):
            Repeat(steps)

    def test_refuses_an_input_with_steps_of_its_own(self):
        with pytest.raises(ValueError, match="takes one step and got 2"):
            Repeat(5)(torch.rand(2, 3, 4))

    def test_lengths_are_of_the_steps_that_it_makes(self):
        net = Sequential(nn.Linear(4, 6), Sequential(Repeat(5)), LIF(), nn.Linear(6, 2))
        x, lengths = torch.rand(1, 3, 4), torch.tensor([5, 1, 3])
        out, _ = net(x, lengths=lengths)
        for sample, steps in enumerate(lengths.tolist()):
            alone, _ = net(x[:, sample : sample + 1])
            torch.testing.assert_close(out[:steps, sample], alone[:steps, 0])
            assert not out[steps:, sample].any()
        with pytest.raises(ValueError, match=r"within 1..T = 1..5"):
            net(x, lengths=torch.tensor([1, 6, 1]))
