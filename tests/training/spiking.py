"""Small spiking networks of every kind of layer, and one of each penalty that looks at spikes."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

import picojoule as pj
from all_penalties import GIVEN
from energy.metering import Two
from picojoule.training.penalties import kinds
from picojoule.training.penalties.traffic_penalty import TrafficPenalty


def _of_each_kind() -> dict[str, Callable[[], pj.Penalty]]:
    """Makes every penalty that looks at spikes, and the powers 1 and 2 of those that have one."""
    made: dict[str, Callable[[], pj.Penalty]] = {}
    for name, kind in kinds().items():
        if issubclass(kind, TrafficPenalty):
            given = GIVEN.get(name, {})
            if "p" in signature(kind).parameters:
                made |= {f"{name} {p}": partial(kind, **given | {"p": p}) for p in (1, 2)}
            else:
                made[name] = partial(kind, **given)
    return made


ALL = _of_each_kind()


class Loop(nn.Module):
    """Two linear layers with somebody's neurons in a loop over time; the weights are another's."""

    class Leaky(nn.Module):
        """A leaky neuron, one step a call, whose state is given back."""

        def __init__(self, of: pj.LIF) -> None:
            super().__init__()
            self.of = [of]

        def forward(self, current: Tensor, state: Any) -> tuple[Tensor, Any]:
            (neuron,) = self.of
            return neuron.step(current, neuron.init_state(current) if state is None else state)

    NEURONS: ClassVar = {Leaky: pj.NeuronCost(adds=2, multiplies=1, states=1)}

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            self.Leaky(part) if isinstance(part, pj.LIF) else part for part in net
        )

    def forward(self, x: Tensor) -> Tensor:
        states, outs = [None] * len(self.layers), []
        for value in x:
            for index, layer in enumerate(self.layers):
                if isinstance(layer, self.Leaky):
                    value, states[index] = layer(value, states[index])
                else:
                    value = layer(value)
            outs.append(value)
        return torch.stack(outs)


def metered(net: nn.Module, x: Tensor, *, lengths: Tensor | None = None, **options: Any):
    """The meter after one call; no input is taken for events."""
    with pj.Meter(net, **options) as meter:
        net(x) if lengths is None else net(x, lengths=lengths)
    return meter


def ac_chip(pj_per_ac: float) -> pj.Chip:
    """A chip that prices accumulates and nothing else."""
    chip = pj.load_chip("45nm")
    price = pj.Price(pj=pj_per_ac, source="a test")
    return chip.model_copy(update={"prices": {"ac": price}})


def behind(*layers: nn.Module, shape: tuple[int, ...], steps: int = 4, batch: int = 3):
    """Layers behind neurons that fire now and then, with currents for them."""

    def build() -> tuple[nn.Module, Tensor]:
        return pj.Sequential(pj.LIF(), *layers), torch.rand(steps, batch, *shape) * 2

    return build


def _network() -> tuple[nn.Module, Tensor]:
    net = pj.Sequential(nn.Linear(6, 8), pj.LIF(), nn.Linear(8, 5), pj.LIF(), nn.Linear(5, 3))
    for layer in (net[0], net[2]):
        layer.weight.data.abs_()
    return net, torch.rand(6, 4, 6)


def _residual() -> tuple[nn.Module, Tensor]:
    """Two consumers of the same spikes, then a sum of spikes that a third one consumes."""

    def forward(net: Any, x: Tensor) -> Tensor:
        spikes, _ = net.first(x)
        flat = spikes.flatten(0, 1)
        inner, _ = net.second((net.main(flat) + net.short(flat)).view_as(spikes))
        return net.last((inner + spikes).flatten(0, 1))

    conv = nn.Conv2d(2, 2, 3, padding=1)
    conv.weight.data.abs_()
    parts = {"main": conv, "short": nn.Conv2d(2, 2, 1), "last": nn.Conv2d(2, 3, 3, stride=2)}
    return Two(forward, first=pj.LIF(), second=pj.LIF(), **parts), torch.rand(4, 3, 2, 5, 5) * 2


def _recurrent() -> tuple[nn.Module, Tensor]:
    net = pj.Sequential(nn.Linear(6, 8), pj.Recurrent(pj.LIF(), 8), nn.Linear(8, 3))
    net[0].weight.data.abs_()
    return net, torch.rand(6, 4, 6)


def _matmul() -> tuple[nn.Module, Tensor]:
    def forward(net: Any, x: Tensor) -> Tensor:
        return net.neuron(x)[0] @ net.weight.weight

    return Two(forward, neuron=pj.LIF(), weight=nn.Linear(5, 6)), torch.rand(4, 3, 2, 6) * 2


NETWORKS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "network": _network,
    "linear": behind(nn.Linear(6, 4), shape=(6,)),
    "conv1d": behind(nn.Conv1d(2, 3, 3, padding=1), shape=(2, 6)),
    "conv2d": behind(nn.Conv2d(2, 3, 3, padding=1), shape=(2, 5, 4)),
    "conv3d": behind(nn.Conv3d(1, 2, 2, dilation=2), shape=(1, 4, 4, 4)),
    "grouped": behind(nn.Conv2d(4, 4, 3, padding=1, groups=2), shape=(4, 5, 4)),
    "strided": behind(nn.Conv2d(2, 3, 3, stride=2, padding=1), shape=(2, 5, 5)),
    "dilated": behind(nn.Conv2d(2, 3, 3, dilation=2, padding=2), shape=(2, 5, 5)),
    "circular": behind(nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), shape=(2, 5, 4)),
    "transposed": behind(nn.ConvTranspose2d(2, 3, 3, stride=2), shape=(2, 3, 3)),
    "max-pooled": behind(nn.MaxPool2d(2), nn.Conv2d(2, 3, 2), shape=(2, 4, 4)),
    "average-pooled": behind(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 5), shape=(2, 4, 4)),
    "residual": _residual,
    "recurrent": _recurrent,
    "matmul": _matmul,
}
