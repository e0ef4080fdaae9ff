"""Layers of neurons alone, and in a network of convolutions."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import picojoule as pj
from contenders import Contender, there
from picojoule.kernels import EventProducts

Layer = Callable[[Tensor], Tensor]  # currents [T, B, ...] to spikes


class Rectified(nn.Module):
    """No neurons: what all else in a network costs."""

    def forward(self, currents: Tensor) -> Tensor:
        """Currents [T, B, ...] to their positive part."""
        return torch.relu(currents)


class Looped(nn.Module):
    """Another library's neuron in a plain loop over time, with unbind."""

    def __init__(self, cell: nn.Module, initial: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.cell, self.initial = cell, initial

    def forward(self, currents: Tensor) -> Tensor:
        """Currents [T, B, ...] to spikes."""
        state, outs = self.initial(currents[0]), []
        for current in currents.unbind(0):
            spikes, state = self.cell(current, state)
            outs.append(spikes)
        return torch.stack(outs)


class Spikes(nn.Module):
    """A neuron of ours, without its state."""

    def __init__(self, neuron: pj.neurons.Neuron, engine: str | None = None) -> None:
        super().__init__()
        neuron.engine = engine
        self.neuron = neuron

    def forward(self, currents: Tensor) -> Tensor:
        """Currents [T, B, ...] to spikes."""
        return self.neuron(currents)[0]


class Jelly(nn.Module):
    """SpikingJelly's neuron over all steps at once."""

    def __init__(self) -> None:
        super().__init__()
        from spikingjelly.activation_based import neuron, surrogate

        self.cell = neuron.LIFNode(
            tau=20.0,
            decay_input=False,
            detach_reset=True,
            surrogate_function=surrogate.ATan(),
            step_mode="m",
        )

    def forward(self, currents: Tensor) -> Tensor:
        """Currents [T, B, ...] to spikes."""
        self.cell.reset()
        return self.cell(currents)


def neurons() -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Leaky integrate-and-fire of everybody."""
    yield "picojoule", lambda: Spikes(pj.LIF())
    yield "picojoule, eager", lambda: Spikes(pj.LIF(), "eager")
    if there("snntorch"):
        yield "snntorch Leaky", _snntorch
    if there("norse"):
        yield "norse LIFBoxCell", _norse
    if there("spikingjelly"):
        yield "spikingjelly LIFNode", Jelly


def _snntorch() -> nn.Module:
    import snntorch

    return Looped(snntorch.Leaky(beta=0.95, reset_mechanism="zero"), torch.zeros_like)


def _norse() -> nn.Module:
    """With the others' decay of 0.95. It scales currents by 0.05, and so is its threshold."""
    from norse.torch import LIFBoxCell, LIFBoxParameters

    slow, low = torch.tensor(50.0), torch.tensor(0.05)
    cell = LIFBoxCell(LIFBoxParameters(tau_mem_inv=slow, v_th=low))
    return Looped(cell, lambda current: None)


class _Copied(torch.autograd.Function):
    """Moves as much memory as a layer of neurons has to: currents and spikes, there and back."""

    @staticmethod
    def forward(ctx: Any, currents: Tensor) -> Tensor:
        ctx.save_for_backward(currents)
        return currents.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return ctx.saved_tensors[0].clone()


def alone(layer: Layer) -> Contender:
    """A layer of neurons, of which nothing learns but what is before."""
    return Contender(None, lambda x: (spikes := layer(x), spikes.detach()))


def lif() -> Iterator[tuple[str, Callable[[], Contender]]]:
    """Leaky integrate-and-fire alone; no loop can be quicker than copies of what it moves."""
    for name, make in neurons():
        yield name, lambda make=make: alone(make())
    yield "a copy there and a copy back", lambda: alone(_Copied.apply)  # pyright: ignore


def kinds() -> Iterator[tuple[str, Callable[[], Contender]]]:
    """Our other neurons against our LIF."""
    made = {
        "LNM": pj.neurons.LNM,
        "MultiLevelIF": pj.neurons.MultiLevelIF,
        "Mixture": lambda: pj.neurons.Mixture({"lif": 0.5, "if": 0.5}, 1000),
        "LIF": pj.LIF,
    }
    for name, make in made.items():
        yield name, lambda make=make: alone(Spikes(make()))


def cnn7() -> Iterator[tuple[str, Callable[[], Contender]]]:
    """Seven layers of weights for pictures of 28 x 28; no neuron can be quicker than a ReLU."""
    for name, make in (*neurons(), ("ReLU, no neurons", Rectified)):
        build = _by_events if name == "picojoule" else _cnn7
        yield name, lambda build=build, make=make: build(make)


def options() -> Iterator[tuple[str, Callable[[], Contender]]]:
    """Our CNN7 with other layouts and precisions."""
    for layout in (torch.contiguous_format, torch.channels_last):
        for dtype in (torch.float32, torch.bfloat16):
            words = "channels last" if layout == torch.channels_last else "channels first"
            name = f"{words}, {str(dtype).split('.')[1]}"
            yield name, lambda layout=layout, dtype=dtype: _with(layout, dtype)


def _with(layout: torch.memory_format, dtype: torch.dtype) -> Contender:
    made = _by_events(lambda: Spikes(pj.LIF()))
    assert made.net is not None
    made.net.to(memory_format=layout)  # pyright: ignore[reportCallIssue]

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return made.run(x)

    return made._replace(run=run)


def _by_events(make: Callable[[], nn.Module]) -> Contender:
    """As our own containers do it: convolutions and products by events where they are few."""
    made = _cnn7(make)

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        with EventProducts():
            return made.run(x)

    return made._replace(run=run)


def _cnn7(make: Callable[[], nn.Module]) -> Contender:
    blocks: list[nn.Module] = []
    for before, after, pool in ((1, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2), (64, 128, 1)):
        norm = nn.BatchNorm2d(after)
        blocks += [nn.Conv2d(before, after, 3, padding=1, bias=False), norm, make()]
        blocks += [nn.MaxPool2d(2)] if pool > 1 else []
    blocks += [nn.Flatten(), nn.Linear(128 * 7 * 7, 128), make(), nn.Linear(128, 10)]
    net = nn.ModuleList(blocks)

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        steps, fired = len(x), []
        for block in net:
            if isinstance(block, (Looped, Spikes, Jelly, Rectified)):
                x = block(x)
                fired.append(x.detach().mean())
            else:
                x = block(x.flatten(0, 1)).unflatten(0, (steps, -1))
        return x.mean(0), torch.stack(fired)

    return Contender(net, run)
