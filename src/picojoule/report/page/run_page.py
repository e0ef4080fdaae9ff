"""The page of a run: what came of it, its energy, how it was trained, and what its neurons do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from picojoule.report.page.activity_part import confusion, spikes
from picojoule.report.page.energy_part import energy
from picojoule.report.page.html import Page, folded, table, text
from picojoule.report.page.result_part import not_counted, result
from picojoule.report.page.training_part import training
from picojoule.report.record import Report
from picojoule.training import Activity
from picojoule.units import format_energy


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything that is known of a run.

    Attributes:
        name: Its name.
        title: The name of its recipe.
        recipe: Its recipe, as TOML.
        labels: Names of the classes, or of the numbers that are learned.
        epochs: One record per epoch, as ``log.jsonl`` has them.
        unconstrained: Those of its training without a budget; empty if there was none.
        report: Its report; None if it has not ended.
        activity: What its network does with a few inputs; None if it is not known.
    """

    name: str
    title: str
    recipe: str
    labels: Sequence[str]
    epochs: Sequence[Mapping[str, Any]]
    unconstrained: Sequence[Mapping[str, Any]] = ()
    report: Report | None = None
    activity: Activity | None = None


def run_page(record: RunRecord) -> str:
    """Makes the page of a run, of one that has not ended with what there is of it.

    Args:
        record: What is known of it.

    Returns:
        HTML that needs no other file and no network.
    """
    report = record.report
    page = Page(record.name, _lead(record))
    if report is not None:
        page.section("Result", result(report))
        page.section("Energy", energy(page, report))
    page.section("Training", training(page, record.epochs, record.unconstrained, report))
    if record.activity is not None:
        page.section("Activity", spikes(page, record.activity, record.labels))
    if report is not None:
        page.section("Confusion", confusion(report.confusion or (), record.labels))
        page.section("Not counted", not_counted(report))
    page.section("How it was made", _made(record))
    return page.html()


def _lead(record: RunRecord) -> Iterator[str]:
    """Yields the outcome in a line, and what puts it in doubt."""
    report = record.report
    seed = "" if report is None or report.seed is None else f", seed {report.seed}"
    yield f"<p>Recipe {text(record.title)}{seed}</p>"
    if report is None:
        done = f"{len(record.epochs)} epochs are there" if record.epochs else "no epoch is there"
        yield f'<p class="outcome missed">This run has not ended: {done}.</p>'
        return
    first, cost = next(iter(report.chips.items()))
    spent = f"{format_energy(cost.total_pj)} per inference on {first}"
    yield f'<p class="outcome">Test {report.measured}, {text(spent)}</p>'
    if (budget := report.budget) is not None:
        kind = "met" if budget.met else "missed"
        yield f'<p class="outcome {kind}">{text(budget.outcome)}</p>'
    if report.notes:
        yield f'<ul class="notes">{"".join(f"<li>{text(one)}</li>" for one in report.notes)}</ul>'


def _made(record: RunRecord) -> Iterator[str]:
    """Yields the command, the versions and the recipe."""
    report = record.report
    seed = f" --seed {report.seed}" if report is not None and report.seed is not None else ""
    yield f"<pre><code>pj train recipe.toml{seed}</code></pre>"
    if report is not None:
        yield table(["package", "version"], [[name, one] for name, one in report.versions.items()])
    yield folded("recipe.toml", f"<pre><code>{text(record.recipe)}</code></pre>")
