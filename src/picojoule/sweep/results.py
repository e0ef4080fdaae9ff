"""Results of a sweep: a row per run, means over seeds, the front; as CSV, JSON and LaTeX."""

import csv
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from picojoule import _sums
from picojoule.report.page import sweep_page
from picojoule.report.record import versions
from picojoule.run.write_page import PAGE
from picojoule.sweep.fronts import front, hypervolume
from picojoule.sweep.latex import booktabs
from picojoule.sweep.measures import NUMBERS
from picojoule.sweep.question import Question
from picojoule.sweep.queue import Entry
from picojoule.sweep.trials import FINISHED
from picojoule.targets import better, is_share

RESULTS, LATEX = "results.json", "results.tex"
_BEYOND = 1.1  # energy and error of the reference point, as a multiple of the highest

Row = dict[str, Any]


def rows_of(entries: Sequence[Entry]) -> list[Row]:
    """Returns a row for each run: what it sets, its state, and its numbers as far as it has any."""
    keys = list(dict.fromkeys(key for one in entries for key in one.overrides))
    return [
        {"run": one.planned.name, "state": one.state}
        | {key: one.overrides.get(key, "") for key in keys}
        | {"seed": one.planned.seed}
        | {
            name: one.notes.get("row", {}).get(name)
            for name in ("chosen_by", *NUMBERS, "met", "machine")
        }
        | {"folder": f"runs/{one.planned.name}", "error": one.notes.get("error", "")}
        for one in entries
    ]


def configurations(rows: Sequence[Row], keys: Sequence[str]) -> list[Row]:
    """Returns for each configuration its means over the seeds that are finished.

    Args:
        rows: A row for each run.
        keys: What a configuration sets.

    Returns:
        Rows with the keys, ``seeds`` (how many are finished), a mean and a sample standard
        deviation (``_std``; None for one seed) of each measure, ``met`` (how many of the seeds met
        their limit; None without one) and ``runs`` (their names).
    """
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row["state"] == FINISHED:
            found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return [dict(zip(keys, values, strict=True)) | _means(group) for values, group in found.items()]


def _means(group: Sequence[Row]) -> Row:
    means: Row = {"seeds": len(group)}
    for name in NUMBERS:
        values = [row[name] for row in group if row[name] is not None]
        means[name] = statistics.fmean(values) if values else None
        means[f"{name}_std"] = statistics.stdev(values) if len(values) > 1 else None
    met = [row["met"] for row in group if row["met"] is not None]
    means["met"] = sum(met) if met else None
    return means | {"runs": [row["run"] for row in group]}


def measure_of(rows: Sequence[Row]) -> str:
    """Returns the measure by which runs are compared: the one that chose the weights of the first.

    It is the accuracy as long as no run has weights.
    """
    return next((row["chosen_by"] for row in rows if row["chosen_by"]), "accuracy")


def fronted(found: Sequence[Row], measure: str) -> Row:
    """Returns the front of configurations, and how much it covers.

    The front is that of the mean measure and energy on the validation split, so that the test split
    decides nothing. A configuration without the measure, of another task, has no place on it.

    Args:
        found: The configurations.
        measure: Name of the measure.

    Returns:
        ``front`` (rows by falling energy), ``hypervolume`` (measure times pJ) and ``reference``,
        the point it is measured from: a share of 0, or a tenth more than the highest error, and a
        tenth more than the most that was spent.
    """
    name = f"validation_{measure}"
    known = [row for row in found if row[name] is not None]
    points = [(better(measure, row[name]), row["validation_energy_pj"]) for row in known]
    most_pj = _BEYOND * max((energy for _, energy in points), default=0.0)
    worst = 0.0 if is_share(measure) else _BEYOND * max((row[name] for row in known), default=0.0)
    return {
        "front": [known[number] for number in front(points)],
        "hypervolume": hypervolume(points, (better(measure, worst), most_pj)),
        "reference": {name: worst, "validation_energy_pj": most_pj},
    }


def write(folder: Path, question: Question, entries: Sequence[Entry]) -> Row:
    """Writes ``results.csv``, ``results.json``, ``results.tex`` and the page, each whole.

    Returns:
        What is in ``results.json``.

    Raises:
        OSError: If they cannot be written.
    """
    rows = rows_of(entries)
    keys = list(dict.fromkeys(key for one in entries for key in one.overrides))
    found, measure = configurations(rows, keys), measure_of(rows)
    content = {
        "schema": 1,
        "name": question.name,
        "command": question.command,
        "recipe": question.whole_recipe,
        "versions": versions("optuna"),
        "keys": keys,
        "runs": rows,
        "measure": measure,
        "configurations": found,
        **fronted(found, measure),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _sums.put(folder / RESULTS, text.encode())
    _sums.put(folder / "results.csv", _csv(rows).encode())
    latex = booktabs(found, keys, measure)
    _sums.put(folder / LATEX, latex.encode())
    _sums.put(folder / PAGE, sweep_page(content, latex).encode())
    return content


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
