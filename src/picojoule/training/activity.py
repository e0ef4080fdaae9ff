"""Activity of a trained network on a few inputs: spikes by layer and step."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.utils.data import DataLoader

from picojoule._lengths import valid_steps
from picojoule.networks.exit import steps_of
from picojoule.neurons import Neuron
from picojoule.readout import Readout
from picojoule.targets import CLASSES
from picojoule.training.batches import Batch, evaluation_mode, unpacked
from picojoule.training.randomness import fixed_randomness, generators

_SAMPLES = 128  # whose mean is taken
_EXAMPLES = 3
_NEURONS = 60  # of a layer that an example keeps, side by side


class Example(BaseModel):
    """The spikes of one input.

    Attributes:
        label: Its class; None if it has none, or one for each step.
        predicted: The predicted class, likewise.
        steps: Number of its steps.
        spikes: Step and neuron of each spike, by layer; neurons are counted among those kept.
    """

    model_config = ConfigDict(frozen=True)
    label: int | None
    predicted: int | None
    steps: int
    spikes: dict[str, tuple[tuple[int, int], ...]]


class Activity(BaseModel):
    """The activity of a network on a few inputs.

    Attributes:
        samples: Number of inputs that ``rate`` is the mean of.
        rate: Spikes per neuron in each step, by layer; a level of n is n.
        kept: Neurons that an example keeps of each layer, evenly spaced, and how many there are.
        examples: A few of the inputs.
    """

    model_config = ConfigDict(frozen=True)
    samples: int
    rate: dict[str, tuple[float, ...]]
    kept: dict[str, tuple[int, int]]
    examples: tuple[Example, ...]


def activity(net: nn.Module, loader: DataLoader, *, readout: Readout, fabric: Fabric) -> Activity:
    """Runs a network on the first inputs of a data set, in evaluation mode.

    Args:
        net: x [T, B, ...] to out [T, B, K] and a state.
        loader: Batches ``(x[T, B, ...], label, lengths[B] or None)``, see ``train``.
        readout: out [T, B, K] and lengths to scores.
        fabric: Device of the network.
    """
    with evaluation_mode(net), fixed_randomness(fabric.device, generators(loader)):
        batch = fabric.to_device(_first(unpacked(next(iter(loader)))))
        batch = batch._replace(lengths=steps_of(net, batch.x, batch.lengths))
        with _watched(net) as parts:
            result = net(batch.x) if batch.lengths is None else net(batch.x, lengths=batch.lengths)
    out = result[0] if isinstance(result, tuple) else result
    labels = _classes(readout, out, batch)
    valid = _valid(out, batch)
    spikes = {layer: _within(torch.cat(some), valid) for layer, some in parts.items()}
    picked = {layer: _spaced(one.shape[2]) for layer, one in spikes.items()}

    def example(index: int) -> Example:
        return Example(
            label=labels[index][0],
            predicted=labels[index][1],
            steps=int(valid[:, index].sum()),
            spikes={
                layer: tuple(map(tuple, one[:, index, picked[layer]].nonzero().tolist()))
                for layer, one in spikes.items()
            },
        )

    return Activity(
        samples=batch.x.shape[1],
        rate={layer: _rate(one, valid) for layer, one in spikes.items()},
        kept={layer: (len(picked[layer]), one.shape[2]) for layer, one in spikes.items()},
        examples=tuple(map(example, _different([label for label, _ in labels]))),
    )


def _classes(
    readout: Readout, out: Tensor, batch: Batch
) -> list[tuple[int, int]] | list[tuple[None, None]]:
    """Returns the true and the predicted class of each input; None where inputs have no class."""
    if batch.target is not CLASSES:
        return [(None, None)] * batch.x.shape[1]
    named = readout(out, batch.lengths).argmax(-1).tolist()
    return list(zip(batch.label.tolist(), named, strict=True))


def _first(batch: Batch) -> Batch:
    """Returns the first samples of a batch, of no more steps than the longest of them has."""
    lengths = None if batch.lengths is None else batch.lengths[:_SAMPLES]
    steps = len(batch.x) if lengths is None else int(lengths.max())
    return batch._replace(
        x=batch.x[:steps, :_SAMPLES], label=batch.label[:_SAMPLES], lengths=lengths
    )


def _different(labels: Sequence[int | None]) -> list[int]:
    """Returns the places of the first inputs, of different classes if they have one, in order."""
    first: dict[int, int] = {}
    for place, label in enumerate(labels):
        first.setdefault(place if label is None else label, place)
    return sorted(first.values())[:_EXAMPLES]


def _spaced(neurons: int) -> Tensor:
    """Returns evenly spaced neurons of a layer."""
    return torch.linspace(0, neurons - 1, min(neurons, _NEURONS)).round().long()


def _valid(out: Tensor, batch: Batch) -> Tensor:
    """Returns which steps [T, B] of the output lie within their sequences."""
    if batch.lengths is None:
        return torch.ones(out.shape[:2], dtype=torch.bool)
    return valid_steps(out, batch.lengths).cpu()


def _within(spikes: Tensor, valid: Tensor) -> Tensor:
    """Returns spikes [T, B, neurons] of a layer, without those beyond the end of a sequence."""
    flat = spikes.flatten(2).cpu()
    # What lies before a Repeat has one step, which all samples take.
    return flat * valid.unsqueeze(-1) if len(flat) == len(valid) else flat


def _rate(spikes: Tensor, valid: Tensor) -> tuple[float, ...]:
    """Returns the mean spikes of a neuron in each step, of the samples that have it; 0 if none."""
    samples = valid.sum(1).clamp(min=1) if len(spikes) == len(valid) else spikes.shape[1]
    return tuple((spikes.double().sum((1, 2)) / samples / spikes.shape[2]).tolist())


@contextmanager
def _watched(net: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Keeps what each layer of spiking neurons puts out, by its name, call by call."""
    outs: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(layer: nn.Module, given: Any, result: Any) -> None:
            del layer, given
            outs.setdefault(name, []).append(result[0])

        return hook

    inside: list[str] = []
    hooks = []
    for name, layer in net.named_modules():
        if isinstance(layer, Neuron) and not any(name.startswith(outer) for outer in inside):
            inside.append(f"{name}.")
            if layer.output != "analog":
                hooks.append(layer.register_forward_hook(keep(name)))
    try:
        yield outs
    finally:
        for hook in hooks:
            hook.remove()
