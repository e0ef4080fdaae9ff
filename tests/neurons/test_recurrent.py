"""Recurrent layers against a loop by hand."""

import pytest
import torch

from picojoule.neurons import LI, LIF, Recurrent


def by_hand(weight, x, alpha, spikes=None, v=None):
    """s[t] = LIF(I[t] + W s[t-1]), one line per symbol of the equation."""
    spikes = torch.zeros_like(x[0]) if spikes is None else spikes
    v = torch.zeros_like(x[0]) if v is None else v
    outs = []
    for current in x:
        v = alpha * v + (current + spikes @ weight.t())
        spikes = (v >= 1).to(x.dtype)
        v = v * (1 - spikes)
        outs.append(spikes)
    return torch.stack(outs)


def test_equals_a_loop_by_hand():
    layer = Recurrent(LIF(), 6).double()
    layer.weight.data.normal_()
    x = torch.rand(25, 3, 6, dtype=torch.float64)
    out, state = layer(x)
    assert torch.equal(out, by_hand(layer.weight, x, torch.exp(-layer.dt / layer.neuron.tau)))
    assert torch.equal(state.spikes, out[-1])
    assert 0 < out.mean() < 1


def test_weight_goes_from_columns_to_rows():
    layer = Recurrent(LIF(), 2)
    layer.weight.data = torch.tensor([[0.0, 0.0], [2.0, 0.0]])  # neuron 0 excites neuron 1
    x = torch.zeros(3, 1, 2)
    x[0, 0, 0] = 1.0
    out, _ = layer(x)
    assert out[:, 0].tolist() == [[1, 0], [0, 1], [0, 0]]


def test_gradient_goes_through_the_spikes_that_come_back():
    layer = Recurrent(LIF(), 2)
    x = torch.full((3, 1, 2), 0.6, requires_grad=True)
    layer(x)[0][-1].sum().backward()
    assert x.grad[0].abs().min() > 0
    assert layer.weight.grad.abs().min() > 0


def test_starts_uniform():
    layer = Recurrent(LIF(), 100)
    bound = 0.1
    assert layer.weight.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(2 * bound / 12**0.5, rel=0.05)


def test_is_priced_as_its_neurons():
    layer = Recurrent(LIF(dt=2e-3), 3)
    assert (layer.species, layer.dt, layer.output) == ("LIF", 2e-3, "events")
    assert layer.cost == LIF.cost
    assert Recurrent(LI(), 3).output == "analog"


@pytest.mark.parametrize("shape", [(4, 2, 5), (4, 2, 3, 3), (4, 2)])
def test_refuses_currents_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"expects currents \[T, B, 3\]"):
        Recurrent(LIF(), 3)(torch.rand(shape))


def test_refuses_neurons_of_another_size():
    with pytest.raises(ValueError, match="size 3"):
        Recurrent(LIF(5), 3)(torch.rand(4, 2, 3))


def test_refuses_what_is_no_neuron():
    with pytest.raises(TypeError, match=r"their number, .* got a int"):
        Recurrent(64, LIF())
