"""Neurons by name, engines by name, and what a user's own neuron needs."""

import pytest
import torch

from picojoule.neurons import LI, LIF, Neuron, NeuronCost, Recurrent, detach, neuron, scan


@pytest.mark.parametrize(
    ("name", "kind"), [("LIF", LIF), ("lif", LIF), ("li", LI), ("Recurrent", Recurrent)]
)
def test_found_whatever_the_case(name, kind):
    assert neuron(name) is kind


@pytest.mark.parametrize(("name", "nearest"), [("LFI", "LI"), ("lifs", "LIF"), ("recurent", "Rec")])
def test_unknown_names_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=rf"unknown neuron '{name}': did you mean '{nearest}"):
        neuron(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere:Own", "in no module that Python finds .* PYTHONPATH"),
        ("math:Own", "module math has no 'Own'"),
        ("math:pi", "no class derived from Neuron: 3.14"),
        ("picojoule.neurons:Neuron", "no class derived from Neuron"),
    ],
)
def test_what_is_no_neuron_of_a_users_own_is_said(name, why):
    with pytest.raises(ValueError, match=rf"neuron '{name}' ?.*{why}"):
        neuron(name)


def test_unknown_engine_names_the_nearest():
    with pytest.raises(ValueError, match="unknown engine 'eagr': did you mean 'eager'"):
        scan(LIF(), torch.rand(2, 1, 1), engine="eagr")


def test_scan_is_what_forward_runs():
    x = torch.rand(8, 2, 3)
    assert torch.equal(scan(LIF(), x)[0], LIF()(x)[0])


def test_a_neuron_is_abstract_until_it_has_a_state_and_a_step():
    with pytest.raises(TypeError, match="abstract"):
        Neuron()


class Threshold(Neuron):
    """Fires at one, forgets at once."""

    cost = NeuronCost(adds=1, states=0)
    dt = 1e-3

    def init_state(self, current):
        return ()

    def step(self, current, state):
        return (current >= 1).to(current.dtype), state


def test_a_users_own_neuron_is_found_and_runs():
    assert neuron(f"{__name__}:Threshold") is Threshold
    out, state = Threshold()(torch.tensor([[[0.5]], [[1.5]]]))
    assert (out.flatten().tolist(), state) == ([0.0, 1.0], ())


class TestRepr:
    def test_says_parameters_and_constants(self):
        said = repr(LIF(tau=20e-3, threshold=0.5))
        assert said.startswith("LIF(tau=0.02, threshold=0.5, reset='zero', dt=0.001, ")
        assert said.endswith("surrogate=ATan(alpha=2.0))")

    def test_of_many_neurons_is_short(self):
        assert "tau=[512] values, threshold=[512] values" in repr(LIF(512))

    def test_of_parameters_without_memory(self):
        assert "tau=[] values" in repr(LIF().to("meta"))

    def test_says_what_a_users_own_holds(self):
        class Own(LI):
            cost = NeuronCost(adds=1)

        neuron = Own()
        neuron.gain, neuron.table = 3.0, [1, 2]
        assert repr(neuron) == "Own(tau=0.02, dt=0.001, gain=3.0)"


def test_detach_reaches_into_every_container():
    leaf = torch.ones(2, requires_grad=True) * 2
    cut = detach({"a": [leaf, (leaf, None)], "b": 3})
    assert not cut["a"][0].requires_grad
    assert not cut["a"][1][0].requires_grad
    assert cut["a"][1][1] is None
    assert cut["b"] == 3
