"""The style of pictures, and the axis that one is drawn on."""

import math
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from picojoule.report.colours import COLOURS, colour, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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

    return pyplot.subplots(layout="constrained")[1]


def line(place: int) -> dict[str, Any]:
    """Returns the look of the curve at a place."""
    return {"color": colour(place), "linestyle": styled(place, ("-", "--", "-.", ":"))}


def area(place: int) -> dict[str, Any]:
    """Returns the look of the bars at a place."""
    return {"color": colour(place), "hatch": styled(place, ("", "////", "....", "xxxx"))}


def legend_beside(axis: "Axes") -> None:
    """Puts the legend to the right of an axis, where it covers nothing."""
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)


def energy_ticks(axis: "Axes") -> None:
    """Labels the horizontal axis, in pJ, with energies in words.

    Those of a logarithmic axis are at 1, 2 and 5 of each decade, or closer if it is short.
    """
    from matplotlib.ticker import (
        EngFormatter,
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        NullFormatter,
    )

    if axis.get_xscale() == "log":
        low, high = axis.get_xlim()
        decades = math.log10(high / low)
        if decades < 1:
            axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        else:
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2 else (1,)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    else:
        axis.xaxis.set_major_locator(MaxNLocator(5))
    joules = EngFormatter("J")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda pj, _: joules(pj * 1e-12)))


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib, which is not installed: pip install 'picojoule[plots]'"
        ) from error
    return matplotlib
