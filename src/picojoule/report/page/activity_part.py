"""The part of a page that shows what neurons do, and which classes are confused."""

from collections.abc import Iterator, Mapping, Sequence

from picojoule.report.page import charts
from picojoule.report.page.html import Page, choices, folded, table, text
from picojoule.training import Activity
from picojoule.training.activity import Example

_MOST_CLASSES = 30  # of which a table of confusions can be read
_MOST_PAIRS = 20


def spikes(page: Page, activity: Activity, labels: Sequence[str]) -> Iterator[str]:
    """Yields the activity by layer and step, and the spikes of a few inputs."""
    means = [
        [layer, f"{sum(rates):.3g}", f"{sum(rates) / len(rates):.3g}", f"{max(rates):.3g}"]
        for layer, rates in activity.rate.items()
    ]
    yield page.chart(
        charts.lines(activity.rate, x="step", y="spikes per neuron", start=0),
        says=f"Spikes per neuron in each step, mean of {activity.samples} test inputs, by layer",
        numbers=table(["layer", "in all", "mean per step", "highest"], means),
    )
    rows = {layer: kept for layer, (kept, _) in activity.kept.items()}
    drawn = [_drawn(page, one, rows, _of_class(one, labels)) for one in activity.examples]
    names = [_name(at, one, labels) for at, one in enumerate(activity.examples, start=1)]
    yield choices("Input", list(zip(names, drawn, strict=True)))
    few = [f"{kept} of {size:,} of layer {layer}" for layer, (kept, size) in activity.kept.items()]
    yield f"<p>Neurons drawn, evenly spaced: {text(', '.join(few))}.</p>"


def _name(at: int, example: Example, labels: Sequence[str]) -> str:
    if example.label is None or example.predicted is None:
        return str(at)
    return f"{at}: {labels[example.label]}, predicted {labels[example.predicted]}"


def _of_class(example: Example, labels: Sequence[str]) -> str:
    return "" if example.label is None else f" of class {labels[example.label]}"


def _drawn(page: Page, example: Example, rows: Mapping[str, int], of_class: str) -> str:
    """Returns the spikes of one input as a chart."""
    numbers = [[layer, f"{len(points):,}"] for layer, points in example.spikes.items()]
    return page.chart(
        charts.raster(example.spikes, rows, example.steps),
        says=f"Spikes of a test input{of_class}, over {example.steps} steps",
        numbers=table(["layer", "spikes drawn"], numbers),
        height=100 + 2 * (sum(rows.values()) + 5 * len(rows)),
    )


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> Iterator[str]:
    """Yields the confusion matrix, or the pairs most often confused if there are many classes.

    Args:
        counts: How often each class (row) was predicted as each (column).
        labels: The names of the classes.
    """
    if not counts:
        return
    wrong = sorted(
        (
            (number, labels[row], labels[column])
            for row, line in enumerate(counts)
            for column, number in enumerate(line)
            if number and row != column
        ),
        reverse=True,
    )[:_MOST_PAIRS]
    pairs = table(["true class", "predicted", "how often"], [[a, b, f"{n:,}"] for n, a, b in wrong])
    if len(counts) > _MOST_CLASSES:
        yield f"<h3>Most often confused</h3>{pairs}"
        return
    yield _matrix(counts, labels)
    yield folded("Most often confused", pairs)


def _matrix(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """Returns the confusion matrix as a table, a cell darker the larger its share of the row."""
    said = "Rows: the true class. Columns: the predicted class."
    heads = "".join(f'<th scope="col">{text(one)}</th>' for one in labels)
    lines = (
        f'<tr><th scope="row">{text(label)}</th>'
        + "".join(
            f'<td style="--share:{number / max(1, sum(line)):.3f}">{number or ""}</td>'
            for number in line
        )
        + "</tr>"
        for label, line in zip(labels, counts, strict=True)
    )
    return (
        f'<div class="wide" tabindex="0"><table class="confusion"><caption>{said}</caption>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
