"""Tables and figures of the results, each made of the records that lie beside its page."""

import io
import json
import runpy
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from making import paper_marks as marks
from making import papers
from picojoule.report import plots

FOLDER = Path(__file__).parents[1] / "results"
SALT = {"svg.hashsalt": "picojoule"}  # a picture drawn again has the same bytes
ANALOG, SRAM = "analog-65nm", "45nm-sram"
LEVELS = (SRAM, f"{SRAM}, multiply", "45nm", "45nm, multiply")
CHIPS = {chip: marks.total(chip) for chip in ("45nm", SRAM)}
ACCOUNTS = {
    "neurons alone": marks.neurons,
    "their spikes": marks.spikes,
    ANALOG: marks.total(ANALOG),
    "45nm": CHIPS["45nm"],
}

TABLES: dict[str, Callable[[], str]] = {
    "main-job": lambda: script("main_job.py")["table"](),
    "networks": lambda: script("networks.py")["table"](),
    "conversion": lambda: script("conversion.py")["table"](),
    "plan": papers.progress,
    "keyword-trials": lambda: papers.trials("trials"),
    "keyword-runs": lambda: papers.made_of("keyword"),
    "keyword": lambda: papers.outcomes(
        "keyword", ("45nm", SRAM, ANALOG), {"spikes": marks.spikes, "resonators on": marks.static}
    ),
    "keyword-kinds": lambda: papers.kinds("keyword", ("45nm", SRAM, ANALOG)),
    "keyword-savings": lambda: marks.savings("keyword", ACCOUNTS, points=1.0),
    "keyword-fronts": lambda: marks.fronts("keyword", ACCOUNTS, worst=0.8),
    "penalties-runs": lambda: papers.made_of("penalties"),
    "penalties-shares": papers.shares,
    "penalties": lambda: papers.outcomes("penalties", ("45nm", SRAM), {}),
    "penalties-savings": lambda: marks.savings("penalties", CHIPS, 0.5, papers.charge),
    "one-step-runs": lambda: papers.made_of("one-step"),
    "one-step-pair": lambda: marks.beside(
        "one-step", LEVELS, "steps 4, IF", "steps 1, MultiLevelIF levels 4"
    ),
    "one-step": lambda: papers.outcomes("one-step", LEVELS, {}),
}


def texts() -> dict[str, str]:
    """The text of every file that is nothing but tables, by its path below ``docs/results``."""
    made = {
        "budget/tables.md": (script("budget.py")["tables"], "budget/cells.json"),
        "levers/table.md": (script("levers.py")["table"], "levers/cells.json"),
    }
    return {
        name: table(json.loads((FOLDER / records).read_text("utf-8")))
        for name, (table, records) in made.items()
    }


def script(name: str) -> dict[str, Any]:
    """The functions of a script that makes records."""
    return runpy.run_path(str(FOLDER / name))


def figures() -> dict[str, str]:
    """Every figure as SVG, by its path below ``docs/results``."""
    return {
        "papers/keyword.svg": fronts("keyword", {"45nm": CHIPS["45nm"], ANALOG: ACCOUNTS[ANALOG]}),
        "papers/penalties.svg": fronts("penalties", CHIPS, papers.charge),
        "papers/shares.svg": shares(),
    }


def fronts(
    part: str,
    values: dict[str, marks.Value],
    curve: Callable[[papers.Record], str] = papers.arm,
) -> str:
    """Accuracy against energy, a curve for each network or penalty and an axis for each account."""
    groups = list(papers.grouped(papers.read(part)).values())
    with drawing(len(values)) as (axes, file):
        for axis, (title, value) in zip(axes, values.items(), strict=True):
            for name in dict.fromkeys(curve(runs[0]) for runs in groups):
                own = [runs for runs in groups if curve(runs[0]) == name]
                plots.front(
                    [statistics.fmean(map(value, one)) for one in own],
                    [statistics.fmean(run["accuracy"] for run in one) for one in own],
                    label=name.strip("`") or "none",
                    axis=axis,
                )
            axis.set_title(title)
    return file.getvalue()


def shares() -> str:
    """The share of each layer in energy and in penalties, a curve for each."""
    with drawing(1) as ((axis,), file):
        for name, parts in json.loads((papers.FOLDER / "shares.json").read_text("utf-8")).items():
            axis.plot(list(parts), list(parts.values()), marker="o", label=name)
        axis.set(xlabel="layer that spikes arrive at", ylabel="share", ylim=(0, None))
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
