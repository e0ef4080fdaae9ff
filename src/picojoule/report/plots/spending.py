"""Pictures of energy: by layer and kind, along the depth, and against a measure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from picojoule._names import unknown
from picojoule.report.plots.axes import area, axis_or_new, energy_ticks, legend_beside
from picojoule.report.record import Report
from picojoule.targets import MEASURES
from picojoule.training.cost import rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def energy(report: Report, chip: str | None = None, *, axis: "Axes | None" = None) -> "Axes":
    """Draws the energy of each layer as a bar of a part for each kind of count.

    Args:
        report: The report of a run, or of a measurement.
        chip: Name of a chip that it has; None for the first.
        axis: Where to draw; None for a new figure.

    Returns:
        The axis.

    Raises:
        ValueError: If the report has no such chip.
    """
    if chip is not None and chip not in report.chips:
        raise ValueError(unknown("chip of the report", chip, report.chips))
    name = next(iter(report.chips)) if chip is None else chip
    cost = report.chips[name]
    parts = cost.by_layer_and_kind or {layer: {"all": pj} for layer, pj in cost.by_layer.items()}
    layers = [layer for layer, one in parts.items() if any(one.values())]
    left = [0.0] * len(layers)
    axis = axis_or_new(axis)
    kinds = dict.fromkeys(kind for one in parts.values() for kind, pj in one.items() if pj)
    for at, kind in enumerate(kinds):
        widths = [parts[layer].get(kind, 0.0) for layer in layers]
        axis.barh(layers, widths, left=left, label=kind, **area(at))
        left = [before + width for before, width in zip(left, widths, strict=True)]
    axis.set(xlabel=f"energy per inference on {name}", ylabel="layer")
    axis.use_sticky_edges = False
    axis.autoscale(axis="x")
    axis.set_xlim(left=0)
    axis.yaxis.set_inverted(True)
    energy_ticks(axis)
    legend_beside(axis)
    return axis


def depth(report: Report, *, label: str | None = None, axis: "Axes | None" = None) -> "Axes":
    """Draws the spikes per neuron and step of each layer, along the depth of the network.

    Args:
        report: The report of a run, or of a measurement.
        label: Name of the curve, for several on one axis.
        axis: Where to draw; None for a new figure.

    Returns:
        The axis.
    """
    found = rates(report.counts)
    axis = axis_or_new(axis)
    axis.plot(list(found), list(found.values()), marker="o", label=label)
    axis.set(xlabel="layer", ylabel="spikes per neuron and step", ylim=(0, None))
    if label is not None:
        axis.legend()
    return axis


def front(
    energies_pj: Sequence[float],
    values: Sequence[float],
    *,
    measure: str = "accuracy",
    energy_errors: Sequence[float] | None = None,
    value_errors: Sequence[float] | None = None,
    label: str | None = None,
    axis: "Axes | None" = None,
) -> "Axes":
    """Draws a measure against energy, from the least energy on.

    Args:
        energies_pj: Energy per inference of each point, in pJ.
        values: Measure of each.
        measure: Name of the measure: ``"accuracy"``, ``"macro_f1"`` or ``"mse"``.
        energy_errors: Half the length of each error bar, in pJ.
        value_errors: The same of the measure.
        label: Name of the curve, for several on one axis.
        axis: Where to draw; None for a new figure.

    Returns:
        The axis.

    Raises:
        ValueError: If there are not as many of one as of the other, or no such measure.

    Example:
        >>> front([900.0, 300.0], [0.95, 0.9], value_errors=[0.01, 0.01]).get_xscale()
        'log'
    """
    if measure not in MEASURES:
        raise ValueError(unknown("measure", measure, MEASURES))
    given = [energies_pj, values, energy_errors, value_errors]
    if len({len(one) for one in given if one is not None}) > 1:
        raise ValueError(
            "expected as many energies, values and errors as there are points, got "
            f"{[None if one is None else len(one) for one in given]}"
        )
    order = sorted(range(len(energies_pj)), key=lambda at: energies_pj[at])
    x, y, across, along = (one and [one[at] for at in order] for one in given)
    axis = axis_or_new(axis)
    axis.errorbar(x or [], y or [], along, across, marker="o", capsize=2, label=label)
    axis.set(xlabel="energy per inference", ylabel=MEASURES[measure], xscale="log")
    energy_ticks(axis)
    if label is not None:
        axis.legend()
    return axis
