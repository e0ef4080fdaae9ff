"""Pictures of neurons: membranes, what is learned of them, and what they answer to."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from picojoule.neurons import LIF, LNM, Neuron
from picojoule.report.plots.axes import area, axis_or_new, line

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def membranes(neuron: Neuron, current: Tensor, *, axis: "Axes | None" = None) -> "Axes":
    """Draws the state of a neuron over time, its threshold, and a mark for each spike.

    Args:
        neuron: A layer of one neuron, or one whose parameters are shared.
        current: The current of each step [T].
        axis: Where to draw; None for a new figure.

    Returns:
        The axis, with a curve for each part of the state.

    Raises:
        ValueError: If the current is no curve [T].

    Example:
        >>> from picojoule import LIF
        >>> axis = membranes(LIF(), torch.full((50,), 0.1))
        >>> axis.get_legend_handles_labels()[1]
        ['membrane', 'threshold']
    """
    out, states = answer(neuron, current)
    axis = axis_or_new(axis)
    time = torch.arange(len(current)) * neuron.dt
    for at, (name, values) in enumerate(states.items()):
        axis.plot(time, values, label=name, **line(at))
    threshold = getattr(neuron, "threshold", None)
    if isinstance(threshold, Tensor):
        axis.axhline(float(threshold.max()), color="black", linestyle=":", label="threshold")
    if neuron.output != "analog":
        fired = time[out > 0]
        top = axis.get_ylim()[1]
        axis.plot(fired, torch.full_like(fired, top), "|", color="black")
    axis.set(xlabel="time (s)", ylabel="state")
    axis.legend()
    return axis


def chirp(
    neuron: Neuron,
    *,
    highest_hz: float = 50.0,
    seconds: float = 2.0,
    amplitude: float = 0.1,
    axis: "Axes | None" = None,
) -> "Axes":
    """Draws the state of a neuron whose current swings faster and faster, over frequency.

    Args:
        neuron: A layer of one neuron, or one whose parameters are shared.
        highest_hz: Frequency of the current in the last step; it begins at 0.
        seconds: Duration.
        amplitude: Height of the current.
        axis: Where to draw; None for a new figure.

    Returns:
        The axis.

    Raises:
        ValueError: If the current would swing faster than half a turn in a step.
    """
    if highest_hz * neuron.dt > 0.5:
        raise ValueError(
            f"highest_hz={highest_hz:g} is more than half a turn in a step of {neuron.dt:g} s: "
            f"take at most {0.5 / neuron.dt:g}"
        )
    time = torch.arange(0, seconds, neuron.dt)
    current = amplitude * torch.sin(math.pi * highest_hz / seconds * time**2)
    out, states = answer(neuron, current)
    axis = axis_or_new(axis)
    frequency = highest_hz * time / seconds
    for at, (name, values) in enumerate(states.items()):
        axis.plot(frequency, values, label=name, **line(at))
    if neuron.output != "analog":
        fired = frequency[out > 0]
        axis.plot(fired, torch.full_like(fired, axis.get_ylim()[1]), "|", color="black")
    axis.set(xlabel="frequency of the current (Hz)", ylabel="state")
    axis.legend()
    return axis


def polynomials(net: nn.Module, *, axis: "Axes | None" = None) -> "Axes":
    """Draws the learned dynamics f(v) of each layer of ``LNM``, and the leak of a ``LIF``.

    Args:
        net: A network with layers of ``LNM``, or one.
        axis: Where to draw; None for a new figure.

    Returns:
        The axis.

    Raises:
        ValueError: If there is no such layer.
    """
    layers = {name: one for name, one in net.named_modules() if isinstance(one, LNM)}
    if not layers:
        raise ValueError("expected a network with a layer of LNM, found none")
    axis = axis_or_new(axis)
    v = torch.linspace(-1.5, 1.5, 121)
    for at, (name, layer) in enumerate(layers.items()):
        f = layer.dynamics(v.to(layer.theta[0])).detach().cpu()
        axis.plot(v, f, label=name or "LNM", **line(at))
    leak = math.exp(-next(iter(layers.values())).dt / LIF().tau.item())
    axis.plot(v, leak * v, color="black", linestyle=":", label="LIF")
    axis.set(xlabel="membrane v", ylabel="f(v)")
    axis.legend(title="layer")
    return axis


def frequencies(net: nn.Module, *, axis: "Axes | None" = None) -> "Axes":
    """Draws how many resonators there are of each frequency, by layer.

    Args:
        net: A network with layers of resonators, or one.
        axis: Where to draw; None for a new figure.

    Returns:
        The axis.

    Raises:
        ValueError: If there is no resonator.
    """
    found = dict(_frequencies(net))
    if not found:
        raise ValueError("expected a network with resonators (RF, BRF, HRF, ...), found none")
    axis = axis_or_new(axis)
    looks = [area(at) for at in range(len(found))]
    colours, hatches = ([one[name] for one in looks] for name in ("color", "hatch"))
    axis.hist(
        list(found.values()), bins=20, stacked=True, label=list(found), color=colours, hatch=hatches
    )
    axis.set(xlabel="frequency (Hz)", ylabel="neurons")
    axis.legend(title="layer")
    return axis


def _frequencies(net: nn.Module) -> Iterator[tuple[str, list[float]]]:
    for name, layer in net.named_modules():
        omega = getattr(layer, "omega", None)
        if isinstance(layer, Neuron) and isinstance(omega, Tensor):
            hertz = omega.detach().cpu().abs().flatten() / (2 * math.pi)
            yield name or type(layer).__name__, hertz.tolist()


@torch.no_grad()
def answer(neuron: Neuron, current: Tensor) -> tuple[Tensor, dict[str, list[float]]]:
    """Runs one neuron step by step.

    Args:
        neuron: A layer of one neuron, or one whose parameters are shared.
        current: The current of each step [T].

    Returns:
        Its output [T], and each part of its state after each step; not the last spikes.

    Raises:
        ValueError: If the current is no curve [T].
    """
    if current.dim() != 1 or not len(current):
        raise ValueError(f"expected a current [T] for one neuron, got {list(current.shape)}")
    steps = list(current.view(-1, 1, 1))
    state, outs, states = neuron.init_state(steps[0]), [], []
    for one in steps:
        out, state = neuron.step(one, state)
        outs.append(out.flatten())
        states.append(_values(state))
    return torch.cat(outs), {name: [one[name] for one in states] for name in states[0]}


def _values(state: Any) -> dict[str, float]:
    return {name: value.item() for name, value in state._asdict().items() if name != "spikes"}
