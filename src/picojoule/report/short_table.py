"""A report as a short table of text, one row for each chip."""

from collections.abc import Iterator, Mapping, Sequence

from picojoule._plain_table import PlainTable
from picojoule.energy import priced_for
from picojoule.report.energy_tables import beside, quantised_name
from picojoule.training import Cost
from picojoule.units import format_energy


def short_table(title: str, chips: Mapping[str, Cost], below: Sequence[str]) -> PlainTable:
    """Tabulates energy, floor and dense ANNs by chip.

    Args:
        title: Its first line.
        chips: Energy per sample by chip name.
        below: Lines below it.
    """
    columns = ("chip", "energy", "floor", "dense ANN", quantised_name(chips.values()))
    rows = [
        (
            name,
            format_energy(one.total_pj),
            format_energy(one.floor_pj),
            " ".join(beside(one.ann_pj, one)),
            " ".join(beside(one.quantised_ann_pj, one)),
        )
        for name, one in chips.items()
    ]
    return PlainTable(title, columns, rows, [*_marks(chips), *below])


def _marks(chips: Mapping[str, Cost]) -> Iterator[str]:
    """Yields what is to be known of the prices of each chip."""
    for name, one in chips.items():
        priced = priced_for(one.precision, one.network_precision)
        marks = [priced] if priced != one.precision else []
        marks += [f"no price for {', '.join(one.unpriced)}"] if one.unpriced else []
        if marks:
            yield f"{name}: {'; '.join(marks)}"
