"""Figures of the four papers, drawn from the records of their runs."""

import io
import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from making import papers
from making.paper_marks import Value
from making.paper_networks import by_block
from making.papers import FOLDER, Record
from picojoule.report import plots

SALT = {"svg.hashsalt": "picojoule"}  # a picture drawn again has the same bytes
MEMBRANES = [-2 + 0.1 * at for at in range(31)]
LEAK = math.exp(-1 / 4)  # of the LIF that learned dynamics begin as, in every recipe here


def fronts(
    part: str,
    values: Mapping[str, Value],
    curve: Callable[[Record], str] = papers.arm,
    network: str | None = None,
) -> str:
    """Accuracy against energy, a curve for each network or penalty and an axis for each account.

    Args:
        part: The part.
        values: Energies in pJ, by title.
        curve: The curve that a run belongs to.
        network: The network to draw; None for all.
    """
    found = papers.grouped(papers.read(part)).items()
    groups = [runs for key, runs in found if network in (None, key[0])]
    with drawing(len(values)) as (axes, file):
        for axis, (title, value) in zip(axes, values.items(), strict=True):
            for name in dict.fromkeys(curve(runs[0]) for runs in groups):
                own = [runs for runs in groups if curve(runs[0]) == name]
                _front(axis, own, value, name.strip("`") or "none")
            axis.set_title(title)
    return file.getvalue()


def _front(axis: Any, groups: Sequence[Sequence[Record]], value: Value, label: str) -> None:
    """Draws the means over seeds of configurations."""
    energies = [statistics.fmean(map(value, runs)) for runs in groups]
    accuracies = [statistics.fmean(run["accuracy"] for run in runs) for runs in groups]
    plots.front(energies, accuracies, label=label, axis=axis)


def together(values: Mapping[str, Value]) -> str:
    """Accuracy against energy, a curve for each way, with one legend for all axes."""
    groups = list(papers.grouped(papers.read("together")).values())
    with drawing(len(values)) as (axes, file):
        for axis, (title, value) in zip(axes, values.items(), strict=True):
            for way, name in papers.WAYS.items():
                own = [runs for runs in groups if papers.way(runs[0]) == way]
                if own:
                    _front(axis, own, value, name)
            axis.set_title(title)
            if axis.get_legend():
                axis.get_legend().remove()
        axes[0].figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3
        )
    return file.getvalue()


def shares() -> str:
    """The share of each layer in energy and in penalties, a curve for each."""
    with drawing(1) as ((axis,), file):
        for name, parts in json.loads((FOLDER / "shares.json").read_text("utf-8")).items():
            axis.plot(list(parts), list(parts.values()), marker="o", label=name)
        axis.set(xlabel="layer that spikes arrive at", ylabel="share", ylim=(0, None))
        axis.legend()
    return file.getvalue()


def blocks() -> str:
    """Spikes of a picture in each block along the depth, a curve for each kind of block."""
    found = papers.grouped(one for one in papers.read("one-step") if "resnet18" in one["recipe"])
    with drawing(1) as ((axis,), file):
        for (network, _, _), runs in found.items():
            along = [by_block(one) for one in runs]
            means = {name: statistics.fmean(one[name] for one in along) for name in along[0]}
            label = network.partition("residual ")[2] or network.partition("18-")[2].replace(
                "`", ""
            )
            axis.plot(list(means), list(means.values()), marker="o", label=label)
        axis.set(xlabel="block", ylabel="spikes arriving, per picture", ylim=(0, None))
        axis.tick_params("x", rotation=45)
        if found:
            axis.legend()
    return file.getvalue()


def dynamics() -> str:
    """The learned f(u) of spoken digits, an axis for each degree and a curve for each layer."""
    found = papers.grouped(
        one for one in papers.read("learned") if one["dynamics"] and one["recipe"] == "keyword-lif"
    )
    free = {network: runs for (network, _, said), runs in found.items() if not said}
    with drawing(max(len(free), 1)) as (axes, file):
        for axis, (network, runs) in zip(axes, free.items(), strict=False):
            for one in runs:
                for layer, curve in one["dynamics"].items():
                    label = f"layer {layer.removesuffix('.neuron')}, seed {one['seed']}"
                    axis.plot(MEMBRANES, curve, label=label)
            axis.plot(MEMBRANES, [LEAK * v for v in MEMBRANES], "k:", label="LIF")
            axis.set(xlabel="membrane u", ylabel="f(u)", title=network.replace("`", ""))
            axis.legend()
    return file.getvalue()


@contextmanager
def drawing(columns: int) -> Iterator[tuple[Sequence[Any], io.StringIO]]:
    """Axes side by side, and the file that has them as SVG after the block."""
    file = io.StringIO()
    with plots.style(), matplotlib.rc_context(SALT):
        figure = Figure(figsize=(3.5 * columns, 2.6))
        yield figure.subplots(1, columns, squeeze=False)[0], file
        figure.savefig(file, format="svg", metadata={"Date": None})
