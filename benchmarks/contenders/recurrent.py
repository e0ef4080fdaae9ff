"""Recurrent layers 700-512-20: the input is projected once for all steps, by everybody."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import picojoule as pj
from contenders import Contender, there
from picojoule.kernels.products import EventProducts

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
    """Balanced resonate-and-fire; the reference's way is a loop over its published equations."""
    yield "picojoule", lambda: ours(pj.neurons.BRF(HIDDEN), None)
    yield "picojoule, eager", lambda: ours(pj.neurons.BRF(HIDDEN), "eager")
    yield "loop over the equations", _brf_loop


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


def _brf_loop() -> Contender:
    weight = nn.Linear(HIDDEN, HIDDEN, bias=False)
    weight.omega = nn.Parameter(torch.empty(HIDDEN).uniform_(5, 10))
    weight.b_offset = nn.Parameter(torch.empty(HIDDEN).uniform_(0, 3))
    spike, dt = pj.surrogate.DoubleGaussian(), 0.01

    def step(current: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        u, v, q = state
        omega = weight.omega.abs()
        p = (-1 + torch.sqrt(1 - torch.square(dt * omega))) / dt
        b = p - weight.b_offset.abs() - q
        u, v = u + b * u * dt - omega * v * dt + current * dt, v + omega * u * dt + b * v * dt
        z = spike(u - 1.0 - q)
        return z, (u, v, 0.9 * q + z)

    return looped(step, weight, lambda current: (torch.zeros_like(current),) * 3)
