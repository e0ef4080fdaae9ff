"""The style of pictures, and the axis that one is drawn on."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that most people can tell apart (Okabe and Ito, Color Universal Design, 2008).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#999999")
_COLUMN_IN = 3.5  # of a page with two of them


def style() -> AbstractContextManager[None]:
    """Sets, for a ``with`` block, what a column of a two-column paper takes as it is.

    Figures are 3.5 inches wide, text has 8 points, and text of PDF files stays text.

    Raises:
        ImportError: If matplotlib is not installed.

    Example:
        >>> import torch
        >>> from picojoule.report.plots import raster
        >>> with style():
        ...     axis = raster(torch.eye(5))
        >>> axis.figure.savefig("raster.pdf")  # doctest: +SKIP
    """
    matplotlib = _matplotlib()
    return matplotlib.rc_context(
        {
            "figure.figsize": (_COLUMN_IN, 0.62 * _COLUMN_IN),
            "figure.constrained_layout.use": True,
            "font.size": 8,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
            "lines.linewidth": 1.0,
            "lines.markersize": 3.5,
            "pdf.fonttype": 42,
            "svg.fonttype": "none",
        }
    )


def axis_or_new(axis: "Axes | None") -> "Axes":
    """Returns an axis, that of a new figure if there is none."""
    if axis is not None:
        return axis
    _matplotlib()
    from matplotlib import pyplot

    return pyplot.subplots()[1]


def colour(place: int) -> str:
    """Returns the colour of the curve at a place."""
    return COLOURS[place % len(COLOURS)]


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib, which is not installed: pip install 'picojoule[plots]'"
        ) from error
    return matplotlib
