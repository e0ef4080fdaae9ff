"""The part of a page that says what came of a run, and what no price holds."""

from collections.abc import Iterator

from picojoule.report.budget_report import BudgetReport, LimitReport
from picojoule.report.notes import amount
from picojoule.report.page.html import table, text
from picojoule.report.record import Report
from picojoule.targets import MEASURES, rounded


def result(report: Report) -> Iterator[str]:
    """Yields the main numbers, and each limit as a bar."""
    numbers = {
        **dict(_measures(report)),
        "correct" if report.mse is None else "labels": report.of_labels,
        "parameters": f"{report.parameters:,}",
        "steps": f"{report.steps:,}",
        "spikes per neuron and step": f"{report.spike_rate:.3g}",
        "seconds": f"{report.seconds:,.0f}",
    }
    cells = (
        f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in numbers.items() if value
    )
    yield f'<dl class="figures">{"".join(cells)}</dl>'
    if report.budget is not None:
        for one in report.budget.limits.values() or [report.budget]:
            yield _bullet(one)


def _measures(report: Report) -> Iterator[tuple[str, str]]:
    """Yields each measure on the test and the validation set."""
    for name, words in MEASURES.items():
        if (found := getattr(report, name)) is not None:
            yield f"test {words}", rounded(name, found.test)
            if found.validation is not None:
                yield f"validation {words}", rounded(name, found.validation)


def _bullet(budget: BudgetReport | LimitReport) -> str:
    """Returns a bar of what was spent, with marks at limit and floor."""
    spent, limit, floor = (
        amount(pj, budget.unit) for pj in (budget.test_pj, budget.limit_pj, budget.floor_pj)
    )
    full = 1.15 * max(budget.test_pj, budget.limit_pj)
    said = f"{budget.chip}: {spent} spent, limit {limit}, floor {floor}"

    def at(pj: float) -> str:
        return f"{100 * pj / full:.2f}%"

    return (
        f"<h3>{text(said)}</h3>"
        f'<div class="bullet" role="img" aria-label="{text(said)}">'
        f'<div class="spent" style="width:{at(budget.test_pj)}"></div>'
        f'<div class="mark limit" style="left:{at(budget.limit_pj)}"><span>limit</span></div>'
        f'<div class="mark floor" style="left:{at(budget.floor_pj)}"><span>floor</span></div></div>'
    )


def not_counted(report: Report) -> Iterator[str]:
    """Yields what no price holds: not counted, never run, without a price, left out by a chip."""
    rows = [[name, "not counted", f"{number:,}"] for name, number in report.uncounted.items()]
    rows += [[layer, "has weights and never ran", ""] for layer in report.unreached]
    for chip, cost in report.chips.items():
        rows += [[name, f"no price on {chip}", f"{n:,.4g}"] for name, n in cost.unpriced.items()]
        rows += [[name, f"left out by {chip}", f"{n:,.4g}"] for name, n in cost.excluded.items()]
    yield (
        table(["what", "why", "per inference"], rows)
        if rows
        else "<p>Everything that ran was counted and priced.</p>"
    )
