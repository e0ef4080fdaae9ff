"""Neurons of other libraries against ours, live: the same spikes and the same gradients.

How parameters map is what ``docs/neurons.md`` says.
"""

import math

import norse.torch.functional.lif as lif
import norse.torch.functional.lif_box as box
import pytest
import snntorch as snn
import torch
from spikingjelly.activation_based import functional, neuron, surrogate

import picojoule as pj
from picojoule.surrogate import ATan, FastSigmoid, Sigmoid

DT, STEPS, SHAPE = 1e-3, 60, (3, 7)


def tau(leak):
    """The time constant of ours at which a step leaves the share ``leak`` of the membrane."""
    return -DT / math.log(leak)


def exact(own, **values):
    """Ours in float64, with parameters that were not rounded to float32 on the way."""
    own = own.double()
    for name, value in values.items():
        getattr(own, name).data = torch.tensor(value, dtype=torch.float64)
    return own


def driven(gain):
    """Currents [T, B, N], and weights of a loss that tells every spike from every other."""
    x = gain * (torch.rand(STEPS, *SHAPE, dtype=torch.float64) - 0.2)
    return x, torch.randn(STEPS, *SHAPE, dtype=torch.float64)


def outcome(run, x, weights, *learnt):
    """Spikes, and the gradients of the currents and of what is learnt."""
    x = x.clone().requires_grad_()
    spikes = run(x)
    (spikes.double() * weights).sum().backward()
    return spikes.double(), [x.grad, *(one.grad for one in learnt)]


def same(theirs, ours, rtol=1e-9):
    spikes, gradients = theirs
    own_spikes, own_gradients = ours
    assert 0.02 < spikes.mean() < 0.9
    assert torch.equal(spikes, own_spikes)
    for one, own in zip(gradients, own_gradients, strict=True):
        assert one.abs().max() > 1e-3
        assert torch.allclose(one.double(), own.double(), rtol=rtol, atol=rtol)


def looped(cell, state):
    """All steps of a cell that gives back spikes and its state."""

    def run(x):
        outs, last = [], state
        for step in x.unbind(0):
            spikes, last = cell(step, last)
            outs.append(spikes)
        return torch.stack(outs)

    return run


# snnTorch


def test_leaky_of_snntorch_with_reset_to_zero():
    x, weights = driven(1.0)
    beta = torch.tensor(0.9, dtype=torch.float64)
    leaky = snn.Leaky(beta=beta, learn_beta=True, reset_mechanism="zero").double()
    own = exact(pj.LIF(surrogate=ATan(2.0)), tau=tau(0.9))
    own.tau.requires_grad_()
    theirs = outcome(looped(leaky, torch.zeros(SHAPE).double()), x, weights, leaky.beta)
    spikes, (current, slope) = outcome(lambda x: own(x)[0], x, weights, own.tau)
    # d beta / d tau = beta dt / tau^2; the gradients of its spikes are float32, whatever the input
    same(theirs, (spikes, [current, slope / (0.9 * DT / tau(0.9) ** 2)]), rtol=1e-5)


def test_snntorch_subtracts_one_step_later_and_so_after_the_leak():
    """Where ours keeps alpha (v - threshold), it keeps alpha v - threshold."""
    x, _ = driven(1.0)
    leaky = snn.Leaky(beta=0.9, reset_mechanism="subtract").double()
    spikes = looped(leaky, torch.zeros(SHAPE).double())(x)
    own, _ = exact(pj.LIF(reset="subtract"), tau=tau(0.9))(x)
    assert not torch.equal(spikes.double(), own)
    v, expected = torch.zeros(SHAPE).double(), []
    for step in x:
        v = 0.9 * v + step - (v > 1).double()
        expected.append((v > 1).double())
    assert torch.equal(spikes.double(), torch.stack(expected))


def test_synaptic_of_snntorch_fires_as_the_current_based_neuron_without_the_delay():
    """By default it drops what arrives in the step after a spike; at once, only the gradients
    differ: its reset is then in the graph.
    """
    x, _ = driven(0.5)
    own, _ = exact(pj.CubaLIF(), tau=tau(0.9), tau_synapse=tau(0.8))(x)
    zeros = torch.zeros(SHAPE).double()
    for delay in (False, True):
        synaptic = snn.Synaptic(0.8, 0.9, reset_mechanism="zero", reset_delay=delay).double()

        def cell(step, state, synaptic=synaptic):
            spikes, current, membrane = synaptic(step, *state)
            return spikes, (current, membrane)

        spikes = looped(cell, (zeros, zeros))(x)
        assert 0.02 < spikes.mean() < 0.9
        assert torch.equal(spikes.double(), own) != delay


# SpikingJelly, by its defaults: the reset in the graph, the input scaled by the leak


def jelly(node):
    node = node.double()
    functional.set_step_mode(node, "m")
    return node


@pytest.mark.parametrize("v_reset", [0.0, None], ids=["to zero", "by subtraction"])
def test_lif_node_of_spikingjelly(v_reset):
    x, weights = driven(4.0)
    node = jelly(neuron.LIFNode(tau=2.5, v_reset=v_reset))
    reset = "subtract" if v_reset is None else "zero"
    own = pj.LIF(reset=reset, surrogate=Sigmoid(4.0), detach_reset=False)
    own = exact(own, tau=tau(1 - 1 / 2.5))
    same(outcome(node, x, weights), outcome(lambda x: own(x / 2.5)[0], x, weights))


def test_lif_node_of_spikingjelly_with_a_detached_reset_and_no_decay_of_the_input():
    x, weights = driven(1.0)
    node = neuron.LIFNode(
        tau=10.0, decay_input=False, detach_reset=True, surrogate_function=surrogate.ATan()
    )
    own = exact(pj.LIF(), tau=tau(0.9))
    same(outcome(jelly(node), x, weights), outcome(lambda x: own(x)[0], x, weights))


@pytest.mark.parametrize("v_reset", [0.0, None], ids=["to zero", "by subtraction"])
def test_parametric_lif_node_of_spikingjelly(v_reset):
    x, weights = driven(4.0)
    node = jelly(neuron.ParametricLIFNode(init_tau=3.0, v_reset=v_reset))
    reset = "subtract" if v_reset is None else "zero"
    own = pj.PLIF(tau=tau(1 - 1 / 3), reset=reset, surrogate=Sigmoid(4.0), detach_reset=False)
    assert own.raw.item() == pytest.approx(node.w.item(), rel=1e-5)
    own = exact(own, raw=node.w.item())
    theirs = outcome(node, x, weights, node.w)
    same(theirs, outcome(lambda x: own(x)[0], x, weights, own.raw))


@pytest.mark.parametrize("v_reset", [0.0, None], ids=["to zero", "by subtraction"])
def test_if_node_of_spikingjelly(v_reset):
    x, weights = driven(0.8)
    node = jelly(neuron.IFNode(v_reset=v_reset))
    reset = "subtract" if v_reset is None else "zero"
    own = pj.IF(reset=reset, surrogate=Sigmoid(4.0), detach_reset=False).double()
    same(outcome(node, x, weights), outcome(lambda x: own(x)[0], x, weights))


# Norse, whose SuperSpike is 1 / (1 + |v|)^2, whatever its alpha


def test_lif_box_of_norse():
    x, weights = driven(4.0)
    leak = torch.tensor(0.3, dtype=torch.float64)
    parameters = box.LIFBoxParameters(tau_mem_inv=leak / DT)
    state = box.LIFBoxFeedForwardState(torch.zeros(SHAPE).double())
    theirs = looped(lambda x, s: box.lif_box_feed_forward_step(x, s, parameters, DT), state)
    own = exact(pj.LIF(surrogate=FastSigmoid(1.0), detach_reset=False), tau=tau(0.7))
    same(outcome(theirs, x, weights), outcome(lambda x: own(0.3 * x)[0], x, weights))


def norse_parameters():
    """Leaks of 0.2 and 0.4 a step, of membrane and current."""
    inverse = (torch.tensor(leak / DT, dtype=torch.float64) for leak in (0.4, 0.2))
    return lif.LIFParameters(*inverse)


def cuba():
    own = pj.CubaLIF(surrogate=FastSigmoid(1.0))
    return exact(own, tau=tau(0.8), tau_synapse=tau(0.6))


def test_lif_of_norse_with_recurrent_weights_of_zero():
    """The recurrent form, whose reset is detached as ours is."""
    x, weights = driven(4.0)
    zeros, silent = torch.zeros(SHAPE).double(), torch.zeros(SHAPE[1], SHAPE[1]).double()
    through, parameters = torch.eye(SHAPE[1]).double(), norse_parameters()

    def cell(step, state):
        return lif.lif_step(step, state, through, silent, parameters, DT)

    theirs = outcome(looped(cell, lif.LIFState(zeros, zeros, zeros)), x, weights)
    own = cuba()
    same(theirs, outcome(lambda x: own(0.2 * x)[0], x, weights))


def test_lif_of_norse_without_recurrence_fires_the_same():
    """Its reset is in the graph, ours is not: the spikes are the same, the gradients are not."""
    x, weights = driven(4.0)
    zeros, parameters = torch.zeros(SHAPE).double(), norse_parameters()

    def cell(step, state):
        return lif.lif_feed_forward_step(step, state, parameters, DT)

    state = lif.LIFFeedForwardState(zeros, zeros)
    spikes, gradients = outcome(looped(cell, state), x, weights)
    own = cuba()
    own_spikes, own_gradients = outcome(lambda x: own(0.2 * x)[0], x, weights)
    assert spikes.any()
    assert torch.equal(spikes, own_spikes)
    assert not torch.allclose(gradients[0], own_gradients[0])
