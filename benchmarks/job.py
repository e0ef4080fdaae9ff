"""The main job: an epoch of `pj train`, against training loops of others without any energy term.

    python benchmarks/job.py [--recipes digits fsdd] [--epochs 4] [--rounds 3] [--json FILE]

Ours is the command as a user types it, in a process of its own: metered steps, the recipe's
budget, a validation and a checkpoint at each epoch. The others train the same layers on the same
batches, by their own neurons, without validation, checkpoint or energy. Contenders take turns, each
in a process of its own with one thread, for some rounds; printed is the median over all epochs but
the first of each process, and that of ours with two threads. Seconds of ours come from
`log.jsonl`. FSDD and Fashion-MNIST need `PICOJOULE_DATA`; peers come with the extra `peers`. The
last line is what a first step costs: seconds from the start of the process, over those of importing
torch and lightning_fabric.

`fashion-mnist-cnn7-cpu` takes minutes an epoch. It is trained on the first twentieth of
Fashion-MNIST (3,000 images, of which 250 validate; 22 steps an epoch), written as published to a
data folder of its own, so that the command and the recipe stay as they are. snnTorch has no neurons
with levels, and competes with binary ones on one step, which do less.
"""

import argparse
import gzip
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from contenders.training import network_of
from torch import Tensor, nn

from picojoule.data import prepared
from picojoule.recipe import load_recipe
from picojoule.run.build import build_optimizer, training_loader
from picojoule.run.open_data import open_data

CONTENDERS = ("picojoule", "snntorch", "spikingjelly")
MARKS = {"digits": 1.5, "fsdd": 3.0, "fashion-mnist-cnn7-cpu": 1.7}
SHARE = 20  # of the items of Fashion-MNIST, one in so many


def train_other(name: str, contender: str, epochs: int) -> list[float]:
    """Returns the seconds of each epoch of another library's loop."""
    recipe, splits = open_data(load_recipe(name), os.environ.get("PICOJOULE_DATA"))
    splits = replace(splits, train=prepared(splits.train, recipe.data.make_encoder()))
    loader = training_loader(recipe, splits, 1)
    net = network_of(contender, recipe, next(iter(loader))[0][0, 0].numel())
    optimizer = build_optimizer(recipe, net)
    seconds = []
    for _ in range(epochs):
        started = time.perf_counter()
        for x, label, lengths in loader:
            loss = nn.functional.cross_entropy(_mean(net(x), lengths), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - started)
    return seconds


def _mean(out: Tensor, lengths: Tensor | None) -> Tensor:
    """Averages out [T, B, K] over the steps of each sequence."""
    if lengths is None:
        return out.mean(0)
    within = torch.arange(len(out)).unsqueeze(1) < lengths
    return (out * within.unsqueeze(-1)).sum(0) / lengths.unsqueeze(-1)


def train_ours(name: str, epochs: int) -> list[float]:
    """Returns the seconds of each epoch that `pj train` notes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [str(Path(sys.executable).with_name("pj")), "train", name, "--out", str(out)]
        command += ["--set", f"train.epochs={epochs}"]
        subprocess.run(command, check=True, capture_output=True)
        records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        slow = {layer for one in records for layer, ran in one["engines"].items() if ran != "fused"}
        if slow:
            raise SystemExit(f"{name}: {', '.join(sorted(slow))} ran step by step")
        return [record["seconds"] for record in records]


@contextmanager
def data_of(name: str) -> Iterator[dict[str, str]]:
    """The environment in which the data of a recipe are found, in part where they are many."""
    if not name.startswith("fashion-mnist"):
        yield {}
        return
    source = Path(os.environ["PICOJOULE_DATA"]).expanduser() / "FashionMNIST" / "raw"
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "FashionMNIST" / "raw"
        folder.mkdir(parents=True)
        for path in source.glob("*-ubyte.gz"):
            raw = gzip.decompress(path.read_bytes())
            items, start = struct.unpack(">I", raw[4:8])[0] // SHARE, 4 + 4 * raw[3]
            whole = len(raw) - start
            kept = raw[:4] + struct.pack(">I", items) + raw[8 : start + whole // SHARE]
            (folder / path.stem).write_bytes(kept)
        yield {"PICOJOULE_DATA": made, "PICOJOULE_CACHE": str(Path(made) / "cache")}


def epochs_of(
    name: str, contender: str, epochs: int, data: Mapping[str, str], threads: int = 1
) -> list[float]:
    """Returns the seconds of each epoch but the first, in a process of its own."""
    command = [sys.executable, __file__, "--one", name, contender, "--epochs", str(epochs)]
    environment = {**os.environ, **data, "OMP_NUM_THREADS": str(threads)}
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(run.stdout.splitlines()[-1])[1:]


def compare(name: str, epochs: int, rounds: int) -> dict[str, list[float]]:
    """Times all contenders on a recipe, prints it and returns the seconds of each."""
    seconds: dict[str, list[float]] = {one: [] for one in (*CONTENDERS, "two threads")}
    with data_of(name) as data:
        for _ in range(rounds):
            for contender in CONTENDERS:
                seconds[contender] += epochs_of(name, contender, epochs, data)
            seconds["two threads"] += epochs_of(name, CONTENDERS[0], epochs, data, threads=2)
    median = {one: statistics.median(some) for one, some in seconds.items()}
    ours, two = median["picojoule"], median.pop("two threads")
    best = min(median[other] for other in CONTENDERS[1:])
    said = ", ".join(f"{contender} {one:.3f} s" for contender, one in median.items())
    print(f"{name}: {said}; ratio {best / ours:.2f} (mark {MARKS[name]})")
    print(f"{name}: picojoule on two threads {two:.3f} s; ratio {ours / two:.2f} (mark 1)")
    return seconds


def first_step(rounds: int) -> tuple[float, float]:
    """Returns median seconds to a first step, and those of the imports that it cannot avoid."""
    code = (
        "from picojoule.run import start; from picojoule.recipe import load_recipe; import sys; "
        "next(start(load_recipe('digits', ['budget.limit=none']), out=sys.argv[1]).train())"
    )
    ours, imports = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            ours.append(_seconds(code, str(Path(folder) / "run")))
        imports.append(_seconds("import torch, lightning_fabric"))
    return statistics.median(ours), statistics.median(imports)


def _seconds(code: str, *arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Runs and prints the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=["digits"], choices=list(MARKS))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, contender = given.one
        ours = contender == "picojoule"
        print(train_ours(name, given.epochs) if ours else train_other(*given.one, given.epochs))
        return
    found: dict[str, Any] = {
        name: compare(name, given.epochs, given.rounds) for name in given.recipes
    }
    step, imports = first_step(given.rounds)
    found["first step"] = {"start": step, "imports": imports}
    print(f"first step: {step:.2f} s, imports {imports:.2f} s, ratio {step / imports:.2f} (mark 2)")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
