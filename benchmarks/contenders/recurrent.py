"""Recurrent layers 700-512-20.

The input is projected once for all steps, by everybody but the loop that does as the reference code
of balanced resonate-and-fire neurons does.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import picojoule as pj
from contenders import Contender, there
from picojoule.kernels import EventProducts

INPUTS, HIDDEN, CLASSES = 700, 512, 20


def built(hidden: nn.Module, through: Callable[[Tensor], Tensor], recurrent: Tensor) -> Contender:
    """A network around hidden neurons; ``through`` is from currents [T, B, 512] to spikes."""
    net = nn.ModuleList([nn.Linear(INPUTS, HIDDEN), hidden, nn.Linear(HIDDEN, CLASSES)])
    nn.init.normal_(net[0].weight, 0.0, 0.1)  # pyright: ignore[reportArgumentType]
    nn.init.normal_(recurrent, 0.0, 0.02)

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        spikes = through(net[0](x))
        return net[2](spikes).mean(0), spikes

    return Contender(net, run, net[0].weight)  # pyright: ignore[reportArgumentType]


def ours(neuron: pj.neurons.Neuron, engine: str | None) -> Contender:
    """A recurrent layer of ours; with the engine left out, products by events too."""
    layer = pj.Recurrent(neuron, HIDDEN)
    layer.engine = engine
    made = built(layer, lambda currents: layer(currents)[0], layer.weight)
    if engine is not None:
        return made

    def by_events(x: Tensor) -> tuple[Tensor, Tensor]:
        with EventProducts():
            return made.run(x)

    return made._replace(run=by_events)


def looped(step: Callable, weight: nn.Linear, start: Callable[[Tensor], Any]) -> Contender:
    """A plain loop over time, with unbind (an index into the steps would cost twice as much)."""

    def through(currents: Tensor) -> Tensor:
        state, outs = start(currents[0]), []
        spikes = torch.zeros_like(currents[0])
        for current in currents.unbind(0):
            spikes, state = step(current + weight(spikes), state)
            outs.append(spikes)
        return torch.stack(outs)

    return built(weight, through, weight.weight)


def lif() -> Iterator[tuple[str, Callable[[], Contender]]]:
    """Leaky integrate-and-fire."""
    yield "picojoule", lambda: ours(pj.LIF(), None)
    yield "picojoule, eager", lambda: ours(pj.LIF(), "eager")
    if there("snntorch"):
        yield "snntorch Leaky", _snntorch
    if there("norse"):
        yield "norse LIFCell", lambda: _norse("LIFCell")
    if there("spikingjelly"):
        yield "spikingjelly LIFNode", _spikingjelly


def brf() -> Iterator[tuple[str, Callable[[], Contender]]]:
    """Balanced resonate-and-fire, whose frequencies and offsets learn."""
    yield "picojoule", lambda: ours(_learning_brf(), None)
    yield "picojoule, eager", lambda: ours(_learning_brf(), "eager")
    yield "loop as in the reference code", _brf_as_published
    yield "the same, input at once and unbind", _brf_loop


def _learning_brf() -> pj.neurons.Neuron:
    neuron = pj.neurons.BRF(HIDDEN)
    return neuron.requires_grad_()


def adlif() -> Iterator[tuple[str, Callable[[], Contender]]]:
    """Adaptive leaky integrate-and-fire."""
    yield "picojoule AdLIF", lambda: ours(pj.neurons.AdLIF(HIDDEN), None)
    yield "picojoule ALIF", lambda: ours(pj.neurons.ALIF(HIDDEN), None)
    yield "picojoule AdLIF, eager", lambda: ours(pj.neurons.AdLIF(HIDDEN), "eager")
    if there("norse"):
        yield "norse LSNNCell", lambda: _norse("LSNNCell")


def _snntorch() -> Contender:
    import snntorch

    cell = snntorch.Leaky(beta=0.95, reset_mechanism="zero")
    weight = nn.Linear(HIDDEN, HIDDEN, bias=False)
    return looped(lambda current, v: cell(current, v), weight, torch.zeros_like)


def _norse(name: str) -> Contender:
    import norse.torch

    cell = getattr(norse.torch, name)()
    return looped(cell, nn.Linear(HIDDEN, HIDDEN, bias=False), lambda current: None)


def _spikingjelly() -> Contender:
    from spikingjelly.activation_based import functional, neuron, surrogate

    cell = neuron.LIFNode(
        tau=20.0, decay_input=False, detach_reset=True, surrogate_function=surrogate.ATan()
    )
    weight = nn.Linear(HIDDEN, HIDDEN, bias=False)
    made = looped(lambda current, state: (cell(current), state), weight, lambda current: ())

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        functional.reset_net(cell)
        return made.run(x)

    return made._replace(run=run)


class Balanced(nn.Module):
    """The published update of balanced resonate-and-fire neurons, in torch."""

    def __init__(self) -> None:
        super().__init__()
        self.omega = nn.Parameter(torch.empty(HIDDEN).uniform_(5, 10))
        self.b_offset = nn.Parameter(torch.empty(HIDDEN).uniform_(0, 3))
        self.spike, self.dt = pj.surrogate.DoubleGaussian(), 0.01

    def forward(self, current: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, Any]:
        """One step: spikes, and (u, v, q)."""
        (u, v, q), dt = state, self.dt
        omega = self.omega.abs()
        p = (-1 + torch.sqrt(1 - torch.square(dt * omega))) / dt
        b = p - self.b_offset.abs() - q
        u, v = u + b * u * dt - omega * v * dt + current * dt, v + omega * u * dt + b * v * dt
        z = self.spike(u - 1.0 - q)
        return z, (u, v, q.mul(0.9) + z)


def _brf_loop() -> Contender:
    weight = nn.Linear(HIDDEN, HIDDEN, bias=False)
    weight.neuron = cell = Balanced()
    return looped(cell, weight, lambda current: (torch.zeros_like(current),) * 3)


def _brf_as_published() -> Contender:
    """One weight for input and last spikes, multiplied step by step: AdaptiveAILab/brf-neurons."""
    weight, cell = nn.Linear(INPUTS + HIDDEN, HIDDEN, bias=False), Balanced()
    net = nn.ModuleList([weight, cell, nn.Linear(HIDDEN, CLASSES)])
    nn.init.normal_(weight.weight, 0.0, 0.1)
    with torch.no_grad():
        weight.weight[:, INPUTS:].mul_(0.2)

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        spikes = x.new_zeros(x.shape[1], HIDDEN)
        state, fired, outs = (spikes,) * 3, [], []
        for t in range(len(x)):
            spikes, state = cell(weight(torch.cat((x[t], spikes), dim=1)), state)
            fired.append(spikes)
            outs.append(net[2](spikes))
        return torch.stack(outs).mean(0), torch.stack(fired)

    return Contender(net, run, weight.weight)


def chunks() -> Iterator[tuple[str, Callable[[], Contender]]]:
    """Long sequences through two recurrent layers, all steps at once and some at a time."""

    def made(chunk: int | None) -> Contender:
        torch.manual_seed(0)
        net = pj.network("keyword", inputs=(40,), classes=CLASSES, width=HIDDEN, layers=2)
        assert isinstance(net, pj.Sequential)
        net.chunk = chunk
        return Contender(net, lambda x: (net(x)[0].mean(0), x))

    yield "all steps at once", lambda: made(None)
    for chunk in (200, 50, 10):
        yield f"{chunk} steps at a time", lambda chunk=chunk: made(chunk)
