"""The counts of a meter as a short table."""

from collections.abc import Callable, Mapping, Sequence

from picojoule._plain_table import PlainTable, place
from picojoule.energy.counts import COUNTS, OpCounts

# What stands in columns; the totals of all other counts stand below.
_COLUMNS = ("mac", "ac", "spike", "update")
_MOST = 20  # layers that a table has room for


def counts_table(
    counted: Callable[[], Mapping[str, OpCounts]],
    samples: int,
    uncounted: Mapping[str, int],
    unreached: Sequence[str],
) -> PlainTable:
    """Tabulates counts per sample, by layer.

    Args:
        counted: Gives the counts by layer, or raises a ``ValueError`` if they cannot be told.
        samples: Number of samples.
        uncounted: What ran and was not counted.
        unreached: Layers that did not run.
    """
    try:
        counts = counted()
    except ValueError as error:
        return PlainTable(f"no counts: {error}", (), ())
    if not counts:
        below = [f"not counted: {', '.join(uncounted)}"] if uncounted else []
        return PlainTable("no counts: call the network inside the block", (), (), below)
    layers = {
        layer: {name: value.item() for name, value in one.items()} for layer, one in counts.items()
    }
    totals = {name: sum(one.get(name, 0) for one in layers.values()) for name in COUNTS}
    present = [name for name in COUNTS if any(name in one for one in layers.values())]
    columns = [name for name in _COLUMNS if name in present]
    rows = [
        (layer, *(_number(one.get(name)) for name in columns))
        for layer, one in sorted(layers.items(), key=lambda item: place(item[0]))[:_MOST]
    ]
    if len(layers) > _MOST:
        rows.append((f"... {len(layers) - _MOST} more", *[""] * len(columns)))
    rows += [(), ("total", *(_number(totals[name]) for name in columns))]
    others = [f"{name} {_number(totals[name])}" for name in present if name not in columns]
    lines = {
        "other counts": others,
        "not counted": uncounted,
        "did not run": unreached,
    }
    below = [f"{head}: {', '.join(parts)}" for head, parts in lines.items() if parts]
    return PlainTable(f"counts per sample (samples: {samples:,})", ("layer", *columns), rows, below)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
