"""Networks of the four papers side by side: steps, blocks and neurons."""

from collections.abc import Mapping, Sequence
from statistics import fmean as mean

import torch

import picojoule as pj
from making import markdown
from making.paper_marks import error
from making.papers import Record, energy, grouped, percent, read, spread
from picojoule.neurons import Neuron


def beside(part: str, chips: Sequence[str], pairs: Sequence[tuple[str, str]]) -> str:
    """Savings of one network over another, both without an energy term, on chips.

    Args:
        part: The part.
        chips: The chips, and conventions, to show.
        pairs: Each network to compare with, and the one that is compared.
    """
    found = {key[0]: runs for key, runs in grouped(read(part)).items() if not key[2]}
    rows = []
    for first, second in pairs:
        one, other = found.get(first), found.get(second)
        for chip in chips if one and other else ():
            before, after = (
                [run["chips"][chip]["total_pj"] for run in runs] for runs in (one, other)
            )
            gained = mean(run["accuracy"] for run in other) - mean(run["accuracy"] for run in one)
            rows.append(
                (
                    first,
                    second,
                    chip,
                    energy(before),
                    energy(after),
                    f"{mean(before) / mean(after):.2f}x",
                    f"{100 * gained:+.1f} ± {100 * error(one, other):.1f}",
                )
            )
    heads = ("network", "in its place", "chip", "energy", "in its place", "less", "points gained")
    return markdown.table(heads, rows)


def converted(chips: Sequence[str]) -> str:
    """Accuracy and energy of an ANN that was converted, by its number of steps."""
    found = read("conversion")
    rows = []
    for steps in dict.fromkeys(one["steps"] for one in found):
        runs = [one for one in found if one["steps"] == steps]
        row = [f"{steps} steps" if steps else "the ANN itself", str(len(runs))]
        row.append(percent([one["accuracy"] for one in runs]))
        if steps:
            row += [energy([one["chips"][chip] for one in runs]) for chip in chips]
            row.append(spread([one["spikes_per_neuron"] for one in runs], ".2f"))
        rows.append([*row, *[""] * (4 + len(chips) - len(row))])
    heads = ("converted to", "runs", "accuracy (%)", *chips, "spikes per neuron")
    return markdown.table(heads, rows)


def by_block(one: Record) -> dict[str, float]:
    """Spikes of a sample that arrive at the convolutions of each ``stage.block``."""
    spikes: dict[str, float] = {}
    for layer, arrived in one["arrived"].items():
        if ".body." in layer:
            name = ".".join(layer.split(".")[:2]).replace("stage", "").replace("block", "")
            spikes[name] = spikes.get(name, 0.0) + arrived
    return spikes


def fired(part: str, recipe: str, first: str) -> str:
    """Spikes that neurons put out and that arrive in blocks, for each network of some recipes.

    Args:
        part: The part.
        recipe: What the names of the recipes begin with.
        first: What the name of the network has in it that the others are compared with.
    """
    found = grouped(one for one in read(part) if one["recipe"].startswith(recipe))
    counts = {
        name: [[value(one) for one in runs] for value in (_put_out, _arrived)]
        for (name, _, _), runs in found.items()
    }
    base = next((counts[name] for name in counts if first in name), None)
    rows = []
    for (name, _, _), runs in found.items():
        row = [name, str(len(runs)), percent([one["accuracy"] for one in runs])]
        for at, values in enumerate(counts[name]):
            row.append(spread(values, ".0f"))
            row.append(f"{1 - mean(values) / mean(base[at]):.0%}" if base else "")
        rows.append(row)
    fewer = f"fewer than {first}"
    heads = ("network", "runs", "accuracy (%)", "put out", fewer, "arriving in blocks", fewer)
    return markdown.table(heads, rows)


def _put_out(one: Record) -> float:
    """Spikes of a sample that neurons put out."""
    return (
        sum(rate * one["neurons"][layer] for layer, rate in one["rates"].items()) / one["samples"]
    )


def _arrived(one: Record) -> float:
    """Spikes of a sample that arrive at the convolutions of blocks."""
    return sum(by_block(one).values())


def updates(chips: Sequence[str], neurons: Mapping[str, Neuron]) -> str:
    """What one update of a neuron costs on chips, in a layer of 64, and how much more than LIF."""
    spent: dict[str, list[float]] = {}
    for name, neuron in neurons.items():
        with pj.Meter(neuron, samples=1) as meter, torch.no_grad():
            neuron(torch.zeros(1, 1, 64))
        spent[name] = [float(pj.load_chip(one).price(meter.counts).total) / 64 for one in chips]
    first = next(iter(spent.values()))
    rows = []
    for name, values in spent.items():
        cost = neurons[name].cost
        shown = [
            f"{value:.2f} pJ ({value / base - 1:+.1%})" if base else "priced nowhere"
            for value, base in zip(values, first, strict=True)
        ]
        rows.append((name, str(cost.adds), str(cost.multiplies), *shown))
    return markdown.table(("neuron", "additions", "multiplications", *chips), rows)
