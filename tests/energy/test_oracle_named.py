"""The oracle over networks of anyone's, whose neurons hold their weights and are named."""

import torch
from hypothesis import assume, given, settings
from torch import nn

import picojoule as pj
from energy.oracle import layers as spec
from energy.oracle import simulate
from energy.oracle.build import Steps, build
from energy.strategies import cases
from energy.test_oracle import some, whole
from picojoule.energy import Foreign, Meter


class Held(nn.Module):
    """A layer of neurons over all steps, with its recurrent weights inside if it has any."""

    through_time = True

    def __init__(self, neuron):
        super().__init__()
        if isinstance(neuron, pj.Recurrent):
            self.recurrent = nn.Linear(*neuron.weight.shape, bias=False)
            self.recurrent.weight = neuron.weight
            neuron = neuron.neuron
        self.hidden = (neuron,)  # no part of the network, so that the meter knows nothing of it

    def forward(self, x):
        (neuron,) = self.hidden
        state, z, outs = neuron.init_state(x[0]), None, []
        for current in x:
            if z is not None and hasattr(self, "recurrent"):
                current = current + self.recurrent(self.said(z))
            z, state = neuron.step(current, state)
            outs.append(z)
        return torch.stack(outs)


class Fires(Held):
    """Such a layer that puts out events."""

    def said(self, z):
        return pj.spikes(z)


class Leaks(Held):
    """Such a layer that puts out analog values."""

    def said(self, z):
        return pj.spikes(z, "analog")


def held(module):
    """The same network with each layer of neurons as one of somebody's."""
    if isinstance(module, pj.Neuron):
        return (Leaks if module.output == "analog" else Fires)(module)
    for name, child in module.named_children():
        setattr(module, name, held(child))
    return module


def named():
    lif = Foreign(pj.LIF().cost, leading=2, dt=spec.DT, species="LIF")
    li = Foreign(pj.LI().cost, "analog", leading=2, dt=spec.DT, species="LI")
    return {Fires: lif, Leaks: li}


@settings(max_examples=150)
@given(cases(most=3))
def test_named_layers_that_hold_their_weights_count_as_ours(case):
    # Repeat is for our neurons. What is enlarged after means over unequal windows is graded for the
    # meter and levels for the oracle, whosever neurons put it out.
    left_out = (spec.Repeat, spec.Upsample)
    assume(case.lengths is None and not any(isinstance(one, left_out) for one in case.layers))
    truth = simulate(case.layers, case.x, case.inputs, lengths=None)
    assume(truth.margin > 1e-4)  # nearer, float32 and float64 may differ
    net = held(build(case.layers))
    if not isinstance(net, Steps):
        net = Steps(list(net.children()))
    samples = case.x.shape[1]
    with torch.no_grad():
        meter = Meter(net, samples=samples, inputs=case.inputs, neurons=named())
        with meter:
            net(torch.from_numpy(case.x).float())
    assert whole(meter.counts, samples) == some(truth.counts)
