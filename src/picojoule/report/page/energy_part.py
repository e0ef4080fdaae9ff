"""The part of a page that splits the energy, chip by chip."""

from collections.abc import Iterator, Mapping

from picojoule.report.page import charts
from picojoule.report.page.html import Page, choices, table
from picojoule.report.record import Report
from picojoule.training import Cost
from picojoule.units import format_energy


def energy(page: Page, report: Report) -> Iterator[str]:
    """Yields the energy by layer and kind on each chip, and beside dense networks."""
    yield choices("Chip", [(name, _on_chip(page, name, one)) for name, one in report.chips.items()])


def _on_chip(page: Page, name: str, cost: Cost) -> str:
    """Returns a chart of the energy on a chip, and what dense networks cost."""
    parts = cost.by_layer_and_kind or {layer: {"all": pj} for layer, pj in cost.by_layer.items()}
    parts = {layer: one for layer, one in parts.items() if any(one.values())}
    precision = f", prices {cost.precision}" if cost.precision else ""
    chart = page.chart(
        charts.stacked(parts),
        says=f"Energy per inference on {name} by layer and kind of count{precision}",
        numbers=_numbers(parts),
        height=110 + 34 * len(parts),
    )
    beside = {
        "spiking network": cost.total_pj,
        "its floor": cost.floor_pj,
        "the same as a dense ANN": cost.ann_pj,
        f"the same as a {cost.quantised_ann_bits}-bit ANN": cost.quantised_ann_pj,
    }
    rows = [
        [what, format_energy(pj), f"{pj / cost.total_pj:.2g}x" if cost.total_pj else ""]
        for what, pj in beside.items()
        if pj is not None
    ]
    return chart + table(["per inference", "energy", "times"], rows)


def _numbers(parts: Mapping[str, Mapping[str, float]]) -> str:
    """Returns a table of energies by layer and kind, with their sums."""
    kinds = list(dict.fromkeys(kind for one in parts.values() for kind in one))
    sums = {kind: sum(one.get(kind, 0.0) for one in parts.values()) for kind in kinds}
    rows = [
        [
            layer,
            *(format_energy(one[kind]) if kind in one else "" for kind in kinds),
            format_energy(sum(one.values())),
        ]
        for layer, one in {**parts, "total": sums}.items()
    ]
    return table(["layer", *kinds, "sum"], rows)
