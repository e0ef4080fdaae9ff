"""Networks of the field on real data: each recipe trained as it is, for several seeds.

    python docs/results/networks.py RUNS --data-dir DIR [--only fsdd,nmnist-cpu]

Runs what is missing in the folder RUNS (a run that was interrupted goes on) and copies every report
to ``networks/`` as ``NAME.json``; ``make results`` makes the table of ``networks.md`` of these.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
SEEDS = {
    "nmnist-cpu": (0, 1, 2),
    "fsdd": (0, 1, 2),
    "fsdd-brf": (0, 1, 2),
    "fsdd-mixed": (0, 1, 2),
    "cifar10-vgg11-cpu": (0,),
    "cifar10-resnet18-sew-cpu": (0,),
    "fashion-mnist-cnn7-cpu": (0, 1, 2),
}
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


def runs() -> Iterator[tuple[str, str, list[str]]]:
    """The group, the name and the settings of each run."""
    for recipe, seeds in SEEDS.items():
        for seed in seeds:
            yield recipe, f"{recipe}-{seed}", [recipe, "--seed", str(seed)]
    for speaker in SPEAKERS:
        yield "fsdd-speakers", f"fsdd-{speaker}", ["fsdd", "--set", f"data.hold_out={speaker}"]


def train(name: str, settings: list[str], folder: Path, data_dir: str | None) -> None:
    """Trains until there is a report, and copies it."""
    if not (folder / name / "report.json").exists():
        how = ["--resume", str(folder / name)]
        if not (folder / name).exists():
            how = [*settings, "--out", str(folder / name)]
        where = ["--data-dir", data_dir] if data_dir else []
        subprocess.run([sys.executable, "-m", "picojoule.cli", "train", *how, *where], check=True)
    report = (folder / name / "report.json").read_text(encoding="utf-8")
    (HERE / "networks" / f"{name}.json").write_text(report, encoding="utf-8")


def spread(values: list[float], form: str) -> str:
    """The mean and, where there are several, the range in brackets."""
    low, high = format(min(values), form), format(max(values), form)
    text = format(statistics.mean(values), form)
    return text if len(values) == 1 else f"{text} ({low} to {high})"


def row(group: str, names: list[str]) -> str:
    """One line of the first table."""
    reports = [json.loads((HERE / "networks" / f"{n}.json").read_text("utf-8")) for n in names]
    (chip,) = {next(iter(report["chips"])) for report in reports}  # their own
    cells = [
        group,
        str(len(reports)),
        spread([report["accuracy"]["validation"] for report in reports], ".4f"),
        spread([report["accuracy"]["test"] for report in reports], ".4f"),
        spread([report["chips"][chip]["total_pj"] / 1e3 for report in reports], ".1f") + " nJ",
        spread([report["spikes_per_neuron"] for report in reports], ".3f"),
        f"{reports[0]['parameters']:,}",
        spread([report["seconds"] / 60 for report in reports], ".1f"),
    ]
    return "| " + " | ".join(cells) + " |"


def table() -> str:
    """One line for each recipe of which there are reports."""
    groups: dict[str, list[str]] = {}
    for group, name, _ in runs():
        if (HERE / "networks" / f"{name}.json").exists():
            groups.setdefault(group, []).append(name)
    columns = ("recipe", "runs", "validation", "test", "energy", "spikes", "parameters", "minutes")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(row(group, names) for group, names in groups.items()), ""])


def main() -> None:
    """Runs and collects."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--only", help="groups, by commas")
    given = parser.parse_args()
    (HERE / "networks").mkdir(exist_ok=True)
    only = None if given.only is None else given.only.split(",")
    for group, name, settings in runs():
        if only is None or group in only:
            train(name, settings, given.runs, given.data_dir)


if __name__ == "__main__":
    main()
