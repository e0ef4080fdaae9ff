"""Marks and fronts of the four papers: what their tables come to."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean as mean

from making import markdown
from making.papers import Record, arm, energy, grouped, read
from picojoule.sweep.fronts import hypervolume

Value = Callable[[Record], float | None]
POINT, SMALL = 0.01, 1e-9
BEYOND = 1.1  # energy of the reference point of a hypervolume, as a multiple of the most


def total(chip: str) -> Value:
    """The energy of a run on a chip, all of it."""
    return lambda one: one["chips"][chip]["total_pj"]


def neurons(one: Record) -> float | None:
    """The energy of its neurons alone on analog circuits: spikes and static power."""
    fired = spikes(one)
    return None if fired is None else fired + static(one)


def spikes(one: Record) -> float | None:
    """The energy of its spikes on analog circuits; None if a kind of neuron has no price."""
    cost = one["chips"]["analog-65nm"]
    priced = not any(name.split(".")[0] == "spike" for name in cost["unpriced"])
    return cost["by_kind"].get("spike", 0.0) if priced else None


def static(one: Record) -> float:
    """The static energy of its neurons on analog circuits."""
    return one["chips"]["analog-65nm"]["by_kind"].get("second", 0.0)


def savings(
    part: str, values: Mapping[str, Value], points: float, curve: Callable[[Record], str] = arm
) -> str:
    """The most that each curve saves at no more than so many points of accuracy on validation.

    The configuration is chosen on the validation split: of each curve the one that spends least.
    Accuracy and energy are of the test split, and the loss has the standard error of the pooled
    difference.

    Args:
        part: The part.
        values: Energies in pJ, by title.
        points: Points of accuracy that may be lost.
        curve: The curve that a run with an energy term belongs to.
    """
    found = grouped(read(part))
    free = {key[0]: runs for key, runs in found.items() if not key[2]}
    rows = []
    for title, value in values.items():
        best: dict[str, tuple[float, tuple[str, str, str]]] = {}
        for key, runs in found.items():
            before = free.get(key[0])
            if not key[2] or before is None or any(value(one) is None for one in before):
                continue
            spent, name = mean(map(value, runs)), curve(runs[0])
            lost = mean(one["validation"] for one in before) - mean(
                one["validation"] for one in runs
            )
            if lost <= points * POINT + SMALL and spent < best.get(name, (math.inf, key))[0]:
                best[name] = spent, key
        for name, (spent, key) in best.items():
            before, runs = free[key[0]], found[key]
            lost = mean(one["accuracy"] for one in before) - mean(one["accuracy"] for one in runs)
            rows.append(
                (
                    title,
                    name,
                    f"{key[2]} on {key[1]}",
                    str(len(runs)),
                    energy([value(one) for one in before]),
                    energy([value(one) for one in runs]),
                    f"{mean(map(value, before)) / spent:.1f}x" if spent else "all",
                    f"{100 * lost:+.1f} ± {100 * error(before, runs):.1f}",
                )
            )
    heads = ("energy", "", "by", "runs", "without", "with", "less", "points lost")
    return markdown.table(heads, rows)


def error(one: Sequence[Record], other: Sequence[Record]) -> float:
    """The standard error of the difference of two pooled accuracies."""
    parts = []
    for runs in (one, other):
        share = mean(run["accuracy"] for run in runs)
        parts.append(share * (1 - share) / sum(run["samples"] for run in runs))
    return sum(parts) ** 0.5


def fronts(
    part: str, values: Mapping[str, Value], worst: float, curve: Callable[[Record], str] = arm
) -> str:
    """Areas that the fronts of curves cover, as shares of what could be covered.

    Points are means over seeds on the test split, all of them; nothing is chosen by it. The area is
    that above ``worst`` accuracy, and up to a tenth more energy than the most.
    """
    groups = list(grouped(read(part)).values())
    names = list(dict.fromkeys(curve(runs[0]) for runs in groups))
    rows = []
    for title, value in values.items():
        known = [runs for runs in groups if all(value(one) is not None for one in runs)]
        points = [(mean(one["accuracy"] for one in runs), mean(map(value, runs))) for runs in known]
        most = BEYOND * max((pj for _, pj in points), default=1.0)
        covered = []
        for name in names:
            own = [p for p, runs in zip(points, known, strict=True) if curve(runs[0]) == name]
            covered.append(hypervolume(own, (worst, most)) / ((1 - worst) * most))
        rows.append((title, *(f"{share:.3f}" if share else "" for share in covered)))
    return markdown.table(("energy", *names), rows)


def beside(part: str, chips: Sequence[str], first: str, second: str) -> str:
    """Savings of one form of each recipe's network over another, on chips.

    Args:
        part: The part.
        chips: The chips, and conventions, to show.
        first: What was varied of the network to compare with, in the words of a table.
        second: The same of the network that is compared.
    """
    found = {key[0]: runs for key, runs in grouped(read(part)).items() if not key[2]}
    rows = []
    for recipe in dict.fromkeys(name.split(", ")[0] for name in found):
        one, other = (found.get(f"{recipe}, {form}") for form in (first, second))
        for chip in chips if one and other else ():
            before, after = (
                [run["chips"][chip]["total_pj"] for run in runs] for runs in (one, other)
            )
            gained = mean(run["accuracy"] for run in other) - mean(run["accuracy"] for run in one)
            rows.append(
                (
                    recipe,
                    chip,
                    energy(before),
                    energy(after),
                    f"{mean(before) / mean(after):.2f}x",
                    f"{100 * gained:+.1f} ± {100 * error(one, other):.1f}",
                )
            )
    heads = ("recipe", "chip", first, second, "less", "points gained")
    return markdown.table(heads, rows)
