"""Networks of recipes with another library's neurons, for ``benchmarks/job.py``."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.networks import Repeat
from picojoule.neurons import Neuron
from picojoule.recipe import Recipe
from picojoule.run.build import build_network

DECAY = {"digits": 0.951, "fsdd": 0.779}  # of the membrane per step: exp(-1 / 20), exp(-10 / 40)
LEVELS = 4
Cell = Callable[[], nn.Module]  # makes neurons: ``cell(current, state) -> (spikes, state)``


class Sequences(nn.Module):
    """Linear layers with neurons that are stepped by a plain loop, and a leaky readout.

    Args:
        sizes: Inputs, hidden neurons of each layer, and classes.
        cell: Makes the neurons.
        decay: Of the readout's membrane, per step.
        recurrent: Whether each layer receives its own last spikes.
    """

    def __init__(self, sizes: list[int], cell: Cell, decay: float, *, recurrent: bool) -> None:
        super().__init__()
        pairs = list(pairwise(sizes))
        self.linear = nn.ModuleList(nn.Linear(before, after) for before, after in pairs)
        self.cells = nn.ModuleList(cell() for _ in pairs[:-1])
        own = [nn.Linear(after, after, bias=False) for _, after in pairs[:-1]]
        self.own = nn.ModuleList(own) if recurrent else None
        self.decay = decay

    def forward(self, x: Tensor) -> Tensor:
        """x [T, B, ...] to the readout's membrane [T, B, classes]."""
        x = x.flatten(2)
        for place, cell in enumerate(self.cells):
            currents, state, outs = self.linear[place](x), None, []
            last = torch.zeros_like(currents[0])
            for current in currents.unbind(0):
                if self.own is not None:
                    current = current + self.own[place](last)
                last, state = cell(current, state)
                outs.append(last)
            x = torch.stack(outs)
        membrane, outs = torch.zeros(()), []
        for current in self.linear[-1](x).unbind(0):
            membrane = self.decay * membrane + current
            outs.append(membrane)
        return torch.stack(outs)


class Images(nn.Module):
    """The layers of one of our networks on one step, with other neurons in place of the hidden.

    Args:
        net: Our network.
        cell: Makes the neurons.
    """

    def __init__(self, net: nn.Module, cell: Cell) -> None:
        super().__init__()
        *layers, _ = net.children()  # on one step the readout's membrane is its current
        layers = [layer for layer in layers if not isinstance(layer, Repeat)]
        neurons = [isinstance(layer, Neuron) for layer in layers]
        kept = zip(layers, neurons, strict=True)
        self.layers = nn.ModuleList(cell() if fires else layer for layer, fires in kept)
        self.fires = neurons

    def forward(self, x: Tensor) -> Tensor:
        """x [1, B, C, H, W] to scores [1, B, classes]."""
        (x,) = x
        for layer, fires in zip(self.layers, self.fires, strict=True):
            x = layer(x, None)[0] if fires else layer(x)
        return x.unsqueeze(0)


class SnnTorch(nn.Module):
    """snnTorch's leaky neurons, which give back their membrane."""

    def __init__(self, decay: float, reset: str = "zero") -> None:
        super().__init__()
        import snntorch

        self.neuron = snntorch.Leaky(beta=decay, reset_mechanism=reset)

    def forward(self, current: Tensor, state: Tensor | None) -> Any:
        """One step."""
        return self.neuron(current, torch.zeros_like(current) if state is None else state)


class SpikingJelly(nn.Module):
    """SpikingJelly's neurons, which keep their membrane until they are reset."""

    def __init__(self, neuron: nn.Module) -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, current: Tensor, state: Any) -> Any:
        """One step; the first of a sequence resets."""
        if state is None:
            self.neuron.reset()
        return self.neuron(current), ()


def network_of(contender: str, recipe: Recipe, inputs: int) -> nn.Module:
    """The network of a recipe with another library's neurons.

    snnTorch has no neurons with levels: on images its neurons are binary, and do less than ours.

    Args:
        contender: ``"snntorch"`` or ``"spikingjelly"``.
        recipe: Whose network.
        inputs: Elements of one step's input.
    """
    if recipe.name not in DECAY:
        cells = {"snntorch": lambda: SnnTorch(1.0, "subtract"), "spikingjelly": _jelly_levels}
        net = Images(build_network(recipe), cells[contender])
        return net.to(memory_format=torch.channels_last)  # pyright: ignore
    decay, width = DECAY[recipe.name], recipe.network.params.get("width", 128)
    cells = {"snntorch": lambda: SnnTorch(decay), "spikingjelly": lambda: _jelly(decay)}
    return Sequences(
        [inputs, width, width, recipe.data.dataset.classes],
        cells[contender],
        decay,
        recurrent=recipe.network.name == "keyword",
    )


def _jelly(decay: float) -> SpikingJelly:
    from spikingjelly.activation_based import neuron, surrogate

    kind = {"tau": 1 / (1 - decay), "decay_input": False, "detach_reset": True}
    return SpikingJelly(neuron.LIFNode(**kind, surrogate_function=surrogate.ATan()))


def _jelly_levels() -> SpikingJelly:
    from spikingjelly.activation_based import neuron, surrogate

    levels = surrogate.MultiLevelSpikeCount(LEVELS)
    kind = {"tau": 1e9, "v_threshold": 1 / LEVELS, "detach_reset": True}  # no leak
    return SpikingJelly(neuron.ILIFNode(**kind, surrogate_function=levels))
