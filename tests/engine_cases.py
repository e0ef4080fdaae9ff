"""Both engines on the same currents, for the tests that compare them."""

import torch

from all_neurons import SIZE
from picojoule.neurons import Neuron, NeuronCost, detach, scan


class Apply(Neuron):
    """One function of the current and of the last current."""

    output = "analog"
    cost = NeuronCost(adds=1)
    dt = 1e-3

    def __init__(self, function):
        super().__init__()
        self.function = function

    def init_state(self, current):
        return (torch.full_like(current, 0.5),)

    def step(self, current, state):
        return self.function(current, state[0]), (current,)


def leaves(state):
    """The tensors in a state."""
    if isinstance(state, torch.Tensor):
        return [state]
    return [tensor for part in state for tensor in leaves(part)]


def currents(*shape, dtype=torch.float64):
    """Currents [T, B, ...] that make neurons fire now and then."""
    return torch.rand(*shape, dtype=dtype) * 0.8 - 0.1


def made(case, dtype=torch.float64, learns=True):
    """A layer whose parameters all learn."""
    neuron = case.make(size=SIZE).to(dtype)
    for parameter in neuron.parameters():
        parameter.requires_grad_(learns)
    return neuron


def ran(neuron, x, engine, state=None):
    """Output and last state, and all gradients of a loss in which every number counts."""
    x = x.detach().requires_grad_()
    state = detach(neuron.init_state(x[0]) if state is None else state)
    for part in leaves(state):
        part.requires_grad_()
    neuron.zero_grad()
    out, last = scan(neuron, x, state, engine=engine)
    ends = [out, *leaves(last)]
    loss = sum((e * torch.linspace(0.5, 1.5, e.numel()).to(e).view(e.shape)).sum() for e in ends)
    loss.backward()
    inputs = [x, *leaves(state), *neuron.parameters()]
    gradients = [torch.zeros_like(i) if i.grad is None else i.grad.clone() for i in inputs]
    return [end.detach() for end in ends], gradients


def assert_same(neuron, x, tolerance, state=None):
    """Both engines give the same spikes, states and gradients, to a share of the largest."""
    found, found_gradients = ran(neuron, x, "fused", state)
    ends, gradients = ran(neuron, x, "eager", state)
    assert torch.equal(found[0], ends[0]) or neuron.output == "analog"
    largest = max(gradient.abs().max() for gradient in gradients if gradient.numel())
    for a, b in zip([*found, *found_gradients], [*ends, *gradients], strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * max(1, float(largest)))
