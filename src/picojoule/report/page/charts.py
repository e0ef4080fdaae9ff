"""Charts as Plotly takes them: data and layout."""

from collections.abc import Mapping, Sequence
from typing import Any

from picojoule.report.colours import COLOURS, colour, styled
from picojoule.report.page.html import Figure, text

_MOST_NAMES = 5  # that are shown of a point
_DASHES = ("solid", "dot", "dashdot", "longdash")
_PATTERNS = ("", "/", ".", "x")
_MARGIN = {"l": 10, "r": 10, "t": 10, "b": 10}
_UNITS = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (1.0, "pJ"), (1e-3, "fJ"))


def stacked(parts: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draws energies as bars, one for each layer from the top, of a part for each kind.

    Args:
        parts: Energy in pJ by layer and kind.
    """
    kinds = dict.fromkeys(kind for one in parts.values() for kind, pj in one.items() if pj)
    factor, unit = _unit(max((sum(one.values()) for one in parts.values()), default=0.0))
    layers = [text(layer) for layer in parts]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": text(kind),
            "x": [one.get(kind, 0.0) / factor for one in parts.values()],
            "y": layers,
            "marker": {"color": colour(at), "pattern": {"shape": styled(at, _PATTERNS)}},
            "hovertemplate": f"%{{y}}, {text(kind)}: %{{x:.4g}} {unit}<extra></extra>",
        }
        for at, kind in enumerate(kinds)
    ]
    return _figure(
        data,
        _axis(f"energy per inference ({unit})"),
        _axis("", type="category", autorange="reversed", ticksuffix=" "),
        barmode="stack",
    )


def lines(
    curves: Mapping[str, Sequence[float | None]],
    *,
    x: str,
    y: str,
    levels: Mapping[str, float] | None = None,
    start: int = 1,
) -> Figure:
    """Draws curves over whole numbers.

    Args:
        curves: Values by name, None where there is none.
        x: Title of the horizontal axis.
        y: Title of the vertical axis.
        levels: Values by name that are the same everywhere, drawn dashed.
        start: The first number.
    """
    most = max((len(one) for one in curves.values()), default=0)
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines+markers" if most < 30 else "lines",
            "name": text(name),
            "x": list(range(start, start + len(values))),
            "y": list(values),
            "line": {"color": colour(at), "dash": styled(at, _DASHES)},
        }
        for at, (name, values) in enumerate(curves.items())
    ]
    for name, level in (levels or {}).items():
        ends = [start, start + max(most - 1, 1)]
        line = {"dash": "dash", "color": COLOURS[-1] if name == "floor" else COLOURS[3]}
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": text(name),
                "x": ends,
                "y": [level] * 2,
                "line": line,
            }
        )
    return _figure(data, _whole(x, most), _axis(y, rangemode="tozero"))


def energies(
    curves: Mapping[str, Sequence[float | None]], *, x: str, levels: Mapping[str, float]
) -> Figure:
    """Draws energies in pJ as ``lines`` draws values."""
    values = [one for curve in (*curves.values(), list(levels.values())) for one in curve if one]
    factor, unit = _unit(max(values, default=0.0))
    scaled = {
        name: [one if one is None else one / factor for one in curve]
        for name, curve in curves.items()
    }
    flat = {name: level / factor for name, level in levels.items()}
    return lines(scaled, x=x, y=f"energy ({unit})", levels=flat)


def front(
    names: Sequence[str],
    runs: Sequence[Sequence[str]],
    energies_pj: Sequence[float],
    values: Sequence[float],
    *,
    measure: str,
    energy_errors: Sequence[float | None],
    value_errors: Sequence[float | None],
    best: Sequence[bool],
) -> Figure:
    """Draws a measure against energy, with bars of errors; the best are connected.

    Args:
        names: Name of each point.
        runs: Names of the runs that each is the mean of.
        energies_pj: Energy of each, in pJ.
        values: Measure of each.
        measure: The measure in words.
        energy_errors: Half the length of each bar along the energy; None for no bar.
        value_errors: The same along the measure.
        best: Whether a point is on the front.
    """
    factor, unit = _unit(max(energies_pj, default=0.0))
    data = []
    for name, kept, paint in (("front", True, COLOURS[0]), ("others", False, COLOURS[-1])):
        points = sorted(
            (at for at, one in enumerate(best) if one is kept), key=energies_pj.__getitem__
        )
        across = [(energy_errors[at] or 0.0) / factor for at in points]
        up = [value_errors[at] or 0.0 for at in points]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if kept else "markers",
                "name": name,
                "x": [energies_pj[at] / factor for at in points],
                "y": [values[at] for at in points],
                "text": [text(names[at]) for at in points],
                "customdata": [_listed(runs[at]) for at in points],
                **({"error_x": {"type": "data", "array": across}} if any(across) else {}),
                **({"error_y": {"type": "data", "array": up}} if any(up) else {}),
                "marker": {"color": paint, "size": 8},
                "hovertemplate": f"%{{text}}<br>%{{y:.4g}} at %{{x:.4g}} {unit}<br>%{{customdata}}"
                "<extra></extra>",
            }
        )
    horizontal = _axis(f"energy per inference ({unit})", type="log")
    return _figure([one for one in data if one["x"]], horizontal, _axis(measure))


def raster(
    spikes: Mapping[str, Sequence[tuple[int, int]]], rows: Mapping[str, int], steps: int
) -> Figure:
    """Draws the spikes of one input, the layers one above the other from the top.

    Args:
        spikes: Step and neuron of each spike, by layer.
        rows: Number of neurons drawn, by layer.
        steps: Number of steps.
    """
    data: list[Figure] = []
    ticks: list[float] = []
    begin = 0
    for at, (layer, points) in enumerate(spikes.items()):
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": text(layer),
                "x": [step for step, _ in points],
                "y": [begin + neuron for _, neuron in points],
                "marker": {"size": 4, "color": colour(at)},
                "hovertemplate": f"layer {text(layer)}, step %{{x}}<extra></extra>",
            }
        )
        ticks.append(begin + rows[layer] / 2)
        begin += rows[layer] + 5
    layers = [f"{text(layer)} " for layer in spikes]
    vertical = _axis("layer", tickvals=ticks, ticktext=layers, range=[begin, -2], showgrid=False)
    horizontal = _whole("step", steps) | {"range": [-0.5, steps - 0.5]}
    return _figure(data, horizontal, vertical, showlegend=False)


def _listed(names: Sequence[str]) -> str:
    """Returns names one below the other; the first of many."""
    more = [f"and {len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return "<br>".join([*map(text, names[:_MOST_NAMES]), *more])


def _unit(most_pj: float) -> tuple[float, str]:
    """Returns pJ per unit, and the unit, in which the highest of some energies reads well."""
    return next(((pj, unit) for pj, unit in _UNITS if most_pj >= pj), _UNITS[-1])


def _axis(title: str, **options: Any) -> Figure:
    return {"title": {"text": title}, "automargin": True, "zeroline": False, **options}


def _whole(title: str, count: int) -> Figure:
    """Returns an axis of whole numbers; Plotly halves the steps between a few."""
    return _axis(title, dtick=1) if count <= 12 else _axis(title)


def _figure(data: Sequence[Figure], x: Figure, y: Figure, **layout: Any) -> Figure:
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
    common = {"xaxis": x, "yaxis": y, "margin": _MARGIN, "legend": legend, "showlegend": True}
    return {"data": list(data), "layout": common | layout}
