"""The page of a sweep: its front, its configurations and its runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from picojoule.report.means import measured, setting, short_keys, spent
from picojoule.report.page import charts
from picojoule.report.page.html import Page, folded, table, text
from picojoule.targets import MEASURES, rounded
from picojoule.units import format_energy

Row = Mapping[str, Any]


def sweep_page(content: Mapping[str, Any], latex: str = "", *, links: bool = True) -> str:
    """Makes the page of a sweep, of one that has not ended with what there is of it.

    Args:
        content: Its results, as ``results.json`` has them.
        latex: The table of them for a paper.
        links: Whether it links to the pages of its runs, as one in the sweep's folder may.

    Returns:
        HTML that needs no other file and no network.
    """
    page = Page(content["name"], _lead(content["runs"]))
    page.section("Front", _front(page, content))
    page.section("Configurations", _configurations(content))
    page.section("Runs", _runs(content, links=links))
    page.section("How it was made", _made(content, latex))
    return page.html()


def _lead(runs: Sequence[Row]) -> Iterator[str]:
    states = [row["state"] for row in runs]
    told = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    yield f'<p class="outcome">{len(runs)} runs: {text(", ".join(told))}</p>'
    if "waiting" in states or "running" in states:
        yield (
            '<p class="outcome missed">This sweep has not ended. A run is shown as running if it '
            "runs now or was killed; the same pj sweep command continues it.</p>"
        )
    missed = [row["run"] for row in runs if row["met"] is False]
    if missed:
        yield f'<p class="outcome missed">Limit missed: {text(", ".join(missed))}</p>'


def _front(page: Page, content: Mapping[str, Any]) -> Iterator[str]:
    """Yields measure against energy of every configuration, those of the front connected."""
    measure = content["measure"]
    found = [row for row in content["configurations"] if row[measure] is not None]
    if not found:
        return
    word, names = MEASURES[measure], [_named(row, content["keys"]) for row in found]
    best = [row["runs"] for row in content["front"]]
    energies, values = ([row[name] for row in found] for name in ("energy_pj", measure))
    yield page.chart(
        charts.front(
            names,
            [row["runs"] for row in found],
            energies,
            values,
            measure=word,
            energy_errors=[row["energy_pj_std"] for row in found],
            value_errors=[row[f"{measure}_std"] for row in found],
            best=[row["runs"] in best for row in found],
        ),
        says=f"{word[0].upper()}{word[1:]} against energy per inference on the test split: means "
        "over seeds, with bars of one standard deviation; the front is that of the validation "
        "split",
        numbers=table(
            ["configuration", "energy", word, "on the front", "runs"],
            [
                [
                    name,
                    spent(row),
                    measured(row, measure),
                    "yes" if row["runs"] in best else "",
                    ", ".join(row["runs"]),
                ]
                for name, row in zip(names, found, strict=True)
            ],
        ),
        height=420,
    )
    volume = format_energy(content["hypervolume"])
    worst, most_pj = content["reference"].values()
    yield (
        f"<p>Hypervolume {volume} ({word} times energy), from {word} {worst:.4g} at "
        f"{format_energy(most_pj)}.</p>"
    )


def _configurations(content: Mapping[str, Any]) -> Iterator[str]:
    found, keys, measure = (content[name] for name in ("configurations", "keys", "measure"))
    if not found:
        return
    heads = [*short_keys(keys), "seeds", MEASURES[measure], "energy", "parameters", "limit met"]
    rows = [
        [
            *(setting(row, key) for key in keys),
            str(row["seeds"]),
            measured(row, measure),
            spent(row),
            f"{row['parameters']:,.0f}",
            "" if row["met"] is None else f"{row['met']} of {row['seeds']}",
        ]
        for row in found
    ]
    yield table(heads, rows)


def _runs(content: Mapping[str, Any], *, links: bool) -> Iterator[str]:
    """Yields a row for each run."""
    runs, keys, measure = (content[name] for name in ("runs", "keys", "measure"))
    heads = "".join(
        f'<th scope="col">{text(one)}</th>'
        for one in (
            "run",
            "state",
            *short_keys(keys),
            "seed",
            MEASURES[measure],
            "energy",
            "energy limit",
            "error",
        )
    )
    lines = []
    for row in runs:
        value, energy_pj, limit_pj = (row[name] for name in (measure, "energy_pj", "limit_pj"))
        cells = [
            row["state"],
            *(setting(row, key) for key in keys),
            str(row["seed"]),
            "" if value is None else rounded(measure, value),
            "" if energy_pj is None else format_energy(energy_pj),
            "" if limit_pj is None else format_energy(limit_pj),
            row["error"],
        ]
        name = text(row["run"])
        if links and energy_pj is not None:
            name = f'<a href="{text(row["folder"])}/report.html">{name}</a>'
        told = "".join(f"<td>{text(cell)}</td>" for cell in cells[:-1])
        told += f'<td class="long">{text(cells[-1])}</td>'
        lines.append(f'<tr><th scope="row">{name}</th>{told}</tr>')
    yield (
        f'<div class="wide" tabindex="0"><table class="runs"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _made(content: Mapping[str, Any], latex: str) -> Iterator[str]:
    yield f"<pre><code>{text(content['command'])}</code></pre>"
    rows = [[name, one] for name, one in content["versions"].items()]
    yield table(["package", "version"], rows)
    yield folded("base.toml", f"<pre><code>{text(content['recipe'])}</code></pre>")
    if latex:
        yield folded("results.tex", f"<pre><code>{text(latex)}</code></pre>")


def _named(row: Row, keys: Sequence[str]) -> str:
    pairs = zip(short_keys(keys), keys, strict=True)
    return ", ".join(f"{short}={setting(row, key)}" for short, key in pairs) or "all"
