"""The page of a sweep: its front, its configurations and its runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from picojoule.report.page import charts
from picojoule.report.page.html import Page, folded, table, text
from picojoule.units import format_energy

Row = Mapping[str, Any]


def sweep_page(content: Mapping[str, Any], latex: str = "") -> str:
    """Makes the page of a sweep, of one that has not ended with what there is of it.

    Args:
        content: Its results, as ``results.json`` has them.
        latex: The table of them for a paper.

    Returns:
        HTML that needs no other file and no network. It links to the pages of its runs.
    """
    runs, keys = content["runs"], content["keys"]
    page = Page(content["name"], _lead(runs))
    page.section("Front", _front(page, content))
    page.section("Configurations", _configurations(content["configurations"], keys))
    page.section("Runs", _runs(runs, keys))
    page.section("How it was made", _made(content, latex))
    return page.html()


def _lead(runs: Sequence[Row]) -> Iterator[str]:
    states = [row["state"] for row in runs]
    told = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    yield f'<p class="outcome">{len(runs)} runs: {text(", ".join(told))}</p>'
    missed = [row["run"] for row in runs if row["met"] is False]
    if missed:
        yield f'<p class="outcome missed">Limit missed: {text(", ".join(missed))}</p>'


def _front(page: Page, content: Mapping[str, Any]) -> Iterator[str]:
    """Yields accuracy against energy of every configuration, those of the front connected."""
    found, front = content["configurations"], content["front"]
    if not found:
        return
    names = [_named(row, content["keys"]) for row in found]
    best = [row["runs"] for row in front]
    energies, accuracies = ([row[name] for row in found] for name in ("energy_pj", "accuracy"))
    yield page.chart(
        charts.front(
            names,
            energies,
            accuracies,
            energy_errors=[row["energy_pj_std"] for row in found],
            accuracy_errors=[row["accuracy_std"] for row in found],
            best=[row["runs"] in best for row in found],
        ),
        says="Accuracy against energy per inference on the test split: means over seeds, with bars "
        "of one standard deviation; the front is that of the validation split",
        numbers=table(
            ["configuration", "energy", "accuracy", "on the front"],
            [
                [name, format_energy(pj), f"{accuracy:.3f}", "yes" if row["runs"] in best else ""]
                for name, pj, accuracy, row in zip(names, energies, accuracies, found, strict=True)
            ],
        ),
        height=420,
    )
    volume = content["hypervolume"]
    least = format_energy(content["reference"]["validation_energy_pj"])
    yield f"<p>Hypervolume {volume:.4g} (accuracy times pJ), from accuracy 0 at {least}.</p>"


def _configurations(found: Sequence[Row], keys: Sequence[str]) -> Iterator[str]:
    if not found:
        return
    heads = [*keys, "seeds", "accuracy", "energy", "parameters", "limit met"]
    rows = [
        [
            *(str(row[key]) for key in keys),
            str(row["seeds"]),
            _with_spread(row, "accuracy", "{:.3f}".format),
            _with_spread(row, "energy_pj", format_energy),
            _with_spread(row, "parameters", "{:,.0f}".format),
            "" if row["met"] is None else f"{row['met']} of {row['seeds']}",
        ]
        for row in found
    ]
    yield table(heads, rows)


def _runs(runs: Sequence[Row], keys: Sequence[str]) -> Iterator[str]:
    """Yields a row for each run, with a link to its page."""
    heads = "".join(
        f'<th scope="col">{text(one)}</th>'
        for one in ("run", "state", *keys, "seed", "accuracy", "energy", "limit", "error")
    )
    lines = []
    for row in runs:
        accuracy, energy_pj, limit_pj = (
            row[name] for name in ("accuracy", "energy_pj", "limit_pj")
        )
        cells = [
            row["state"],
            *(str(row[key]) for key in keys),
            str(row["seed"]),
            "" if accuracy is None else f"{accuracy:.3f}",
            "" if energy_pj is None else format_energy(energy_pj),
            "" if limit_pj is None else format_energy(limit_pj),
            row["error"],
        ]
        name = text(row["run"])
        if accuracy is not None:
            name = f'<a href="{text(row["folder"])}/report.html">{name}</a>'
        told = "".join(f"<td>{text(cell)}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{name}</th>{told}</tr>')
    yield (
        f'<div class="wide" tabindex="0"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _made(content: Mapping[str, Any], latex: str) -> Iterator[str]:
    settings = "\n".join(content["set"])
    yield f"<p>Recipe {text(content['name'])}</p>"
    if settings:
        yield f"<p>In every run:</p><pre><code>{text(settings)}</code></pre>"
    if latex:
        yield folded("results.tex", f"<pre><code>{text(latex)}</code></pre>")


def _named(row: Row, keys: Sequence[str]) -> str:
    return ", ".join(f"{key.rpartition('.')[2]}={row[key]}" for key in keys) or "all"


def _with_spread(row: Row, name: str, word: Any) -> str:
    if row[name] is None:
        return ""
    spread = row[f"{name}_std"]
    return word(row[name]) + ("" if spread is None else f" ± {word(spread)}")
