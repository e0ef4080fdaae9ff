"""Texts and tables of results for a terminal; they are returned, and printed elsewhere."""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import get_args

from rich.console import Group, RenderableType
from rich.text import Text

from picojoule.data import DATASETS, Dataset
from picojoule.energy import priced_for
from picojoule.networks import NETWORKS
from picojoule.report import Report
from picojoule.report.energy_tables import cheaper_levels, comparison, times
from picojoule.report.fitted_table import FittedTable, Head, entry
from picojoule.report.notes import amount
from picojoule.run import Prediction
from picojoule.training import Cost
from picojoule.training.penalties import kinds as penalty_kinds
from picojoule.units import format_energy

# Spans of steps of one prediction that a line shows.
_SPANS = 12


def listing(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> FittedTable:
    """Makes a table of texts, whose first column is a name."""
    first, *others = columns
    return FittedTable(title, [Head(first, whole=True), *map(Head, others)], list(rows))


def data_sets() -> FittedTable:
    """Tabulates the data sets."""
    rows = [
        (one.name, one.modality, f"{one.classes:,}", _sizes(one), one.description)
        for one in DATASETS.values()
    ]
    columns = ("name", "modality", "classes", "training + validation + test", "what")
    return listing("data sets", columns, rows)


def data_set(one: Dataset) -> Group:
    """Describes a data set: contents, splits, licence, citation and files."""
    classes = ", ".join(one.labels[:40]) + (", ..." if one.classes > 40 else "")
    facts = {
        "modality": f"{one.modality}, {_item(one)}",
        f"{one.classes:,} classes": classes,
        "training + validation + test": _sizes(one),
        "splits": one.division,
        "mean": "" if one.mean is None else f"{one.mean}, standard deviation {one.std}",
        "speakers": ", ".join(one.speakers),
        "licence": one.licence,
        "cite": one.citation,
        "to be fetched by hand": one.page or "",
    }
    lines = [f"{name}: {text}" for name, text in facts.items() if text]
    for file in one.files:
        known = file.checksum or ("sha256 of its content", str(file.content_sha256))
        lines.append(f"{file.url or file.path}: {' '.join(known)}")
    return Group(*entry(f"{one.name}: {one.description}", lines))


def _sizes(one: Dataset) -> str:
    return " + ".join(f"{size:,}" for size in one.sizes)


def _item(one: Dataset) -> str:
    if one.rate_hz is not None:
        return f"{one.rate_hz:,} samples per second"
    return " x ".join(map(str, one.inputs))


def penalties() -> FittedTable:
    """Tabulates the penalties and their options."""
    rows = []
    for name, kind in sorted(penalty_kinds().items()):
        options = ", ".join(map(_option, inspect.signature(kind).parameters.values()))
        first = (inspect.getdoc(kind) or "").split("\n")[0]
        rows.append((name, options, first.replace("``", "")))
    return listing("penalties that a recipe may name", ("name", "options", "description"), rows)


def _option(parameter: inspect.Parameter) -> str:
    """Words an option with its default."""
    needed = parameter.default is parameter.empty
    return parameter.name if needed else f"{parameter.name}={parameter.default}"


NETWORK = ("name", "options", "description")


def networks() -> FittedTable:
    """Tabulates the networks and their options."""
    return listing("networks", NETWORK, network_rows())


def network_rows() -> list[tuple[str, str, str]]:
    """Returns what there is to say of each network, as ``NETWORK`` names it."""
    rows = []
    for name, builder in NETWORKS.items():
        parameters = inspect.signature(builder).parameters.values()
        own = [p for p in parameters if p.name not in ("inputs", "classes", "neuron")]
        options = ", ".join(f"{p.name}={p.default}{_others(p)}" for p in own)
        rows.append((name, options, (inspect.getdoc(builder) or "").split("\n")[0]))
    return rows


def _others(parameter: inspect.Parameter) -> str:
    """Lists the other values of an option that is one of a few words."""
    words = [word for word in get_args(parameter.annotation) if isinstance(word, str)]
    return "".join(f" or {word}" for word in words if word != parameter.default)


def prediction(found: Prediction, chip_name: str, *, exits: bool) -> str:
    """Words a prediction: class and confidence, numbers, or those of spans of steps; energy.

    Args:
        found: The prediction.
        chip_name: Name of the chip.
        exits: Whether the network has an exit, so that it matters how many steps ran.
    """
    spent = format_energy(found.energy_pj)
    ran = f" · {found.steps_ran} step{'s' * (found.steps_ran > 1)}" if exits else ""
    return f"{_predicted(found)} · {spent} on {chip_name}{ran}"


def _predicted(found: Prediction) -> str:
    if found.steps is None:
        return _one(found.label, found.values, found.confidence)
    spans = [
        (name, [number for number, _ in steps])
        for name, steps in groupby(
            enumerate(found.steps), lambda one: _one(one[1].label, one[1].values)
        )
    ]
    told = [f"{name} ({_span(steps)})" for name, steps in spans[:_SPANS]]
    more = [f"{len(spans) - _SPANS} more"] if len(spans) > _SPANS else []
    return ", ".join([*told, *more])


def _one(label: str | None, values: Sequence[float] | None, confidence: float | None = None) -> str:
    """Words a class or numbers."""
    if values is not None:
        return ", ".join(f"{value:.4g}" for value in values)
    sure = "" if confidence is None else f" · confidence {confidence:.3f}"
    return f"{label}{sure}"


def _span(steps: Sequence[int]) -> str:
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"


def chip_beside(name: str, one: Cost | None) -> str:
    """Words a chip's name, with a mark if its prices are for another precision."""
    priced = "" if one is None else priced_for(one.precision, one.network_precision)
    return name if one is None or priced == one.precision else f"{name} ({priced})"


def energies(report: Report) -> RenderableType:
    """Tabulates energies by layer and kind, and lists what they leave out and what is in doubt."""
    lines: list[RenderableType] = [report.table()]
    for name, one in report.chips.items():
        if one.excluded:
            lines.append(Text(f"{name} leaves out: {_counts(one.excluded)}", style="dim"))
        if one.unpriced:
            lines.append(Text(f"{name} has no price for: {_counts(one.unpriced)}", style="yellow"))
    return Group(*lines, *_notes(report))


def compared(report: Report) -> RenderableType:
    """Tabulates the chips of a report side by side."""
    return Group(
        comparison(report.chips, report.spike_rate),
        *cheaper_levels(report.chips),
        *_notes(report),
    )


def _notes(report: Report) -> Iterator[Text]:
    for note in report.notes:
        yield Text(note, style="yellow")


def _counts(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} ({number:,.4g})" for name, number in counts.items())


def floor(report: Report) -> str:
    """Words the floor (what no hidden spike can change) beside the energy it is a part of."""
    budget = report.budget
    if budget is None:
        name, one = next(iter(report.chips.items()))
        share = one.floor_pj / one.total_pj if one.total_pj else 1.0
        floor_pj = format_energy(one.floor_pj)
        return f"floor (test set) {floor_pj} on {name}, {_share(share)} of what it spends"
    place = "" if budget.unit != "pJ" else f" on {budget.chip}"
    text = f"floor (training set) {amount(budget.floor_pj, budget.unit)}{place}, "
    if budget.unconstrained_pj is None:
        return text + f"{_share(budget.floor_pj / budget.limit_pj)} of the budget"
    share = budget.floor_pj / budget.unconstrained_pj
    free = format_energy(budget.unconstrained_pj)
    return text + f"{_share(share)} of what it spends without a budget ({free})"


def _share(share: float) -> str:
    return f"{share:.2f}" if share >= 0.01 or not share else "less than 0.01"


def summary(report: Report, folder: Path, *, energies: bool = True) -> str:
    """Words the outcome of a run in one line, with or without the energy on each chip."""
    spent = [
        f"{format_energy(one.total_pj)} per inference on {name}{_beside(one)}"
        for name, one in report.chips.items()
    ]
    aims = [report.budget.outcome if report.budget else "no budget", *_penalty(report)]
    silent = [f"silent {', '.join(report.silent)}"] if report.silent else []
    steps = [report.ran] if report.mean_steps not in (None, report.steps) else []
    spent = spent if energies else []
    return " · ".join([f"test {report.measured}", *steps, *silent, *spent, *aims, str(folder)])


def _beside(one: Cost) -> str:
    """Words a precision that the network has not, and how many times as much ANNs cost."""
    priced = priced_for(one.precision, one.network_precision)
    mark = [priced] if priced != one.precision else []
    anns = (("dense ANN", one.ann_pj), (f"{one.quantised_ann_bits}-bit ANN", one.quantised_ann_pj))
    parts = [f"{name} {times(pj / one.total_pj)}" for name, pj in anns if pj and one.total_pj]
    told = "; ".join([*mark, *([", ".join(parts)] if parts else [])])
    return f" ({told})" if told else ""


def _penalty(report: Report) -> Iterator[str]:
    if report.penalty is not None:
        options = {name: value for name, value in report.penalty.items() if name != "name"}
        given = ", ".join(f"{name}={value}" for name, value in options.items())
        yield f"penalty {report.penalty['name']}({given})"
