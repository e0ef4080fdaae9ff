"""The main job: an epoch of `pj train`, against training loops of others without any energy term.

    python benchmarks/job.py [--recipes digits fsdd] [--epochs 4] [--rounds 3] [--json FILE]

Ours is the command as a user types it, in a process of its own: metered steps, the recipe's
budget, a validation and a checkpoint at each epoch. The others train the same layers on the same
batches, by their own neurons, without validation, checkpoint or energy. Contenders take turns, each
in a process of its own with one thread, for some rounds; printed is the median over all epochs but
the first of each process. Seconds of ours come from `log.jsonl`. FSDD needs `PICOJOULE_DATA`; peers
come with the extra `peers`. The last line is what a first step costs: seconds from the start of the
process, over those of importing torch and lightning_fabric.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.data import prepared
from picojoule.recipe import load_recipe
from picojoule.run.build import training_loader
from picojoule.run.open_data import open_data

CONTENDERS = ("picojoule", "snntorch", "spikingjelly")
DECAY = {"digits": 0.951, "fsdd": 0.779}  # of the membrane per step: exp(-1 / 20), exp(-10 / 40)
MARKS = {"digits": 1.5, "fsdd": 3.0}


class Spiking(nn.Module):
    """Layers of the recipe with another library's neurons, stepped by a plain loop.

    Args:
        sizes: Inputs, hidden neurons of each layer, and classes.
        cell: Makes neurons: ``cell(current, state) -> (spikes, state)``.
        decay: Of the readout's membrane, per step.
        recurrent: Whether each layer receives its own last spikes.
    """

    def __init__(
        self, sizes: list[int], cell: Callable[[], nn.Module], decay: float, *, recurrent: bool
    ) -> None:
        super().__init__()
        pairs = list(pairwise(sizes))
        self.linear = nn.ModuleList(nn.Linear(before, after) for before, after in pairs)
        self.cells = nn.ModuleList(cell() for _ in pairs[:-1])
        own = [nn.Linear(after, after, bias=False) for _, after in pairs[:-1]]
        self.own = nn.ModuleList(own) if recurrent else None
        self.decay = decay

    def forward(self, x: Tensor) -> Tensor:
        """x [T, B, ...] to the readout's membrane [T, B, classes]."""
        x = x.flatten(2)
        for place, cell in enumerate(self.cells):
            currents, state, outs = self.linear[place](x), None, []
            last = torch.zeros_like(currents[0])
            for current in currents.unbind(0):
                if self.own is not None:
                    current = current + self.own[place](last)
                last, state = cell(current, state)
                outs.append(last)
            x = torch.stack(outs)
        membrane, outs = torch.zeros(()), []
        for current in self.linear[-1](x).unbind(0):
            membrane = self.decay * membrane + current
            outs.append(membrane)
        return torch.stack(outs)


class SnnTorch(nn.Module):
    """snnTorch's leaky neurons, which give back their membrane."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        import snntorch

        self.neuron = snntorch.Leaky(beta=decay, reset_mechanism="zero")

    def forward(self, current: Tensor, state: Tensor | None) -> Any:
        """One step."""
        return self.neuron(current, torch.zeros_like(current) if state is None else state)


class SpikingJelly(nn.Module):
    """SpikingJelly's leaky neurons, which keep their membrane until they are reset."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        from spikingjelly.activation_based import neuron, surrogate

        self.neuron = neuron.LIFNode(
            tau=1 / (1 - decay),
            decay_input=False,
            detach_reset=True,
            surrogate_function=surrogate.ATan(),
        )

    def forward(self, current: Tensor, state: Any) -> Any:
        """One step; the first of a sequence resets."""
        if state is None:
            self.neuron.reset()
        return self.neuron(current), ()


def train_other(name: str, contender: str, epochs: int) -> list[float]:
    """Returns the seconds of each epoch of another library's loop."""
    recipe, splits = open_data(load_recipe(name), os.environ.get("PICOJOULE_DATA"))
    splits = replace(splits, train=prepared(splits.train, recipe.data.make_encoder()))
    loader = training_loader(recipe, splits, 1)
    decay, kind = DECAY[name], {"snntorch": SnnTorch, "spikingjelly": SpikingJelly}[contender]
    inputs = next(iter(loader))[0][0, 0].numel()
    width = recipe.network.params.get("width", 128)
    net = Spiking(
        [inputs, width, width, recipe.data.dataset.classes],
        lambda: kind(decay),
        decay,
        recurrent=recipe.network.name == "keyword",
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.train.lr)
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


def epochs_of(name: str, contender: str, epochs: int) -> list[float]:
    """Returns the seconds of each epoch but the first, in a process of its own."""
    command = [sys.executable, __file__, "--one", name, contender, "--epochs", str(epochs)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=one_thread)
    return json.loads(run.stdout.splitlines()[-1])[1:]


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
    parser.add_argument("--recipes", nargs="+", default=["digits"], choices=list(DECAY))
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
    found: dict[str, Any] = {}
    for name in given.recipes:
        seconds = {contender: [] for contender in CONTENDERS}
        for _ in range(given.rounds):
            for contender in CONTENDERS:
                seconds[contender] += epochs_of(name, contender, given.epochs)
        found[name] = seconds
        median = {contender: statistics.median(one) for contender, one in seconds.items()}
        best = min(median[other] for other in CONTENDERS[1:])
        said = ", ".join(f"{contender} {one:.3f} s" for contender, one in median.items())
        print(f"{name}: {said}; ratio {best / median['picojoule']:.2f} (mark {MARKS[name]})")
    step, imports = first_step(given.rounds)
    found["first step"] = {"start": step, "imports": imports}
    print(f"first step: {step:.2f} s, imports {imports:.2f} s, ratio {step / imports:.2f} (mark 2)")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
