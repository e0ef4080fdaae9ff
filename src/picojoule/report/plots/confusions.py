"""Picture of a confusion matrix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from picojoule.report.plots.axes import axis_or_new
from picojoule.report.record import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NUMBERS = 12  # classes up to which numbers fit into their cells


def confusion(
    report: Report, *, labels: Sequence[str] | None = None, axis: "Axes | None" = None
) -> "Axes":
    """Draws the confusion matrix of the test set, darker the larger the share of a row.

    Args:
        report: The report of a run, or of a measurement.
        labels: Names of the classes; None for their numbers.
        axis: Where to draw; None for a new figure.

    Returns:
        The axis, with a row for each true class and a column for each predicted one.

    Raises:
        ValueError: If the report has no confusions, or there are not as many names as classes.
    """
    counts = report.confusion
    if counts is None:
        raise ValueError(
            "expected a report with confusions: those of regression, of more than 100 classes and "
            "from before they were kept have none"
        )
    names = [str(number) for number in range(len(counts))] if labels is None else list(labels)
    if len(names) != len(counts):
        raise ValueError(f"expected {len(counts)} labels, one for each class, got {len(names)}")
    axis = axis_or_new(axis)
    shares = [[number / max(1, sum(row)) for number in row] for row in counts]
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(names))
    if len(names) <= _MOST_NUMBERS:
        axis.set_xticks(places, names, rotation=90 if max(map(len, names)) > 2 else 0)
        axis.set_yticks(places, names)
        for row, column in ((row, column) for row in places for column in places):
            if number := counts[row][column]:
                ink = "white" if shares[row][column] > 0.5 else "black"
                axis.text(column, row, str(number), ha="center", va="center", color=ink, size=6)
    axis.set(xlabel="predicted class", ylabel="true class")
    return axis
