"""Marks and fronts of the four papers: what their tables come to."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean as mean

from making import markdown
from making.papers import WAYS, Record, arm, energy, grouped, percent, read, way
from picojoule.sweep.fronts import hypervolume

Value = Callable[[Record], float | None]
POINT, SMALL = 0.01, 1e-9
BEYOND = 1.1  # energy of the reference point of a hypervolume, as a multiple of the most


def total(chip: str) -> Value:
    """The energy of a run on a chip, all of it."""
    return lambda one: one["chips"][chip]["total_pj"]


def above(chip: str) -> Value:
    """The energy of a run on a chip that hidden spikes cause: what training can change."""
    return lambda one: one["chips"][chip]["total_pj"] - one["chips"][chip]["floor_pj"]


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


def rivals(part: str, chips: Sequence[str], points: float) -> str:
    """The cheapest configuration of each way, within so many points of the best without a charge.

    It is chosen on the validation split and the first chip; the ways stand in the order of energy.

    Args:
        part: The part.
        chips: The chips to show.
        points: Points of accuracy on validation that may be lost.
    """

    def valid(runs: Sequence[Record]) -> float:
        return mean(one["validation"] for one in runs)

    def spent(runs: Sequence[Record], chip: str = chips[0]) -> float:
        return mean(one["chips"][chip]["total_pj"] for one in runs)

    found = grouped(read(part))
    best = max((valid(runs) for key, runs in found.items() if not key[2]), default=0.0)
    cheapest: dict[str, tuple[str, list[Record]]] = {}
    for (_, _, said), runs in found.items():
        name = way(runs[0])
        if valid(runs) >= best - points * POINT - SMALL and (
            name not in cheapest or spent(runs) < spent(cheapest[name][1])
        ):
            cheapest[name] = said, runs
    ordered = sorted(cheapest.items(), key=lambda item: spent(item[1][1]))
    rows = [
        (
            WAYS.get(name, name),
            said or "none",
            str(len(runs)),
            percent([one["validation"] for one in runs]),
            percent([one["accuracy"] for one in runs]),
            *(
                f"{energy([one['chips'][chip]['total_pj'] for one in runs])} "
                f"({spent(runs, chip) / spent(ordered[0][1][1], chip):.1f}x)"
                for chip in chips
            ),
        )
        for name, (said, runs) in ordered
    ]
    heads = ("way", "energy term", "runs", "validation (%)", "accuracy (%)", *chips)
    return markdown.table(heads, rows)
