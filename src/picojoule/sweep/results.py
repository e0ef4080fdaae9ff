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
from picojoule.run.write_page import PAGE
from picojoule.sweep.fronts import front, hypervolume
from picojoule.sweep.latex import booktabs
from picojoule.sweep.measures import MEASURES
from picojoule.sweep.question import Question
from picojoule.sweep.queue import Entry
from picojoule.sweep.trials import FINISHED

RESULTS, LATEX = "results.json", "results.tex"
_BEYOND = 1.1  # energy of the reference point, as a multiple of the most that was spent

Row = dict[str, Any]


def rows_of(entries: Sequence[Entry]) -> list[Row]:
    """Returns a row for each run: what it sets, its state, and its numbers as far as it has any."""
    keys = list(dict.fromkeys(key for one in entries for key in one.overrides))
    return [
        {"run": one.planned.name, "state": one.state}
        | {key: one.overrides.get(key, "") for key in keys}
        | {"seed": one.planned.seed}
        | {name: one.notes.get("row", {}).get(name) for name in (*MEASURES, "met", "machine")}
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
    for name in MEASURES:
        values = [row[name] for row in group if row[name] is not None]
        means[name] = statistics.fmean(values) if values else None
        means[f"{name}_std"] = statistics.stdev(values) if len(values) > 1 else None
    met = [row["met"] for row in group if row["met"] is not None]
    means["met"] = sum(met) if met else None
    return means | {"runs": [row["run"] for row in group]}


def fronted(found: Sequence[Row]) -> Row:
    """Returns the front of configurations, and how much it covers.

    The front is that of mean accuracy and energy on the validation split, so that the test split
    decides nothing.

    Returns:
        ``front`` (rows by falling energy), ``hypervolume`` (accuracy times pJ) and ``reference``,
        the point it is measured from: no accuracy, and a tenth more than the most that was spent.
    """
    points = [(row["validation_accuracy"], row["validation_energy_pj"]) for row in found]
    most_pj = _BEYOND * max((energy for _, energy in points), default=0.0)
    return {
        "front": [found[number] for number in front(points)],
        "hypervolume": hypervolume(points, (0.0, most_pj)),
        "reference": {"validation_accuracy": 0.0, "validation_energy_pj": most_pj},
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
    found = configurations(rows, keys)
    content = {
        "schema": 1,
        "name": question.name,
        "keys": keys,
        "set": list(question.settings),
        "runs": rows,
        "configurations": found,
        **fronted(found),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _sums.put(folder / RESULTS, text.encode())
    _sums.put(folder / "results.csv", _csv(rows).encode())
    latex = booktabs(found, keys)
    _sums.put(folder / LATEX, latex.encode())
    _sums.put(folder / PAGE, sweep_page(content, latex).encode())
    return content


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
