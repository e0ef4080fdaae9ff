"""The part of a page that shows a training, epoch by epoch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

from picojoule.report.page import charts
from picojoule.report.page.html import Page, table
from picojoule.report.record import Report
from picojoule.targets import MEASURES, rounded
from picojoule.units import format_energy

Epochs = Sequence[Mapping[str, Any]]
Curve = Sequence[float | None]


def training(
    page: Page, epochs: Epochs, unconstrained: Epochs, report: Report | None
) -> Iterator[str]:
    """Yields accuracy (or error), energy and multiplier over the epochs.

    Args:
        page: Where the charts go.
        epochs: One record per epoch.
        unconstrained: Those of the training without a budget.
        report: The report of the run; None if it has not ended.
    """
    if not (epochs or unconstrained):
        return
    levels = {}
    budget = report and report.budget
    if budget and budget.unit == "pJ" and not budget.limits:
        levels = {"limit": budget.limit_pj, "floor": budget.floor_pj}
    own = "accuracy" if (epochs or unconstrained)[0]["accuracy"] is not None else "mse"
    measure, word = _curves(epochs, unconstrained, own), MEASURES[own]
    energy = _curves(epochs, unconstrained, "energy_pj")
    multiplier = _there({"multiplier": [one.get("multiplier") for one in epochs]})
    charted = [
        page.chart(
            charts.lines(measure, x="epoch", y=word),
            says=f"{word[0].upper()}{word[1:]} over the epochs",
            numbers=_by_epoch(measure, partial(rounded, own)),
        ),
        page.chart(
            charts.energies(energy, x="epoch", levels=levels),
            says="Energy per sample over the epochs",
            numbers=_by_epoch(energy, format_energy),
        ),
    ]
    if multiplier:
        one = page.chart(
            charts.lines(multiplier, x="epoch", y="multiplier"),
            says="Multiplier of the budget over the epochs: above zero, the limit binds",
            numbers=_by_epoch(multiplier, "{:.3f}".format),
        )
        charted.append(one)
    yield f'<div class="grid">{"".join(charted)}</div>'


def _curves(epochs: Epochs, unconstrained: Epochs, name: str) -> dict[str, Curve]:
    """Returns a value of training and validation over the epochs."""

    def validated(some: Epochs) -> Curve:
        return [one["validation"] and one["validation"][name] for one in some]

    curves = {"training": [one[name] for one in epochs], "validation": validated(epochs)}
    return _there(curves | {"validation without a budget": validated(unconstrained)})


def _there(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """Leaves out curves without a value."""
    return {name: curve for name, curve in curves.items() if any(one is not None for one in curve)}


def _by_epoch(curves: Mapping[str, Curve], word: Callable[[float], str]) -> str:
    rows = [
        [str(epoch), *("" if one is None else word(one) for one in values)]
        for epoch, values in enumerate(zip_longest(*curves.values()), start=1)
    ]
    return table(["epoch", *curves], rows)
