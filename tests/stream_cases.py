"""Networks and steps for the tests of streams."""

import torch
from torch import nn

from picojoule.networks import Sequential
from picojoule.neurons import LI, LIF, Recurrent


def flat(state):
    """All tensors of a state."""
    if isinstance(state, torch.Tensor):
        return [state]
    parts = state if isinstance(state, (tuple, list)) else ()
    return [tensor for part in parts for tensor in flat(part)]


def firing(inputs=40, hidden=50, neuron=LIF):
    """A network in double precision, of which about every tenth neuron fires at each step."""
    torch.manual_seed(0)
    net = Sequential(
        nn.Linear(inputs, hidden),
        neuron(hidden),
        nn.Linear(hidden, hidden, bias=False),
        Recurrent(neuron(hidden), hidden),
        nn.Linear(hidden, 3),
        LI(),
    )
    for weight in (net[0].weight, net[2].weight):
        weight.data.normal_(0.1, 0.3)
    return net.double().eval()


def spikes(steps=20, batch=1, inputs=40, share=0.2):
    source = torch.Generator().manual_seed(1)
    return (torch.rand(steps, batch, inputs, generator=source) < share).double()


def stream_of(net):
    """A stream that runs the network itself."""
    state = None

    def run(x):
        nonlocal state
        with torch.no_grad():
            out, state = net(x.unsqueeze(0), state)
        return out[0]

    return run
