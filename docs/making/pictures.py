"""The answers of a neuron to a step and to a chirp, drawn by matplotlib."""

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from torch import Tensor

from picojoule.neurons import Neuron
from picojoule.report.plots.dynamics import answer

STEPS = 320
CYCLES = 0.04  # of the chirp in its last step
TIME = torch.arange(STEPS, dtype=torch.float32)
SHAPES = {
    "step": (TIME >= STEPS / 10).float(),
    "chirp": torch.sin(math.pi * CYCLES / STEPS * TIME**2),
}
LEAST = {"events": 1, "analog": 1, "levels": 2}  # the output that a current is to cause
OUTPUTS = 6  # and in how many steps
STYLE = {
    "svg.hashsalt": "picojoule",  # a picture drawn again has the same bytes
    "svg.fonttype": "none",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.0,
}


def drawn(name: str, neuron: Neuron) -> str:
    """The picture as SVG: left the answer to a step, right the one to a chirp."""
    titles = f"{name}: a step", f"a chirp, 0 to {CYCLES / neuron.dt:g} Hz"
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 3.4))
        figure.subplots_adjust(0.08, 0.19, 0.99, 0.94, wspace=0.16)
        axes = figure.subplots(3, 2, sharex=True, height_ratios=(1, 3, 0.7))
        for column, shape, title in zip(axes.T, SHAPES.values(), titles, strict=True):
            column[0].set_title(title)
            draw(column, neuron, loud_enough(neuron, shape))
        figure.legend(handles=axes[1, 0].lines, loc="lower center", ncols=4, frameon=False)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


@torch.no_grad()
def loud_enough(neuron: Neuron, shape: Tensor) -> Tensor:
    """The weakest current of a shape, in steps of a quarter, that causes some output."""
    currents = shape.view(-1, 1, 1) * (0.01 * 1.25 ** torch.arange(60.0)).view(-1, 1)
    out, _ = neuron(currents)
    enough = ((out >= LEAST[neuron.output]).sum(0) >= OUTPUTS).flatten().tolist()
    return currents[:, enough.index(True) if True in enough else -1, 0]


def draw(axes: Sequence[Any], neuron: Neuron, current: Tensor) -> None:
    """One half: the current, the state and the output."""
    time = [k * neuron.dt for k in range(STEPS)]
    out, states = answer(neuron, current)
    outs = out.tolist()
    top, middle, bottom = axes
    top.plot(time, current.tolist(), color="grey")
    for field, values in states.items():
        middle.plot(time, values, label=field)
    threshold = getattr(neuron, "threshold", None)
    if threshold is not None:
        middle.axhline(threshold.max().item(), color="black", linestyle=":", label="threshold")
    if neuron.output == "analog":
        bottom.plot(time, outs, color="crimson")
    else:
        fired = [(t, out) for t, out in zip(time, outs, strict=True) if out]
        bottom.vlines([t for t, _ in fired], 0, [out for _, out in fired], colors="crimson")
    for axis, label in zip(axes, ("current", "state", "output"), strict=True):
        axis.set_ylabel(label)
    bottom.set_xlabel("s")
