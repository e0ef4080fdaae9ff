"""Tables and figures of the four papers, from the records of their runs."""

import json
import runpy
import statistics
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from making import markdown
from picojoule.units import format_energy, picojoule

Record = Mapping[str, Any]
FOLDER = Path(__file__).parents[1] / "results" / "papers"
WAYS = {
    "`together-lif`": "integrators",
    "`together-brf`": "resonators",
    "`together-mixed`": "half resonators",
    "`together-mixed` by FixedPrice": "half resonators, priced (Wouda et al.)",
    "`together-lif` by SynapticPenalty": "synaptic penalty (Suetake et al.)",
    "`together-lnm`": "learned neurons (Jahns et al.)",
    "`together-lif` with weights and thresholds by budget": "integrators, levers, budget",
    "`together-mixed` with weights and thresholds by budget": "half resonators, levers, budget",
    "`together-brf` with weights and thresholds by budget": "resonators, levers, budget",
    "`together-lnm` with weights and thresholds by budget": "learned neurons, levers, budget",
    "`together-wide` with weights and thresholds by budget": "wide resonators, levers, budget",
}


def read(part: str) -> list[dict[str, Any]]:
    """The records of a part, none if nothing of it was run."""
    file = FOLDER / f"{part}.json"
    return json.loads(file.read_text("utf-8")) if file.is_file() else []


def plan() -> dict[str, Any]:
    """The sweeps of all parts."""
    return tomllib.loads((FOLDER / "plan.toml").read_text("utf-8"))


def grouped(records: Iterable[Record]) -> dict[tuple[str, str, str], list[Record]]:
    """The runs of each configuration: by network, chip that was trained for, and energy term."""
    found: dict[tuple[str, str, str], list[Record]] = {}
    for one in records:
        said = term(one)
        found.setdefault((network(one), one["chip"] if said else "", said), []).append(one)
    return found


def network(one: Record) -> str:
    """The network of a run: its recipe, and what of it was varied; over data runs are pooled."""
    words = [f"`{one['recipe']}`"]
    for key, value in one["settings"].items():
        name = key.rpartition(".")[2]
        if key == "data.hold_out":
            words.append(f"each `{name}`")
        elif key == "data.encoder":
            words.append(f"{tomllib.loads(f'{name} = {value}')[name]['bands']} bands")
        elif key.startswith("network."):
            words.append(neuron(value) if "{" in value else f"{name} {value}")
    return ", ".join(words)


def arm(one: Record) -> str:
    """The network of a run, and its levers."""
    return " with ".join([network(one), *([" and ".join(one["levers"])] if one["levers"] else [])])


def neuron(text: str) -> str:
    """A neuron of a recipe in words: its name and what makes it another one."""
    table = tomllib.loads(f"neuron = {text}")["neuron"]
    told = [f"{key} {table[key]}" for key in ("levels", "degree") if key in table]
    return " ".join([table["name"], *told])


def term(one: Record) -> str:
    """The energy term of a run in words; empty without one."""
    limit, penalty = one["limit_pj"], one["penalty"]
    words = [] if limit is None else [f"limit {format_energy(limit)}"]
    if penalty and penalty.get("weight", 1.0) > 0:
        words.append(
            " ".join(
                [
                    charge(one),
                    *(f"{key} {penalty[key]:g}" for key in ("weight", "target") if key in penalty),
                ]
            )
        )
    return ", ".join([*words, *one["levers"]] if words else [])


def way(one: Record) -> str:
    """The network of a run, its levers, and what charges for energy: a method."""
    return " by ".join([arm(one), *([charge(one)] if charge(one) else [])])


def charge(one: Record) -> str:
    """Kind of charge for energy: a penalty's name, or a budget; empty for none."""
    if one["limit_pj"] is not None:
        return "budget"
    penalty = one["penalty"]
    if not penalty or not penalty.get("weight", 1.0):
        return ""
    power = penalty.get("p", 1.0)
    return penalty["name"] + (f" p {power:g}" if power != 1 else "")


def percent(values: Sequence[float]) -> str:
    """A mean ± standard deviation of shares, in percent."""
    return spread([100 * value for value in values], ".1f")


def energy(values: Sequence[float | None]) -> str:
    """A mean ± standard deviation of energies, in the unit that suits the mean."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "no price"
    if not any(known):
        return "0"
    unit = format_energy(statistics.fmean(known)).split(" ")[1]
    size = picojoule(f"1 {unit}")
    return f"{spread([value / size for value in known], '#.3g', '.2g')} {unit}"


def spread(values: Sequence[float], form: str, narrow: str | None = None) -> str:
    """A mean ± standard deviation; the mean alone of one value.

    Args:
        values: The values.
        form: How the mean is written.
        narrow: How the deviation is; None for the same.
    """
    mean = format(statistics.fmean(values), form).rstrip(".")
    if len(values) == 1:
        return mean
    return f"{mean} ± {format(statistics.stdev(values), narrow or form)}"


def progress() -> str:
    """The plan: every sweep, how many runs it has, how many are there, and how long one takes."""
    sweeps = runpy.run_path(str(FOLDER.parent / "papers.py"))["sweeps"]
    columns = ("part", "sweep", "recipes", "varied", "runs", "there", "seconds each", "hours left")
    rows = []
    for part, content in plan().items():
        found = read(part)
        for sweep in content["sweeps"]:
            planned = sweeps(part, content | {"sweeps": [sweep]})
            names = {one.name for one in planned}
            there = [one["seconds"] for one in found if one["sweep"] in names]
            each = statistics.fmean(there) if there else sweep["seconds"]
            runs = sum(len(one.runs) for one in planned)
            rows.append(
                (
                    f"[{part}]({part}.md)" if (FOLDER / f"{part}.md").is_file() else part,
                    sweep["name"],
                    ", ".join(f"`{one}`" for one in sweep["recipes"]),
                    ", ".join(f"`{one}`" for one in [*sweep.get("set", []), *sweep["over"]]),
                    str(runs),
                    str(len(there)),
                    f"{each:.0f}",
                    f"{(runs - len(there)) * each / 3600:.1f}",
                )
            )
    return markdown.table(columns, rows)


def made_of(part: str) -> str:
    """The number of runs behind a page, their time, the versions and the command."""
    found = read(part)
    versions = dict.fromkeys(
        ", ".join(f"{k} {v}" for k, v in one["versions"].items()) for one in found
    )
    hours = sum(one["seconds"] for one in found) / 3600
    made = f"{len(found)} runs, {hours:.1f} hours of training on one thread; {'; '.join(versions)}."
    command = f"python docs/results/papers.py RUNS --data-dir DIR --parts {part}"
    return f"{made if found else 'No run yet.'}\n\n```sh\n{command}\n```\n"


def outcomes(
    part: str, chips: Sequence[str], columns: Mapping[str, Callable[[Record], float | None]]
) -> str:
    """One row for each configuration: accuracy, energy on chips, the quantised ANN, seconds.

    Args:
        part: The part.
        chips: The chips to show.
        columns: Energies in pJ to show beside, by title.
    """
    found = grouped(read(part))
    heads = ["network", "trained for", "energy term", "runs", "accuracy (%)", *columns, *chips]
    heads += [f"ANN on {chips[0]}", "spikes per neuron", "seconds"]
    rows = []
    for (network, chip, said), runs in found.items():
        costs = [[one["chips"][name]["total_pj"] for one in runs] for name in chips]
        ann = [one["chips"][chips[0]]["quantised_ann_pj"] for one in runs]
        rows.append(
            [
                network,
                chip,
                said or "none",
                str(len(runs)),
                percent([one["accuracy"] for one in runs]),
                *(energy([value(one) for one in runs]) for value in columns.values()),
                *map(energy, costs),
                f"{energy(ann)} ({runs[0]['chips'][chips[0]]['quantised_ann_bits']} bits)",
                spread([one["spikes_per_neuron"] for one in runs], ".2f"),
                spread([one["seconds"] for one in runs], ".0f"),
            ]
        )
    return markdown.table(heads, rows)


def trials(names: Sequence[str]) -> str:
    """One row for each trial of some sweeps: what it sets, accuracy on both splits, energy."""
    sweeps = {
        f"trials-{one['name']}-{of}": one
        for one in plan()["trials"]["sweeps"]
        for of in one["recipes"]
        if one["name"] in names
    }
    rows = []
    for one in (one for one in read("trials") if one["sweep"] in sweeps):
        settings = [*sweeps[one["sweep"]].get("set", []), *map("=".join, one["settings"].items())]
        rows.append(
            (
                " ".join(f"`{setting}`" for setting in settings),
                percent([one["validation"]]),
                percent([one["accuracy"]]),
                energy([one["chips"]["45nm"]["total_pj"]]),
            )
        )
    return markdown.table(("set", "validation (%)", "test (%)", "45nm"), rows)


def kinds(part: str, chips: Sequence[str]) -> str:
    """The energy of each network without an energy term by kind of count, on several chips."""
    rows = []
    for (network, _, said), runs in grouped(read(part)).items():
        for chip in () if said else chips:
            names = dict.fromkeys(name for one in runs for name in one["chips"][chip]["by_kind"])
            parts = {
                name: [one["chips"][chip]["by_kind"].get(name, 0.0) for one in runs]
                for name in names
            }
            missing = dict.fromkeys(name for one in runs for name in one["chips"][chip]["unpriced"])
            shown = [f"{name} {energy(values)}" for name, values in parts.items()]
            shown += [f"no price for {', '.join(missing)}"] if missing else []
            rows.append((network, chip, ", ".join(shown)))
    return markdown.table(("network", "chip", "by kind"), rows)


def shares() -> str:
    """The share of each layer in energy and penalties, and by how much they differ at most."""
    file = FOLDER / "shares.json"
    found = json.loads(file.read_text("utf-8")) if file.is_file() else {"energy": {}}
    energies = found["energy"]
    rows = [
        (
            f"`{name}`" if name != "energy" else "energy on `45nm`",
            *(f"{one:.4f}" for one in parts.values()),
            f"{max(abs(parts[layer] - energies[layer]) for layer in energies):.1e}",
        )
        for name, parts in found.items()
        if energies
    ]
    heads = ("", *(f"layer `{layer}`" for layer in energies), "largest difference")
    return markdown.table(heads, rows)
